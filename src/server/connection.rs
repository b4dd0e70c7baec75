//! One connection: handshake, then HTTP/1.1 or HTTP/2 as ALPN chose, until it ends.
//!
//! HTTP/1.1 requests are handled inside the task of their connection; HTTP/2 gives each stream a task on the same
//! core. The futures of the handshake and of the protocols are boxed, so that an idle connection does not carry the
//! largest of them.

use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::base::causes::Causes;
use crate::base::meter::{Count, Meter};
use crate::gateway::Arrival;
use crate::server::activity::Activity;
use crate::server::drain::{Drain, Permit};
use crate::server::drive::drive;
use crate::server::h1::serve_h1;
use crate::server::stream::{Held, SameCore};
use crate::server::tls::ALPN_H2;
use crate::server::wire::Wire;
use crate::server::{Limits, ServerSettings};

/// What each field counts for beside its bytes (RFC 9113, 6.5.2).
const H2_FIELD_OVERHEAD: usize = 32;
/// What a visitor may send ahead of the handler, per stream and per connection.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is kept of a response that its reader does not take, per stream.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Streams that the peer opened and reset before we looked at them (rapid reset, CVE-2023-44487).
const H2_PENDING_RESETS: usize = 20;
/// Streams that the peer made us reset (MadeYouReset, CVE-2025-8671).
const H2_LOCAL_RESETS: usize = 100;

/// What the connections of one core share.
pub(super) struct Core<H> {
    pub(super) settings: Arc<ServerSettings>,
    pub(super) tls: TlsAcceptor,
    pub(super) handler: H,
    pub(super) drain: Drain,
    pub(super) meter: Arc<Meter>,
}

/// A handshake that did not succeed.
#[derive(Debug, thiserror::Error)]
enum HandshakeFault {
    #[error("the handshake took longer than server.limits.handshake_timeout")]
    TimedOut,
    #[error("the handshake failed")]
    Failed(#[source] std::io::Error),
    #[error("cut by the end of the drain")]
    Cut,
}

/// Serves a connection to a TLS listener.
pub(super) async fn serve_tls<H, F, B>(
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    core: Rc<Core<H>>,
) where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let Some((wire, activity, mut arrival)) = open(tcp, peer, permit, &core.settings.limits) else {
        return;
    };
    let stream = match Box::pin(handshake(wire, &core)).await {
        Ok(stream) => stream,
        Err(fault) => {
            core.meter.count(Count::HandshakeFailures);
            tracing::debug!(%peer, error = %Causes(&fault), "handshake failed");
            return;
        }
    };
    core.meter.count(Count::Handshakes);

    let session = stream.get_ref().1;
    let is_h2 = session.alpn_protocol() == Some(ALPN_H2);
    arrival.sni = session.server_name().map(Into::into);
    let arrival = Rc::new(arrival);
    if is_h2 {
        serve_h2(stream, activity, arrival, core).await;
    } else {
        serve_h1(stream, activity, arrival, core).await;
    }
}

/// Serves a connection to a plain listener.
pub(super) async fn serve_plain<H, F, B>(
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    core: Rc<Core<H>>,
) where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if let Some((wire, activity, arrival)) = open(tcp, peer, permit, &core.settings.limits) {
        serve_h1(wire, activity, Rc::new(arrival), core).await;
    }
}

/// `None` when the peer has gone already.
fn open(
    tcp: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    limits: &Limits,
) -> Option<(Wire, Arc<Activity>, Arrival)> {
    // A response is written whole or in large pieces; to wait for more of it would only delay it.
    tcp.set_nodelay(true).ok()?;
    let arrival = Arrival {
        // An IPv4 peer of a dual-stack listener is the IPv4 peer that the trusted_proxies know.
        peer: canonical(peer),
        local: canonical(tcp.local_addr().ok()?),
        sni: None,
    };
    let activity = Arc::new(Activity::new());
    let wire = Wire::new(tcp, Arc::clone(&activity), limits.write_timeout, permit);
    Some((wire, activity, arrival))
}

async fn handshake<H>(wire: Wire, core: &Core<H>) -> Result<Box<TlsStream<Wire>>, HandshakeFault> {
    let limit = core.settings.limits.handshake_timeout;
    tokio::select! {
        shaken = tokio::time::timeout(limit, core.tls.accept(wire)) => match shaken {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(error)) => Err(HandshakeFault::Failed(error)),
            Err(_elapsed) => Err(HandshakeFault::TimedOut),
        },
        () = core.drain.was_cut() => Err(HandshakeFault::Cut),
    }
}

async fn serve_h2<I, H, F, B>(
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
    let fields_overhead = limits.header_count.saturating_mul(H2_FIELD_OVERHEAD);
    let header_list_max = limits.header_bytes.saturating_add(fields_overhead);
    let streams = SameCore::new(limits.write_timeout);
    let mut builder = http2::Builder::new(streams.clone());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(header_list_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_LOCAL_RESETS)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        // An idle connection is closed before it is ever asked; this finds the dead peer of a stream that waits.
        .keep_alive_interval(limits.keepalive_timeout)
        .keep_alive_timeout(limits.write_timeout);
    let service = service(&activity, &arrival, &core, Some(streams));
    let connection = Box::pin(builder.serve_connection(TokioIo::new(io), service));

    activity.begin(false);
    let close = |connection: Pin<&mut http2::Connection<_, _, _>>| connection.graceful_shutdown();
    if let Err(ended) = drive(connection, close, &activity, limits, &core.drain).await {
        tracing::debug!(peer = %arrival.peer, error = %Causes(&ended), "connection ended");
    }
}

/// The handler as hyper calls it, with each request counted as under way until its response body is dropped.
/// `streams`: who runs the streams of this connection, if it is HTTP/2.
pub(super) fn service<H, F, B>(
    activity: &Arc<Activity>,
    arrival: &Rc<Arrival>,
    core: &Rc<Core<H>>,
    streams: Option<SameCore>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<Held<B>>,
    Error = std::convert::Infallible,
    Future: 'static,
> + use<H, F, B>
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Arc::clone(activity);
    let arrival = Rc::clone(arrival);
    let core = Rc::clone(core);
    service_fn(move |request: Request<Incoming>| {
        let bytes_begin_head = streams.is_none() && request.body().is_end_stream();
        let under_way = activity.request(bytes_begin_head);
        let answer = (core.handler)(Rc::clone(&arrival), request);
        let pace = streams.as_ref().map(SameCore::expect_stream);
        async move {
            let answer = answer.await;
            Ok(answer.map(|body| Held::new(body, under_way, pace)))
        }
    })
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
