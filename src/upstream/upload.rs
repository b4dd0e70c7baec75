//! The body of a visitor's request on its way up, and what it may take: bytes, and time.
//!
//! Time is counted only while we wait for the visitor. An app that takes the body slowly is no fault of the visitor's:
//! then the body is not read, and its clock stands.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use crate::base::clock::Stopwatch;

use super::body::{BodyFault, ScreenTrailers, screened};
use super::duplex::Duplex;
use super::visitor::Incoming;

/// How long a body may drip before its average counts: links stall, and the first packets are slow.
pub const RATE_GRACE: Duration = Duration::from_secs(5);

/// How long it may go unnoticed that the app's answer has ended, after which its visitor is waited for as any other.
const DUPLEX_LOOK: Duration = Duration::from_secs(30);

/// What a visitor's body may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// `server.limits.body_bytes`; none: no limit.
    pub bytes_max: Option<u64>,
    /// `server.limits.body_timeout`: the longest wait for the next part; zero: no limit.
    pub between_reads: Duration,
    /// `server.limits.body_min_rate`: bytes per second, averaged over the time spent waiting; zero: off.
    pub rate_min: u64,
    /// How long a body may be waited for before `rate_min` counts; usually [`RATE_GRACE`].
    pub rate_grace: Duration,
}

/// The body of a visitor's request. Made by [`Body::visitor`](super::Body::visitor).
pub struct VisitorBody {
    incoming: Incoming,
    limits: BodyLimits,
    screen: Option<ScreenTrailers>,
    refuses_trailers: bool,
    progress: Rc<Progress>,
    received: u64,
    /// Came before the app was asked; given out first.
    early: Option<Frame<Bytes>>,
    /// What of it is being held.
    held: BytesMut,
    /// Trailers that came while it was held; given out next.
    late: Option<Frame<Bytes>>,
    waited: Duration,
    /// Runs while a part is awaited.
    waiting: Option<Stopwatch>,
    /// Made at the first wait; armed anew for each.
    timer: Option<Pin<Box<Sleep>>>,
    /// What it means when the timer runs out.
    verdict: BodyFault,
    /// Its request goes up before anything of it is here, and holds this until something is.
    asks_early: Option<OwnedSemaphorePermit>,
    /// The app answers already, and waits for more of it meanwhile.
    duplex: Weak<Duplex>,
    ended: bool,
}

/// How far a body has come, for whoever waits for the app that takes it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    parts: Cell<u64>,
    waiting: Cell<bool>,
}

impl Progress {
    /// How many parts were taken so far.
    pub(super) fn parts(&self) -> u64 {
        self.parts.get()
    }

    /// Whether an app that has said nothing for a while need not have: it has taken more of `upload` than `before`, or
    /// waits for the visitor as we do.
    pub(super) fn excuses(upload: Option<&Self>, before: Option<u64>) -> bool {
        let moved = upload.map(Self::parts) != before;
        moved || upload.is_some_and(Self::is_waiting_for_visitor)
    }

    /// Whether it is the visitor that the app waits for.
    pub(super) fn is_waiting_for_visitor(&self) -> bool {
        self.waiting.get()
    }
}

impl VisitorBody {
    pub(super) fn new(incoming: Incoming, limits: BodyLimits) -> Self {
        Self {
            incoming,
            limits,
            screen: None,
            refuses_trailers: false,
            progress: Rc::default(),
            received: 0,
            early: None,
            held: BytesMut::new(),
            late: None,
            waited: Duration::ZERO,
            waiting: None,
            timer: None,
            verdict: BodyFault::Stalled,
            asks_early: None,
            duplex: Weak::new(),
            ended: false,
        }
    }

    pub(super) fn screen_trailers(&mut self, screen: ScreenTrailers) {
        self.screen = Some(screen);
    }

    pub(super) const fn refuse_trailers(&mut self) {
        self.refuses_trailers = true;
    }

