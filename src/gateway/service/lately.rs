//! To whom a login service said yes a moment ago, so that it is not asked for every picture of a page again.
//!
//! What is remembered has a fixed size and is this node's own: a yes that is forgotten costs a question more. A no is not
//! remembered, so that a login counts at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Time;
use crate::base::framed;
use crate::session::Root;

/// How much is remembered. Two that meet in one place forget each other.
const PLACES: usize = 8192;

/// The yeses of one service.
pub struct Lately {
    /// A `std` mutex, because it is held to look at one place and never across a wait.
    places: Mutex<Box<[Place]>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    /// A whole hash: who finds two requests with one name would have the yes to the one count for the other.
    what: [u8; 32],
    at: Time,
}

impl Default for Lately {
    fn default() -> Self {
        Self {
            places: Mutex::new(vec![Place::default(); PLACES].into()),
        }
    }
}

impl Lately {
    /// Whether the service has said yes to `what` of the session with this root no longer ago than `recheck`.
    pub fn said_yes(&self, root: &Root, what: &[u8; 32], now: Time, recheck: Duration) -> bool {
        let what = name(root, what);
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = places.get(at(&what));
        // A yes that seems to lie ahead was before the clock went back, by nobody knows how much.
        place.is_some_and(|place| {
            place.what == what && place.at <= now && now.since(place.at) < recheck
        })
    }

    /// Notes that it said yes at `now`.
    pub fn note(&self, root: &Root, what: &[u8; 32], now: Time) {
        let what = name(root, what);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get_mut(at(&what)) {
            *place = Place { what, at: now };
        }
    }
}

fn name(root: &Root, what: &[u8; 32]) -> [u8; 32] {
    framed::hash(&[b"cloakroom login service yes v1", &root.0, what])
}

fn at(what: &[u8; 32]) -> usize {
    let (first, _) = what.split_first_chunk().unwrap_or((&[0; 4], &[]));
    u32::from_be_bytes(*first) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECHECK: Duration = Duration::from_secs(10);

    fn at(secs: u64) -> Time {
        Time::from_secs(1_000 + secs)
    }

    #[test]
    fn a_yes_is_good_for_the_same_alone_and_for_its_time() {
        let lately = Lately::default();
        let (mine, other) = (Root([1; 32]), Root([2; 32]));
        lately.note(&mine, &[7; 32], at(0));

        assert!(lately.said_yes(&mine, &[7; 32], at(0), RECHECK));
        assert!(lately.said_yes(&mine, &[7; 32], at(9), RECHECK));
        assert!(!lately.said_yes(&mine, &[7; 32], at(10), RECHECK));
        assert!(!lately.said_yes(&mine, &[8; 32], at(0), RECHECK));
        assert!(!lately.said_yes(&other, &[7; 32], at(0), RECHECK));
        assert!(!lately.said_yes(&mine, &[7; 32], at(0), Duration::ZERO));
        // The clock went back.
        assert!(!lately.said_yes(&mine, &[7; 32], Time::from_secs(1), RECHECK));
    }
}
