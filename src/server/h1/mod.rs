//! HTTP/1.1 of one connection, from its first request to its end.
//!
//! ```text
//! TLS → strict (one reading, or none) → hyper while requests come, nobody while none does → the handler
//! ```

mod connection;
mod held;
mod interim;
mod strict;
mod talk;

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper::upgrade::OnUpgrade;
use tokio::io::{AsyncRead, AsyncWrite};

use self::connection::Connection;
use self::held::Held;
use self::strict::Strict;
use self::talk::Talk;
use crate::base::causes::Causes;
use crate::gateway::Arrival;
use crate::gateway::admit::TARGET_BYTES_MAX;
use crate::headers::strict::Limits as ScanLimits;
use crate::server::Limits;
use crate::server::activity::Activity;
use crate::server::connection::Core;
use crate::server::drain::Stage;
use crate::server::drive::{Asks, drive_asking};
use crate::upstream::visitor::{Aside, Incoming, Upgrade};

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
    let talk = Arc::new(Talk::default());
    let scan_limits = ScanLimits {
        head_bytes: limits.header_bytes,
        fields: limits.header_count,
        target_bytes: (limits.header_bytes / 2).min(TARGET_BYTES_MAX),
    };
    let io = Strict::new(io, scan_limits, Arc::clone(&talk), Arc::clone(&activity));
    let service = service(&activity, &arrival, &core, &talk);
    let connection = Connection::new(io, service, builder(limits), talk);
    let asks = Asks {
        close: Connection::close,
        tell_slow: Some(Connection::tell_slow),
        rest: Some(Connection::rest),
    };

    activity.begin(true);
    let connection = Box::pin(connection);
    let driven = drive_asking(connection, asks, &activity, limits, &core.drain).await;
    // Whoever has the socket now, has it by an upgrade.
    activity.hand_over();
    if let Err(ended) = driven {
        tracing::debug!(peer = %arrival.peer, error = %Causes(&ended), "connection ended");
    }
}

/// hyper is held to the same limits as the strict reading, which refuses first.
fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
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
    builder
}

/// The handler as hyper calls it, with each request counted as under way until its response body is dropped. One that
/// stands for a refusal carries the [`Fault`](crate::headers::strict::Fault) as an extension.
fn service<H, F, B>(
    activity: &Arc<Activity>,
    arrival: &Rc<Arrival>,
    core: &Rc<Core<H>>,
    talk: &Arc<Talk>,
) -> impl Service<
    Request<hyper::body::Incoming>,
    Response = Response<Held<B>>,
    Error = Infallible,
    Future: 'static,
> + Unpin
+ use<H, F, B>
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let activity = Arc::clone(activity);
    let arrival = Rc::clone(arrival);
    let core = Rc::clone(core);
    let talk = Arc::clone(talk);
    // One for all requests: the next begins when the last is answered.
    let aside = Rc::<Aside>::default();
    service_fn(move |request: Request<hyper::body::Incoming>| {
        let (number, fault) = talk.request();
        let (mut head, body) = request.into_parts();
        let upgrade = head.extensions.remove::<OnUpgrade>().map(Upgrade::Http1);
        if let Some(fault) = fault {
            head.extensions.insert(fault);
        }
        aside.begin();
        // HTTP/1.0 knows no interim answers (RFC 9110, 15.2).
        let hears = (head.version == Version::HTTP_11).then(|| Rc::clone(&aside));
        let request = Request::from_parts(head, Incoming::http1(body, upgrade, hears));
        let under_way = activity.request(activity.expects_head());
        let answer = (core.handler)(Rc::clone(&arrival), request);
        let talk = Arc::clone(&talk);
        let core = Rc::clone(&core);
        let aside = Rc::clone(&aside);
        async move {
            let mut answering = pin!(answer);
            let mut answer = poll_fn(|cx| {
                let answer = answering.as_mut().poll(cx);
                for interim in aside.take() {
                    interim::say(&interim, &talk);
                }
                answer
            })
            .await;
            poll_fn(|cx| talk.poll_said(cx)).await;
            let switches = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            talk.answered(number, switches);
            // The connection hears of the drain in its own time, and this answer may be quicker.
            if core.drain.stage() >= Stage::Draining && !switches {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok(answer.map(|body| Held::new(body, under_way)))
        }
    })
}
