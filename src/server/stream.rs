//! A response on its way: the body that keeps its request under way, and the HTTP/2 stream that ends when its
//! reader takes nothing.
//!
//! On HTTP/1.1 a reader that stalls is seen at the socket. On HTTP/2 it is not: a stream whose window stays shut
//! waits while the connection works on (CVE-2019-9517 and its kin), so each stream has a clock of its own.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::Sleep;

use crate::server::activity::{Activity, UnderWay};
use crate::server::h2::Breaks;

/// A response body that keeps its request under way until it is dropped.
pub(super) struct Held<B> {
    body: B,
    pace: Option<Rc<Pace>>,
    _under_way: UnderWay,
}

impl<B: Body> Held<B> {
    pub(super) fn new(body: B, under_way: UnderWay, pace: Option<Rc<Pace>>) -> Self {
        if let Some(pace) = &pace {
            pace.handed_over.set(body.is_end_stream());
        }
        Self {
            body,
            pace,
            _under_way: under_way,
        }
    }
}

impl<B: Body + Unpin> Body for Held<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(pace) = &self.pace {
            pace.frame_polled(matches!(polled, Poll::Ready(Some(Ok(_)))));
            // Nobody asks again after the last part of a body whose length was told.
            let ended = match &polled {
                Poll::Ready(None) => true,
                Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || self.body.is_end_stream(),
                Poll::Ready(Some(Err(_))) | Poll::Pending => false,
            };
            pace.handed_over.set(ended);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What one HTTP/2 stream waits for.
#[derive(Debug, Default)]
pub(super) struct Pace {
    frames: Cell<u64>,
    /// A frame was handed over and the next not yet asked for: its reader has not made room for it.
    waits_for_reader: Cell<bool>,
    /// The response was handed over whole.
    handed_over: Cell<bool>,
}

impl Pace {
    fn frame_polled(&self, gave_one: bool) {
        self.waits_for_reader.set(gave_one);
        if gave_one {
            self.frames.set(self.frames.get().wrapping_add(1));
        }
    }
}

/// Runs the streams of one HTTP/2 connection on the core that has the connection. A stream that panics ends alone.
#[derive(Clone)]
pub(super) struct SameCore {
    write_timeout: Duration,
    activity: Arc<Activity>,
    breaks: Rc<Breaks>,
    /// The pace of the stream that hyper is about to hand over: it calls the service and then, before anything
    /// else, spawns what the service returned.
    next: Rc<RefCell<Option<Rc<Pace>>>>,
}

impl SameCore {
    pub(super) fn new(
        write_timeout: Duration,
        activity: Arc<Activity>,
        breaks: Rc<Breaks>,
    ) -> Self {
        Self {
            write_timeout,
            activity,
            breaks,
            next: Rc::default(),
        }
    }

    /// The pace of the stream whose request has just come.
    pub(super) fn expect_stream(&self) -> Rc<Pace> {
        let pace = Rc::new(Pace::default());
        self.next.replace(Some(Rc::clone(&pace)));
        pace
    }
}

impl<F: Future + 'static> hyper::rt::Executor<F> for SameCore {
    fn execute(&self, future: F) {
        match self.next.take() {
            // The connection is about to be closed. Nothing more is asked of an app for it.
            Some(_) if self.breaks.are_spent() => {}
            Some(pace) => {
                let (write_timeout, breaks) = (self.write_timeout, Rc::clone(&self.breaks));
                tokio::task::spawn_local(async move {
                    keep_pace(future, &pace, write_timeout).await;
                    if pace.handed_over.get() {
                        breaks.ended_whole();
                    } else {
                        breaks.broke_off();
                    }
                });
            }
            // What is no stream is our half of one that was upgraded: a tunnel, which is under way until it ends.
            None => {
                let under_way = self.activity.request(false);
                tokio::task::spawn_local(async move {
                    future.await;
                    drop(under_way);
                });
            }
        }
    }
}

/// Polls `stream` to its end, or drops it, which resets it, when its reader took nothing for `write_timeout`.
async fn keep_pace<F: Future>(stream: F, pace: &Pace, write_timeout: Duration) {
    let mut stream = pin!(stream);
    let mut frames_seen = 0;
    let mut stalled: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        if !pace.waits_for_reader.get() {
            stalled = None;
            return Poll::Pending;
        }
        if pace.frames.get() != frames_seen {
            frames_seen = pace.frames.get();
            stalled = None;
        }
        let stalled = stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
        let waited = stalled.as_mut().poll(cx);
        if waited.is_ready() {
            // The last part was handed over, and nobody took it.
            pace.handed_over.set(false);
        }
        waited
    })
    .await;
}
