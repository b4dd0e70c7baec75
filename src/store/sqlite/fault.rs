//! Why the session database cannot be opened, and the way out.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the session database cannot be opened, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenFault {
    /// The folder is not there and cannot be made.
    #[error(
        "cannot make the folder {}: make it and give it to the user that cloakroom runs as, or set session.store.path to another place",
        path.display()
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be made or written.
    #[error(
        "cannot write the session database {}: it and its folder must belong to the user that cloakroom runs as, or set session.store.path to another place",
        path.display()
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or SQLite says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is something else.
    #[error(
        "{} is not a SQLite database: move it away, or set session.store.path to another place",
        path.display()
    )]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// The file is damaged.
    #[error(
        "the session database {} is damaged ({detail}): restore a copy, or move it and its -wal and -shm files away (every session ends)",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the check found first.
        detail: String,
    },
    /// The database belongs to another program.
    #[error(
        "{} is the database of another program: set session.store.path to another place",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer cloakroom wrote it.
    #[error(
        "the session database {} has schema version {found}, and this cloakroom knows versions up to {known}: run the newer cloakroom, or set session.store.path to another place",
        path.display()
    )]
    NewerSchema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest version that is known here.
        known: i32,
    },
    /// Another process does not let go of it.
    #[error(
        "the session database {} is locked by another process: end that process (a backup or a sqlite3 shell, perhaps) and start again",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The place of the file cannot do what SQLite's write-ahead log needs.
    #[error(
        "the session database {} cannot have a write-ahead log (journal mode is {mode}): set session.store.path to a local disk",
        path.display()
    )]
    NoWriteAheadLog {
        /// The file.
        path: PathBuf,
        /// The journal mode that it has instead.
        mode: String,
    },
    /// SQLite failed in another way.
    #[error("cannot open the session database {}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The system gives no thread.
    #[error("cannot start a thread for the session database")]
    Thread(#[source] io::Error),
}

impl StoreOpenFault {
    /// Whether an attempt may work later, with everything as it is but what others do.
    pub const fn is_of_the_moment(&self) -> bool {
        matches!(self, Self::Locked { .. } | Self::Thread(_))
    }

    /// The file cannot be made or written, says the system.
    pub(super) fn file(path: &Path, source: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// What SQLite says of the file at `path`, as a fault with its way out.
pub(super) fn explain(path: &Path, source: rusqlite::Error) -> StoreOpenFault {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => StoreOpenFault::NotADatabase { path },
        Some(ErrorCode::DatabaseCorrupt) => StoreOpenFault::Corrupt {
            path,
            detail: source.to_string(),
        },
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            StoreOpenFault::File {
                path,
                source: source.into(),
            }
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreOpenFault::Locked { path }
        }
        _ => StoreOpenFault::Sqlite { path, source },
    }
}
