//! The session as a state machine: the consistency contract (DESIGN section 4) in one place.
//!
//! A store engine finds the [`Session`] that a ticket belongs to, calls [`Session::open`] or [`Session::commit`] under
//! its own lock or inside its own transaction, and writes down what [`Effects`] says. No engine decides anything.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::Turn;
use super::commit::{Commit, Committed, Effects, Outcome};
use super::expiry::Terms;
use super::holders::{self, Holder, Holders};
use super::opening::{Closed, Opening, Standing, Upkeep};
use super::record::{Record, User};
use super::ticket::{Ticket, TicketKey};
use crate::base::clock::Time;

/// How much longer a store keeps what is over: a request brings the time at which it began, and the clocks of two
/// processes differ a little. Nothing is revived because the sweeper was ahead of a request.
const KEEP_SLACK: Duration = Duration::from_secs(60);

/// The most forebears that a session remembers: more cannot lie within any sensible grace, and a login loop must not
/// grow the list.
const FOREBEARS_MAX: usize = 8;

/// A session with the tickets that open it.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// What it knows. Shared with the requests that have it open.
    pub record: Arc<Record>,
    /// The tickets that open it, the newest last.
    pub holders: Holders,
    /// Whether it goes on.
    pub state: State,
    /// First tickets of the sessions that it was forked from; a flush ends those too.
    pub forebears: Vec<TicketKey>,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It does.
    Live,
    /// A user change forked it: it can be read until then, and nothing is written any more.
    Frozen {
        /// The end of the grace.
        until: Time,
    },
    /// It has ended; what is left is a tombstone that keeps its tickets from opening anything.
    Closed {
        /// Why.
        why: Closed,
        /// How long the tombstone must stay.
        until: Time,
    },
}

impl Session {
    /// The empty session that the ticket of `commit` opens by itself, for an engine that does not know the ticket and
    /// remembers what happened since `born`; or what to answer, when there is none or nothing that is worth a record.
    ///
    /// # Errors
    /// The answer.
    pub fn begin_for(commit: &Commit, born: Time, terms: &Terms) -> Result<Self, Committed> {
        let Commit { ticket, now, .. } = commit;
        // What this very request minted cannot have been in a store that is lost, whatever the clock of the node is.
        let born = born.min(*now);
        if let Opening::Closed(closed) = Opening::of_unknown(ticket, born, terms, *now) {
            return Err(Outcome::Dropped(closed).into());
        }
        let record = Record::empty(ticket.root(), ticket.issued(), *now);
        let holder = Holder::current(ticket.key(), ticket.issued());
        let session = Self::live(record, holder, Vec::new());
        if commit.change.needs_a_record() {
            Ok(session)
        } else {
            Err(Outcome::Applied(session.record).into())
        }
    }

    fn live(record: Record, holder: Holder, forebears: Vec<TicketKey>) -> Self {
        Self {
            record: Arc::new(record),
            holders: [holder].into(),
            state: State::Live,
            forebears,
        }
    }

    /// What the ticket with this key opens.
    pub fn open(&self, key: &TicketKey, terms: &Terms, now: Time) -> Opening {
        match self.standing(key, terms, now) {
            Ok(standing) => Opening::Open {
                record: Arc::clone(&self.record),
                standing,
                upkeep: self.upkeep(key, standing, terms, now),
            },
            Err(closed) => Opening::Closed(closed),
        }
    }

    fn upkeep(&self, key: &TicketKey, standing: Standing, terms: &Terms, now: Time) -> Upkeep {
        if standing == Standing::Frozen {
            Upkeep::Nothing
        } else if holders::waiting_at(&self.holders, key).is_some() {
            Upkeep::Settle
        } else if self.rotation_is_due(key, terms, now) {
            Upkeep::Rotate
        } else {
            Upkeep::Nothing
        }
    }

    fn rotation_is_due(&self, key: &TicketKey, terms: &Terms, now: Time) -> bool {
        let is_due =
            |every| holders::rotation_is_due(&self.holders, key, every, terms.rotation_grace, now);
        terms.rotate_every.is_some_and(is_due)
    }

