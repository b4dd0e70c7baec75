//! What a list of sessions asks of each of them.

use super::expiry::Terms;
use super::life::{Session, State};
use super::record::{User, UserKey};
use crate::base::clock::Time;

impl Session {
    /// Whether it goes on at `now`: it has not ended, was not superseded by a login and has not run out.
    pub fn is_live(&self, terms: &Terms, now: Time) -> bool {
        self.state == State::Live && terms.expired(&self.record, now).is_none()
    }

    /// Under which user an index files it. What has ended, or was superseded by a login, is nobody's. Whether it has
    /// run out is left to the reader, because nobody writes when that happens.
    pub fn user_key(&self) -> Option<UserKey> {
        let user = self.record.user.as_ref();
        user.filter(|_| self.state == State::Live)
            .map(|user| user.key())
    }

    /// Whether it is a live session of the user with this key.
    pub fn is_of(&self, user: &UserKey, terms: &Terms, now: Time) -> bool {
        self.user_key() == Some(*user) && self.is_live(terms, now)
    }

    /// Whether it is a live session of this person. The same key does not say so: two sites may know different people by
    /// one id.
    pub fn belongs_to(&self, user: &User, terms: &Terms, now: Time) -> bool {
        let of = self.record.user.as_deref();
        of.is_some_and(|of| of.is_same_as(user)) && self.is_live(terms, now)
    }

    /// Whether `other`, the same session as another store knows it, is further along: what has ended beats what is
    /// superseded, that beats what is live, and otherwise the later touch wins, then the later ticket. Each request that
    /// writes touches, except one that the app answered with an error.
    pub fn is_behind(&self, other: &Self) -> bool {
        self.progress() < other.progress()
    }

    fn progress(&self) -> (u8, Time, Option<Time>) {
        let rank = match self.state {
            State::Live => 0,
            State::Frozen { .. } => 1,
            State::Closed { .. } => 2,
        };
        let newest = self.holders.iter().map(|holder| holder.issued).max();
        (rank, self.record.touched, newest)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::session::{Closed, Holder, Record, Root, TicketKey};

    const T: fn(u64) -> Time = Time::from_secs;

    fn terms() -> Terms {
        Terms {
            idle: Duration::from_secs(100),
            absolute: Duration::from_secs(1000),
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: false,
            max_bytes: 1000,
            jar_cookies_max: 10,
        }
    }

    fn of_alice() -> Session {
        let mut record = Record::empty(Root([1; 32]), T(1000), T(1000));
        record.user = Some(Box::new(User {
            id: "alice".into(),
            issuer: None,
            name: None,
            email: None,
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            site: "shop".into(),
            auth_time: T(1000),
            entrance: None,
            grant: None,
        }));
        Session {
            record: Arc::new(record),
            holders: [Holder::current(TicketKey([1; 32]), T(1000))].into(),
            state: State::Live,
            forebears: Vec::new(),
        }
    }

    #[test]
    fn a_user_has_only_what_goes_on() {
        let alice = UserKey::of(None, "alice");
        let session = of_alice();
        assert!(session.is_of(&alice, &terms(), T(1099)));
        assert!(!session.is_of(&alice, &terms(), T(1100)));
        assert!(!session.is_of(&UserKey::of(None, "bob"), &terms(), T(1000)));
        assert!(!session.is_of(&UserKey::of(Some("x"), "alice"), &terms(), T(1000)));
        let mut frozen = of_alice();
        frozen.state = State::Frozen { until: T(2000) };
        let mut ended = of_alice();
        ended.close(Closed::Ended, &terms(), T(1001));
        for session in [frozen, ended] {
            assert!(!session.is_of(&alice, &terms(), T(1001)));
            assert_eq!(session.user_key(), None);
        }
    }

    #[test]
    fn what_has_ended_is_further_along_than_whatever_is_touched_later() {
        let live = of_alice();
        let mut touched = of_alice();
        Arc::make_mut(&mut touched.record).touched = T(1050);
        let mut rotated = touched.clone();
        rotated
            .holders
            .push(Holder::current(TicketKey([2; 32]), T(1060)));
        let mut frozen = of_alice();
        frozen.state = State::Frozen { until: T(2000) };
        let mut ended = of_alice();
        ended.close(Closed::Ended, &terms(), T(1001));
        let in_order = [live, touched, rotated, frozen, ended];
        for (at, one) in in_order.iter().enumerate() {
            for (other_at, other) in in_order.iter().enumerate() {
                assert_eq!(one.is_behind(other), at < other_at, "{at} {other_at}");
            }
        }
    }
}
