//! Who is sent to log in again and again. The app may believe somebody logged in of whom the gateway knows nothing, and
//! send them back at once; the browser gives up after some twenty rounds and tells nobody why. So after a few the
//! visitor is told instead.
//!
//! What is remembered has a fixed size and is this node's own: a round that is forgotten costs a visitor one more.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::clock::Time;
use crate::base::framed;
use crate::session::Root;

/// So many times within [`WINDOW`] a session is sent away from one address. Fewer than the redirects that a browser
/// follows, every other of which is ours.
const ROUNDS_MAX: u8 = 5;
/// Circles are fast; people are not.
const WINDOW: Duration = Duration::from_secs(20);
/// How many visitors are remembered. Two that meet in one place forget each other.
const PLACES: usize = 1024;

/// Who was sent to log in lately.
pub struct Circles {
    /// A `std` mutex, because it is held to look at one place and never across a wait, and only by who is sent to log in.
    places: Mutex<Box<[Place]>>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    who: u64,
    since: Time,
    rounds: u8,
}

impl Default for Circles {
    fn default() -> Self {
        Self {
            places: Mutex::new(vec![Place::default(); PLACES].into()),
        }
    }
}

impl Circles {
    /// Notes that the session with this root is to be sent to log in from `target`. True when it has been so often that it
    /// goes round in a circle.
    pub fn note(&self, root: &Root, target: &str, now: Time) -> bool {
        let who = name(root, target);
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(who).unwrap_or_default() % PLACES;
        let Some(place) = places.get_mut(at) else {
            return false;
        };
        if place.who != who || now.since(place.since) > WINDOW || now < place.since {
            *place = Place {
                who,
                since: now,
                rounds: 0,
            };
        }
        place.rounds = place.rounds.saturating_add(1);
        place.rounds > ROUNDS_MAX
    }
}

/// Of a session at an address: several tabs that open at once are no circle.
fn name(root: &Root, target: &str) -> u64 {
    framed::hash64(&[b"cloakroom circle v1", &root.0, target.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_many_rounds_of_one_session_at_one_address_in_a_short_time() {
        let circles = Circles::default();
        let (one, other) = (Root([1; 32]), Root([2; 32]));
        let at = Time::from_secs;
        for _ in 0..ROUNDS_MAX {
            assert!(!circles.note(&one, "/x", at(100)));
            assert!(!circles.note(&other, "/x", at(100)));
        }
        assert!(!circles.note(&one, "/y", at(100)));
        assert!(circles.note(&one, "/x", at(110)));
        assert!(circles.note(&one, "/x", at(120)));
        assert!(
            !circles.note(&one, "/x", at(121)),
            "after a while it is new"
        );
        // A clock that went back begins anew rather than never.
        assert!(!circles.note(&other, "/x", at(99)));
        for _ in 0..300 {
            circles.note(&one, "/z", at(200));
        }
        assert!(circles.note(&one, "/z", at(200)));
    }
}
