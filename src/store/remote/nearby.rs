//! What this process knows of the server without asking it.
//!
//! Three things. The *near cache*, if it is switched on, opens sessions while the driver's watch vouches for it
//! (`known.rs` says why it is never stale). The *guesses* are the same entries without anybody's word: a commit takes
//! one for its compare-and-set, which fails if it is out of date, and saves the round trip to read it. And *strangers*
//! are tickets marked stored that the server did not know: they never become known again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::driver::{Found, Listener, Row};
use crate::base::clock::{Stopwatch, Time};
use crate::session::{Closed, FAMILIES, Opening, Session, Terms, Ticket, TicketKey};
use crate::store::Fate;
use crate::store::known::{Generation, Kept, Known};

/// What guesses may take without a near cache, in bytes.
const GUESS_BYTES: usize = 8 << 20;

/// How long a stranger is remembered, at least, in milliseconds; at most it is twice as long.
const STRANGER_MILLIS: u64 = 1000;

/// The most strangers that are remembered per such span. A ticket is signed, so nobody has many of them.
const STRANGERS_MAX: usize = 4096;

impl Kept for Row {
    fn session(&self) -> &Session {
        &self.session
    }
}

/// To be taken before the server is asked or written to.
pub(super) type Noted = Generation;

pub(super) struct Nearby {
    known: Known<Row>,
    /// Whether entries are ever vouched for. Without, what the server does not know is not worth an entry.
    is_near_cache: bool,
    /// Whether news may have been missed that nobody has vouched for since.
    may_have_missed: AtomicBool,
    /// Since when the server remembers, as it said last, in milliseconds, by family: a server of several may have been
    /// emptied.
    born_millis: [AtomicU64; FAMILIES as usize],
    /// The latest time that anybody brought, in milliseconds.
    latest_millis: AtomicU64,
    strangers: Strangers,
}

impl Nearby {
    pub(super) fn new(near_cache_bytes: usize) -> Self {
        Self {
            known: Known::unvouched(near_cache_bytes.max(GUESS_BYTES)),
            is_near_cache: near_cache_bytes > 0,
            may_have_missed: AtomicBool::new(true),
            born_millis: [const { AtomicU64::new(0) }; FAMILIES as usize],
            latest_millis: AtomicU64::new(0),
            strangers: Strangers::default(),
        }
    }

    /// What `ticket` opens, if that is known without asking the server.
    pub(super) fn open(
        &self,
        key: &TicketKey,
        ticket: &Ticket,
        terms: &Terms,
        now: Time,
    ) -> Option<Opening> {
        let known = self.known.with(key, |entry| match entry {
            Some(row) => row.session.open(key, terms, now),
            None => Opening::of_unknown(ticket, self.born(key), terms, now),
        });
        let is_stranger = || ticket.is_stored() && self.strangers.have(key);
        known.or_else(|| is_stranger().then_some(Opening::Closed(Closed::Unknown)))
    }

    /// What has become of the session that the ticket with this key led to, if that is known without asking the server.
    pub(super) fn fate(&self, key: &TicketKey, terms: &Terms, now: Time) -> Option<Fate> {
        self.known.with(key, |entry| match entry {
            Some(row) => Fate::of(&row.session, terms, now),
            None => Fate::Unknown,
        })
    }

    /// The row that was last seen under `key`; good for a compare-and-set and nothing else. That there was none is not
    /// a guess: who commits asks.
    pub(super) fn guess(&self, key: &TicketKey) -> Option<Row> {
        self.known.guess(key)
    }

    pub(super) fn note(&self, key: &TicketKey) -> Noted {
        self.known.generation(key)
    }

    /// Takes what the server said.
    pub(super) fn found(&self, key: &TicketKey, found: &Found, noted: Noted) {
        // An answer that comes late must not bring back what was before.
        let born_millis = &self.born_millis[usize::from(key.family())];
        born_millis.fetch_max(found.born.as_millis(), Ordering::AcqRel);
        if found.row.is_some() || self.is_near_cache {
            self.known.fill(key, found.row.clone(), noted);
        }
    }

