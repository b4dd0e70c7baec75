//! A server in memory that does what a test tells it: holds questions and answers, breaks connections, forgets
//! everything, keeps its news back.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{Session, TicketKey, UserKey};
use cloakroom::store::remote::driver::{
    Driver, Found, Listener, NoteSwap, Pouring, Revision, Row, RowChange, Writing, Written,
};
use cloakroom::store::{Cursor, Node, Note, NoteKey, Page, StoreFault};
use tokio::sync::watch;

/// The server.
#[derive(Clone, Default)]
pub struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    born: Option<Time>,
    rows: HashMap<[u8; 32], Stored>,
    tickets: HashMap<TicketKey, [u8; 32]>,
    nodes: HashMap<String, Node>,
    notes: HashMap<NoteKey, Note>,
    links: Vec<Link>,
}

struct Stored {
    row: Row,
    keep_until: Time,
    is_torn: bool,
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It is not done, as if somebody else had been faster.
    Conflict,
    /// It is done, and the connection breaks before the answer.
    DoneButLost,
    /// It is not done: the connection breaks before.
    Broken,
}

/// One node's way to the server: a driver.
#[derive(Clone)]
pub struct Link {
    server: Server,
    way: Arc<Way>,
}

#[derive(Default)]
pub struct Way {
    /// Before a question reaches the server.
    pub finds: Gate,
    /// Before the answer to a question comes back.
    pub found: Gate,
    /// Before a write reaches the server.
    pub writes: Gate,
    /// Before the answer to a write comes back.
    pub written: Gate,
    /// Whether the channel gives no sign of life.
    pub is_silent: AtomicBool,
    /// Whether news are kept back.
    pub is_deaf: AtomicBool,
    pub times_found: AtomicUsize,
    pub times_written: AtomicUsize,
    fates: Mutex<VecDeque<Fate>>,
    listener: Mutex<Option<Arc<dyn Listener>>>,
}

/// A gate that a test shuts.
pub struct Gate {
    is_shut: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            is_shut: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
        }
    }
}

impl Gate {
    pub fn shut(&self) {
        self.is_shut.send_replace(true);
    }

    pub fn open(&self) {
        self.is_shut.send_replace(false);
    }

    /// Until so many stand before it.
    pub async fn wait_for(&self, many: usize) {
        let mut waiting = self.waiting.subscribe();
        let arrived = waiting.wait_for(|waiting| *waiting >= many);
        tokio::time::timeout(Duration::from_secs(10), arrived)
            .await
            .expect("nobody comes to the gate")
            .unwrap();
    }

    async fn pass(&self) {
        struct Stand<'a>(&'a Gate);
        impl Drop for Stand<'_> {
            fn drop(&mut self) {
                self.0.waiting.send_modify(|waiting| *waiting -= 1);
            }
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _stand = Stand(self);
        let mut is_shut = self.is_shut.subscribe();
        is_shut.wait_for(|is_shut| !is_shut).await.unwrap();
    }
}

impl Server {
    pub fn link(&self) -> Link {
        let link = Link {
            server: self.clone(),
            way: Arc::default(),
        };
        self.lock().links.push(link.clone());
        link
    }

    pub fn rows(&self) -> usize {
        self.lock().rows.len()
    }

    pub fn tickets(&self) -> usize {
        self.lock().tickets.len()
    }

    /// Forgets everything, and is born anew with the next question.
    pub fn forget_everything(&self) {
        let mut state = self.lock();
        let links = std::mem::take(&mut state.links);
        *state = State {
            links,
            ..State::default()
        };
    }

