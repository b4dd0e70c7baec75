//! Streams that are open, and the sessions that they were opened with. A request is judged when it comes; what stays open
//! afterwards would outlive its session, so it is watched, and ends when its session does.
//!
//! A *stream* is a WebSocket, or a response of `text/event-stream`: what goes on until somebody ends it. A long download
//! is none: it ends by itself, and was allowed when it was asked for.
//!
//! One registry a process, shared by all cores; it outlives a reload. A request that opens no stream looks at one counter
//! of it. `watch` asks the store for the sessions in it (see [`Store::fates`](crate::store::Store::fates)), `begin` and
//! `subject` know which session a stream was opened with.

mod begin;

mod stream;

mod subject;

mod watch;

pub(super) use self::begin::{Joint, Opening};
pub use self::stream::{Kind, Stream, Why};
pub use self::subject::Subject;
pub use self::watch::Watch;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use self::stream::{About, Place};
use crate::base::clock::Time;
use crate::base::meter::{Count, Meter};
use crate::base::secret::random_bytes;
use crate::session::{Closed, Root, Ticket, TicketKey};
use crate::store::Fate;

/// Many, so that cores that open streams do not wait for each other.
const SHARDS: usize = 64;

/// What is filed under the root of a session. Roots are hashes; nobody can aim at a bucket, and few are here.
type Shard = HashMap<[u8; 32], Watched>;

/// The streams that are open.
pub struct Streams {
    /// A `std` mutex each, held for a look at one entry or a walk over one shard, never across a wait.
    shards: Vec<Mutex<Shard>>,
    open: [AtomicUsize; Kind::ALL.len()],
    /// How many sessions there are that have to be watched.
    sessions: AtomicUsize,
    next_id: AtomicU64,
    /// Told when there is a session to be watched.
    began: Notify,
    /// Whether what a stream carries renews its session.
    renew: AtomicBool,
    meter: Arc<Meter>,
}

struct Watched {
    /// `None`: the stream was opened without a session, and nothing but the end of the gateway ends it.
    session: Option<Session>,
    streams: Vec<Entry>,
}

/// What is known of a session whose streams are open.
struct Session {
    /// The ticket that is asked for.
    key: TicketKey,
    /// When the latest ticket was issued that came here.
    issued: Time,
    /// A ticket that can renew its idle clock, if streams count as activity.
    ticket: Option<Ticket>,
    /// When the absolute timeout ends it, whatever the store says or does not say.
    ends: Time,
    /// When the idle timeout ends it, as far as this process knows; counts where the store keeps no clock of it.
    idle_until: Time,
    /// Whether the store has a record of it; then it is over when the store has none.
    is_known: bool,
}

struct Entry {
    id: u64,
    kind: Kind,
    told: oneshot::Sender<Why>,
    moved: Arc<AtomicBool>,
}

