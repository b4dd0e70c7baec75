//! The session as a state machine: the consistency contract (DESIGN section 4) in one place.
//!
//! A store engine finds the [`Session`] that a ticket belongs to, calls [`Session::open`] or [`Session::commit`] under
//! its own lock or inside its own transaction, and writes down what [`Effects`] says. No engine decides anything.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::change::{Change, Turn};
use super::expiry::{Expired, Terms};
use super::holders::{self, Holder};
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
    pub holders: Vec<Holder>,
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

/// Why a ticket of ours opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closed {
    /// The store does not know it.
    Unknown,
    /// Somebody ended the session.
    Ended,
    /// A newer ticket took its place.
    Superseded,
    /// Nobody used the session for the idle timeout.
    IdleExpired,
    /// The session reached the absolute timeout.
    AbsoluteExpired,
}

/// How a ticket stands to the session that it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the session's ticket.
    Current,
    /// A rotation replaced it; it still opens the same session for a moment, and never touches the newer cookie.
    Retiring,
    /// A user change replaced it: it shows the state from before, and nothing it asks for is done.
    Frozen,
}

/// What a ticket opens.
#[derive(Clone, Debug)]
pub enum Opening {
    /// A session.
    Open {
        /// What the session knows.
        record: Arc<Record>,
        /// How the ticket stands to it.
        standing: Standing,
    },
    /// Nothing, and nothing is known against it: an unstored ticket opens an empty session, a stored one nothing.
    Vacant,
    /// Nothing.
    Closed(Closed),
}

/// What a request asks a store to do.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The ticket that the request has its session open with.
    pub ticket: Ticket,
    /// A fresh ticket, for a turn that needs one.
    pub next: Ticket,
    /// What the request did.
    pub change: Change,
    /// When.
    pub now: Time,
}

/// What a store made of a [`Commit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// What happened.
    pub outcome: Outcome,
    /// The ticket that the visitor must be given now, if it is another than the one they brought.
    pub ticket: Option<Ticket>,
}

/// What happened to a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The store has it. The record is the session as the visitor's ticket now opens it.
    Applied(Arc<Record>),
    /// The session has ended.
    Ended,
    /// Nothing was done: the session is closed, or closed to this ticket.
    Dropped(Closed),
    /// Nothing was done: the session would have passed `max_bytes`.
    TooLarge,
}

/// What an engine has to write down after [`Session::commit`].
#[derive(Debug)]
pub struct Effects {
    /// What to tell the request.
    pub committed: Committed,
    /// Whether the session itself changed.
    pub changed: bool,
    /// A new session to file, under its holders.
    pub fork: Option<Session>,
    /// Tickets whose sessions end as well, by [`Session::close`].
    pub end_too: Vec<TicketKey>,
    /// Tickets that no longer belong to the session and may be forgotten.
    pub forgotten: Vec<TicketKey>,
}

impl Session {
    /// The empty session that `ticket` opens by itself, or `None` when it cannot: it is marked stored, or too old.
    pub fn begin(ticket: &Ticket, terms: &Terms, now: Time) -> Option<Self> {
        if ticket.is_stored() || now.since(ticket.issued()) >= terms.idle {
            return None;
        }
        let record = Record::empty(ticket.root(), ticket.issued(), now);
        Some(Self::live(record, ticket.key(), Vec::new()))
    }

    /// The empty session that the ticket of `commit` opens by itself, for an engine that knows nothing of the ticket;
    /// or what to answer, when there is none or nothing that is worth a record.
    pub fn begin_for(commit: &Commit, terms: &Terms) -> Result<Self, Committed> {
        let Some(session) = Self::begin(&commit.ticket, terms, commit.now) else {
            return Err(Outcome::Dropped(match commit.ticket.is_stored() {
                true => Closed::Unknown,
                false => Closed::IdleExpired,
            })
            .into());
        };
        if commit.change.needs_a_record() {
            Ok(session)
        } else {
            Err(Outcome::Applied(session.record).into())
        }
    }

