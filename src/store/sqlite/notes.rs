//! Notes in the database.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::SqliteStore;
use super::claim::Claim;
use super::rows::millis;
use super::writer::{Asked, Job};
use crate::base::clock::Time;
use crate::store::{Answer, Note, NoteKey, Notes, StoreFault};

/// How many there may be.
const NOTES_MAX: i64 = 100_000;

/// What somebody wants done.
pub(super) struct Swap {
    key: NoteKey,
    expected: Option<Vec<u8>>,
    new: Option<Note>,
    now: Time,
}

impl Swap {
    /// Does it; false when something else is there.
    pub(super) fn is_done_in(
        &self,
        transaction: &Transaction<'_>,
    ) -> rusqlite::Result<Result<bool, StoreFault>> {
        if find(transaction, self.key, self.now)? != self.expected {
            return Ok(Ok(false));
        }
        let Some(note) = &self.new else {
            transaction
                .prepare_cached("DELETE FROM notes WHERE key = ?1")?
                .execute([self.key.0])?;
            return Ok(Ok(true));
        };
        if self.expected.is_none() && is_full(transaction, self.now)? {
            return Ok(Err(StoreFault::Overloaded));
        }
        transaction
            .prepare_cached("INSERT OR REPLACE INTO notes (key, until, value) VALUES (?1, ?2, ?3)")?
            .execute(params![self.key.0, millis(note.until), note.value])?;
        Ok(Ok(true))
    }
}

/// Whether there is no room for one more. What has ended makes room.
fn is_full(transaction: &Transaction<'_>, now: Time) -> rusqlite::Result<bool> {
    // No index is counted further than that.
    let sql = "SELECT count(*) FROM (SELECT 1 FROM notes LIMIT ?1)";
    let count = |sql| -> rusqlite::Result<i64> {
        let mut counted = transaction.prepare_cached(sql)?;
        counted.query_row([NOTES_MAX], |row| row.get(0))
    };
    if count(sql)? < NOTES_MAX {
        return Ok(false);
    }
    transaction
        .prepare_cached("DELETE FROM notes WHERE until <= ?1")?
        .execute([millis(now)])?;
    Ok(count(sql)? >= NOTES_MAX)
}

fn find(connection: &Connection, key: NoteKey, now: Time) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached("SELECT value FROM notes WHERE key = ?1 AND until > ?2")?
        .query_row(params![key.0, millis(now)], |row| row.get(0))
        .optional()
}

/// Removes up to so many that have ended.
pub(super) fn remove_over(
    transaction: &Transaction<'_>,
    now: Time,
    at_most: usize,
) -> rusqlite::Result<usize> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM notes WHERE key IN \
             (SELECT key FROM notes WHERE until <= ?1 ORDER BY until LIMIT ?2)",
        )?
        .execute(params![millis(now), at_most])
}

impl Notes for SqliteStore {
    fn get(&self, key: NoteKey, now: Time) -> Answer<Option<Vec<u8>>> {
        self.list(move |connection| Ok(find(connection, key, now)?))
    }

    fn swap(
        &self,
        key: NoteKey,
        expected: Option<Vec<u8>>,
        new: Option<Note>,
        now: Time,
    ) -> Answer<bool> {
        let swap = Box::new(Swap {
            key,
            expected,
            new,
            now,
        });
        let claim = Claim::default();
        let job = |reply| Job::Swap(swap, claim.clone(), Asked::from(reply));
        self.ask(&self.writes, job, Some(claim.clone()))
    }
}
