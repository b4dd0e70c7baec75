//! What has become of the sessions that tickets once led to: asked again and again for streams that are open.
//!
//! An opened ticket cannot be asked about again: it may have rotated meanwhile, and its session goes on all the same.
//! So this follows the session, from each ticket to the one that took its place.

use std::time::Duration;

use crate::base::clock::Time;
use crate::session::{Closed, Session, State, Terms, TicketKey};

/// What has become of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The store knows nothing of the ticket. It may open an empty session by itself, or carry one, and then the session
    /// goes on until its own clock says otherwise; if the store did know it, the session is over.
    Unknown,
    /// It goes on.
    Live {
        /// The ticket to ask for the next time. The one that was asked for is forgotten some time after a rotation.
        next: TicketKey,
        /// Whether the store keeps the session's idle clock. The cookie engine does not: its clock is with the visitor.
        timed: bool,
        /// Whether a tenth of the idle timeout has passed since the idle clock was written.
        touch_is_due: bool,
    },
    /// It is over, or goes on as another one for another user.
    Over(Closed),
}

impl Fate {
    /// The fate of `session`, to which the ticket with this key leads.
    pub(super) fn of(session: &Session, terms: &Terms, now: Time) -> Self {
        match session.state {
            State::Closed { why, .. } => return Self::Over(why),
            // During the grace it can be read, by requests that were under way. A stream is none: it would go on.
            State::Frozen { .. } => return Self::Over(Closed::Superseded),
            State::Live => {}
        }
        let record = &session.record;
        if let Some(expired) = terms.expired(record, now) {
            return Self::Over(expired.into());
        }
        let holders = session.holders.iter().rev();
        // One that has not come back yet may be dropped again.
        let settled = holders
            .clone()
            .find(|holder| holder.retires.is_none() && !holder.untried);
        let Some(holder) = settled.or_else(|| session.holders.last()) else {
            return Self::Over(Closed::Superseded);
        };
        let tenth: Duration = terms.idle_of(record) / 10;
        Self::Live {
            next: holder.key,
            timed: true,
            touch_is_due: now.since(record.touched) >= tenth,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::{Holder, Record, Root};

    const HOUR: Duration = Duration::from_secs(3600);

    fn terms() -> Terms {
        Terms {
            idle: HOUR,
            absolute: 24 * HOUR,
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: true,
            max_bytes: 1 << 16,
            jar_cookies_max: 180,
        }
    }

    fn session(state: State) -> Session {
        let begun = Time::from_secs(1000);
        let holder = |byte, retires, untried| Holder {
            retires,
            untried,
            ..Holder::current(TicketKey([byte; 32]), begun)
        };
        Session {
            record: Arc::new(Record::empty(Root([0; 32]), begun, begun)),
            holders: [
                holder(1, Some(begun), false),
                holder(2, None, false),
                holder(3, None, true),
            ]
            .into_iter()
            .collect(),
            state,
            forebears: Vec::new(),
        }
    }

    #[test]
    fn a_session_lives_on_under_the_ticket_that_took_over() {
        let fate = |after: u64| {
            Fate::of(
                &session(State::Live),
                &terms(),
                Time::from_secs(1000 + after),
            )
        };
        let live = |touch_is_due| Fate::Live {
            next: TicketKey([2; 32]),
            timed: true,
            touch_is_due,
        };
        assert_eq!(fate(0), live(false));
        assert_eq!(fate(359), live(false));
        assert_eq!(fate(360), live(true));
        assert_eq!(fate(3600), Fate::Over(Closed::IdleExpired));
        assert_eq!(fate(86_400), Fate::Over(Closed::AbsoluteExpired));
    }

    #[test]
    fn what_ended_or_belongs_to_an_earlier_user_is_over_at_once() {
        let until = Time::from_secs(5000);
        let why = Closed::Ended;
        let fate = |state| Fate::of(&session(state), &terms(), Time::from_secs(1000));
        assert_eq!(fate(State::Closed { why, until }), Fate::Over(why));
        let forked = fate(State::Frozen { until });
        assert_eq!(forked, Fate::Over(Closed::Superseded));
    }
}