    /// Takes what the server has written, before anybody is told of it.
    pub(super) fn wrote(&self, key: &TicketKey, row: Row, noted: Noted) {
        self.known.publish_unless_overtaken(key, Some(row), noted);
        self.strangers.remove(key);
    }

    pub(super) fn forget(&self, key: &TicketKey) {
        self.known.forget(key);
    }

    /// The server does not know the ticket with this key, and was asked after somebody came with it *marked stored*.
    /// Whoever has a ticket so marked was given it when the server had its session, so it was known before that and
    /// will not be again.
    pub(super) fn meet_stranger(&self, key: &TicketKey) {
        self.strangers.add(key);
    }

    /// Since when the server remembers the family of `key`, as far as it has said.
    pub(super) fn born(&self, key: &TicketKey) -> Time {
        let born_millis = &self.born_millis[usize::from(key.family())];
        Time::from_millis(born_millis.load(Ordering::Acquire))
    }

    /// Notes that it is `now`.
    pub(super) fn note_time(&self, now: Time) {
        self.latest_millis
            .fetch_max(now.as_millis(), Ordering::Relaxed);
    }

    /// The latest time that was noted, if one was.
    pub(super) fn latest_time(&self) -> Option<Time> {
        let millis = self.latest_millis.load(Ordering::Relaxed);
        (millis > 0).then(|| Time::from_millis(millis))
    }
}

impl Listener for Nearby {
    fn changed(&self, keys: &[TicketKey]) {
        for key in keys {
            self.known.forget(key);
        }
    }

    fn lost(&self) {
        self.may_have_missed.store(true, Ordering::SeqCst);
        self.known.stop_counting();
    }

    fn moment_millis(&self) -> u64 {
        self.known.moment_millis()
    }

    fn vouch(&self, moment_millis: u64) {
        // What was known when the channel was lost, or was found before this sign of life, may have changed while
        // nobody listened. Nothing of it has counted since.
        if self.may_have_missed.swap(false, Ordering::SeqCst) {
            self.known.clear();
        }
        self.known.vouch(moment_millis);
    }
}

/// Tickets that the server did not know a moment ago. Two sets: the older one is dropped whole when its time is over.
struct Strangers {
    watch: Stopwatch,
    /// Read on every open that the near cache does not answer, and written now and then.
    met: RwLock<Met>,
}

#[derive(Default)]
struct Met {
    /// Which span of [`STRANGER_MILLIS`] `recent` is of.
    span: u64,
    recent: HashSet<TicketKey>,
    before: HashSet<TicketKey>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self {
            watch: Stopwatch::start(),
            met: RwLock::default(),
        }
    }
}

impl Strangers {
    fn have(&self, key: &TicketKey) -> bool {
        let span = self.span();
        let met = self.met.read().unwrap_or_else(PoisonError::into_inner);
        match span - met.span.min(span) {
            0 => met.recent.contains(key) || met.before.contains(key),
            1 => met.recent.contains(key),
            _ => false,
        }
    }

    fn add(&self, key: &TicketKey) {
        let span = self.span();
        let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
        if met.span < span {
            let recent = std::mem::take(&mut met.recent);
            let is_next = met.span + 1 == span;
            met.before = if is_next { recent } else { HashSet::new() };
            met.span = span;
        }
        if met.recent.len() < STRANGERS_MAX {
            met.recent.insert(*key);
        }
    }

    fn remove(&self, key: &TicketKey) {
        if self.have(key) {
            let mut met = self.met.write().unwrap_or_else(PoisonError::into_inner);
            met.recent.remove(key);
            met.before.remove(key);
        }
    }

    fn span(&self) -> u64 {
        let millis = u64::try_from(self.watch.elapsed().as_millis()).unwrap_or(u64::MAX);
        millis / STRANGER_MILLIS
    }
}
