//! Notes in the database.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::SqliteStore;
use super::claim::Claim;
use super::rows::millis;
use super::writer::{Asked, Job};
use crate::base::clock::Time;
use crate::store::{Answer, Note, NoteKey, Notes, Pour, StoreFault};

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
        room: &mut Room,
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
        if self.expected.is_none() && !room.take(transaction, self.now)? {
            return Ok(Err(StoreFault::Overloaded));
        }
        put(transaction, self.key, note)?;
        Ok(Ok(true))
    }
}

fn put(transaction: &Transaction<'_>, key: NoteKey, note: &Note) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO notes (key, until, value) VALUES (?1, ?2, ?3)")?
        .execute(params![key.0, millis(note.until), note.value])?;
    Ok(())
}

/// Pours into a bucket; tells how long to wait if there is no room.
pub(super) fn pour_in(
    transaction: &Transaction<'_>,
    room: &mut Room,
    (key, pour): (NoteKey, Pour),
    now: Time,
) -> rusqlite::Result<Result<Option<Duration>, StoreFault>> {
    let known: Option<i64> = transaction
        .prepare_cached("SELECT until FROM notes WHERE key = ?1")?
        .query_row([key.0], |row| row.get(0))
        .optional()?;
    let until = known.map(|millis| Time::from_millis(u64::try_from(millis).unwrap_or_default()));
    let until = match pour.after(until, now) {
        Ok(until) => until,
        Err(wait) => return Ok(Ok(Some(wait))),
    };
    if known.is_none() {
        if until <= now {
            return Ok(Ok(None));
        }
        if !room.take(transaction, now)? {
            return Ok(Err(StoreFault::Overloaded));
        }
    }
    // One that is empty is swept.
    let value = Vec::new();
    put(transaction, key, &Note { value, until })?;
    Ok(Ok(None))
}

/// How many new notes there is room for, at least. To count them reads as much as there is, so that it is done once for
/// half of what was left then.
#[derive(Default)]
pub(super) struct Room(i64);

impl Room {
    /// Takes the place of one; false when there is none. What has ended makes room.
    fn take(&mut self, transaction: &Transaction<'_>, now: Time) -> rusqlite::Result<bool> {
        if self.0 <= 0 {
            let mut left = NOTES_MAX - count(transaction)?;
            if left <= 0 {
                transaction
                    .prepare_cached("DELETE FROM notes WHERE until <= ?1")?
                    .execute([millis(now)])?;
                left = NOTES_MAX - count(transaction)?;
            }
            // Other processes take places too.
            self.0 = (left + 1) / 2;
        }
        let has_room = self.0 > 0;
        self.0 -= i64::from(has_room);
        Ok(has_room)
    }
}

fn count(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let mut counted = transaction.prepare_cached("SELECT count(*) FROM notes")?;
    counted.query_row([], |row| row.get(0))
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
        if let Some(fault) = Note::fault_of(new.as_ref()) {
            return Answer::fault(fault);
        }
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

    fn pour(&self, key: NoteKey, pour: Pour, now: Time) -> Answer<Option<Duration>> {
        let claim = Claim::default();
        let job = |reply| Job::Pour((key, pour), now, claim.clone(), Asked::from(reply));
        self.ask(&self.writes, job, Some(claim.clone()))
    }
}
