//! The list of an engine's sessions: for operators, for limits per user, for moving to another engine.

use std::time::Duration;

use super::Answer;
use crate::base::clock::Time;
use crate::session::{KeyId, Session, TicketKey, UserKey};

/// An engine that can list what it holds. The cookie engine cannot.
///
/// # Laws
/// - A list never holds a session that was ended before it was asked for.
/// - What the index of users says is never believed without the session itself: a user's list holds sessions that are
///   live and hold that user, and the index loses what no longer does, also after a crash at any point.
/// - Sessions that are over may still be listed by [`Catalogue::page`], tombstones too: who moves a store needs them.
pub trait Catalogue: Send + Sync {
    /// The live sessions of a user, in no order.
    fn of_user(&self, user: &UserKey, now: Time) -> Answer<Vec<Session>>;

    /// The session that the ticket with this key belongs to, whatever its state.
    fn find(&self, key: &TicketKey) -> Answer<Option<Session>>;

    /// Ends the session that the ticket with this key belongs to, with what it was forked from, as a logout would.
    /// `false`: there was nothing to end.
    fn end(&self, key: &TicketKey, now: Time) -> Answer<bool>;

    /// Up to `at_most` sessions and tombstones that come after `after` in an order of the engine's own. A session that
    /// is there throughout a walk is met at least once.
    fn page(&self, after: Option<&Cursor>, at_most: usize) -> Answer<Page>;

    /// Takes over sessions of another store, with their tickets; tells how many it did not have as they are. One that is
    /// here already stays if it is further along: ended beats live, and otherwise the later touch wins. Nothing that
    /// ended here is revived, and doing it again changes nothing.
    fn take_over(&self, sessions: Vec<Session>, now: Time) -> Answer<usize>;

    /// Notes that a node is alive and which keys it has, and tells which nodes were in the last [`NODE_LIFE_SECS`].
    fn announce(&self, node: Node, now: Time) -> Answer<Vec<Node>>;

    /// How long after its first announcement a node must wait before it serves beside others, so that they see at once
    /// what it writes.
    fn acquaintance(&self) -> Duration {
        Duration::ZERO
    }
}

/// How long a node counts as alive after it announced itself, in seconds.
pub const NODE_LIFE_SECS: u64 = 30;

/// Where a walk through a store goes on. Means something to the engine that made it alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(pub String);

/// A part of what a store holds.
#[derive(Debug, Default)]
pub struct Page {
    /// Sessions and tombstones.
    pub sessions: Vec<Session>,
    /// How many more there were whose record cannot be read.
    pub unreadable: usize,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<Cursor>,
}

/// One gateway process that uses the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// A name of its own, new with every start.
    pub id: String,
    /// When it announced itself last.
    pub seen: Time,
    /// A fingerprint of the key that names sessions; not a secret.
    pub session_ids: KeyId,
    /// The keys of its ring, the oldest first.
    pub keys: Vec<NodeKey>,
}

/// A key that a node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeKey {
    /// Which one.
    pub id: KeyId,
    /// Whether the node signs with it.
    pub signs: bool,
    /// When a ticket last came to the node that it had signed.
    pub last_use: Option<Time>,
}
