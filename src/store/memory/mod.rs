//! Sessions in the memory of this process: the fastest engine, and gone with the process.
//!
//! # Locks
//! A shard's lock guards which slot a ticket leads to; a slot's lock guards the session in it. Both are of std: they
//! are held for a few hundred nanoseconds and never across an await. Order: a session's lock may be held while a
//! shard's is taken, never the other way round. So a new ticket is filed while the session that it belongs to is
//! still locked, and nobody can follow it to a session that is half done. The locks of the roll and of the index of users
//! (`roll.rs`) come last like a shard's, and none of these is taken while another of them is held. What the index says of
//! a session changes while that session is locked, so that it follows whatever happens to it, and nothing stays behind.

mod list;
mod notes;
mod roll;

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::notes::Board;
use self::roll::{Roll, Users};
use super::by_key::ByKey;
use super::{Answer, Catalogue, Fate, Notes, Store, StoreFault};
use crate::base::clock::Time;
use crate::session::{
    Closed, Commit, Committed, Effects, Opening, Session, Terms, Ticket, TicketKey,
};

/// Many, so that a sweep looks at a small part of a large store at a time.
const SHARDS: usize = 256;

type Shard = RwLock<ByKey<Arc<Slot>>>;

/// Sessions in memory. Clones share them.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shelf>);

struct Shelf {
    terms: Terms,
    /// Since when it remembers.
    born: Time,
    shards: Vec<Shard>,
    roll: Roll,
    users: Users,
    board: Board,
    /// The part of the roll where the next sweep goes on.
    sweep_at: AtomicUsize,
}

/// Where a session is while anything leads to it.
struct Slot {
    /// Changes by replacement, so a panic cannot leave it half changed and poisoning says nothing.
    session: Mutex<Session>,
    /// Its place in the roll.
    place: AtomicU32,
}

impl MemoryStore {
    /// A store without sessions, which remembers from now on.
    pub fn new(terms: Terms, now: Time) -> Self {
        Self(Arc::new(Shelf {
            terms,
            born: now,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            roll: Roll::new(),
            users: Users::new(),
            board: Board::default(),
            sweep_at: AtomicUsize::new(0),
        }))
    }

    /// How many tickets it knows, tombstones included.
    pub fn tickets(&self) -> usize {
        let count = |shard: &Shard| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        self.0.shards.iter().map(count).sum()
    }

    fn board(&self) -> &Board {
        &self.0.board
    }

    /// How many sessions its index of users leads to.
    pub fn indexed(&self) -> usize {
        self.0.users.entries()
    }
}

impl Store for MemoryStore {
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening> {
        let Shelf { terms, born, .. } = &*self.0;
        let key = ticket.key();
        let opening = match self.0.find(&key) {
            Some(slot) => lock(&slot).open(&key, terms, now),
            None => Opening::of_unknown(ticket, *born, terms, now),
        };
        Answer::now(opening)
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        Answer::Now(Some(self.0.commit(&commit)))
    }

    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        let fate = |key| match self.0.find(key) {
            Some(slot) => Fate::of(&lock(&slot), &self.0.terms, now),
            None => Fate::Unknown,
        };
        Answer::now(keys.iter().map(fate).collect())
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        let shelf = Arc::clone(&self.0);
        Answer::later(async move {
            let mut removed = shelf.board.sweep(now, at_most);
            for _ in 0..SHARDS {
                removed += shelf.sweep_one_part(now, at_most - removed);
                if removed >= at_most {
                    break;
                }
                // This runs on a thread that serves sockets.
                tokio::task::yield_now().await;
            }
            Ok(removed)
        })
    }

    fn catalogue(&self) -> Option<&dyn Catalogue> {
        Some(self)
    }

    fn notes(&self) -> Option<&dyn Notes> {
        Some(self)
    }
}

impl Shelf {
    fn commit(&self, commit: &Commit) -> Result<Committed, StoreFault> {
        let key = commit.ticket.key();
        loop {
            if let Some(slot) = self.find(&key) {
                return self.update(&slot, commit);
            }
            let begun = match Session::begin_for(commit, self.born, &self.terms) {
                Ok(begun) => begun,
                Err(committed) => return Ok(committed),
            };
            // `None`: a parallel first response was first, and this one goes into the session that it made.
            if let Some(committed) = self.create(&key, begun, commit)? {
                return Ok(committed);
            }
        }
    }

    fn update(&self, slot: &Arc<Slot>, commit: &Commit) -> Result<Committed, StoreFault> {
        let mut session = lock(slot);
        let mut after = session.clone();
        let effects = after.commit(commit, &self.terms);
        if !effects.changed {
            return Ok(effects.committed);
        }
        let fresh = self.file_fresh(slot, &commit.ticket.key(), &effects)?;
        self.replace(slot, &mut session, after);
        drop(session);
        Ok(self.follow(fresh, effects, commit.now))
    }

