//! How long the next part of a response may be waited for.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;

use crate::base::clock::Stopwatch;

/// Measures each wait by itself. The timer is not touched when something comes, which is what happens most: it runs out,
/// and is wound again for what is left.
#[derive(Default)]
pub(super) struct Patience {
    /// Zero: endless.
    limit: Duration,
    waiting: Option<Stopwatch>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(super) const fn new(limit: Duration) -> Self {
        Self {
            limit,
            waiting: None,
            timer: None,
        }
    }

    /// Something has come.
    pub(super) const fn relieve(&mut self) {
        self.waiting = None;
    }

    /// Nothing has come: ready when that was so for too long.
    pub(super) fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.limit.is_zero() {
            return Poll::Pending;
        }
        let mut left = if self.waiting.is_some() {
            self.left()
        } else {
            self.waiting = Some(Stopwatch::start());
            self.limit
        };
        loop {
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(left)));
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if left.is_zero() {
                return Poll::Ready(());
            }
            timer.set(tokio::time::sleep(left));
            left = self.left();
        }
    }

    fn left(&self) -> Duration {
        let waited = self.waiting.as_ref().map(Stopwatch::elapsed);
        self.limit.saturating_sub(waited.unwrap_or_default())
    }
}
