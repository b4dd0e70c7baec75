//! Floor 2: where sessions live. One trait, one driver a file.
//!
//! # Laws
//! - A [`StoreFault`] means that the store did not answer. Everything that a store knows to be so (unknown, expired,
//!   ended, too large) is an answer.
//! - [`Store::commit`] is atomic: the whole change or none of it, merged with what others did meanwhile.
//! - When `commit` has answered, the change survives what the engine promises to survive (`sqlite`: `kill -9`), and
//!   every `open` that begins afterwards sees it.
//! - An engine decides nothing: [`Session`](crate::session::Session) does, inside the engine's lock or transaction.
//! - A commit that was given up by its caller (timeout, visitor gone) may still be done: what the app did is done too.

pub mod memory;

pub mod sqlite;

pub mod stored;

pub mod sweep;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::base::clock::Time;
use crate::session::life::{Commit, Committed, Opening};
use crate::session::ticket::TicketKey;

/// A place where sessions live.
pub trait Store: Send + Sync {
    /// What the ticket with this key opens.
    fn open(&self, key: &TicketKey, now: Time) -> Answer<Opening>;

    /// Does what a request asks, creating the session if its ticket can open one by itself.
    fn commit(&self, commit: Commit) -> Answer<Committed>;

    /// Removes up to `at_most` sessions and tombstones that nobody can open any more; tells how many it removed.
    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize>;
}

/// An answer that an engine has at once, or that has to be waited for. Memory answers without an allocation.
pub enum Answer<T> {
    /// It is here; taken by the first poll.
    Now(Option<Result<T, StoreFault>>),
    /// It is on its way.
    Later(Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send>>),
}

impl<T> Answer<T> {
    /// An answer that is here.
    pub const fn now(value: T) -> Self {
        Self::Now(Some(Ok(value)))
    }

    /// The store did not answer, and that is known at once.
    pub const fn fault(fault: StoreFault) -> Self {
        Self::Now(Some(Err(fault)))
    }

    /// An answer that `future` brings.
    pub fn later(future: impl Future<Output = Result<T, StoreFault>> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<T: Unpin> Future for Answer<T> {
    type Output = Result<T, StoreFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            },
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}

/// The store did not answer. Not to be mistaken for a store that answers "no such session".
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    /// It took longer than `session.store.timeout`.
    #[error("the session store did not answer in time")]
    Timeout,
    /// It has stopped.
    #[error("the session store has stopped")]
    Stopped,
    /// Too much is waiting for it.
    #[error("too many requests are waiting for the session store")]
    Overloaded,
    /// A fresh ticket is already in use. Nothing was done; it is never adopted.
    #[error("a fresh ticket is already in use")]
    TicketInUse,
    /// SQLite failed. Shared, because one failed transaction fails everybody who was in it.
    #[error("the session database failed")]
    Sqlite(#[source] Arc<rusqlite::Error>),
    /// A record cannot be read.
    #[error("a stored session cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