    /// Makes the record of this ticket unreadable.
    pub fn tear(&self, key: &TicketKey) {
        let mut state = self.lock();
        let root = state.tickets[key];
        state.rows.get_mut(&root).unwrap().is_torn = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn find(&mut self, key: &TicketKey, now: Time) -> Result<Found, StoreFault> {
        let born = *self.born.get_or_insert(now);
        let stored = self.tickets.get(key).map(|root| &self.rows[root]);
        if stored.is_some_and(|stored| stored.is_torn) {
            return Err(torn());
        }
        Ok(Found {
            born,
            row: stored.map(|stored| stored.row.clone()),
        })
    }

    fn write(&mut self, writing: &Writing) -> Written {
        let holders = writing.rows.iter().flat_map(|row| &row.session.holders);
        let mut families = holders.map(|holder| holder.key.family());
        let first = families.next();
        assert!(families.all(|family| Some(family) == first), "{writing:?}");
        let born = *self.born.get_or_insert(writing.now);
        let is_early = |issued: Time| issued < born && issued != writing.now;
        if writing.issued.is_some_and(is_early) {
            return Written::Lost;
        }
        let revision = |change: &RowChange| -> Option<Revision> {
            let stored = self.rows.get(&change.session.record.root.0);
            stored.map(|stored| stored.row.revision)
        };
        if writing
            .rows
            .iter()
            .any(|change| revision(change) != change.expected)
        {
            return Written::Conflict;
        }
        let mut filed = writing.rows.iter().flat_map(|change| &change.file);
        if filed.any(|key| self.tickets.contains_key(key)) {
            return Written::TicketInUse;
        }
        for change in &writing.rows {
            let root = change.session.record.root.0;
            let row = Row {
                revision: change.revision,
                session: Arc::clone(&change.session),
            };
            let stored = Stored {
                row,
                keep_until: change.keep_until,
                is_torn: false,
            };
            self.rows.insert(root, stored);
            for key in &change.unfile {
                self.tickets.remove(key);
            }
            self.tickets
                .extend(change.file.iter().map(|key| (*key, root)));
        }
        Written::Done
    }
}

impl Link {
    pub fn way(&self) -> &Way {
        &self.way
    }

    pub fn times_found(&self) -> usize {
        self.way.times_found.load(Ordering::SeqCst)
    }

    pub fn times_written(&self) -> usize {
        self.way.times_written.load(Ordering::SeqCst)
    }

    /// The next write has this fate.
    pub fn expect(&self, fate: Fate) {
        self.way.fates.lock().unwrap().push_back(fate);
    }

    pub fn lose_channel(&self) {
        let listener = self.way.listener.lock().unwrap().clone();
        listener.expect("nobody watches").lost();
    }

    fn hear(&self, keys: &[TicketKey]) {
        let listener = self.way.listener.lock().unwrap().clone();
        if let Some(listener) = listener
            && !self.way.is_deaf.load(Ordering::SeqCst)
        {
            listener.changed(keys);
        }
    }
}

impl Driver for Link {
    async fn find(&self, key: &TicketKey, now: Time) -> Result<Found, StoreFault> {
        self.way.times_found.fetch_add(1, Ordering::SeqCst);
        self.way.finds.pass().await;
        let found = self.server.lock().find(key, now);
        self.way.found.pass().await;
        found
    }

    async fn write(&self, writing: &Writing) -> Result<Written, StoreFault> {
        self.way.times_written.fetch_add(1, Ordering::SeqCst);
        self.way.writes.pass().await;
        let fate = self.way.fates.lock().unwrap().pop_front();
        match fate {
            Some(Fate::Broken) => return Err(broken()),
            Some(Fate::Conflict) => return Ok(Written::Conflict),
            Some(Fate::DoneButLost) | None => {}
        }
        let (written, links) = {
            let mut state = self.server.lock();
            (state.write(writing), state.links.clone())
        };
        if written == Written::Done {
            let keys = writing.rows.iter().flat_map(|change| {
                let holders = change.session.holders.iter().map(|holder| holder.key);
                holders.chain(change.unfile.iter().copied())
            });
            let keys: Vec<_> = keys.collect();
            // A node need not be told what it wrote itself.
            for link in links
                .iter()
                .filter(|link| !Arc::ptr_eq(&link.way, &self.way))
            {
                link.hear(&keys);
            }
        }
        self.way.written.pass().await;
        if fate == Some(Fate::DoneButLost) {
            return Err(broken());
        }
        Ok(written)
    }

