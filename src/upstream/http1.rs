//! One request on one connection of HTTP/1.1.

use std::pin::pin;

use http::header::UPGRADE;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;

use super::body::{AppBody, Body, Hold, Source};
use super::client::{Again, Failure, patience, spare};
use super::fault::UpstreamFault;
use super::framing;
use super::pool::Lease;
use super::scan::Asked;
use super::upload::Progress;

/// Sends `request` on the connection of `lease`, which was used before if `reused`.
pub(super) async fn attempt(
    mut lease: Lease,
    request: Request<Body>,
    reused: bool,
) -> Result<Response<Body>, Failure> {
    let asked = Asked {
        head: request.method() == Method::HEAD,
        upgrade: request.headers().contains_key(UPGRADE),
    };
    lease.connection.expect(asked, reused);
    let progress = request.body().progress();
    let request = framed(request);
    // The app may be about to close a connection that was idle.
    let spare = if reused { spare(&request) } else { None };
    match head(&mut lease, request, progress.as_deref()).await? {
        Ok(response) => Ok(accept(response, lease, asked.upgrade)?),
        Err(mut failed) => {
            let unsent = failed.take_message();
            let fault = UpstreamFault::judge(failed.into_error());
            let was_closed = matches!(fault, UpstreamFault::Closed(_));
            let sent = unsent.is_none();
            let spare = spare.filter(|_| was_closed && !lease.connection.has_heard());
            let again = unsent.or(spare).map(|request| Again {
                request,
                sent,
                worthwhile: reused,
                in_http_1: false,
                place: lease.into_place(),
            });
            Err(Failure { fault, again })
        }
    }
}

fn framed(request: Request<Body>) -> Request<Body> {
    let (mut head, body) = request.into_parts();
    let length = body.length();
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
        if !Progress::excuses(upload, before) {
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
        let patience = patience(lease.settings(), &head.headers);
        Body::App(AppBody::new(
            Source::Http1(incoming),
            Hold::Http1(lease),
            patience,
        ))
    };
    Ok(Response::from_parts(head, body))
}
