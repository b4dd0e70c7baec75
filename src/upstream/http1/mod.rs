//! One request on one connection of HTTP/1.1, polled where its answer is awaited: there is no task and no channel between
//! a request and its socket. The only task here is one for a body that is still going up when its answer has come.
//!
//! ```text
//! connection   the socket and what was read from it; whether the app is still there
//! send         the request on its way up
//! answer       the body on its way down
//! switched     what is left of a connection that has become another protocol's
//! ```
//! What comes is read by [`scan`](super::scan), and by nobody else.

mod answer;
mod connection;
mod send;
mod switched;

pub(super) use answer::Answer;
pub(super) use connection::Connection;

use std::future::poll_fn;
use std::io;
use std::task::{Poll, ready};

use http::header::UPGRADE;
use http::{Method, Request, Response};
use http_body::Body as _;

use self::send::{Sending, SendingFault};
use super::body::Body;
use super::client::{Again, Failure, TellEarly, patience};
use super::download::{AppBody, Source};
use super::fault::UpstreamFault;
use super::framing;
use super::pool::Lease;
use super::scan::{Asked, Flaw, Head, Left};
use super::upload::Progress;

/// Sends `request` on the connection of `lease`, which was used before if `reused`.
pub(super) async fn attempt(
    mut lease: Lease,
    mut request: Box<Request<Body>>,
    reused: bool,
    early: Option<TellEarly<'_>>,
) -> Result<Response<Body>, Failure> {
    let progress = request.body().progress();
    let body = std::mem::take(request.body_mut());
    let length = body.length();
    framing::frame_request(&mut request, length);
    // The app may be about to close a connection that was idle. What may be sent twice without harm: RFC 9110, 9.2.2.
    let repeatable = reused && request.method().is_idempotent() && body.is_end_stream();
    let mut sending = Sending::new(&request, body, length);
    lease.connection.expect(Asked {
        head: request.method() == Method::HEAD,
        upgrade: request.headers().contains_key(UPGRADE),
    });
    match head(&mut lease, &mut sending, progress.as_deref(), early).await {
        Ok(head) => Ok(accept(head, lease, sending)?),
        Err(fault) => {
            let unanswered = (request, sending);
            Err(failure(fault, lease, unanswered, reused, repeatable))
        }
    }
}

/// The head of the response, unless the app lets `response_timeout` pass. A request that is still on its way up has its
/// own deadlines: as long as the app takes it, or the visitor is what it waits for, the app is not late.
async fn head(
    lease: &mut Lease,
    sending: &mut Sending,
    upload: Option<&Progress>,
    early: Option<TellEarly<'_>>,
) -> Result<Head, UpstreamFault> {
    let mut before = upload.map(Progress::parts);
    let mut broken = None;
    let connection = &mut lease.connection;
    poll_fn(|cx| {
        // An app that takes no more of a request may have said why: what it says is read in any case.
        match connection.poll_send(sending, cx) {
            Poll::Ready(Err(SendingFault::Visitor(fault))) => {
                return Poll::Ready(Err(UpstreamFault::VisitorBody(fault)));
            }
            Poll::Ready(Err(SendingFault::App(cause))) => broken = broken.take().or(Some(cause)),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        if let Poll::Ready(head) = connection.poll_head(cx, early) {
            return Poll::Ready(head.map_err(|fault| match (fault, broken.take()) {
                (UpstreamFault::Closed(_), Some(cause)) => closed(cause),
                (fault, _) => fault,
            }));
        }
        loop {
            ready!(connection.patience.poll_end(cx));
            if !Progress::excuses(upload, before) {
                return Poll::Ready(Err(UpstreamFault::ResponseTimeout));
            }
            before = upload.map(Progress::parts);
            connection.patience.relieve();
        }
    })
    .await
}

/// What is to become of a request whose connection failed.
fn failure(
    fault: UpstreamFault,
    lease: Lease,
    (mut request, sending): (Box<Request<Body>>, Sending),
    reused: bool,
    repeatable: bool,
) -> Failure {
    let was_closed = matches!(fault, UpstreamFault::Closed(_)) && !lease.connection.has_heard();
    let sent = sending.has_begun();
    let body = sending.into_untouched();
    let body = body.filter(|_| was_closed && (repeatable || !sent));
    Failure {
        fault,
        again: body.map(|body| {
            *request.body_mut() = body;
            Again {
                request,
                sent,
                worthwhile: reused,
                in_http_1: false,
                place: lease.into_place(),
            }
        }),
    }
}

/// Makes an app's response ours. Whatever is refused here closes the connection, as the lease is dropped.
fn accept(
    head: Head,
    mut lease: Lease,
    mut sending: Sending,
) -> Result<Response<Body>, UpstreamFault> {
    if head.closes || sending.closes() {
        lease.spoil();
    }
    let is_switched = lease.connection.left() == Left::Switched;
    if is_switched && !sending.is_over() {
        return Err(UpstreamFault::Protocol(Flaw::EarlyUpgrade));
    }
    // What came along with the head is read with it: it is taken whole or not at all.
    let piece = lease.connection.piece().map_err(refused)?;
    let is_whole = lease.connection.left() == Left::Bytes(0);
    let mut duplex = None;
    if !sending.is_over() {
        if !is_whole {
            duplex = sending.answered(lease.settings().stream_timeout);
        }
        lease.connection.send_on(sending);
    }
    let body = if is_whole && piece.data.is_empty() && piece.trailers.is_none() {
        // Nobody reads a body that has ended.
        lease.release();
        Body::empty()
    } else {
        let patience = patience(lease.settings(), &head.headers);
        let answer = Answer::new(lease, piece);
        Body::App(AppBody::new(Source::Http1(answer), patience, duplex))
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// Finds out what a flaw in an answer is called.
fn refused(flaw: Flaw) -> UpstreamFault {
    match flaw {
        Flaw::Coding => UpstreamFault::UnknownCoding,
        Flaw::UnaskedUpgrade => UpstreamFault::UnaskedUpgrade,
        Flaw::Interim => UpstreamFault::Interim,
        _ => UpstreamFault::Protocol(flaw),
    }
}

fn closed(cause: io::Error) -> UpstreamFault {
    UpstreamFault::Closed(cause)
}