    fn live(record: Record, key: TicketKey, forebears: Vec<TicketKey>) -> Self {
        Self {
            record: Arc::new(record),
            holders: vec![Holder::current(key)],
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
            },
            Err(closed) => Opening::Closed(closed),
        }
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
        match &commit.change.turn {
            Turn::End => self.end(terms, commit.now),
            Turn::LogIn { user, carry } => self.fork(commit, user, *carry, terms),
            // A request that brings the old ticket must not replace the newer cookie.
            Turn::Rotate if standing == Standing::Current => self.rotate(commit, terms),
            Turn::Rotate | Turn::Stay => self.stay(commit, standing, terms),
        }
    }

    fn stay(&mut self, commit: &Commit, standing: Standing, terms: &Terms) -> Effects {
        let Some(record) = self.edited(commit, terms) else {
            return Effects::nothing(Outcome::TooLarge);
        };
        self.record = Arc::new(record);
        let resend = standing == Standing::Current && !commit.ticket.is_stored();
        let ticket = resend.then(|| commit.ticket.marked_stored());
        self.applied(ticket, terms, commit.now)
    }

    fn rotate(&mut self, commit: &Commit, terms: &Terms) -> Effects {
        let Some(record) = self.edited(commit, terms) else {
            return Effects::nothing(Outcome::TooLarge);
        };
        self.record = Arc::new(record);
        let next = commit.next.marked_stored();
        let retires = commit.now.plus(terms.rotation_grace);
        holders::replace(&mut self.holders, next.key(), retires);
        self.applied(Some(next), terms, commit.now)
    }

    fn fork(&mut self, commit: &Commit, user: &User, carry: bool, terms: &Terms) -> Effects {
        let now = commit.now;
        let next = commit.next.marked_stored();
        let mut record = Record::empty(next.root(), now, now);
        // As in Django, somebody else starts with nothing of the one before.
        let same_visitor = self
            .record
            .user
            .as_ref()
            .is_none_or(|before| before.is_same_as(user));
        if carry && same_visitor {
            record.data = self.record.data.clone();
            record.jars = self.record.jars.clone();
            record.expiry = self.record.expiry;
        }
        record.user = Some(user.clone());
        commit.change.apply_edits(&mut record, terms, now);
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
        let fork = Self::live(record, next.key(), forebears);
        let outcome = Outcome::Applied(Arc::clone(&fork.record));
        Effects {
            fork: Some(fork),
            ..Effects::changed(Committed {
                outcome,
                ticket: Some(next),
            })
        }
    }

    fn end(&mut self, terms: &Terms, now: Time) -> Effects {
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

    /// The record after the edits of `commit`, or `None` if it would pass the limit.
    fn edited(&self, commit: &Commit, terms: &Terms) -> Option<Record> {
        let mut record = Record::clone(&self.record);
        commit.change.apply_edits(&mut record, terms, commit.now);
        // What a session already weighs is never held against a change that adds nothing to it.
        let weight_bytes = record.weight_bytes();
        (weight_bytes <= terms.max_bytes || weight_bytes <= self.record.weight_bytes())
            .then_some(record)
    }

    fn applied(&mut self, ticket: Option<Ticket>, terms: &Terms, now: Time) -> Effects {
        let outcome = Outcome::Applied(Arc::clone(&self.record));
        let opens_by_itself_until = self.record.created.plus(terms.idle);
        let forgotten = holders::forget_retired(&mut self.holders, opens_by_itself_until, now);
        Effects {
            forgotten,
            ..Effects::changed(Committed { outcome, ticket })
        }
    }
}

impl Effects {
    /// Nothing was done, and this is why.
    pub fn nothing(outcome: Outcome) -> Self {
        Self {
            changed: false,
            ..Self::changed(outcome.into())
        }
    }

    /// The ticket that came into use, if one did, when the request brought the one with this key.
    pub fn fresh_ticket(&self, brought: &TicketKey) -> Option<TicketKey> {
        let given = self.committed.ticket.as_ref()?.key();
        (given != *brought).then_some(given)
    }

    fn changed(committed: Committed) -> Self {
        Self {
            committed,
            changed: true,
            fork: None,
            end_too: Vec::new(),
            forgotten: Vec::new(),
        }
    }
}

impl From<Outcome> for Committed {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            ticket: None,
        }
    }
}

impl From<Expired> for Closed {
    fn from(expired: Expired) -> Self {
        match expired {
            Expired::Idle => Self::IdleExpired,
            Expired::Absolute => Self::AbsoluteExpired,
        }
    }
}

#[cfg(test)]
mod tests;
