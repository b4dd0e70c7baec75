//! One request on a connection of HTTP/2 that carries others too.
//!
//! On the h2 crate itself: hyper's client has a channel and a task for each request between us and it. The only tasks
//! here are the one that moves a connection's bytes, and one for a body that is still going up when its answer has come.
//!
//! ```text
//! shared      the connection
//! websocket   a WebSocket on a stream of it
//! ```

mod shared;
pub(super) mod websocket;

pub(super) use self::shared::Shared;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use crate::upstream::UpstreamSettings;
use crate::upstream::body::Body;
use crate::upstream::client::{Again, Failure, TellEarly, patience, spare};
use crate::upstream::download::{AppBody, Source};
use crate::upstream::fault::UpstreamFault;
use crate::upstream::flow::Flow;
use crate::upstream::framing;
use crate::upstream::pour::{Pour, PourFault};
use crate::upstream::upload::Progress;

/// How many interim responses one request may get. An app sends one or two.
const INTERIM_MAX: u8 = 32;

/// One request's hold on a place and a stream. Dropped, it resets the stream, if that has not ended, and gives the place
/// back.
pub(super) struct StreamLease {
    connection: Rc<Shared>,
    /// What is still going up.
    upload: Option<Rest>,
    upload_limit: Duration,
    place: Option<OwnedSemaphorePermit>,
}

/// A body that goes up by itself; dropped, it breaks off.
struct Rest(JoinHandle<()>);

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl StreamLease {
    pub(super) fn new(
        connection: &Rc<Shared>,
        place: OwnedSemaphorePermit,
        settings: &UpstreamSettings,
    ) -> Self {
        connection.active.set(connection.active.get() + 1);
        connection.sweeps.set(0);
        Self {
            connection: Rc::clone(connection),
            upload: None,
            upload_limit: settings.response_timeout,
            place: Some(place),
        }
    }

    /// Takes one of `places` instead of its own; false when there is none.
    pub(super) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return false;
        };
        self.place = Some(place);
        true
    }

    /// Its place, which goes on to be held elsewhere.
    pub(super) fn take_place(&mut self) -> Option<OwnedSemaphorePermit> {
        self.place.take()
    }

    /// The response has ended. If the app has answered before it had the whole request, what is left of it still goes up,
    /// for as long as a response may take.
    pub(super) fn release(mut self) {
        let Some(mut rest) = self.upload.take() else {
            return;
        };
        if rest.0.is_finished() {
            return;
        }
        tokio::task::spawn_local(async move {
            let _ = tokio::time::timeout(self.upload_limit, &mut rest.0).await;
            drop(rest);
            drop(self);
        });
    }
}

impl Drop for StreamLease {
    fn drop(&mut self) {
        self.connection.active.set(self.connection.active.get() - 1);
    }
}

/// Sends `request` on a stream of `connection`, which had requests before if `reused`.
pub(super) async fn attempt(
    connection: &Rc<Shared>,
    settings: &UpstreamSettings,
    place: OwnedSemaphorePermit,
    request: Box<Request<Body>>,
    reused: bool,
    early: Option<TellEarly<'_>>,
) -> Result<Response<Body>, Failure> {
    let lease = StreamLease::new(connection, place, settings);
    let progress = request.body().progress();
    let spare = spare(&request);
    let head = framing::head_for_http_2(&request, &settings.address)
        .map_err(UpstreamFault::Unspeakable)?;
    let is_head = request.method() == Method::HEAD;
    let mut sender = connection.sender.clone();
    if let Err(fault) = poll_fn(|cx| sender.poll_ready(cx)).await {
        connection.retire();
        return Err(unprocessed(fault, lease, Some(request)));
    }
    let has_body = !request.body().is_end_stream();
    let (answer, stream) = match sender.send_request(head, !has_body) {
        Ok(begun) => begun,
        Err(fault) => {
            connection.retire();
            return Err(unprocessed(fault, lease, Some(request)));
        }
    };
    let (parts, body) = (*request).into_parts();
    let mut asking = Asking {
        answer,
        pour: has_body.then(|| Pour::new(body, stream)),
        interim: 0,
        early,
    };
    let outcome = asking
        .head(settings.response_timeout, progress.as_deref())
        .await;
    match outcome {
        Ok(response) => Ok(accept(response, lease, asking.pour, is_head, settings)?),
        Err(Trouble::Other(fault)) => {
            if matches!(fault, UpstreamFault::ResponseTimeout) {
                // Perhaps it is not the app that is slow but the connection that is dead: nobody else shall wait for it.
                connection.retire();
            }
            Err(fault.into())
        }
        Err(Trouble::Http2(fault)) => {
            let rest = match asking.pour {
                None => Some(Body::empty()),
                Some(pour) => pour.into_untouched(),
            };
            Err(judge(fault, lease, (parts, rest), spare.filter(|_| reused)))
        }
    }
}

