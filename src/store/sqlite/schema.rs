//! The file: making it, opening it, judging whether it is ours and whole.

use std::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

/// Marks a database as one of ours: "clok" in ASCII.
const APPLICATION_ID: i32 = 0x636c_6f6b;

/// The schema that this version writes; `PRAGMA user_version` of the file.
const SCHEMA_VERSION: i32 = 1;

/// What is left of a swollen write-ahead log.
const WAL_BYTES: i64 = 16 << 20;

/// The ticket table leads to a session; everything else that is known of a session, its tickets included, is in its
/// record (see `store/stored.rs`), so that a row can be read, moved and exported by itself.
const SCHEMA: &str = "
    CREATE TABLE sessions (
        id         INTEGER PRIMARY KEY,
        keep_until INTEGER NOT NULL,  -- milliseconds since 1970; a sweep may take the row afterwards
        record     TEXT NOT NULL      -- JSON
    ) STRICT;
    CREATE INDEX sessions_by_keep_until ON sessions (keep_until);
    CREATE TABLE tickets (
        key     BLOB PRIMARY KEY,     -- a one-way hash of the ticket
        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tickets_by_session ON tickets (session);
";

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

/// Opens the database for writing; makes folder, file and schema where they are missing.
pub(super) fn open_writer(path: &Path, patience: Duration) -> Result<Connection, StoreOpenFault> {
    make_file(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare(path, flags, patience).map_err(|fault| match fault {
        Trouble::Known(fault) => fault,
        Trouble::Sqlite(source) => explain(path, source),
    })
}

/// Opens the database, which [`open_writer`] has made, for reading.
pub(super) fn open_reader(path: &Path, patience: Duration) -> Result<Connection, StoreOpenFault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(patience)?;
        connection.pragma_update(None, "trusted_schema", false)?;
        Ok(connection)
    };
    open().map_err(|source| explain(path, source))
}

/// Makes the file before SQLite can, so that nobody else may ever read it, whatever the umask; SQLite gives its -wal
/// and -shm files the mode of the database.
fn make_file(path: &Path) -> Result<(), StoreOpenFault> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| StoreOpenFault::Folder {
            path: folder.to_owned(),
            source,
        })?;
    }
    // Only ever a file that is new: to open and close an existing one would take away the locks that another store of
    // this process holds on it (POSIX advisory locks belong to the process, not to the handle).
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    match options.open(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(StoreOpenFault::File {
            path: path.to_owned(),
            source: error.into(),
        }),
        Err(_) => {
            warn_of_other_readers(path);
            Ok(())
        }
        Ok(_) => Ok(()),
    }
}

fn warn_of_other_readers(path: &Path) {
    let mode = fs::metadata(path).map_or(0, |file| file.permissions().mode());
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{:o}", mode & 0o777),
            "other users of this machine may read or write the session database: chmod 600"
        );
    }
}

/// A fault that is explained already, or one of SQLite's that is not yet.
enum Trouble {
    Known(StoreOpenFault),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(path: &Path, flags: OpenFlags, patience: Duration) -> Result<Connection, Trouble> {
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    check_whole(&connection, path)?;
    use_write_ahead_log(&connection, path)?;
    // What has been answered must outlive a power cut, so every commit reaches the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The log may swell while somebody reads for long; afterwards it is cut back to this.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    migrate(&mut connection, path)?;
    Ok(connection)
}

fn check_whole(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    let detail: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))?;
    if detail == "ok" {
        return Ok(());
    }
    Err(Trouble::Known(StoreOpenFault::Corrupt {
        path: path.to_owned(),
        detail,
    }))
}

fn use_write_ahead_log(connection: &Connection, path: &Path) -> Result<(), Trouble> {
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode == "wal" {
        return Ok(());
    }
    Err(Trouble::Known(StoreOpenFault::NoWriteAheadLog {
        path: path.to_owned(),
        mode,
    }))
}

/// Makes the schema in an empty file. Later versions migrate here, step by step.
fn migrate(connection: &mut Connection, path: &Path) -> Result<(), Trouble> {
    // Immediate: of two processes that start at once, one makes the schema and the other finds it.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let number = |sql| transaction.query_row(sql, [], |row| row.get::<_, i32>(0));
    let application = number("PRAGMA application_id")?;
    let found = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let is_empty = application == 0 && found == 0 && tables == 0;
    if !is_empty && application != APPLICATION_ID {
        let path = path.to_owned();
        return Err(Trouble::Known(StoreOpenFault::Foreign { path }));
    }
    if found > SCHEMA_VERSION {
        return Err(Trouble::Known(StoreOpenFault::NewerSchema {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        }));
    }
    if is_empty {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

fn explain(path: &Path, source: rusqlite::Error) -> StoreOpenFault {
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
