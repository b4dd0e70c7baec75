//! Whether the peer of an HTTP/2 connection is still there. A stream may wait for hours, and a peer that has vanished
//! says nothing either: one that was silent for a while is asked.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::{Ping, PingPong};
use tokio::time::{Sleep, sleep};

use crate::server::h2::noise::Noise;

/// What is known of one peer. Its timer hardly ever runs out while the peer speaks: it is looked at when it does.
pub(super) struct Pulse {
    ping_pong: Option<PingPong>,
    /// How long a peer may be silent before it is asked.
    silence_max: Duration,
    /// How long it may take to the next sign of life.
    answer_max: Duration,
    timer: Pin<Box<Sleep>>,
    /// Whether the timer knows whom to wake.
    is_set: bool,
    state: State,
}

enum State {
    Heard,
    /// For half of `silence_max`.
    Silent,
    Asked,
}

impl Pulse {
    pub(super) fn new(
        ping_pong: Option<PingPong>,
        silence_max: Duration,
        answer_max: Duration,
    ) -> Self {
        Self {
            ping_pong,
            silence_max,
            answer_max,
            timer: Box::pin(sleep(silence_max / 2)),
            is_set: false,
            state: State::Heard,
        }
    }

    /// Ready when the peer is gone.
    pub(super) fn poll_gone(&mut self, cx: &mut Context<'_>, noise: &Noise) -> Poll<()> {
        // A connection stays with its task, so the timer need not be told each time.
        if self.is_set && !self.timer.is_elapsed() {
            return Poll::Pending;
        }
        loop {
            self.is_set = true;
            ready!(self.timer.as_mut().poll(cx));
            let (state, wait) = match self.state {
                _ if noise.has_heard() => (State::Heard, self.silence_max / 2),
                State::Heard => (State::Silent, self.silence_max / 2),
                State::Silent => {
                    self.ask(cx);
                    (State::Asked, self.answer_max)
                }
                State::Asked => return Poll::Ready(()),
            };
            self.state = state;
            self.timer.set(sleep(wait));
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) {
        if let Some(ping_pong) = &mut self.ping_pong {
            // An answer that came to the last one makes room for the next.
            let _ = ping_pong.poll_pong(cx);
            let _ = ping_pong.send_ping(Ping::opaque());
        }
    }
}
