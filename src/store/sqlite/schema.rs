//! The tables, and how those of an older version become those of this one.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault::StoreOpenFault;
use super::open::Trouble;
use super::rows::index_the_unindexed;
use crate::base::clock::Time;

/// Marks a database as one of ours: "clok" in ASCII.
const APPLICATION_ID: i32 = 0x636c_6f6b;

/// The schema that this version writes; `PRAGMA user_version` of the file.
pub const SCHEMA_VERSION: i32 = 3;

/// The ticket table leads to a session; everything else that is known of a session, its tickets included, is in its
/// record (see `session/stored.rs`), so that a row can be read, moved and exported by itself.
const VERSION_1: &str = "
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

/// What is looked up by, beside tickets. A gateway of version 1 that still runs, as it may during an upgrade, knows
/// nothing of these columns and leaves them NULL; `root` tells such rows from those that nothing can be read of.
const VERSION_2: &str = "
    ALTER TABLE sessions ADD COLUMN root BLOB;      -- names the session for good; NULL: not looked at, empty: unreadable
    ALTER TABLE sessions ADD COLUMN user_key BLOB;  -- a hash of whose live session it is
    CREATE INDEX sessions_by_root ON sessions (root);
    CREATE INDEX sessions_by_user ON sessions (user_key) WHERE user_key IS NOT NULL;
    CREATE TABLE facts (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE nodes (
        id   TEXT PRIMARY KEY,
        seen INTEGER NOT NULL,        -- milliseconds since 1970
        node TEXT NOT NULL            -- JSON
    ) STRICT, WITHOUT ROWID;
";

/// Small values with an end. A gateway of version 2 that still runs knows nothing of them.
const VERSION_3: &str = "
    CREATE TABLE notes (
        key   BLOB PRIMARY KEY,       -- a hash of what the note is for
        until INTEGER NOT NULL,       -- milliseconds since 1970
        value BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX notes_by_until ON notes (until);
";

/// Makes the schema in an empty file, and takes an older one to this version, step by step in one transaction. Steps are
/// only ever added.
pub(super) fn migrate(connection: &mut Connection, path: &Path, now: Time) -> Result<(), Trouble> {
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
    // What an older version kept, it kept from the start.
    let born = if is_empty { now } else { Time::from_secs(0) };
    for version in found..SCHEMA_VERSION {
        take_on_from(version, &transaction, born)?;
    }
    if found < SCHEMA_VERSION {
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    // A version 1 that ran on after the migration may have left some.
    index_the_unindexed(&transaction)?;
    transaction.commit()?;
    Ok(())
}

fn take_on_from(version: i32, transaction: &Transaction<'_>, born: Time) -> rusqlite::Result<()> {
    match version {
        0 => {
            transaction.execute_batch(VERSION_1)?;
            return transaction.pragma_update(None, "application_id", APPLICATION_ID);
        }
        1 => transaction.execute_batch(VERSION_2)?,
        _ => return transaction.execute_batch(VERSION_3),
    }
    let born = i64::try_from(born.as_millis()).unwrap_or(i64::MAX);
    transaction.execute(
        "INSERT INTO facts (name, value) VALUES ('born', ?1)",
        [born],
    )?;
    Ok(())
}

/// Since when the database remembers.
pub(super) fn born(connection: &Connection) -> rusqlite::Result<Time> {
    let sql = "SELECT value FROM facts WHERE name = 'born'";
    let millis: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Time::from_millis(u64::try_from(millis).unwrap_or_default()))
}
