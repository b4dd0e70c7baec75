//! One request on one connection: its deadlines, its faults, the one safe retry.

use std::error::Error as _;
use std::io;
use std::pin::pin;
use std::rc::Rc;

use http::header::UPGRADE;
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use tokio::sync::OwnedSemaphorePermit;

use super::body::{AppBody, Body, BodyFault};
use super::framing;
use super::pool::{Lease, Upstream};
use super::upload::Progress;
use super::wire::Connection;

/// Sends `request` on a pooled connection or a new one and gives the response once its head is there.
pub(super) async fn exchange(
    upstream: &Rc<Upstream>,
    mut place: OwnedSemaphorePermit,
    request: Request<Body>,
) -> Result<Response<Body>, Unanswered> {
    let asks_upgrade = request.headers().contains_key(UPGRADE);
    let progress = request.body().progress();
    let mut request = framed(request);
    let mut pooled = upstream.take_idle();
    loop {
        let reused = pooled.is_some();
        let connection = match pooled.take() {
            Some(connection) => {
                connection.doubt();
                connection
            }
            None => match Connection::open(&upstream.settings).await {
                Ok(connection) => connection,
                Err(fault) => return Err(Unanswered::unsent(fault, request)),
            },
        };
        let mut lease = Lease::new(Rc::clone(upstream), connection, place);
        match head(&mut lease, request, progress.as_deref()).await? {
            Ok(response) => return Ok(accept(response, lease, asks_upgrade)?),
            Err(mut failed) => match failed.take_message() {
                // Nothing of it was sent: the app had closed a connection that we took for idle. Others of that age
                // may be gone too, so the second try is on a new one, and the last.
                Some(unsent) if reused => {
                    request = unsent;
                    place = lease.into_place();
                }
                unsent => {
                    return Err(Unanswered {
                        fault: UpstreamFault::judge(failed.into_error()),
                        unsent: unsent.map(Box::new),
                    });
                }
            },
        }
    }
}

fn framed(request: Request<Body>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let length = if body.is_end_stream() {
        Some(0)
    } else {
        body.size_hint().exact()
    };
    framing::frame_request(&mut head, length);
    Request::from_parts(head, body)
}

type Head = Result<Response<Incoming>, TrySendError<Request<Body>>>;

/// The head of the response, unless the app lets `response_timeout` pass. A request that is still on its way up has its
/// own deadlines: as long as the app takes it, or the visitor is what it waits for, the app is not late.
async fn head(
    lease: &mut Lease,
    request: Request<Body>,
    upload: Option<&Progress>,
) -> Result<Head, UpstreamFault> {
    let limit = lease.settings().response_timeout;
    let mut answer = pin!(lease.connection.sender.try_send_request(request));
    loop {
        let before = upload.map(Progress::parts);
        if let Ok(head) = tokio::time::timeout(limit, answer.as_mut()).await {
            return Ok(head);
        }
        let moved = upload.map(Progress::parts) != before;
        if !moved && !upload.is_some_and(Progress::is_waiting_for_visitor) {
            return Err(UpstreamFault::ResponseTimeout);
        }
    }
}

/// Makes an app's response ours. Whatever is refused here closes the connection, as the lease is dropped.
fn accept(
    response: Response<Incoming>,
    mut lease: Lease,
    asks_upgrade: bool,
) -> Result<Response<Body>, UpstreamFault> {
    let (mut head, incoming) = response.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS && !asks_upgrade {
        return Err(UpstreamFault::UnaskedUpgrade);
    }
    if !framing::unframe_response(&mut head, incoming.size_hint().exact())? {
        lease.spoil();
    }
    framing::detach_values(&mut head.headers);
    let body = if head.status != StatusCode::SWITCHING_PROTOCOLS && incoming.is_end_stream() {
        // Nobody reads a body that has ended.
        lease.release();
        Body::empty()
    } else {
        Body::App(AppBody::new(incoming, lease))
    };
    Ok(Response::from_parts(head, body))
}

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
#[error("the app did not answer")]
pub struct Unanswered {
    /// Why.
    #[source]
    pub fault: UpstreamFault,
    /// The request, if nothing of it was sent and nothing of its body was taken: it may go to another app, whatever its
    /// method. Its head is framed already; framing it again changes nothing.
    pub unsent: Option<Box<Request<Body>>>,
}

impl Unanswered {
    pub(super) fn unsent(fault: UpstreamFault, request: Request<Body>) -> Self {
        Self {
            fault,
            unsent: Some(Box::new(request)),
        }
    }
}

impl From<UpstreamFault> for Unanswered {
    /// The request is gone, or on its way.
    fn from(fault: UpstreamFault) -> Self {
        Self {
            fault,
            unsent: None,
        }
    }
}

/// Why there is no response. The connection, if there was one, is closed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// No connection could be made: refused, unreachable, no such name or socket. 502.
    #[error("the app cannot be reached")]
    Connect(#[source] io::Error),
    /// No connection was made within `connect_timeout`. 504.
    #[error("the app did not take the connection in time")]
    ConnectTimeout,
    /// All connections were busy for `connect_timeout`, or too many wait for one already. 503.
    #[error("all connections to the app are busy")]
    Exhausted,
    /// There was no response head within `response_timeout`. 504.
    #[error("the app did not answer in time")]
    ResponseTimeout,
    /// The connection ended before there was a response head. 502.
    #[error("the app closed the connection before it answered")]
    Closed(#[source] hyper::Error),
    /// What came is not HTTP/1.1 as it should be. 502.
    #[error("the app's answer is not valid HTTP")]
    Protocol(#[source] hyper::Error),
    /// `101 Switching Protocols` to a request that did not ask for it. 502.
    #[error("the app switched protocols without being asked")]
    UnaskedUpgrade,
    /// A body in a transfer coding other than `chunked`. 502.
    #[error("the app's answer has a transfer coding other than chunked")]
    UnknownCoding,
    /// The app has done nothing wrong: the visitor's body broke off on its way up. 413, 408 or 400.
    #[error("the request could not be sent whole")]
    VisitorBody(#[source] BodyFault),
}

impl UpstreamFault {
    /// Finds out who failed.
    fn judge(fault: hyper::Error) -> Self {
        let mut cause = fault.source();
        while let Some(inner) = cause {
            if let Some(body) = inner.downcast_ref::<BodyFault>() {
                return Self::VisitorBody(body.clone());
            }
            cause = inner.source();
        }
        if fault.is_parse() {
            Self::Protocol(fault)
        } else {
            Self::Closed(fault)
        }
    }
}
