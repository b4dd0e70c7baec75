//! Sessions in the memory of this process: the fastest engine, and gone with the process.
//!
//! # Locks
//! A shard's lock guards which slot a ticket leads to; a slot's lock guards the session in it. Both are of std: they
//! are held for a few hundred nanoseconds and never across an await. Order: a session's lock may be held while a
//! shard's is taken, never the other way round. So a new ticket is filed while the session that it belongs to is
//! still locked, and nobody can follow it to a session that is half done.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{Answer, Store, StoreFault};
use crate::base::clock::Time;
use crate::session::expiry::Terms;
use crate::session::life::{Closed, Commit, Committed, Effects, Opening, Session};
use crate::session::ticket::TicketKey;

/// Many, so that a sweep looks at a small part of a large store at a time.
const SHARDS: usize = 256;

/// The session in it changes by replacement, so a panic cannot leave it half changed and poisoning says nothing.
type Slot = Mutex<Session>;
type Shard = RwLock<HashMap<TicketKey, Arc<Slot>>>;

/// Sessions in memory. Clones share them.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shelf>);

struct Shelf {
    terms: Terms,
    shards: Vec<Shard>,
    /// The shard where the next sweep goes on.
    sweep_at: AtomicUsize,
}

impl MemoryStore {
    /// A store without sessions.
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Shelf {
            terms,
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            sweep_at: AtomicUsize::new(0),
        }))
    }

    /// How many tickets it knows, tombstones included.
    pub fn tickets(&self) -> usize {
        let count = |shard: &Shard| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        self.0.shards.iter().map(count).sum()
    }
}

impl Store for MemoryStore {
    fn open(&self, key: &TicketKey, now: Time) -> Answer<Opening> {
        let opening = match self.0.find(key) {
            Some(slot) => lock(&slot).open(key, &self.0.terms, now),
            None => Opening::Vacant,
        };
        Answer::now(opening)
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        Answer::Now(Some(self.0.commit(&commit)))
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        let shelf = Arc::clone(&self.0);
        Answer::later(async move {
            let mut removed = 0;
            for _ in 0..SHARDS {
                removed += shelf.sweep_one_shard(now, at_most - removed);
                if removed >= at_most {
                    break;
                }
                // This runs on a thread that serves sockets.
                tokio::task::yield_now().await;
            }
            Ok(removed)
        })
    }
}

impl Shelf {
    fn commit(&self, commit: &Commit) -> Result<Committed, StoreFault> {
        let key = commit.ticket.key();
        loop {
            if let Some(slot) = self.find(&key) {
                return self.update(&slot, commit);
            }
            let begun = match Session::begin_for(commit, &self.terms) {
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
        if effects.changed {
            self.file_fresh(slot, &commit.ticket.key(), &effects)?;
            *session = after;
        }
        drop(session);
        Ok(self.follow(effects, commit.now))
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
        let slot = Arc::new(Mutex::new(begun));
        let mut session = lock(&slot);
        let fresh = self.file_fresh(&slot, key, &effects)?;
        if !self.file(*key, &slot) {
            if let Some(fresh) = fresh {
                self.forget(&fresh);
            }
            return Ok(None);
        }
        *session = after;
        drop(session);
        Ok(Some(self.follow(effects, commit.now)))
    }

    /// Files the ticket that a commit brought into use, if it did, and tells which.
    fn file_fresh(
        &self,
        slot: &Arc<Slot>,
        brought: &TicketKey,
        effects: &Effects,
    ) -> Result<Option<TicketKey>, StoreFault> {
        let Some(fresh) = effects.fresh_ticket(brought) else {
            return Ok(None);
        };
        let is_new = match &effects.fork {
            Some(fork) => self.file(fresh, &Arc::new(Mutex::new(fork.clone()))),
            None => self.file(fresh, slot),
        };
        if is_new {
            Ok(Some(fresh))
        } else {
            Err(StoreFault::TicketInUse)
        }
    }

    /// What a commit asks of other tickets and sessions. No lock is held here.
    fn follow(&self, effects: Effects, now: Time) -> Committed {
        for key in &effects.forgotten {
            self.forget(key);
        }
        for key in &effects.end_too {
            if let Some(slot) = self.find(key) {
                lock(&slot).close(Closed::Ended, &self.terms, now);
            }
        }
        effects.committed
    }

    fn sweep_one_shard(&self, now: Time, at_most: usize) -> usize {
        let at = self.sweep_at.load(Ordering::Relaxed) % SHARDS;
        let slots: Vec<_> = {
            let shard = self.shards[at]
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            shard.values().map(Arc::clone).collect()
        };
        let mut removed = 0;
        for slot in slots {
            if removed == at_most {
                // There may be more here: the next sweep begins with this shard.
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

    /// A key is a hash, so any byte of it spreads evenly.
    fn shard(&self, key: &TicketKey) -> &Shard {
        &self.shards[usize::from(key.0[0]) % SHARDS]
    }
}

fn lock(slot: &Slot) -> MutexGuard<'_, Session> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}
