//! What a batch of commits makes of one session: worked out here, and written down as it stands or not at all.

use std::sync::Arc;

use super::driver::{Found, Revision, Row, RowChange, Writing};
use crate::base::clock::Time;
use crate::base::secret::random_bytes;
use crate::session::{Commit, Committed, Session, Terms, TicketKey};
use crate::store::StoreFault;

/// What commits of one ticket come to, one after the other.
pub(super) struct Plan<'a> {
    terms: &'a Terms,
    born: Time,
    /// What the row must still be.
    expected: Option<Revision>,
    /// The session as the commits so far leave it.
    session: Option<Session>,
    is_changed: bool,
    /// A new session that the one before became the forebear of.
    fork: Option<Session>,
    file: Vec<TicketKey>,
    unfile: Vec<TicketKey>,
    end_too: Vec<TicketKey>,
    /// The latest time of a commit.
    now: Time,
    /// When the ticket was issued that began the session, and when it did.
    begun: Option<(Time, Time)>,
    answers: Vec<Result<Committed, StoreFault>>,
}

impl<'a> Plan<'a> {
    /// What `commits` come to at a server where this was found.
    pub(super) fn of<'c>(
        found: Found,
        commits: impl Iterator<Item = &'c Commit>,
        terms: &'a Terms,
    ) -> Self {
        let mut plan = Self {
            terms,
            born: found.born,
            expected: found.row.as_ref().map(|row| row.revision),
            session: found.row.map(|row| Session::clone(&row.session)),
            is_changed: false,
            fork: None,
            file: Vec::new(),
            unfile: Vec::new(),
            end_too: Vec::new(),
            now: Time::default(),
            begun: None,
            answers: Vec::new(),
        };
        for commit in commits {
            let answer = plan.add(commit);
            plan.answers.push(answer);
        }
        plan
    }

    fn add(&mut self, commit: &Commit) -> Result<Committed, StoreFault> {
        self.now = self.now.max(commit.now);
        let key = commit.ticket.key();
        let (mut session, begins) = match &self.session {
            Some(session) => (session.clone(), false),
            None => match Session::begin_for(commit, self.born, self.terms) {
                Ok(session) => (session, true),
                Err(committed) => return Ok(committed),
            },
        };
        let effects = session.commit(commit, self.terms);
        if !effects.changed {
            return Ok(effects.committed);
        }
        let fresh = effects.fresh_ticket(&key);
        if fresh.is_some_and(|fresh| self.is_taken(&fresh)) {
            return Err(StoreFault::TicketInUse);
        }

        if begins {
            self.begun = Some((commit.ticket.issued(), commit.now));
            self.file.push(key);
        }
        if effects.fork.is_none() {
            self.file.extend(fresh);
        }
        for forgotten in effects.forgotten {
            // One that was to be filed in this very batch never leads anywhere.
            match self.file.iter().position(|filed| *filed == forgotten) {
                Some(at) => drop(self.file.remove(at)),
                None => self.unfile.push(forgotten),
            }
        }
        self.end_too.extend(effects.end_too);
        // Once forked, a session is frozen: there is no second fork.
        self.fork = self.fork.take().or(effects.fork);
        self.session = Some(session);
        self.is_changed = true;
        Ok(Committed {
            began: begins,
            ..effects.committed
        })
    }

    fn is_taken(&self, fresh: &TicketKey) -> bool {
        let holds = |session: &Session| session.holders.iter().any(|holder| holder.key == *fresh);
        self.session.as_ref().is_some_and(holds)
    }

    /// Whether anything is to be written.
    pub(super) const fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Tickets whose sessions end as well.
    pub(super) fn end_too(&self) -> &[TicketKey] {
        &self.end_too
    }

    /// What is to be written, if anything is.
    pub(super) fn writing(&self) -> Option<Writing> {
        let session = self.session.as_ref().filter(|_| self.is_changed)?;
        let mut rows = vec![RowChange {
            file: self.file.clone(),
            unfile: self.unfile.clone(),
            ..row_change(session.clone(), self.expected, self.terms)
        }];
        if let Some(fork) = &self.fork {
            rows.push(RowChange {
                file: fork.holders.iter().map(|holder| holder.key).collect(),
                ..row_change(fork.clone(), None, self.terms)
            });
        }
        Some(Writing {
            // A server that was born since lets pass what this very request minted, so it must be this one's time.
            now: self.begun.map_or(self.now, |(_, began)| began),
            issued: self.begun.map(|(issued, _)| issued),
            rows,
        })
    }

    /// What to answer when it is written, or when nothing has to be.
    pub(super) fn answers(self) -> Vec<Result<Committed, StoreFault>> {
        self.answers
    }
}

/// `row` as it shall be, its tickets as they are.
pub(super) fn rewrite(row: &Row, session: Session, terms: &Terms) -> RowChange {
    row_change(session, Some(row.revision), terms)
}

/// A row that shall hold `session`, its tickets as they are.
pub(super) fn row_change(session: Session, expected: Option<Revision>, terms: &Terms) -> RowChange {
    RowChange {
        keep_until: session.keep_until(terms),
        session: Arc::new(session),
        expected,
        revision: Revision(u64::from_be_bytes(random_bytes())),
        file: Vec::new(),
        unfile: Vec::new(),
    }
}
