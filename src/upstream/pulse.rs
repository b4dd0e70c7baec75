//! Whether the other end of a connection of HTTP/2 is still there, asked by PING (RFC 9113, 6.7).

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use h2::{Ping, PingPong};

use crate::base::clock::Stopwatch;

/// The pings of one connection, sent and looked for by the pool's sweeper. Nobody waits for them.
pub(super) struct Pulse {
    pings: Option<PingPong>,
    asked: Option<Stopwatch>,
    patience: Duration,
}

impl Pulse {
    pub(super) const fn new(pings: Option<PingPong>, patience: Duration) -> Self {
        Self {
            pings,
            asked: None,
            patience,
        }
    }

    /// Waits until the app has answered a ping, or is gone.
    pub(super) fn poll_beat(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(pings) = &mut self.pings else {
            return Poll::Ready(());
        };
        if self.asked.is_none() {
            if pings.send_ping(Ping::opaque()).is_err() {
                return Poll::Ready(());
            }
            self.asked = Some(Stopwatch::start());
        }
        pings.poll_pong(cx).map(|_pong| self.asked = None)
    }

    /// False if a ping has stayed without an answer for too long. Asks again if none is on its way.
    pub(super) fn beats(&mut self) -> bool {
        let Some(pings) = &mut self.pings else {
            return true;
        };
        if let Some(asked) = &self.asked {
            // The sweeper comes by again: no need to be woken.
            match pings.poll_pong(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return false,
                Poll::Pending => return asked.elapsed() < self.patience,
            }
        }
        let sent = pings.send_ping(Ping::opaque());
        self.asked = sent.is_ok().then(Stopwatch::start);
        true
    }
}