    fn standing(&self, key: &TicketKey, terms: &Terms, now: Time) -> Result<Standing, Closed> {
        if let State::Closed { why, .. } = self.state {
            return Err(why);
        }
        if let Some(expired) = terms.expired(&self.record, now) {
            return Err(expired.into());
        }
        let holder = self
            .holders
            .iter()
            .find(|holder| holder.key == *key)
            .ok_or(Closed::Superseded)?;
        match (self.state, holder.retires) {
            (State::Frozen { until }, _) if until <= now => Err(Closed::Superseded),
            (_, Some(retires)) if retires <= now => Err(Closed::Superseded),
            (State::Frozen { .. }, _) => Ok(Standing::Frozen),
            (_, Some(_)) => Ok(Standing::Retiring),
            (_, None) if !holder.untried && self.holders.iter().any(Holder::is_waiting) => {
                Ok(Standing::Yielding)
            }
            (_, None) => Ok(Standing::Current),
        }
    }

    /// Does what a request asks, or nothing of it.
    pub fn commit(&mut self, commit: &Commit, terms: &Terms) -> Effects {
        let standing = match self.standing(&commit.ticket.key(), terms, commit.now) {
            Ok(Standing::Frozen) => return Effects::nothing(Outcome::Dropped(Closed::Superseded)),
            Ok(standing) => standing,
            Err(closed) => return Effects::nothing(Outcome::Dropped(closed)),
        };
        let mut effects = match &commit.change.turn {
            Turn::End => self.end(terms, commit.now),
            Turn::LogIn { user, carry } => self.fork(commit, user.as_deref(), *carry, terms),
            // A request that brings the old ticket must not replace the newer cookie. While the newer one has not come
            // back, though, an app that asks for another gets it: whoever knows the old ticket could have drawn the
            // newer one as well, and neither may survive what the app guards against.
            Turn::Rotate if standing != Standing::Retiring => self.rotate(commit, terms),
            Turn::Rotate | Turn::RotateOnSchedule | Turn::Stay => {
                self.go_on(commit, standing, terms)
            }
        };
        effects.committed.standing = standing;
        effects
    }

    /// The session goes on under the ticket that came. If that is a new one, it has arrived now; if it is an old one
    /// and that is asked for, a new one is given out beside it.
    fn go_on(&mut self, commit: &Commit, standing: Standing, terms: &Terms) -> Effects {
        let (key, now) = (commit.ticket.key(), commit.now);
        let edited = self.edited(commit, terms);
        let fits = edited.is_some();
        let (record, evicted) =
            edited.unwrap_or_else(|| (commit.change.touched(&self.record, now), Vec::new()));
        let mut changed = record != *self.record;
        if changed {
            self.record = Arc::new(record);
        }
        let rotates =
            commit.change.turn == Turn::RotateOnSchedule && self.rotation_is_due(&key, terms, now);
        let retires = now.plus(terms.rotation_grace);
        changed |= rotates | holders::settle(&mut self.holders, &key, retires);
        let next = commit.next.marked_stored();
        let dropped = rotates
            .then(|| holders::add_untried(&mut self.holders, next.key(), now))
            .flatten();
        let resends = fits && standing == Standing::Current && !commit.ticket.is_stored();
        let ticket = match (rotates, resends) {
            (true, _) => Some(next),
            (false, true) => Some(commit.ticket.marked_stored()),
            (false, false) => None,
        };
        let mut effects = self.applied(ticket, terms, now);
        effects.forgotten.extend(dropped);
        effects.changed = changed || !effects.forgotten.is_empty();
        effects.committed.evicted = evicted;
        if !fits {
            effects.committed.outcome = Outcome::TooLarge;
        }
        effects
    }

    fn rotate(&mut self, commit: &Commit, terms: &Terms) -> Effects {
        let Some((record, evicted)) = self.edited(commit, terms) else {
            return Effects::nothing(Outcome::TooLarge);
        };
        self.record = Arc::new(record);
        let next = commit.next.marked_stored();
        let retires = commit.now.plus(terms.rotation_grace);
        let holder = Holder::current(next.key(), commit.now);
        holders::replace(&mut self.holders, holder, retires);
        let mut effects = self.applied(Some(next), terms, commit.now);
        effects.committed.evicted = evicted;
        effects
    }

