//! What a sealed ticket comes to by itself: what it opens, and what a change makes of it.

use std::sync::Arc;

use super::SealedStore;
use crate::base::clock::Time;
use crate::cookie::attributes::COOKIE_BYTES_MAX;
use crate::session::{
    Carried, Change, Closed, Commit, Committed, Effects, Holder, Opening, Outcome, Record, Session,
    State, Terms, Ticket, Turn,
};
use crate::store::StoreFault;

/// Since when an engine remembers that has nothing to remember.
const ALWAYS: Time = Time::from_secs(0);

/// What a commit comes to as far as the ticket alone can tell.
pub(super) enum Own {
    /// The answer, whatever the revocations know.
    Settled(Committed),
    /// The session, which holds nothing that would be worth a ticket of its own.
    Empty(Arc<Record>),
    /// The session ends.
    Ended,
    /// A new state.
    Sealed(Sealed),
}

/// A new state of a session, under the ticket that carries it.
pub(super) struct Sealed {
    ticket: Ticket,
    /// That the change was done, or that it was too large and the rest of it was done.
    outcome: Outcome,
    began: bool,
    evicted: Vec<Box<[u8]>>,
}

/// What `ticket` opens as far as it knows itself.
pub(super) fn open_by_itself(ticket: &Ticket, terms: &Terms, now: Time) -> Opening {
    match ticket.carried() {
        // Its tombstone goes then, if there is one; so it must not open even if the absolute timeout was raised since.
        Some(carried) if carried.until() <= now => Opening::Closed(Closed::AbsoluteExpired),
        Some(carried) => session_of(ticket, carried).open(&ticket.key(), terms, now),
        None => Opening::of_unknown(ticket, ALWAYS, terms, now),
    }
}

/// The session in a ticket. Only this ticket opens it, and of others it knows nothing.
fn session_of(ticket: &Ticket, carried: &Carried) -> Session {
    Session {
        record: Arc::clone(carried.record()),
        holders: [Holder::current(ticket.key(), ticket.issued())].into(),
        state: State::Live,
        forebears: Vec::new(),
    }
}

impl SealedStore {
    /// What `commit` comes to as far as its ticket knows.
    pub(super) fn own(&self, commit: &Commit) -> Result<Own, StoreFault> {
        let Commit { ticket, now, .. } = commit;
        let opening = open_by_itself(ticket, &self.terms, *now);
        if let Opening::Closed(closed) = opening {
            return Ok(Own::Settled(Outcome::Dropped(closed).into()));
        }
        let (mut session, began) = match ticket.carried() {
            Some(carried) => (session_of(ticket, carried), false),
            None => match Session::begin_for(commit, ALWAYS, &self.terms) {
                Ok(session) => (session, true),
                Err(committed) => {
                    return Ok(match committed.outcome {
                        Outcome::Applied(record) => Own::Empty(record),
                        _ => Own::Settled(committed),
                    });
                }
            },
        };
        let before = Arc::clone(&session.record);
        let Effects { committed, .. } = session.commit(commit, &self.terms);
        let record = match committed.outcome {
            Outcome::Applied(record) => record,
            Outcome::Ended => return Ok(Own::Ended),
            Outcome::TooLarge => return self.without_edits(commit),
            Outcome::Dropped(_) => return Ok(Own::Settled(committed)),
        };
        let given = committed.ticket.as_ref().unwrap_or(ticket);
        match self.seal(given, &record, commit)? {
            Some((ticket, record)) => Ok(Own::Sealed(Sealed {
                ticket,
                outcome: Outcome::Applied(record),
                began,
                evicted: committed.evicted,
            })),
            // The old state may stay, but not an old user whom the app has just replaced.
            None if replaces_user(&before, &commit.change.turn) => Ok(Own::Ended),
            None => self.without_edits(commit),
        }
    }

    /// What a change that is too large comes to. As with every engine, the idle clock and a scheduled rotation add
    /// nothing and are not held up by it.
    fn without_edits(&self, commit: &Commit) -> Result<Own, StoreFault> {
        let too_large = || Ok(Own::Settled(Outcome::TooLarge.into()));
        let Commit { ticket, change, .. } = commit;
        let (turn @ (Turn::Stay | Turn::RotateOnSchedule), Some(carried)) =
            (&change.turn, ticket.carried())
        else {
            return too_large();
        };
        let rest = Commit {
            change: Change {
                touch: change.touch,
                turn: turn.clone(),
                ..Change::default()
            },
            ..commit.clone()
        };
        if rest.change.is_nothing() {
            return too_large();
        }
        let committed = session_of(ticket, carried)
            .commit(&rest, &self.terms)
            .committed;
        let Outcome::Applied(record) = committed.outcome else {
            return too_large();
        };
        let given = committed.ticket.as_ref().unwrap_or(ticket);
        match self.seal(given, &record, commit)? {
            Some((ticket, _)) => Ok(Own::Sealed(Sealed {
                ticket,
                outcome: Outcome::TooLarge,
                began: false,
                evicted: Vec::new(),
            })),
            None => too_large(),
        }
    }

    /// `ticket` with `record` in it, if that makes a cookie which browsers take, and the record as it then is: copies
    /// that it remembers make room for all else.
    fn seal(
        &self,
        ticket: &Ticket,
        record: &Arc<Record>,
        commit: &Commit,
    ) -> Result<Option<(Ticket, Arc<Record>)>, StoreFault> {
        let ends = record.created.plus(self.terms.absolute);
        let until = match commit.ticket.carried() {
            // What the visitor holds opens as long as it ever did, and so does its tombstone.
            Some(carried) if carried.record().root == record.root => carried.until().max(ends),
            _ => ends,
        };
        let mut record = Arc::clone(record);
        loop {
            let carried =
                Carried::new(Arc::clone(&record), until).map_err(StoreFault::Unreadable)?;
            // With the longest Max-Age that it may be sent with, so that a state that fits once always fits.
            let bytes = self
                .cookie
                .bytes_of(carried.chars(), Some(self.terms.absolute));
            if bytes <= COOKIE_BYTES_MAX {
                return Ok(Some((ticket.carrying(carried), record)));
            }
            if !Arc::make_mut(&mut record).forget_oldest_copy() {
                tracing::warn!(
                    bytes,
                    bytes_max = COOKIE_BYTES_MAX,
                    "a session does not fit its cookie, so its old state was kept; \
                     let the app keep less, or choose another session.store.engine"
                );
                return Ok(None);
            }
        }
    }
}

fn replaces_user(before: &Record, turn: &Turn) -> bool {
    match (turn, &before.user) {
        (Turn::LogIn { user, .. }, Some(before)) => {
            user.as_ref().is_none_or(|user| !before.is_same_as(user))
        }
        _ => false,
    }
}

impl From<Own> for Committed {
    fn from(own: Own) -> Self {
        match own {
            Own::Settled(committed) => committed,
            Own::Empty(record) => Outcome::Applied(record).into(),
            Own::Ended => Outcome::Ended.into(),
            Own::Sealed(Sealed {
                ticket,
                outcome,
                began,
                evicted,
            }) => Self {
                ticket: Some(ticket),
                began,
                evicted,
                ..outcome.into()
            },
        }
    }
}
