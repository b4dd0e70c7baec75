//! A WebSocket on a stream of HTTP/2 to an app (RFC 8441).
//!
//! Everybody else in the gateway knows WebSockets as HTTP/1.1 has them: a `GET` that asks for an upgrade, and a `101` that
//! proves it. So the request becomes an extended `CONNECT` here, and its `2xx` becomes such a `101`. The proof is ours: an
//! app that says in its settings that it takes extended `CONNECT`s cannot take one for anything else.

use h2::RecvStream;
use h2::ext::Protocol;
use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Shared, StreamLease, accept, unprocessed};
use crate::headers::websocket::accept_of;
use crate::upstream::UpstreamSettings;
use crate::upstream::body::Body;
use crate::upstream::client::{Failure, patience};
use crate::upstream::download::{AppBody, Source};
use crate::upstream::fault::UpstreamFault;
use crate::upstream::framing;
use crate::upstream::streamed::Streamed;

/// The app's side of a WebSocket that is open, until both sides are joined.
pub(in crate::upstream) struct Joining {
    send: h2::SendStream<bytes::Bytes>,
    receive: RecvStream,
    lease: StreamLease,
}

impl Joining {
    /// Has it hold one of `places` instead of its own; false when there is none.
    pub(in crate::upstream) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        self.lease.move_to(places)
    }

    /// The stream, and the place that it goes on to hold.
    pub(in crate::upstream) fn into_stream(mut self) -> Option<(Streamed, OwnedSemaphorePermit)> {
        let place = self.lease.take_place()?;
        Some((Streamed::new(self.send, self.receive, self.lease), place))
    }
}

/// Asks for a WebSocket on a stream of `connection`.
pub(in crate::upstream) async fn attempt(
    connection: &Rc<Shared>,
    settings: &UpstreamSettings,
    place: OwnedSemaphorePermit,
    request: Box<Request<Body>>,
) -> Result<Response<Body>, Failure> {
    let lease = StreamLease::new(connection, place, settings);
    if !connection.takes_websockets(settings.connect_timeout).await {
        return Err(UpstreamFault::NoUpgrade.into());
    }
    let (head, proof) = connect(&request, settings).map_err(UpstreamFault::Unspeakable)?;
    let mut sender = connection.sender.clone();
    let begun = match poll_fn(|cx| sender.poll_ready(cx)).await {
        Ok(()) => sender.send_request(head, false),
        Err(fault) => Err(fault),
    };
    let (answer, mut send) = match begun {
        Ok(begun) => begun,
        Err(fault) => {
            connection.retire();
            return Err(unprocessed(fault, lease, Some(request)));
        }
    };
    let answer = tokio::time::timeout(settings.response_timeout, answer).await;
    let answer = answer.map_err(|_late| UpstreamFault::ResponseTimeout)?;
    let response = answer.map_err(UpstreamFault::Http2)?;
    if !response.status().is_success() {
        // Nothing goes up any more. If that cannot be said, the app is gone, and its answer ends as it does.
        let _ = send.send_data(bytes::Bytes::new(), true);
        return Ok(accept(response, lease, None, false, settings)?);
    }
    let (mut head, receive) = response.into_parts();
    framing::unframe_response(&mut head);
    framing::detach_values(&mut head.headers);
    head.status = StatusCode::SWITCHING_PROTOCOLS;
    switch(&mut head.headers, proof);
    let patience = patience(settings, &head.headers);
    let joining = Joining {
        send,
        receive,
        lease,
    };
    let body = AppBody::new(Source::WebSocket(Box::new(joining)), patience, None);
    Ok(Response::from_parts(head, Body::App(body)))
}

/// The extended `CONNECT` for a request that asks for an upgrade, and what proves in HTTP/1.1 that it was understood.
fn connect(
    request: &Request<Body>,
    settings: &UpstreamSettings,
) -> Result<(Request<()>, Option<HeaderValue>), http::Error> {
    let mut head = framing::head_for_http_2(request, &settings.address)?;
    *head.method_mut() = Method::CONNECT;
    head.extensions_mut()
        .insert(Protocol::from_static("websocket"));
    let key = head.headers_mut().remove(SEC_WEBSOCKET_KEY);
    let proof = key.as_ref().and_then(accept_of);
    Ok((head, proof))
}

fn switch(headers: &mut HeaderMap, proof: Option<HeaderValue>) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.remove(SEC_WEBSOCKET_ACCEPT);
    headers.extend(proof.map(|proof| (SEC_WEBSOCKET_ACCEPT, proof)));
}
