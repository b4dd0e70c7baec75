//! Who decides what becomes of a commit that nobody may want to wait for any more.
//!
//! A request that was told "the store did not answer" must find its session as it was when the store is back. So
//! either the request gives its commit up, and the writer leaves it, or the writer takes it, and the request waits for
//! what comes of it: never both.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// The claim on one commit, held by its request and by the writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim(Arc<AtomicU8>);

impl Claim {
    /// The writer begins with the commit; false if it was given up.
    pub(super) fn take(&self) -> bool {
        self.settle(TAKEN)
    }

    /// The request waits no longer; false if the writer has begun.
    pub(super) fn give_up(&self) -> bool {
        self.settle(GIVEN_UP)
    }

    fn settle(&self, as_what: u8) -> bool {
        let settled = self
            .0
            .compare_exchange(OPEN, as_what, Ordering::AcqRel, Ordering::Acquire);
        settled.is_ok() || settled == Err(as_what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_side_decides() {
        let claim = Claim::default();
        assert!(claim.take() && claim.take());
        assert!(!claim.clone().give_up());
        let claim = Claim::default();
        assert!(claim.give_up());
        assert!(!claim.take());
    }
}