    pub(super) fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }

    /// Has it hold `place` until it begins, or is answered.
    pub(super) fn ask_early(&mut self, place: OwnedSemaphorePermit) {
        self.asks_early = Some(place);
    }

    /// The app has answered, and its answer has not ended: both may say something now, when they have something to say.
    pub(super) fn answered(&mut self, stream_timeout: Duration) -> Option<Rc<Duplex>> {
        if self.is_end_stream() {
            return None;
        }
        self.asks_early = None;
        let duplex = Duplex::new(stream_timeout, self.progress());
        self.duplex = Rc::downgrade(&duplex);
        Some(duplex)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let all_came = self.ended || self.incoming.is_end_stream();
        self.early.is_none() && self.late.is_none() && all_came
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let early = self.early.as_ref().and_then(Frame::data_ref);
        let early = early.map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
        match self.incoming.size_hint().exact() {
            Some(left) => SizeHint::with_exact(left.saturating_add(early)),
            None => SizeHint::default(),
        }
    }

    /// Ready when something of it is here, be that its end: as much as came at once, and no more.
    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyFault>> {
        if self.early.is_none() && !self.ended {
            self.early = ready!(self.poll_frame(cx)).transpose()?;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when all of it is here, or more than `bytes_max` bytes are.
    pub(super) fn poll_hold(
        &mut self,
        bytes_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BodyFault>> {
        match self.early.take().map(Frame::into_data) {
            Some(Ok(data)) => self.held.extend_from_slice(&data),
            Some(Err(trailers)) => self.late = Some(trailers),
            None => {}
        }
        while self.late.is_none() && !self.is_end_stream() && self.held.len() <= bytes_max {
            match ready!(self.poll_next(cx))
                .transpose()?
                .map(Frame::into_data)
            {
                Some(Ok(data)) => self.held.extend_from_slice(&data),
                Some(Err(trailers)) => self.late = Some(trailers),
                None => {}
            }
        }
        if !self.held.is_empty() {
            self.early = Some(Frame::data(self.held.split().freeze()));
        }
        Poll::Ready(Ok(()))
    }

    /// All of it, if all of it is held.
    pub(super) fn held(&self) -> Option<&[u8]> {
        let all_came = self.ended || self.late.is_some() || self.incoming.is_end_stream();
        let early = self.early.as_ref().map(Frame::data_ref);
        all_came.then(|| early.flatten().map_or(&[][..], |data| data))
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if let Some(early) = self.early.take().or_else(|| self.late.take()) {
            return Poll::Ready(Some(Ok(early)));
        }
        self.poll_next(cx)
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let part = match Pin::new(&mut self.incoming).poll_frame(cx) {
            Poll::Ready(part) => part,
            Poll::Pending => return self.poll_patience(cx).map(|fault| Some(Err(fault))),
        };
        self.stop_waiting();
        self.asks_early = None;
        if let Some(duplex) = self.duplex.upgrade() {
            duplex.moves();
        }
        let judged = match part {
            None => None,
            Some(Err(cause)) => Some(Err(BodyFault::VisitorGone(Arc::new(cause)))),
            Some(Ok(frame)) => self.judge(frame).transpose(),
        };
        self.ended = !matches!(judged, Some(Ok(_)));
        Poll::Ready(judged)
    }

    /// Counts a part; nothing is left of trailers that may not pass.
    fn judge(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, BodyFault> {
        self.progress
            .parts
            .set(self.progress.parts.get().wrapping_add(1));
        let Some(data) = frame.data_ref() else {
            // hyper reads a bare LF after the last chunk as the start of trailers, and the next request as their rest.
            // What it makes of that is empty, or was never announced: two readings of one message, so neither.
            let is_empty = frame.trailers_ref().is_none_or(http::HeaderMap::is_empty);
            if self.refuses_trailers || is_empty {
                return Err(BodyFault::Trailers);
            }
            return Ok(screened(frame, self.screen.as_ref()));
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.received = self.received.saturating_add(length);
        match self.limits.bytes_max {
            Some(bytes_max) if self.received > bytes_max => Err(BodyFault::TooLarge { bytes_max }),
            _ => Ok(Some(frame)),
        }
    }

    fn stop_waiting(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            self.waited = self.waited.saturating_add(waiting.elapsed());
            self.progress.waiting.set(false);
        }
    }

    /// Ready when the visitor has been waited for long enough.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyFault> {
        if self.waiting.is_none() {
            self.waiting = Some(Stopwatch::start());
            self.progress.waiting.set(true);
            self.arm();
        }
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        loop {
            ready!(timer.as_mut().poll(cx));
            let duplex = self.duplex.upgrade();
            let left = duplex.map_or(Duration::ZERO, |duplex| duplex.left());
            if left.is_zero() {
                break;
            }
            timer.set(tokio::time::sleep(left.min(DUPLEX_LOOK)));
        }
        self.ended = true;
        self.asks_early = None;
        self.progress.waiting.set(false);
        Poll::Ready(self.verdict.clone())
    }

    fn arm(&mut self) {
        let (patience, verdict) = match (self.stall_patience(), self.rate_patience()) {
            (None, None) => return,
            (Some(stall), Some(rate)) if rate < stall => (rate, BodyFault::TooSlow),
            (None, Some(rate)) => (rate, BodyFault::TooSlow),
            (Some(stall), _) => (stall, BodyFault::Stalled),
        };
        self.verdict = verdict;
        let sleep = tokio::time::sleep(patience);
        match &mut self.timer {
            Some(timer) => timer.set(sleep),
            None => self.timer = Some(Box::pin(sleep)),
        }
    }

    fn stall_patience(&self) -> Option<Duration> {
        (!self.limits.between_reads.is_zero()).then_some(self.limits.between_reads)
    }

    /// How long the average stays above the least rate if nothing comes.
    fn rate_patience(&self) -> Option<Duration> {
        let millis = self
            .received
            .saturating_mul(1000)
            .checked_div(self.limits.rate_min)?;
        let allowed = Duration::from_millis(millis).max(self.limits.rate_grace);
        Some(allowed.saturating_sub(self.waited))
    }
}
