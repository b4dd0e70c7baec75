//! When a request with a body goes to its app.
//!
//! Whoever sends the head of a request and nothing of its body must hold nothing that others need, so a body is waited for
//! first. But some wait for the answer's head themselves before they send any of it: streams of gRPC, and whatever else
//! talks both ways. They are known by not telling a length, and their requests go up without a body. At most a part of the
//! app's places is given away like this, and given back when the body begins; beyond that, bodies are waited for.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tokio::sync::Semaphore;

use super::body::BodyFault;
use super::upload::VisitorBody;

/// How long a body of untold length is waited for before its request goes up without it. It is here at once, unless its
/// visitor waits for something.
const PATIENCE: Duration = Duration::from_millis(250);

/// One of so many places at an app may be held by a request whose body has not begun.
pub(super) const PLACES_FOR_EARLY: usize = 4;

/// Waits until something of `body` is here, or until its request may go up before; `places` are those for that.
pub(super) async fn begin(
    body: &mut VisitorBody,
    headers: &HeaderMap,
    places: impl FnOnce() -> Option<Arc<Semaphore>>,
) -> Result<(), BodyFault> {
    if body.size_hint().exact().is_some() {
        return poll_fn(|cx| body.poll_begin(cx)).await;
    }
    let patience = if is_grpc(headers) {
        Duration::ZERO
    } else {
        PATIENCE
    };
    let place = {
        let begins = poll_fn(|cx| body.poll_begin(cx));
        let may_ask = async {
            tokio::time::sleep(patience).await;
            match places() {
                // Its queue is as long as bodies may be waited for.
                Some(places) => places.acquire_owned().await.ok(),
                None => None,
            }
        };
        tokio::select! {
            biased;
            begun = begins => return begun,
            Some(place) = may_ask => place,
        }
    };
    body.ask_early(place);
    Ok(())
}

/// `application/grpc`, whatever it carries.
fn is_grpc(headers: &HeaderMap) -> bool {
    let essence = b"application/grpc";
    let value = headers.get(CONTENT_TYPE);
    value.is_some_and(|value| {
        let start = value.as_bytes().get(..essence.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(essence))
    })
}
