//! One request: the connection it gets, and the one safe retry.

use std::rc::Rc;

use http::header::{CONTENT_TYPE, UPGRADE};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::sync::OwnedSemaphorePermit;

use super::UpstreamSettings;
use super::aside::aside;
use super::body::Body;
use super::fault::{Unanswered, UpstreamFault};
use super::http1::{self, Connection};
use super::http2::{self, Shared};
use super::patience::Patience;
use super::pool::{Lease, Upstream};
use super::stream::{self, Spoken};

/// Sends `request` on a pooled connection or a new one and gives the response once its head is there.
///
/// It is sent a second time, on another connection, and once only, if the app cannot have processed it: nothing of it was
/// written, or the app says so itself (HTTP/2). The same if the app has closed a connection that was pooled and said
/// nothing at all, and the request may be repeated: an idempotent method and no body.
pub(super) async fn exchange(
    upstream: &Rc<Upstream>,
    mut place: OwnedSemaphorePermit,
    mut request: Box<Request<Body>>,
    early: Option<TellEarly<'_>>,
) -> Result<Response<Body>, Unanswered> {
    // Few apps take on HTTP/2 what shall be upgraded, so that is not tried where there is another way.
    let upgrades = request.headers().contains_key(UPGRADE);
    let mut http_1_only = upgrades;
    let mut is_second = false;
    loop {
        let known = known(upstream, http_1_only, is_second);
        let (link, reused) = match known {
            Some(link) => (link, true),
            None => match aside(new_link(upstream, http_1_only)).await {
                Ok(found) => found,
                Err(fault) => return Err(Unanswered::unsent(fault, request)),
            },
        };
        let attempt = match link {
            Link::Single(connection) => {
                let lease = Lease::new(Rc::clone(upstream), connection, place);
                http1::attempt(lease, request, reused, early).await
            }
            Link::Shared(connection) if upgrades => {
                let asked =
                    http2::websocket::attempt(&connection, &upstream.settings, place, request);
                aside(asked).await
            }
            Link::Shared(connection) => {
                let settings = &upstream.settings;
                aside(http2::attempt(
                    &connection,
                    settings,
                    place,
                    request,
                    reused,
                    early,
                ))
                .await
            }
        };
        let failure = match attempt {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        match failure.again {
            Some(again) if again.worthwhile && !is_second => {
                is_second = true;
                http_1_only |= again.in_http_1;
                request = again.request;
                place = again.place;
            }
            again => {
                let unsent = again.filter(|again| !again.sent);
                return Err(Unanswered {
                    fault: failure.fault,
                    unsent: unsent.map(|again| again.request),
                });
            }
        }
    }
}

/// Is told what an app says before its answer: the fields of a `103 Early Hints` (RFC 8297).
pub type TellEarly<'a> = &'a dyn Fn(HeaderMap);

/// An attempt that came to nothing.
pub(super) struct Failure {
    pub(super) fault: UpstreamFault,
    /// None: it may not be sent again.
    pub(super) again: Option<Again>,
}

/// What another attempt would take.
pub(super) struct Again {
    pub(super) request: Box<Request<Body>>,
    pub(super) place: OwnedSemaphorePermit,
    /// Whether the app may have seen it.
    pub(super) sent: bool,
    /// Whether another connection to the same app may fare better.
    pub(super) worthwhile: bool,
    /// Whether the app asks for it in HTTP/1.1.
    pub(super) in_http_1: bool,
}

impl From<UpstreamFault> for Failure {
    fn from(fault: UpstreamFault) -> Self {
        Self { fault, again: None }
    }
}

/// A copy of `request`, if it may be sent twice without harm (RFC 9110, 9.2.2).
pub(super) fn spare(request: &Request<Body>) -> Option<Box<Request<Body>>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Box::new(Request::new(Body::empty()));
    copy.method_mut().clone_from(request.method());
    copy.uri_mut().clone_from(request.uri());
    copy.headers_mut().clone_from(request.headers());
    Some(copy)
}

/// How long the parts of this response may be waited for. An event stream is silent for as long as nothing happens.
pub(super) fn patience(settings: &UpstreamSettings, headers: &HeaderMap) -> Patience {
    if is_event_stream(headers) {
        Patience::default()
    } else {
        Patience::new(settings.body_timeout)
    }
}

/// Whether a response stays open for as long as the visitor does.
pub(super) fn opens_stream(response: &Response<Body>) -> bool {
    response.status() == StatusCode::SWITCHING_PROTOCOLS || is_event_stream(response.headers())
}

/// Whether a response is one of events. Parameters may follow the type; case does not matter.
pub fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let value = value.as_bytes();
    let end = value.iter().position(|byte| *byte == b';');
    let essence = value[..end.unwrap_or(value.len())].trim_ascii();
    essence.eq_ignore_ascii_case(b"text/event-stream")
}

enum Link {
    /// For this request alone.
    Single(Box<Connection>),
    /// For many.
    Shared(Rc<Shared>),
}

/// A connection for one request that had others before. Those that carry one request at a time are left alone if `fresh`.
fn known(upstream: &Rc<Upstream>, http_1_only: bool, fresh: bool) -> Option<Link> {
    if upstream.shares(http_1_only)
        && let Some(shared) = upstream.shared()
    {
        return Some(Link::Shared(shared));
    }
    let idle = if fresh { None } else { upstream.take_idle() };
    idle.map(Link::Single)
}

/// A new connection for one request, or one that was made meanwhile; and whether it was used before.
async fn new_link(
    upstream: &Rc<Upstream>,
    http_1_only: bool,
) -> Result<(Link, bool), UpstreamFault> {
    let shares = upstream.shares(http_1_only);
    let limit = upstream.settings.connect_timeout;
    let made = async {
        if !shares || upstream.chose_http_1.get() {
            return open(upstream, !shares).await.map(|link| (link, false));
        }
        // Whoever comes first makes the connection that the others wait for.
        let turn = upstream.dialing.lock().await;
        if let Some(shared) = upstream.shared() {
            return Ok((Link::Shared(shared), true));
        }
        if upstream.chose_http_1.get() {
            drop(turn);
        }
        open(upstream, false).await.map(|link| (link, false))
    };
    let made = tokio::time::timeout(limit, made).await;
    made.unwrap_or(Err(UpstreamFault::ConnectTimeout))
}

async fn open(upstream: &Rc<Upstream>, http_1_only: bool) -> Result<Link, UpstreamFault> {
    let settings = &upstream.settings;
    let (stream, spoken) = stream::dial(settings, http_1_only).await?;
    if !http_1_only {
        upstream.chose_http_1.set(spoken == Spoken::Http1);
    }
    Ok(match spoken {
        Spoken::Http1 => Link::Single(Connection::open(stream, settings)),
        Spoken::Http2 => {
            let shared = Shared::open(stream, settings).await?;
            upstream.share(Rc::clone(&shared));
            Link::Shared(shared)
        }
    })
}
