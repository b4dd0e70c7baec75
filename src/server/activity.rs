//! What a connection is doing, as far as its clock is concerned.
//!
//! hyper's own `header_read_timeout` runs from the end of the last response, so it cannot tell a visitor who thinks
//! from one who drips a head byte by byte. Here the socket says when bytes come, the service when a head is
//! complete, and the response body when it has been handed over; which limit applies follows from that.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of the first request.
    First,
    /// The rest of a request head.
    Head,
    /// The handler, or the bodies.
    Busy,
    /// The next request.
    Idle,
}

/// Shared by the socket, the service and the timer of one connection. Everything in it is touched by one thread,
/// unless the connection was upgraded and its socket went elsewhere; hence atomics, and relaxed ones.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Stopwatch,
    phase: AtomicU8,
    /// When the phase began, in milliseconds after `opened`.
    since_millis: AtomicU64,
    /// Whether bytes that come now can only be a head.
    bytes_begin_head: AtomicBool,
    /// Whether a part of one has come.
    head_begun: AtomicBool,
    requests: AtomicUsize,
    /// Whether the socket went to a tunnel, which ends its two directions by itself.
    handed_over: AtomicBool,
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            opened: Stopwatch::start(),
            phase: AtomicU8::new(0),
            since_millis: AtomicU64::new(0),
            bytes_begin_head: AtomicBool::new(false),
            head_begun: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            handed_over: AtomicBool::new(false),
        }
    }

    /// The handshake is over, requests may come.
    pub(super) fn begin(&self, bytes_begin_head: bool) {
        self.move_to(Phase::First);
        self.bytes_begin_head
            .store(bytes_begin_head, Ordering::Relaxed);
    }

    /// The socket gave us bytes.
    pub(super) fn bytes_came(&self) {
        if !self.bytes_begin_head.load(Ordering::Relaxed) {
            return;
        }
        match self.phase() {
            // The wait for the first byte counts towards the first head.
            Phase::First => self.phase.store(code(Phase::Head), Ordering::Relaxed),
            Phase::Idle => self.move_to(Phase::Head),
            Phase::Head | Phase::Busy => {}
        }
    }

    /// Whoever reads messages says whether bytes that come now can only be a head, and whether a part of it is there.
    pub(super) fn expect_head(&self, expected: bool, begun: bool) {
        self.bytes_begin_head.store(expected, Ordering::Relaxed);
        self.head_begun.store(begun, Ordering::Relaxed);
        if begun {
            self.bytes_came();
        }
    }

    pub(super) fn expects_head(&self) -> bool {
        self.bytes_begin_head.load(Ordering::Relaxed)
    }

    /// A request head is complete. The request is under way until what is returned is dropped.
    ///
    /// `bytes_begin_head` says whether bytes that come after the response can only be the next head. That is not so
    /// on HTTP/2, nor when the rest of an unread request body may come.
    pub(super) fn request(self: &Arc<Self>, bytes_begin_head: bool) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes_begin_head
            .store(bytes_begin_head, Ordering::Relaxed);
        self.phase.store(code(Phase::Busy), Ordering::Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// HTTP on this connection is over; if the socket lives on, then in a tunnel.
    pub(super) fn hand_over(&self) {
        self.bytes_begin_head.store(false, Ordering::Relaxed);
        self.handed_over.store(true, Ordering::Relaxed);
    }

    pub(super) fn was_handed_over(&self) -> bool {
        self.handed_over.load(Ordering::Relaxed)
    }

    pub(super) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::First,
            1 => Phase::Head,
            2 => Phase::Busy,
            _ => Phase::Idle,
        }
    }

    /// When the phase began, counted from the opening of the connection.
    pub(super) fn since(&self) -> Duration {
        Duration::from_millis(self.since_millis.load(Ordering::Relaxed))
    }

    /// The time since the opening of the connection.
    pub(super) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    fn move_to(&self, phase: Phase) {
        let now = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_millis.store(now, Ordering::Relaxed);
        self.phase.store(code(phase), Ordering::Relaxed);
    }
}

/// A request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            let next = if self.0.head_begun.load(Ordering::Relaxed) {
                Phase::Head
            } else {
                Phase::Idle
            };
            self.0.move_to(next);
        }
    }
}

const fn code(phase: Phase) -> u8 {
    match phase {
        Phase::First => 0,
        Phase::Head => 1,
        Phase::Busy => 2,
        Phase::Idle => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_idle_only_when_its_last_request_has_ended() {
        let activity = Arc::new(Activity::new());
        activity.begin(false);
        let first = activity.request(false);
        let second = activity.request(false);
        drop(first);
        assert_eq!(activity.phase(), Phase::Busy);
        drop(second);
        assert_eq!(activity.phase(), Phase::Idle);
    }

    #[test]
    fn bytes_begin_a_head_only_where_they_can_be_nothing_else() {
        for (body_was_empty, expected) in [(true, Phase::Head), (false, Phase::Idle)] {
            let activity = Arc::new(Activity::new());
            activity.begin(true);
            drop(activity.request(body_was_empty));
            activity.bytes_came();
            assert_eq!(activity.phase(), expected);
        }
    }

    #[test]
    fn bytes_of_the_handshake_begin_no_head() {
        let activity = Activity::new();
        activity.bytes_came();
        assert_eq!(activity.phase(), Phase::First);
    }

    #[test]
    fn a_head_that_began_while_another_request_was_under_way_is_waited_for_as_a_head() {
        let activity = Arc::new(Activity::new());
        activity.begin(true);
        let request = activity.request(true);
        activity.expect_head(true, true);
        assert_eq!(activity.phase(), Phase::Busy);
        drop(request);
        assert_eq!(activity.phase(), Phase::Head);
    }
}
