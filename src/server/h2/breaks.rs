//! How many of its streams a peer may break off.
//!
//! A stream that is opened and reset at once costs its sender two frames and us a request to an app (rapid reset,
//! CVE-2023-44487); so does one that is opened and then broken in a way that makes us reset it (MadeYouReset,
//! CVE-2025-8671). h2 counts what was reset before it was looked at and what the library had to reset; what a patient
//! peer breaks later is counted here.

use std::cell::Cell;
use std::time::Duration;

use crate::base::clock::Stopwatch;

/// Streams that may break off in a row. A browser that leaves a page breaks off everything that the page still loads.
const IN_A_ROW: u32 = 100;
/// One more may break off for each of these that pass: whoever types into a search field breaks off a request with
/// each letter.
const ONE_MORE_EACH: Duration = Duration::from_millis(500);

/// What one connection may still break off.
#[derive(Debug)]
pub(in crate::server) struct Breaks {
    left: Cell<u32>,
    /// Since `left` was last added to.
    since: Cell<Stopwatch>,
}

impl Breaks {
    pub(in crate::server) fn new() -> Self {
        Self {
            left: Cell::new(IN_A_ROW),
            since: Cell::new(Stopwatch::start()),
        }
    }

    /// A stream ended with its response handed over: it pays for one that does not.
    pub(in crate::server) fn ended_whole(&self) {
        // One that was spent stays so: the connection is about to be closed.
        if !self.are_spent() {
            self.left
                .set(self.left.get().saturating_add(1).min(IN_A_ROW));
        }
    }

    /// A stream ended before its response was handed over.
    pub(in crate::server) fn broke_off(&self) {
        if self.are_spent() {
            return;
        }
        let passed = self.since.get().elapsed().as_millis() / ONE_MORE_EACH.as_millis();
        let more = u32::try_from(passed).unwrap_or(u32::MAX);
        if more > 0 {
            self.since.set(Stopwatch::start());
        }
        let left = self.left.get().saturating_add(more).min(IN_A_ROW);
        self.left.set(left.saturating_sub(1));
    }

    /// Whether the peer has had its share.
    pub(in crate::server) fn are_spent(&self) -> bool {
        self.left.get() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_only_breaks_off_is_soon_done() {
        let breaks = Breaks::new();
        let mut broken = 0;
        while !breaks.are_spent() {
            breaks.broke_off();
            broken += 1;
        }
        // A slow machine may let some time pass.
        assert!((IN_A_ROW..IN_A_ROW + 10).contains(&broken), "{broken}");
        breaks.ended_whole();
        assert!(breaks.are_spent(), "too late to mend");
    }

    #[test]
    fn whole_streams_pay_for_broken_ones() {
        let breaks = Breaks::new();
        for _ in 0..10 * IN_A_ROW {
            breaks.broke_off();
            breaks.ended_whole();
        }
        assert!(!breaks.are_spent());
    }
}