    async fn note(&self, key: NoteKey, _: Time) -> Result<Option<Vec<u8>>, StoreFault> {
        let state = self.server.lock();
        Ok(state.notes.get(&key).map(|note| note.value.clone()))
    }

    async fn swap_note(&self, swap: &NoteSwap) -> Result<bool, StoreFault> {
        let mut state = self.server.lock();
        let found = state.notes.get(&swap.key).map(|note| note.value.clone());
        if found != swap.expected {
            return Ok(false);
        }
        match &swap.new {
            Some(note) => state.notes.insert(swap.key, note.clone()),
            None => state.notes.remove(&swap.key),
        };
        Ok(true)
    }

    async fn pour(&self, pouring: &Pouring) -> Result<Option<Duration>, StoreFault> {
        let mut state = self.server.lock();
        let known = state.notes.get(&pouring.key).map(|note| note.until);
        let until = match pouring.pour.after(known, pouring.now) {
            Ok(until) => until,
            Err(wait) => return Ok(Some(wait)),
        };
        let value = Vec::new();
        state.notes.insert(pouring.key, Note { value, until });
        Ok(None)
    }

    async fn of_user(&self, _: &UserKey, _: Time) -> Result<Vec<Session>, StoreFault> {
        // The laziest index there can be: everybody may be that user.
        let state = self.server.lock();
        let sessions = state.rows.values();
        Ok(sessions
            .map(|stored| Session::clone(&stored.row.session))
            .collect())
    }

    async fn page(&self, after: Option<&Cursor>, at_most: usize) -> Result<Page, StoreFault> {
        let state = self.server.lock();
        let ordered: std::collections::BTreeMap<String, &Stored> = state
            .rows
            .iter()
            .map(|(root, stored)| (format!("{root:?}"), stored))
            .collect();
        let after = after.map_or(Bound::Unbounded, |after| Bound::Excluded(after.0.clone()));
        let mut page = Page::default();
        for (root, stored) in ordered.range((after, Bound::Unbounded)).take(at_most) {
            if stored.is_torn {
                page.unreadable += 1;
            } else {
                page.sessions.push(Session::clone(&stored.row.session));
            }
            page.next = Some(Cursor(root.clone()));
        }
        if page.sessions.len() + page.unreadable < at_most {
            page.next = None;
        }
        Ok(page)
    }

    async fn sweep(&self, now: Time, at_most: usize) -> Result<usize, StoreFault> {
        let mut state = self.server.lock();
        let over = state
            .rows
            .iter()
            .filter(|(_, stored)| stored.keep_until <= now);
        let over: Vec<_> = over.map(|(root, _)| *root).take(at_most).collect();
        state.rows.retain(|root, _| !over.contains(root));
        state.tickets.retain(|_, root| !over.contains(root));
        Ok(over.len())
    }

    async fn announce(&self, node: &Node, _: Time) -> Result<Vec<Node>, StoreFault> {
        let mut state = self.server.lock();
        state.nodes.insert(node.id.clone(), node.clone());
        Ok(state.nodes.values().cloned().collect())
    }

    async fn watch(&self, listener: Arc<dyn Listener>) -> Infallible {
        *self.way.listener.lock().unwrap() = Some(Arc::clone(&listener));
        listener.lost();
        loop {
            if !self.way.is_silent.load(Ordering::SeqCst) {
                listener.vouch(listener.moment_millis());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn broken() -> StoreFault {
    StoreFault::remote(std::io::Error::other("the connection broke"))
}

fn torn() -> StoreFault {
    let error = serde_json::from_str::<()>("torn").unwrap_err();
    StoreFault::Unreadable(error)
}
