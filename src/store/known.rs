//! What this process knows of its store without asking it, so that opening a live session costs no thread hop and no
//! round trip. Shared by the engines that other processes write to as well.
//!
//! # Why it is never stale
//! - *Our own writes.* Who wrote publishes it when the store has it and before anybody is answered. Publishing raises
//!   the generation of the shard.
//! - *A reader that was overtaken.* A reader notes the generation before it asks the store, and what it found is
//!   taken only if the generation is still the same. So it cannot put back what a writer has replaced meanwhile. A
//!   writer that others may overtake on the way back does the same ([`Known::publish_unless_overtaken`]).
//! - *Other processes.* SQLite's writer watches `PRAGMA data_version` on its own connection, which moves only when
//!   somebody else wrote; then everything goes, and every generation rises. A remote store's watch is told which
//!   tickets others wrote; those go.
//! - *A watch that stalls, or rests because nobody asks.* Each look is stamped. Entries count only while the last one
//!   is younger than [`VOUCHED_FOR`]; after that the store is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use super::by_key::ByKey;
use crate::base::clock::Stopwatch;
use crate::session::{Session, TicketKey};

/// How long after a look at the store the entries count.
pub(super) const VOUCHED_FOR: Duration = Duration::from_millis(500);

const SHARDS: usize = 64;

/// What an entry takes beside its record: keys, slot, session.
const ENTRY_BYTES: usize = 320;

/// What the store holds under a key: a session, or nothing.
pub(super) type Entry<T = Arc<Session>> = Option<T>;

/// A session in the form in which an engine remembers it.
pub(super) trait Kept: Clone {
    /// The session.
    fn session(&self) -> &Session;
}

impl Kept for Arc<Session> {
    fn session(&self) -> &Session {
        self
    }
}

/// Entries by ticket, bounded by their weight.
pub(super) struct Known<T = Arc<Session>> {
    shards: Vec<RwLock<Shard<T>>>,
    shard_bytes_max: usize,
    watch: Stopwatch,
    /// Until when the last look for the writes of others lets entries count, in milliseconds of `watch`.
    counts_until_millis: AtomicU64,
    /// Whether anybody asked since the watch last took note of it.
    asked: AtomicBool,
    /// Whether the watch rests, because nobody asks.
    resting: AtomicBool,
}

/// The state of a shard that a fill depends on.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Generation(u64);

struct Shard<T> {
    generation: u64,
    places: ByKey<usize>,
    slots: Vec<Slot<T>>,
    bytes: usize,
    /// Where the next eviction looks first (second chance).
    hand: usize,
}

struct Slot<T> {
    key: TicketKey,
    entry: Entry<T>,
    bytes: usize,
    /// Whether somebody asked for it since the hand last came by.
    used: AtomicBool,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self {
            generation: 0,
            places: ByKey::default(),
            slots: Vec::new(),
            bytes: 0,
            hand: 0,
        }
    }
}

impl<T: Kept> Known<T> {
    /// Knows nothing, and counts as if it had been looked at just now.
    pub(super) fn new(bytes_max: usize) -> Self {
        let known = Self::unvouched(bytes_max);
        known.vouch(known.moment_millis());
        known
    }