/// The app has seen nothing of `request`, or has said that it did nothing about it.
pub(super) fn unprocessed(
    fault: h2::Error,
    mut lease: StreamLease,
    request: Option<Box<Request<Body>>>,
) -> Failure {
    let place = lease.place.take();
    let in_http_1 = fault.reason() == Some(Reason::HTTP_1_1_REQUIRED);
    Failure {
        fault: UpstreamFault::Http2(fault),
        again: request.zip(place).map(|(request, place)| Again {
            request,
            place,
            sent: false,
            worthwhile: true,
            in_http_1,
        }),
    }
}

/// Finds out whether a stream that failed may be begun again.
fn judge(
    fault: h2::Error,
    mut lease: StreamLease,
    (parts, body): (Parts, Option<Body>),
    spare: Option<Box<Request<Body>>>,
) -> Failure {
    let is_reset = fault.is_reset();
    if !is_reset {
        lease.connection.retire();
    }
    // An app that goes away tells which streams it has not looked at (RFC 9113, 6.8), and h2 gives its error to no others.
    let refusals = [
        Some(Reason::REFUSED_STREAM),
        Some(Reason::HTTP_1_1_REQUIRED),
    ];
    let was_refused = is_reset && refusals.contains(&fault.reason());
    if fault.is_remote() && (fault.is_go_away() || was_refused) {
        let request = body.map(|body| Box::new(Request::from_parts(parts, body)));
        return unprocessed(fault, lease, request);
    }
    let spare = spare.filter(|_| fault.is_io());
    let again = spare.zip(lease.place.take()).map(|(request, place)| Again {
        request,
        place,
        sent: true,
        worthwhile: true,
        in_http_1: false,
    });
    Failure {
        fault: UpstreamFault::Http2(fault),
        again,
    }
}

/// A request that waits for the head of its response while its body goes up.
struct Asking<'a> {
    answer: ResponseFuture,
    pour: Option<Pour>,
    interim: u8,
    early: Option<TellEarly<'a>>,
}

enum Trouble {
    Http2(h2::Error),
    Other(UpstreamFault),
}

impl Asking<'_> {
    async fn head(
        &mut self,
        limit: Duration,
        upload: Option<&Progress>,
    ) -> Result<Response<RecvStream>, Trouble> {
        loop {
            let before = upload.map(Progress::parts);
            let head = poll_fn(|cx| self.poll_head(cx));
            if let Ok(head) = tokio::time::timeout(limit, head).await {
                return head;
            }
            if !Progress::excuses(upload, before) {
                return Err(Trouble::Other(UpstreamFault::ResponseTimeout));
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Response<RecvStream>, Trouble>> {
        if let Some(pour) = &mut self.pour
            && let Poll::Ready(Err(PourFault::Visitor(fault))) = Pin::new(pour).poll(cx)
        {
            let fault = UpstreamFault::VisitorBody(fault);
            return Poll::Ready(Err(Trouble::Other(fault)));
        }
        while let Poll::Ready(Some(interim)) = self.answer.poll_informational(cx) {
            let mut interim = interim.map_err(Trouble::Http2)?;
            // All are taken, as h2 would hold them.
            let is_hint = interim.status() == StatusCode::EARLY_HINTS;
            if let Some(early) = self.early.filter(|_| is_hint) {
                early(std::mem::take(interim.headers_mut()));
            }
            self.interim += 1;
            if self.interim > INTERIM_MAX {
                return Poll::Ready(Err(Trouble::Other(UpstreamFault::Interim)));
            }
        }
        Pin::new(&mut self.answer).poll(cx).map_err(Trouble::Http2)
    }
}

/// Makes an app's response ours.
pub(super) fn accept(
    response: Response<RecvStream>,
    mut lease: StreamLease,
    pour: Option<Pour>,
    is_head: bool,
    settings: &UpstreamSettings,
) -> Result<Response<Body>, UpstreamFault> {
    let (mut head, stream) = response.into_parts();
    framing::unframe_response(&mut head);
    framing::detach_values(&mut head.headers);
    let is_bodiless = is_head || framing::is_bodiless(head.status) || stream.is_end_stream();
    let mut duplex = None;
    if let Some(mut pour) = pour.filter(|pour| !pour.is_over()) {
        if !is_bodiless {
            duplex = pour.answered(settings.stream_timeout);
        }
        lease.upload = Some(Rest(tokio::task::spawn_local(async move {
            // Its faults show in the response, if it has not ended.
            let _ = pour.await;
        })));
    }
    let body = if is_bodiless {
        lease.release();
        Body::empty()
    } else {
        let left = framing::length_of(&head.headers);
        let patience = patience(settings, &head.headers);
        let flow = Flow::begin(stream, left, lease).map_err(UpstreamFault::Http2)?;
        Body::App(AppBody::new(Source::Http2(flow), patience, duplex))
    };
    Ok(Response::from_parts(head, body))
}