    fn create(
        &self,
        key: &TicketKey,
        begun: Session,
        commit: &Commit,
    ) -> Result<Option<Committed>, StoreFault> {
        let mut after = begun.clone();
        let effects = after.commit(commit, &self.terms);
        if !effects.changed {
            return Ok(Some(effects.committed));
        }
        let slot = Arc::new(Slot::new(begun));
        let mut session = lock(&slot);
        let fresh = self.file_fresh(&slot, key, &effects)?;
        if !self.file(*key, &slot) {
            if let Some(Fresh { key, .. }) = fresh {
                self.forget(&key);
            }
            return Ok(None);
        }
        *session = after;
        self.enrol(&slot, &session);
        drop(session);
        let committed = self.follow(fresh, effects, commit.now);
        Ok(Some(Committed {
            began: true,
            ..committed
        }))
    }

    /// Files the ticket that a commit brought into use, if it did.
    fn file_fresh(
        &self,
        slot: &Arc<Slot>,
        brought: &TicketKey,
        effects: &Effects,
    ) -> Result<Option<Fresh>, StoreFault> {
        let Some(key) = effects.fresh_ticket(brought) else {
            return Ok(None);
        };
        let fork = effects.fork.as_ref();
        let fork = fork.map(|fork| Arc::new(Slot::new(fork.clone())));
        if self.file(key, fork.as_ref().unwrap_or(slot)) {
            Ok(Some(Fresh { key, fork }))
        } else {
            Err(StoreFault::TicketInUse)
        }
    }

    /// What a commit asks of other tickets and sessions. No lock is held here.
    fn follow(&self, fresh: Option<Fresh>, effects: Effects, now: Time) -> Committed {
        if let Some(fork) = fresh.and_then(|fresh| fresh.fork) {
            // Somebody may have ended it already: the lists take it as it is now.
            self.enrol(&fork, &lock(&fork));
        }
        for key in &effects.forgotten {
            self.forget(key);
        }
        for key in &effects.end_too {
            self.close(key, Closed::Ended, now);
        }
        effects.committed
    }

    /// Puts a slot on the lists; `session` is what is in it, locked by the caller.
    fn enrol(&self, slot: &Arc<Slot>, session: &Session) {
        self.roll.enrol(slot, &session.record.root);
        self.users.note(slot, None, Some(session));
    }

    /// Puts `after` in the place of `session`, which is what is in the slot.
    fn replace(&self, slot: &Arc<Slot>, session: &mut Session, after: Session) {
        self.users.note(slot, Some(session), Some(&after));
        *session = after;
    }

    fn close(&self, key: &TicketKey, why: Closed, now: Time) {
        if let Some(slot) = self.find(key) {
            let mut session = lock(&slot);
            let mut after = session.clone();
            after.close(why, &self.terms, now);
            self.replace(&slot, &mut session, after);
        }
    }

    fn sweep_one_part(&self, now: Time, at_most: usize) -> usize {
        let at = self.sweep_at.load(Ordering::Relaxed) % SHARDS;
        let mut removed = 0;
        for (_, slot) in self.roll.slots(at, 0, usize::MAX) {
            if removed == at_most {
                // There may be more here: the next sweep begins with this part.
                return removed;
            }
            removed += usize::from(self.remove_if_over(&slot, now));
        }
        self.sweep_at.store(at + 1, Ordering::Relaxed);
        removed
    }

    fn remove_if_over(&self, slot: &Arc<Slot>, now: Time) -> bool {
        let mut session = lock(slot);
        if session.holders.is_empty() || session.keep_until(&self.terms) > now {
            return false;
        }
        self.users.note(slot, Some(&session), None);
        self.roll.strike(slot, &session.record.root);
        for holder in std::mem::take(&mut session.holders) {
            self.forget(&holder.key);
        }
        // Somebody may have found the slot before and wait for its lock; nothing may be written into it any more.
        session.close(Closed::Unknown, &self.terms, now);
        true
    }

    fn find(&self, key: &TicketKey) -> Option<Arc<Slot>> {
        let shard = self.shard(key);
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).map(Arc::clone)
    }

    /// Files `slot` under `key`, unless something is there already.
    fn file(&self, key: TicketKey, slot: &Arc<Slot>) -> bool {
        let shard = self.shard(&key);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        match shard.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(Arc::clone(slot));
                true
            }
        }
    }

    fn forget(&self, key: &TicketKey) {
        let shard = self.shard(key);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.remove(key);
    }

    /// Not by the first byte: its upper bits stay the same when a ticket rotates.
    fn shard(&self, key: &TicketKey) -> &Shard {
        &self.shards[usize::from(key.0[8]) % SHARDS]
    }
}

/// A ticket that a commit brought into use and that is filed.
struct Fresh {
    key: TicketKey,
    /// The session that it opens, if it is a new one.
    fork: Option<Arc<Slot>>,
}

impl Slot {
    fn new(session: Session) -> Self {
        Self {
            session: Mutex::new(session),
            place: AtomicU32::new(u32::MAX),
        }
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Session> {
    slot.session.lock().unwrap_or_else(PoisonError::into_inner)
}
