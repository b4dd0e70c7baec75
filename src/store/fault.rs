//! Why a store did not answer.

use std::error::Error;
use std::sync::Arc;

use serde::de::Error as _;

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
    /// The database, or a file beside it, is no longer where it was opened: somebody moved or deleted it.
    #[error(
        "the session database or one of its -wal and -shm files was moved or deleted while it was in use: put it back, or restart cloakroom to begin with what is there"
    )]
    Moved,
    /// The remote store, or the way to it, failed. Shared, because many may have waited for one answer.
    #[error("the session store failed")]
    Remote(#[source] Arc<dyn Error + Send + Sync>),
    /// A note is larger than any may be. Nothing was done.
    #[error("a note is larger than {} bytes", super::NOTE_BYTES_MAX)]
    NoteTooLarge,
    /// A record cannot be read.
    #[error("a stored session cannot be read")]
    Unreadable(#[source] serde_json::Error),
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}

impl StoreFault {
    /// The remote store failed for this reason.
    pub fn remote(source: impl Error + Send + Sync + 'static) -> Self {
        Self::Remote(Arc::new(source))
    }

    /// The same fault, for somebody else who waited for the same answer.
    pub(super) fn same(&self) -> Self {
        match self {
            Self::Timeout => Self::Timeout,
            Self::Stopped => Self::Stopped,
            Self::Overloaded => Self::Overloaded,
            Self::TicketInUse => Self::TicketInUse,
            Self::Moved => Self::Moved,
            Self::NoteTooLarge => Self::NoteTooLarge,
            Self::Sqlite(source) => Self::Sqlite(Arc::clone(source)),
            Self::Remote(source) => Self::Remote(Arc::clone(source)),
            // It has no source of its own that would be lost.
            Self::Unreadable(source) => Self::Unreadable(serde_json::Error::custom(source)),
        }
    }
}
