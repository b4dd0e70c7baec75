//! HTTP/1.1 of one connection, from its first request to its end.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::base::causes::Causes;
use crate::gateway::Arrival;
use crate::server::activity::Activity;
use crate::server::connection::{Core, service};
use crate::server::drive::drive;

/// hyper takes no less.
const H1_BUFFER_MIN: usize = 8 * 1024;
/// Room beside the head in the buffer of an HTTP/1.1 connection.
const H1_BUFFER_SPARE: usize = 4 * 1024;
/// hyper's number of fields that it keeps on the stack.
const H1_FIELDS_ON_STACK: usize = 100;
/// Serves HTTP/1.1 over `io` until the connection ends or is upgraded.
pub(super) async fn serve_h1<I, H, F, B>(
    io: I,
    activity: Arc<Activity>,
    arrival: Rc<Arrival>,
    core: Rc<Core<H>>,
) where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let limits = &core.settings.limits;
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper's starts when the last response ended; `drive` knows better.
        .header_read_timeout(None)
        .half_close(false)
        // With pipeline_flush hyper takes a body as fast as it comes, however slowly it is read: no backpressure.
        .pipeline_flush(false)
        .max_header_size(limits.header_bytes)
        .max_buf_size(
            limits
                .header_bytes
                .saturating_add(H1_BUFFER_SPARE)
                .max(H1_BUFFER_MIN),
        );
    if limits.header_count != H1_FIELDS_ON_STACK {
        builder.max_headers(limits.header_count);
    }
    let service = service(&activity, &arrival, &core, None);
    let connection = Box::pin(
        builder
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades(),
    );

    activity.begin(true);
    let close = |connection: Pin<&mut http1::UpgradeableConnection<_, _>>| {
        connection.graceful_shutdown();
    };
    let driven = drive(connection, close, &activity, limits, &core.drain).await;
    // Whoever has the socket now, has it by an upgrade.
    activity.hand_over();
    if let Err(ended) = driven {
        tracing::debug!(peer = %arrival.peer, error = %Causes(&ended), "connection ended");
    }
}