impl Streams {
    /// None, and they do not count as activity.
    pub fn new(meter: Arc<Meter>) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            open: Default::default(),
            sessions: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            began: Notify::new(),
            renew: AtomicBool::new(false),
            meter,
        }
    }

    /// Whether what a stream carries keeps its session alive, for those that are opened from now on.
    pub fn count_as_activity(&self, renew: bool) {
        self.renew.store(renew, Ordering::Relaxed);
    }

    /// How many streams of a kind are open.
    pub fn open(&self, kind: Kind) -> usize {
        self.open[kind as usize].load(Ordering::Relaxed)
    }

    /// Whether no stream with a session is open.
    pub fn has_no_sessions(&self) -> bool {
        self.sessions.load(Ordering::Relaxed) == 0
    }

    /// Files a stream that is opened with the session of `subject`, if there is one.
    fn begin(self: &Arc<Self>, kind: Kind, subject: Option<&Subject>, about: About) -> Stream {
        let root = subject.map_or_else(random_bytes, |subject| subject.root.0);
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (told, ended) = oneshot::channel();
        let moved = Arc::new(AtomicBool::new(false));
        let entry = Entry {
            id,
            kind,
            told,
            moved: Arc::clone(&moved),
        };
        let mut shard = self.shard(&root);
        let watched = shard.entry(root).or_insert_with(|| {
            self.sessions
                .fetch_add(usize::from(subject.is_some()), Ordering::Relaxed);
            Watched {
                session: None,
                streams: Vec::new(),
            }
        });
        watched.streams.push(entry);
        if let Some(subject) = subject {
            match &mut watched.session {
                Some(session) => session.renew(subject),
                none => *none = Some(Session::of(subject, self.renew.load(Ordering::Relaxed))),
            }
        }
        drop(shard);
        self.open[kind as usize].fetch_add(1, Ordering::Relaxed);
        self.meter.count(kind.opened());
        if subject.is_some() {
            self.began.notify_one();
        }
        let place = Place::new(Arc::clone(self), root, id, kind);
        Stream::new(place, ended, moved, about)
    }

    /// Takes note of a request of a session: its idle clock is elsewhere than in the store with some engines.
    fn renew(&self, subject: &Subject) {
        let mut shard = self.shard(&subject.root.0);
        let watched = shard.get_mut(&subject.root.0);
        if let Some(session) = watched.and_then(|watched| watched.session.as_mut()) {
            session.renew(subject);
        }
    }

    /// Ends the streams of the session with this root.
    pub(super) fn end(&self, root: &Root, why: Closed) {
        let mut shard = self.shard(&root.0);
        if let Some(watched) = shard.get_mut(&root.0) {
            self.tell(watched, Why::Session(why));
        }
    }

    /// Ends all streams, because the gateway ends.
    pub fn end_all(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for watched in shard.values_mut() {
                self.tell(watched, Why::GoingAway);
            }
        }
    }

    /// They leave the registry when they have ended, and until then there is nobody to be told any more.
    fn tell(&self, watched: &mut Watched, why: Why) {
        for entry in watched.streams.drain(..) {
            if matches!(why, Why::Session(_)) {
                self.meter.count(Count::StreamsEndedWithSession);
            }
            tracing::debug!(
                kind = entry.kind.name(),
                why = why.word(),
                "ending a stream"
            );
            // One that has just ended by itself does not listen any more.
            let _ = entry.told.send(why);
        }
    }

    /// A stream is over.
    fn remove(&self, root: &[u8; 32], id: u64, kind: Kind) {
        self.open[kind as usize].fetch_sub(1, Ordering::Relaxed);
        let mut shard = self.shard(root);
        let Some(watched) = shard.get_mut(root) else {
            return;
        };
        watched.streams.retain(|entry| entry.id != id);
        if watched.streams.is_empty() {
            let had_session = watched.session.is_some();
            shard.remove(root);
            self.sessions
                .fetch_sub(usize::from(had_session), Ordering::Relaxed);
        }
    }

    /// The sessions to ask for: their roots, and the tickets that lead to them.
    fn sessions(&self) -> Vec<(Root, TicketKey)> {
        let mut sessions = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            sessions.extend(shard.iter().filter_map(|(root, watched)| {
                let session = watched.session.as_ref()?;
                (!watched.streams.is_empty()).then_some((Root(*root), session.key))
            }));
        }
        sessions
    }

    /// Ends the streams of sessions that have reached the absolute timeout, for which nobody need be asked.
    fn end_by_the_clock(&self, now: Time) {
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for watched in shard.values_mut() {
                if watched
                    .session
                    .as_ref()
                    .is_some_and(|session| session.ends <= now)
                {
                    self.tell(watched, Why::Session(Closed::AbsoluteExpired));
                }
            }
        }
    }

    /// Does what follows from the fate of a session. Answers with a ticket if its idle clock should be renewed.
    fn obey(&self, root: &Root, fate: Fate, now: Time) -> Option<Ticket> {
        let mut shard = self.shard(&root.0);
        let watched = shard.get_mut(&root.0)?;
        let session = watched.session.as_mut()?;
        let over = match fate {
            Fate::Over(why) => Some(why),
            Fate::Unknown if session.is_known => Some(Closed::Unknown),
            Fate::Unknown => session.idle_end(now),
            Fate::Live { next, timed, .. } => {
                session.key = next;
                session.is_known = true;
                if timed { None } else { session.idle_end(now) }
            }
        };
        if let Some(why) = over {
            self.tell(watched, Why::Session(why));
            return None;
        }
        let is_due = matches!(
            fate,
            Fate::Live {
                touch_is_due: true,
                ..
            }
        );
        if !is_due {
            return None;
        }
        let ticket = session.ticket.clone()?;
        let has_moved = |entry: &Entry| entry.moved.swap(false, Ordering::Relaxed);
        // All of them, so that none keeps an old move.
        let moved = watched.streams.iter().map(has_moved);
        moved.fold(false, |any, one| any | one).then_some(ticket)
    }

    fn shard(&self, root: &[u8; 32]) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(root[0]) % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn of(subject: &Subject, keeps_ticket: bool) -> Self {
        Self {
            key: subject.ticket.key(),
            issued: subject.ticket.issued(),
            ticket: keeps_ticket.then(|| subject.ticket.clone()),
            ends: subject.ends,
            idle_until: subject.idle_until,
            is_known: subject.is_known,
        }
    }

    fn renew(&mut self, subject: &Subject) {
        self.idle_until = self.idle_until.max(subject.idle_until);
        self.is_known |= subject.is_known;
        if self.issued <= subject.ticket.issued() {
            // One that a rotation has just brought: the one before may be forgotten before the store is asked again.
            (self.key, self.issued) = (subject.ticket.key(), subject.ticket.issued());
        }
        if let Some(ticket) = &mut self.ticket
            && ticket.issued() < subject.ticket.issued()
        {
            *ticket = subject.ticket.clone();
        }
    }

    fn idle_end(&self, now: Time) -> Option<Closed> {
        (self.idle_until <= now).then_some(Closed::IdleExpired)
    }
}

#[cfg(test)]
mod tests;
