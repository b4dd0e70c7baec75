//! HTTP/2 of one connection, from its first stream to its end.
//!
//! ```text
//! TLS → noise (which frames come) → h2 → connection (streams begin; what ends it all) → stream (one request)
//! ```
//! On the h2 crate itself: hyper's server can neither send what goes before an answer nor say why it closes.

mod answer;
mod breaks;
mod connection;
mod date;
mod noise;
mod pulse;
mod stream;

use std::error::Error;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use h2::server::Builder;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

use self::breaks::Breaks;
use self::connection::Connection;
use self::stream::Streams;
use crate::base::causes::Causes;
use crate::gateway::Arrival;
use crate::server::Limits;
use crate::server::activity::Activity;
use crate::server::connection::Core;
use crate::server::drive::drive;
use crate::upstream::visitor::Incoming;

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
    let streams = Streams {
        activity: Arc::clone(&activity),
        arrival: Rc::clone(&arrival),
        core: Rc::clone(&core),
        breaks: Breaks::new(),
    };
    let connection = Connection::new(io, &builder(limits), Rc::new(streams));

    activity.begin(false);
    let connection = Box::pin(connection);
    let driven = drive(
        connection,
        Connection::close,
        &activity,
        limits,
        &core.drain,
    )
    .await;
    if let Err(ended) = driven {
        tracing::debug!(peer = %arrival.peer, error = %Causes(&ended), "connection ended");
    }
}

fn builder(limits: &Limits) -> Builder {
    let fields_overhead = limits.header_count.saturating_mul(FIELD_OVERHEAD);
    let header_list_max = limits.header_bytes.saturating_add(fields_overhead);
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(limits.h2_streams)
        // WebSockets over HTTP/2 (RFC 8441). What else asks for a tunnel is refused with its request.
        .enable_connect_protocol()
        .max_header_list_size(u32::try_from(header_list_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(LOCAL_RESETS))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}