    /// Knows nothing, and nothing counts until somebody vouches for it.
    pub(super) fn unvouched(bytes_max: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            shard_bytes_max: bytes_max / SHARDS,
            watch: Stopwatch::start(),
            counts_until_millis: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            resting: AtomicBool::new(false),
        }
    }

    /// What `see` makes of the entry for `key`, or `None` when the store must be asked.
    pub(super) fn with<R>(&self, key: &TicketKey, see: impl FnOnce(&Entry<T>) -> R) -> Option<R> {
        if !self.is_vouched_for() {
            return None;
        }
        self.with_unvouched(key, see)
    }

    /// The session that was last seen under `key`, which may be long out of date.
    pub(super) fn guess(&self, key: &TicketKey) -> Option<T> {
        self.with_unvouched(key, Clone::clone).flatten()
    }

    fn with_unvouched<R>(&self, key: &TicketKey, see: impl FnOnce(&Entry<T>) -> R) -> Option<R> {
        let shard = self
            .shard(key)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let slot = shard.slots.get(*shard.places.get(key)?)?;
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(see(&slot.entry))
    }

    /// Notes that somebody asks; answers whether the watch rests and must be woken by the caller.
    pub(super) fn wakes_the_watch(&self) -> bool {
        // Either the watch sees the note before it rests, or this sees that it rests: each side writes its flag
        // before it reads the other's, and sequential consistency lets not both miss.
        if !self.asked.load(Ordering::SeqCst) {
            self.asked.store(true, Ordering::SeqCst);
        }
        self.resting.load(Ordering::SeqCst) && self.resting.swap(false, Ordering::SeqCst)
    }

    /// Whether the watch may rest until it is woken: nobody has asked since the last call. An idle gateway then uses no
    /// CPU; entries stop to count by themselves.
    pub(super) fn lets_the_watch_rest(&self) -> bool {
        if self.asked.swap(false, Ordering::SeqCst) {
            return false;
        }
        self.resting.store(true, Ordering::SeqCst);
        let rests = !self.asked.load(Ordering::SeqCst);
        if !rests {
            self.resting.store(false, Ordering::SeqCst);
        }
        rests
    }

    /// To be noted before the store is asked for `key`.
    pub(super) fn generation(&self, key: &TicketKey) -> Generation {
        let shard = self
            .shard(key)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        Generation(shard.generation)
    }

    /// Takes what a reader found, unless something happened since it noted `generation`.
    pub(super) fn fill(&self, key: &TicketKey, entry: Entry<T>, generation: Generation) {
        let mut shard = self.write(key);
        if shard.generation == generation.0 {
            shard.put(key, entry, self.shard_bytes_max);
        }
    }

    /// Takes what the writer wrote. To be called after the transaction and before anybody is told of it.
    pub(super) fn publish(&self, key: &TicketKey, entry: Entry<T>) {
        let mut shard = self.write(key);
        shard.generation += 1;
        shard.put(key, entry, self.shard_bytes_max);
    }

    /// Takes what was written where others may have written again before this is called. Then their news may have
    /// come already, and nothing is known until the store is asked.
    pub(super) fn publish_unless_overtaken(
        &self,
        key: &TicketKey,
        entry: Entry<T>,
        generation: Generation,
    ) {
        let mut shard = self.write(key);
        let is_overtaken = shard.generation != generation.0;
        shard.generation += 1;
        if is_overtaken {
            shard.remove(key);
        } else {
            shard.put(key, entry, self.shard_bytes_max);
        }
    }

    /// Forgets what is under `key`, because somebody else wrote it or may have.
    pub(super) fn forget(&self, key: &TicketKey) {
        let mut shard = self.write(key);
        shard.generation += 1;
        shard.remove(key);
    }

    /// Nothing counts until somebody vouches again.
    pub(super) fn stop_counting(&self) {
        self.counts_until_millis.store(0, Ordering::Release);
    }

    /// Forgets everything, because somebody else wrote.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            *shard = Shard {
                generation: shard.generation + 1,
                ..Shard::default()
            };
        }
    }

    /// The time to give to [`Known::vouch`], to be taken before the look.
    pub(super) fn moment_millis(&self) -> u64 {
        u64::try_from(self.watch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Everybody else's writes up to this moment are known.
    pub(super) fn vouch(&self, moment_millis: u64) {
        let until = Duration::from_millis(moment_millis).saturating_add(VOUCHED_FOR);
        let until_millis = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        self.counts_until_millis
            .store(until_millis, Ordering::Release);
    }

    fn is_vouched_for(&self) -> bool {
        self.moment_millis() < self.counts_until_millis.load(Ordering::Acquire)
    }

    fn write(&self, key: &TicketKey) -> RwLockWriteGuard<'_, Shard<T>> {
        self.shard(key)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Not by the first byte: its upper bits stay the same when a ticket rotates.
    fn shard(&self, key: &TicketKey) -> &RwLock<Shard<T>> {
        &self.shards[usize::from(key.0[8]) % SHARDS]
    }
}

impl<T: Kept> Shard<T> {
    fn put(&mut self, key: &TicketKey, entry: Entry<T>, bytes_max: usize) {
        // That a ticket is unknown is worth remembering, but less than any session: a flood of unknown tickets evicts
        // its own kind first.
        let used = AtomicBool::new(entry.is_some());
        let bytes = ENTRY_BYTES
            + entry
                .as_ref()
                .map_or(0, |kept| kept.session().record.weight_bytes());
        self.remove(key);
        if bytes > bytes_max {
            return;
        }
        while self.bytes + bytes > bytes_max {
            self.evict_one();
        }
        self.places.insert(*key, self.slots.len());
        self.bytes += bytes;
        self.slots.push(Slot {
            key: *key,
            entry,
            bytes,
            used,
        });
    }

    /// Evicts the first entry that nobody asked for since the last round. The shard is not empty.
    fn evict_one(&mut self) {
        loop {
            self.hand %= self.slots.len().max(1);
            let Some(slot) = self.slots.get_mut(self.hand) else {
                self.bytes = 0;
                return;
            };
            if !std::mem::take(slot.used.get_mut()) {
                let key = slot.key;
                self.remove(&key);
                return;
            }
            self.hand += 1;
        }
    }

    fn remove(&mut self, key: &TicketKey) {
        let Some(at) = self.places.remove(key) else {
            return;
        };
        let gone = self.slots.swap_remove(at);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.slots.get(at) {
            self.places.insert(moved.key, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::session::{Holder, Record, Root, State};

    fn key(number: u64) -> TicketKey {
        let mut bytes = [0; 32];
        bytes[8..16].copy_from_slice(&number.to_be_bytes());
        TicketKey(bytes)
    }

    fn entry(number: u64) -> Entry {
        let now = Time::from_secs(number);
        Some(Arc::new(Session {
            record: Arc::new(Record::empty(Root([0; 32]), now, now)),
            holders: [Holder::current(key(number), now)].into(),
            state: State::Live,
            forebears: Vec::new(),
        }))
    }

    fn vouched(bytes_max: usize) -> Known {
        let cache: Known = Known::new(bytes_max);
        cache.vouch(u64::MAX);
        cache
    }

    fn has(cache: &Known, number: u64) -> bool {
        cache.with(&key(number), |_| ()).is_some()
    }

    #[test]
    fn a_reader_that_was_overtaken_cannot_put_back_what_was_replaced() {
        let cache = vouched(1 << 20);
        let noted = cache.generation(&key(1));
        cache.publish(&key(1), entry(2));
        cache.fill(&key(1), entry(1), noted);
        assert_eq!(cache.with(&key(1), Entry::clone), Some(entry(2)));

        let noted = cache.generation(&key(1));
        cache.clear();
        cache.fill(&key(1), entry(1), noted);
        assert!(!has(&cache, 1));

        let noted = cache.generation(&key(1));
        cache.fill(&key(1), None, noted);
        assert_eq!(cache.with(&key(1), Entry::clone), Some(None));
    }

    #[test]
    fn nothing_counts_when_nobody_looked_for_the_writes_of_others() {
        let cache: Known = Known::new(1 << 20);
        cache.publish(&key(1), entry(1));
        cache.vouch(cache.moment_millis());
        assert!(has(&cache, 1));
        let cache = Known {
            watch: Stopwatch::start(),
            counts_until_millis: AtomicU64::new(VOUCHED_FOR.as_millis() as u64),
            ..cache
        };
        while cache.moment_millis() < VOUCHED_FOR.as_millis() as u64 {
            std::thread::yield_now();
        }
        assert!(!has(&cache, 1));
        cache.vouch(cache.moment_millis());
        assert!(has(&cache, 1));
    }

    #[test]
    fn what_was_written_is_not_taken_over_the_news_of_a_later_writing() {
        let cache = vouched(1 << 20);
        let noted = cache.generation(&key(1));
        cache.forget(&key(1));
        cache.publish_unless_overtaken(&key(1), entry(1), noted);
        assert!(!has(&cache, 1));

        let noted = cache.generation(&key(1));
        cache.publish_unless_overtaken(&key(1), entry(2), noted);
        assert_eq!(cache.with(&key(1), Entry::clone), Some(entry(2)));
        // It is a write like any other: who asked before it is overtaken by it.
        cache.fill(&key(1), entry(1), noted);
        assert_eq!(cache.with(&key(1), Entry::clone), Some(entry(2)));
    }

    #[test]
    fn what_nobody_vouches_for_is_a_guess_at_most() {
        let cache: Known = Known::unvouched(1 << 20);
        cache.publish(&key(1), entry(1));
        cache.publish(&key(2), None);
        assert!(!has(&cache, 1));
        assert_eq!(cache.guess(&key(1)), entry(1));
        assert_eq!(cache.guess(&key(2)), None);
        cache.vouch(cache.moment_millis());
        assert!(has(&cache, 1) && has(&cache, 2));
        cache.stop_counting();
        assert!(!has(&cache, 1));
    }

    #[test]
    fn it_stays_within_its_bytes_and_keeps_what_is_in_use() {
        let weight = ENTRY_BYTES + 256;
        let cache = vouched(SHARDS * weight * 10);
        for number in 0..10 {
            cache.publish(&key(number), entry(number));
        }
        // A flood of unknown tickets, while session 3 is in use.
        for number in 100..10_000 {
            assert!(has(&cache, 3), "evicted by {number}");
            let generation = cache.generation(&key(number));
            cache.fill(&key(number), None, generation);
        }
        let shard = cache.shards[0].read().unwrap();
        assert!(shard.bytes <= weight * 10);
        assert_eq!(
            shard.bytes,
            shard.slots.iter().map(|slot| slot.bytes).sum::<usize>()
        );
        assert_eq!(shard.places.len(), shard.slots.len());
        for (at, slot) in shard.slots.iter().enumerate() {
            assert_eq!(shard.places.get(&slot.key), Some(&at));
        }
    }

    #[test]
    fn what_is_too_heavy_is_not_kept_and_evicts_nobody() {
        let cache = vouched(SHARDS * (ENTRY_BYTES + 300));
        cache.publish(&key(1), None);
        let mut heavy = entry(2).unwrap();
        let session = Arc::make_mut(&mut heavy);
        Arc::make_mut(&mut session.record)
            .data
            .insert("k", "v".repeat(4000).into());
        cache.publish(&key(2), Some(heavy));
        assert!(has(&cache, 1) && !has(&cache, 2));
    }
}