    fn fork(
        &mut self,
        commit: &Commit,
        user: Option<&User>,
        carry: bool,
        terms: &Terms,
    ) -> Effects {
        let now = commit.now;
        let next = commit.next.marked_stored();
        let mut record = Record::empty(next.root(), now, now);
        // As in Django, somebody else starts with nothing of the one before.
        let same_visitor = match (&self.record.user, user) {
            (None, _) => true,
            (Some(before), Some(user)) => before.is_same_as(user),
            (Some(_), None) => false,
        };
        if carry && same_visitor {
            record.data = self.record.data.clone();
            record.jars = self.record.jars.clone();
            record.bond = self.record.bond.clone();
            record.cleared = self.record.cleared.clone();
            record.copies = self.record.copies.clone();
            record.expiry = self.record.expiry;
        }
        // Whatever goes along, what the browser may still hold is no more theirs than before.
        record.taken = self.record.taken.clone();
        record.home = commit.change.home.map(Box::new);
        record.user = user.map(|user| Box::new(user.clone()));
        let evicted = commit.change.apply_edits(&mut record, terms, now);
        record.enter(commit.change.entrance.as_deref());
        record.shed_copies(terms.max_bytes);
        if record.weight_bytes() > terms.max_bytes {
            // The old state may stay, but not an old user whom the app has just replaced.
            let kept = same_visitor.then(|| Effects::nothing(Outcome::TooLarge));
            return kept.unwrap_or_else(|| self.end(terms, now));
        }
        self.state = State::Frozen {
            until: now.plus(terms.rotation_grace),
        };
        let mut forebears = self.forebears.clone();
        forebears.extend(self.holders.first().map(|holder| holder.key));
        let surplus = forebears.len().saturating_sub(FOREBEARS_MAX);
        forebears.drain(..surplus);
        let fork = Self::live(record, Holder::current(next.key(), now), forebears);
        let outcome = Outcome::Applied(Arc::clone(&fork.record));
        Effects {
            fork: Some(fork),
            ..Effects::changed(Committed {
                ticket: Some(next),
                evicted,
                ..outcome.into()
            })
        }
    }

    /// Ends the session as a logout would, because somebody else than its visitor wants it.
    pub fn end(&mut self, terms: &Terms, now: Time) -> Effects {
        self.close(Closed::Ended, terms, now);
        let end_too = std::mem::take(&mut self.forebears);
        Effects {
            end_too,
            ..Effects::changed(Outcome::Ended.into())
        }
    }

    /// Ends the session and forgets what it knew. What is left is a tombstone.
    pub fn close(&mut self, why: Closed, terms: &Terms, now: Time) {
        if !matches!(self.state, State::Closed { .. }) {
            let before = &self.record;
            // The unstored spelling of its first ticket could open an empty session for the idle timeout from its
            // issue, which lies after `now` when the clock was set back over a restart.
            self.state = State::Closed {
                why,
                until: now.max(before.created).plus(terms.idle),
            };
            self.record = Arc::new(Record::empty(before.root, before.created, before.touched));
        }
    }

    /// Until when a store must keep this, whatever it is; afterwards its tickets open nothing by themselves.
    pub fn keep_until(&self, terms: &Terms) -> Time {
        let record = &self.record;
        let opens_by_itself_until = record.created.plus(terms.idle);
        let over = match self.state {
            State::Live => {
                let idle_end = record.touched.plus(terms.idle_of(record));
                idle_end
                    .min(record.created.plus(terms.absolute))
                    .max(opens_by_itself_until)
            }
            State::Frozen { until } => until.max(opens_by_itself_until),
            State::Closed { until, .. } => until,
        };
        over.plus(KEEP_SLACK)
    }

    /// The record after the edits of `commit`, and which cookies a full jar let go for them; or `None` if it would pass
    /// the limit.
    fn edited(&self, commit: &Commit, terms: &Terms) -> Option<(Record, Vec<Box<[u8]>>)> {
        let mut record = Record::clone(&self.record);
        let evicted = commit.change.apply_edits(&mut record, terms, commit.now);
        record.shed_copies(terms.max_bytes);
        // What a session already weighs is never held against a change that adds nothing to it.
        let weight_bytes = record.weight_bytes();
        (weight_bytes <= terms.max_bytes || weight_bytes <= self.record.weight_bytes())
            .then_some((record, evicted))
    }

    fn applied(&mut self, ticket: Option<Ticket>, terms: &Terms, now: Time) -> Effects {
        let outcome = Outcome::Applied(Arc::clone(&self.record));
        let opens_by_itself_until = self.record.created.plus(terms.idle);
        let forgotten = holders::forget_retired(&mut self.holders, opens_by_itself_until, now);
        Effects {
            forgotten,
            ..Effects::changed(Committed {
                ticket,
                ..outcome.into()
            })
        }
    }
}

#[cfg(test)]
mod tests;
