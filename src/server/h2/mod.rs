//! HTTP/2 of one connection, from its first stream to its end.

mod breaks;
mod noise;

pub(super) use self::breaks::Breaks;

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::base::causes::Causes;
use crate::base::meter::{Count, Meter};
use crate::gateway::Arrival;
use crate::server::Limits;
use crate::server::activity::Activity;
use crate::server::connection::{Core, service};
use crate::server::drive::drive;
use crate::server::h2::noise::{Heard, Noise};
use crate::server::stream::SameCore;

/// What each field counts for beside its bytes (RFC 9113, 6.5.2).
const FIELD_OVERHEAD: usize = 32;
/// What a visitor may send ahead of the handler, per stream and per connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is kept of a response that its reader does not take, per stream.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams that the peer opened and reset before we looked at them (rapid reset, CVE-2023-44487).
const PENDING_RESETS: usize = 20;
/// Streams that the peer made us reset (MadeYouReset, CVE-2025-8671).
const LOCAL_RESETS: usize = 100;

/// Serves HTTP/2 over `io` until the connection ends.
pub(super) async fn serve_h2<I, H, F, B>(
    io: I,
    activity: Arc<Activity>,
    arrival: Rc<Arrival>,
    core: Rc<Core<H>>,
) where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limits = &core.settings.limits;
    let breaks = Rc::new(Breaks::new());
    let streams = SameCore::new(
        limits.write_timeout,
        Arc::clone(&activity),
        Rc::clone(&breaks),
    );
    let connection = {
        let builder = builder(limits, streams.clone());
        let service = service(&activity, &arrival, &core, Some(streams));
        let noise = Rc::new(Noise::new());
        let io = TokioIo::new(Heard::new(io, Rc::clone(&noise)));
        Box::pin(Watched {
            connection: Box::pin(builder.serve_connection(io, service)),
            close: http2::Connection::graceful_shutdown,
            breaks,
            noise,
            header_timeout: limits.header_timeout,
            head_must_end: None,
            peer: arrival.peer,
            meter: Arc::clone(&core.meter),
        })
    };

    activity.begin(false);
    let close = |watched: Pin<&mut Watched<_>>| watched.get_mut().close();
    if let Err(ended) = drive(connection, close, &activity, limits, &core.drain).await {
        tracing::debug!(peer = %arrival.peer, error = %Causes(&ended), "connection ended");
    }
}

fn builder(limits: &Limits, streams: SameCore) -> http2::Builder<SameCore> {
    let fields_overhead = limits.header_count.saturating_mul(FIELD_OVERHEAD);
    let header_list_max = limits.header_bytes.saturating_add(fields_overhead);
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        // WebSockets over HTTP/2 (RFC 8441). What else asks for a tunnel is refused with its request.
        .enable_connect_protocol()
        .max_header_list_size(u32::try_from(header_list_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        // An idle connection is closed before it is ever asked; this finds the dead peer of a stream that waits.
        .keep_alive_interval(limits.keepalive_timeout)
        .keep_alive_timeout(limits.write_timeout);
    builder
}

/// Why a connection is closed that its peer would keep open.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Abuse {
    #[error("it broke off too many streams")]
    Breaks,
    #[error("it sent too many frames that bring nothing")]
    Noise,
    #[error("a request head took longer than server.limits.header_timeout")]
    SlowHead,
}

/// A connection that ends when its peer abuses it.
struct Watched<C> {
    connection: Pin<Box<C>>,
    close: fn(Pin<&mut C>),
    breaks: Rc<Breaks>,
    noise: Rc<Noise>,
    header_timeout: Duration,
    /// Runs while a header block is open. Other streams go on meanwhile, so no clock of the connection tells.
    head_must_end: Option<Pin<Box<Sleep>>>,
    peer: SocketAddr,
    meter: Arc<Meter>,
}

impl<C> Watched<C> {
    fn close(&mut self) {
        (self.close)(self.connection.as_mut());
    }

    fn poll_abuse(&mut self, cx: &mut Context<'_>) -> Poll<Abuse> {
        if self.breaks.are_spent() {
            return Poll::Ready(Abuse::Breaks);
        }
        if self.noise.is_too_much() {
            return Poll::Ready(Abuse::Noise);
        }
        if !self.noise.head_is_open() {
            self.head_must_end = None;
            return Poll::Pending;
        }
        let header_timeout = self.header_timeout;
        let must_end = self
            .head_must_end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(header_timeout)));
        must_end.as_mut().poll(cx).map(|()| Abuse::SlowHead)
    }
}

impl<C: Future<Output = hyper::Result<()>>> Future for Watched<C> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let ended = self.connection.as_mut().poll(cx);
        if ended.is_ready() {
            return ended;
        }
        let abuse = ready!(self.poll_abuse(cx));
        self.meter.count(Count::ConnectionsAbused);
        tracing::warn!(peer = %self.peer, why = %abuse, "an HTTP/2 connection was closed");
        // The peer is told with a GOAWAY, as far as it reads; what it still has open ends with the connection.
        self.close();
        let _ = self.connection.as_mut().poll(cx);
        Poll::Ready(Ok(()))
    }
}
