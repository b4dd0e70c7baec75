//! The file: making it, opening it, judging whether it is whole.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::{StoreOpenFault, explain};
use super::schema::migrate;
use crate::base::clock::Time;

/// What is left of a swollen write-ahead log.
const WAL_BYTES: i64 = 16 << 20;

/// How far the file is trusted when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It is read from end to end first. That takes a second for some GiB, and is what finds damage before sessions are
    /// written on top of it: a page is otherwise judged only when somebody happens to need it.
    AfterACheck,
    /// A server is expected to have done that.
    AtOnce,
}

/// Opens the database, which [`make_file`] has made, for writing; makes the schema where it is missing or old.
pub(super) fn open_writer(
    path: &Path,
    patience: Duration,
    trust: Trust,
    now: Time,
) -> Result<Connection, StoreOpenFault> {
    prepare(path, patience, trust, now).map_err(|fault| match fault {
        Trouble::Known(fault) => fault,
        Trouble::Sqlite(source) => explain(path, source),
    })
}

/// Opens the database, which [`open_writer`] has prepared, for reading.
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

/// Makes folder and file where they are missing: before SQLite can, so that nobody else may ever read it, whatever the umask; SQLite gives its -wal
/// and -shm files the mode of the database.
pub(super) fn make_file(path: &Path) -> Result<(), StoreOpenFault> {
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
pub(super) enum Trouble {
    Known(StoreOpenFault),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn prepare(
    path: &Path,
    patience: Duration,
    trust: Trust,
    now: Time,
) -> Result<Connection, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    if trust == Trust::AfterACheck {
        check_whole(&connection, path)?;
    }
    use_write_ahead_log(&connection, path)?;
    // What has been answered must outlive a power cut, so every commit reaches the disk.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // The log may swell while somebody reads for long; afterwards it is cut back to this.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    migrate(&mut connection, path, now)?;
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
