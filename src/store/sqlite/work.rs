//! What is done inside the writer's transaction, a function for each kind of job.
//!
//! Where a function answers with a result in a result, the outer error ends the whole transaction; the inner one is the
//! job's own, and is found before anything is written.

use std::sync::Arc;

use rusqlite::Transaction;

use super::notes::Room;
use super::rows::{
    Row, file, find, find_by_root, index_user, insert, is_filed, remove, unfile, update,
};
use crate::base::clock::Time;
use crate::session::{
    Closed, Commit, Committed, Holder, Holders, Session, State, Terms, TicketKey,
};
use crate::store::StoreFault;

/// What is to be published under which tickets.
pub(super) type Written = Vec<(TicketKey, Arc<Session>)>;

/// A transaction, and what everything that is done in it needs.
pub(super) struct Work<'a> {
    pub(super) transaction: &'a Transaction<'a>,
    pub(super) terms: &'a Terms,
    /// Since when the database remembers.
    pub(super) born: Time,
    pub(super) written: Written,
    /// For how many notes there is room.
    pub(super) room: &'a mut Room,
}

impl Work<'_> {
    /// Does one commit.
    pub(super) fn commit(
        &mut self,
        commit: &Commit,
    ) -> rusqlite::Result<Result<Committed, StoreFault>> {
        let (transaction, terms) = (self.transaction, self.terms);
        let key = commit.ticket.key();
        let (known, mut session) = match find(transaction, &key)? {
            Some((id, Ok(session))) => (Some(id), session),
            Some((_, Err(fault))) => return Ok(Err(fault)),
            None => match Session::begin_for(commit, self.born, terms) {
                Ok(session) => (None, session),
                Err(committed) => return Ok(Ok(committed)),
            },
        };
        let user_before = session.user_key();
        let effects = session.commit(commit, terms);
        if !effects.changed {
            return Ok(Ok(effects.committed));
        }
        let fresh = effects.fresh_ticket(&key);
        if let Some(fresh) = &fresh
            && is_filed(transaction, fresh)?
        {
            return Ok(Err(StoreFault::TicketInUse));
        }

        let id = match known {
            Some(id) => update(transaction, id, &session, terms)?,
            None => {
                let id = insert(transaction, &session, terms)?;
                file(transaction, &key, id)?;
                id
            }
        };
        if user_before != session.user_key() {
            index_user(transaction, id, &session)?;
        }
        let session_of_fresh = match effects.fork {
            Some(fork) => {
                let id = insert(transaction, &fork, terms)?;
                self.note(fork, &[]);
                id
            }
            None => id,
        };
        if let Some(fresh) = &fresh {
            file(transaction, fresh, session_of_fresh)?;
        }
        for key in &effects.forgotten {
            unfile(transaction, key)?;
        }
        self.note(session, &effects.forgotten);
        for key in &effects.end_too {
            self.close(key, commit.now)?;
        }
        Ok(Ok(Committed {
            began: known.is_none(),
            ..effects.committed
        }))
    }

    /// Ends a session, with those that it was forked from; tells whether it had not ended yet.
    pub(super) fn end(
        &mut self,
        key: &TicketKey,
        now: Time,
    ) -> rusqlite::Result<Result<bool, StoreFault>> {
        let (id, mut session) = match find(self.transaction, key)? {
            Some((id, Ok(session))) => (id, session),
            Some((_, Err(fault))) => return Ok(Err(fault)),
            None => return Ok(Ok(false)),
        };
        if matches!(session.state, State::Closed { .. }) {
            return Ok(Ok(false));
        }
        let effects = session.end(self.terms, now);
        self.rewrite(id, session)?;
        for key in &effects.end_too {
            self.close(key, now)?;
        }
        Ok(Ok(true))
    }

    /// Takes over a session of another store, unless what is here is as far; tells whether it did.
    pub(super) fn take_over(&mut self, mut session: Session) -> rusqlite::Result<bool> {
        let here = find_by_root(self.transaction, &session.record.root)?;
        // What cannot be read may have ended, so it stays.
        let is_ahead = |row: &Row| {
            let session_here = row.1.as_ref();
            session_here.map_or(true, |here| !here.is_behind(&session))
        };
        if here.iter().any(is_ahead) {
            return Ok(false);
        }
        // A ticket that leads to another session goes on to do so.
        let mut holders = Holders::with_capacity(session.holders.len());
        for holder in session.holders {
            let leads_to = find(self.transaction, &holder.key)?;
            if leads_to.is_none_or(|(id, _)| here.iter().any(|row| row.0 == id)) {
                holders.push(holder);
            }
        }
        session.holders = holders;
        if session.holders.is_empty() {
            return Ok(false);
        }
        let mut forgotten = Vec::new();
        for (id, before) in here {
            remove(self.transaction, id)?;
            let holders = before.map(|session| session.holders).unwrap_or_default();
            forgotten.extend(holders.iter().map(|holder| holder.key));
        }
        let id = insert(self.transaction, &session, self.terms)?;
        for Holder { key, .. } in &session.holders {
            file(self.transaction, key, id)?;
        }
        self.note(session, &forgotten);
        Ok(true)
    }

    /// Closes a session that ends because another does. One that cannot be read opens nothing anyway.
    fn close(&mut self, key: &TicketKey, now: Time) -> rusqlite::Result<()> {
        if let Some((id, Ok(mut session))) = find(self.transaction, key)? {
            session.close(Closed::Ended, self.terms, now);
            self.rewrite(id, session)?;
        }
        Ok(())
    }

    fn rewrite(&mut self, id: i64, session: Session) -> rusqlite::Result<()> {
        update(self.transaction, id, &session, self.terms)?;
        index_user(self.transaction, id, &session)?;
        self.note(session, &[]);
        Ok(())
    }

    fn note(&mut self, session: Session, forgotten: &[TicketKey]) {
        let session = Arc::new(session);
        let holders = session.holders.iter().map(|holder| holder.key);
        for key in forgotten.iter().copied().chain(holders) {
            self.written.push((key, Arc::clone(&session)));
        }
    }
}
