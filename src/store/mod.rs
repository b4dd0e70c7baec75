//! Floor 2: where sessions live. One trait, one driver a file or folder.
//!
//! # Laws
//! - A [`StoreFault`] means that the store did not answer. Everything that a store knows to be so (unknown, expired,
//!   ended, too large) is an answer.
//! - [`Store::commit`] is atomic: the whole change or none of it, merged with what others did meanwhile.
//! - When `commit` has answered, the change survives what the engine promises to survive (`sqlite`: `kill -9`), and
//!   every `open` that begins afterwards sees it.
//! - An engine decides nothing: [`Session`](crate::session::Session) does, inside the engine's lock or transaction.
//! - A commit that was given up by its caller (timeout, visitor gone) may still be done: what the app did is done too.

mod answer;

mod fate;

mod fault;

pub mod catalogue;

pub mod notes;

pub mod memory;

pub mod sqlite;

pub mod sealed;

mod by_key;

mod known;

pub mod remote;

pub mod postgres;
pub mod redis;

pub mod sweep;

pub use answer::Answer;
pub use catalogue::{Catalogue, Cursor, Node, NodeKey, Page};
pub use fate::Fate;
pub use fault::StoreFault;
pub use notes::{NOTE_BYTES_MAX, Note, NoteKey, Notes, Pour};

use crate::base::clock::Time;
use crate::session::{Commit, Committed, Opening, Ticket, TicketKey};

/// A place where sessions live.
pub trait Store: Send + Sync {
    /// What `ticket` opens.
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening>;

    /// Does what a request asks, creating the session if its ticket can open one by itself.
    fn commit(&self, commit: Commit) -> Answer<Committed>;

    /// What has become of the sessions that the tickets with these keys led to when they last opened one; as many
    /// answers, in the same order. It may lie half a second behind what other processes did, not behind this one's own
    /// commits.
    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>>;

    /// Removes up to `at_most` sessions and tombstones that nobody can open any more; tells how many it removed.
    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize>;

    /// The list of its sessions, if the engine keeps one.
    fn catalogue(&self) -> Option<&dyn Catalogue>;

    /// Its notes, if the engine keeps any.
    fn notes(&self) -> Option<&dyn Notes> {
        None
    }
}
