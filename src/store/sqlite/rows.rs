//! The SQL: what is asked of the two tables, a function each.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::clock::Time;
use crate::session::expiry::Terms;
use crate::session::life::Session;
use crate::session::ticket::TicketKey;
use crate::store::{StoreFault, stored};

/// A session's row, which may be unreadable without the database being at fault.
pub(super) type Row = (i64, Result<Session, StoreFault>);

/// The row of the session that the ticket with this key belongs to.
pub(super) fn find(connection: &Connection, key: &TicketKey) -> rusqlite::Result<Option<Row>> {
    let mut find = connection.prepare_cached(
        "SELECT sessions.id, sessions.record FROM tickets JOIN sessions ON sessions.id = tickets.session \
         WHERE tickets.key = ?1",
    )?;
    find.query_row([&key.0[..]], |row| {
        let text = row.get_ref(1)?.as_bytes().unwrap_or_default();
        let session = stored::read(text).map_err(StoreFault::Unreadable);
        Ok((row.get(0)?, session))
    })
    .optional()
}

/// Moves when another connection than this one wrote.
pub(super) fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("PRAGMA data_version")?
        .query_row([], |row| row.get(0))
}

/// A new row for `session`; its tickets are to be filed.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    session: &Session,
    terms: &Terms,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("INSERT INTO sessions (keep_until, record) VALUES (?1, ?2)")?
        .insert(params![keep_until(session, terms), text(session)?])
}

/// Writes `session` into its row, and tells the id of the row.
pub(super) fn update(
    transaction: &Transaction<'_>,
    id: i64,
    session: &Session,
    terms: &Terms,
) -> rusqlite::Result<i64> {
    transaction
        .prepare_cached("UPDATE sessions SET keep_until = ?2, record = ?3 WHERE id = ?1")?
        .execute(params![id, keep_until(session, terms), text(session)?])?;
    Ok(id)
}

/// Lets the ticket with this key lead to the row.
pub(super) fn file(
    transaction: &Transaction<'_>,
    key: &TicketKey,
    id: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO tickets (key, session) VALUES (?1, ?2)")?
        .execute(params![&key.0[..], id])?;
    Ok(())
}

/// The ticket with this key leads nowhere any more.
pub(super) fn unfile(transaction: &Transaction<'_>, key: &TicketKey) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM tickets WHERE key = ?1")?
        .execute([&key.0[..]])?;
    Ok(())
}

/// Whether the ticket with this key leads anywhere.
pub(super) fn is_filed(transaction: &Transaction<'_>, key: &TicketKey) -> rusqlite::Result<bool> {
    let found = transaction
        .prepare_cached("SELECT 1 FROM tickets WHERE key = ?1")?
        .query_row([&key.0[..]], |_| Ok(()))
        .optional()?;
    Ok(found.is_some())
}

/// Removes rows that are over at `now`, and tells how many. The tickets of a session go with it. The cache may keep
/// such a session: it refuses by itself what is over.
pub(super) fn remove_over(
    transaction: &Transaction<'_>,
    now: Time,
    at_most: usize,
) -> rusqlite::Result<usize> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "DELETE FROM sessions WHERE id IN \
             (SELECT id FROM sessions WHERE keep_until <= ?1 ORDER BY keep_until LIMIT ?2)",
        )?
        .execute(params![millis(now), at_most])
}

fn keep_until(session: &Session, terms: &Terms) -> i64 {
    millis(session.keep_until(terms))
}

fn millis(time: Time) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn text(session: &Session) -> rusqlite::Result<String> {
    stored::write(session).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
