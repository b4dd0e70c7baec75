//! A request's body on its way up a stream of HTTP/2, as fast as the app gives room for it.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body as _;

use super::body::{Body, BodyFault};
use super::duplex::Duplex;

/// Ends when the body has gone up, or cannot. Dropped before, it resets the stream.
pub(super) struct Pour {
    body: Body,
    stream: SendStream<Bytes>,
    /// A part that was taken and has not gone yet.
    part: Bytes,
    was_begun: bool,
    is_over: bool,
}

/// Why a body did not go up.
pub(super) enum PourFault {
    /// It broke off, and the stream was reset.
    Visitor(BodyFault),
    /// The app takes no more of it; what it has to say about that comes as its response, or its error.
    App,
}

impl Pour {
    pub(super) const fn new(body: Body, stream: SendStream<Bytes>) -> Self {
        Self {
            body,
            stream,
            part: Bytes::new(),
            was_begun: false,
            is_over: false,
        }
    }

    /// The body, if nothing was taken of it.
    pub(super) fn into_untouched(self) -> Option<Body> {
        (!self.was_begun).then_some(self.body)
    }

    /// The app answers already, and its answer has not ended.
    pub(super) fn answered(&mut self, stream_timeout: Duration) -> Option<Rc<Duplex>> {
        self.body.answered(stream_timeout)
    }

    /// Whether nothing more will go up.
    pub(super) const fn is_over(&self) -> bool {
        self.is_over
    }

    fn poll_pour(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PourFault>> {
        loop {
            while !self.part.is_empty() {
                let room = match self.stream.capacity() {
                    0 => match ready!(self.stream.poll_capacity(cx)) {
                        Some(Ok(room)) => room,
                        Some(Err(_)) | None => return Poll::Ready(Err(PourFault::App)),
                    },
                    room => room,
                };
                let part = self.part.split_to(room.min(self.part.len()));
                let is_last = self.part.is_empty() && self.body.is_end_stream();
                self.stream
                    .send_data(part, is_last)
                    .map_err(|_| PourFault::App)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                // The app may lose interest while the visitor is waited for.
                return self.stream.poll_reset(cx).map(|_| Err(PourFault::App));
            };
            self.was_begun = true;
            let frame = match frame {
                None => {
                    let sent = self.stream.send_data(Bytes::new(), true);
                    return Poll::Ready(sent.map_err(|_| PourFault::App));
                }
                Some(Err(fault)) => {
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(PourFault::Visitor(fault)));
                }
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) => {
                    self.stream.reserve_capacity(data.len());
                    self.part = data;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    let sent = self.stream.send_trailers(trailers);
                    return Poll::Ready(sent.map_err(|_| PourFault::App));
                }
            }
        }
    }
}

impl Future for Pour {
    type Output = Result<(), PourFault>;

    /// May be polled after its end, and is pending then.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.is_over {
            return Poll::Pending;
        }
        let ended = ready!(this.poll_pour(cx));
        this.is_over = true;
        Poll::Ready(ended)
    }
}
