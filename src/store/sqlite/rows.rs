//! The SQL: what is asked of the tables of sessions and tickets, a function each.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::clock::Time;
use crate::session::{Root, Session, Terms, TicketKey, UserKey, stored};
use crate::store::StoreFault;

/// A session's row, which may be unreadable without the database being at fault.
pub(super) type Row = (i64, Result<Session, StoreFault>);

/// The row of the session that the ticket with this key belongs to.
pub(super) fn find(connection: &Connection, key: &TicketKey) -> rusqlite::Result<Option<Row>> {
    let mut find = connection.prepare_cached(
        "SELECT sessions.id, sessions.record FROM tickets JOIN sessions ON sessions.id = tickets.session \
         WHERE tickets.key = ?1",
    )?;
    find.query_row([&key.0[..]], read_row).optional()
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let text = row.get_ref(1)?.as_bytes().unwrap_or_default();
    let session = stored::read(text).map_err(StoreFault::Unreadable);
    Ok((row.get(0)?, session))
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
        .prepare_cached(
            "INSERT INTO sessions (keep_until, record, root, user_key) VALUES (?1, ?2, ?3, ?4)",
        )?
        .insert(params![
            keep_until(session, terms),
            text(session)?,
            session.record.root.0,
            user_key(session),
        ])
}

/// Writes `session` into its row, and tells the id of the row. Whose it is stays as it was: see [`index_user`].
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

/// Notes whose live session the row is, for when that has changed. Apart from [`update`], because most updates leave it
/// and SQLite would write the index all the same.
pub(super) fn index_user(
    transaction: &Transaction<'_>,
    id: i64,
    session: &Session,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE sessions SET user_key = ?2 WHERE id = ?1")?
        .execute(params![id, user_key(session)])?;
    Ok(())
}

/// Fills in what rows are looked up by where a gateway of schema version 1 wrote them.
pub(super) fn index_the_unindexed(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let mut find = transaction
        .prepare_cached("SELECT id, record FROM sessions WHERE root IS NULL LIMIT 500")?;
    let mut fill =
        transaction.prepare_cached("UPDATE sessions SET root = ?2, user_key = ?3 WHERE id = ?1")?;
    loop {
        let rows: Vec<Row> = find.query_map([], read_row)?.collect::<Result<_, _>>()?;
        if rows.is_empty() {
            return Ok(());
        }
        for (id, session) in rows {
            let (root, user) = match &session {
                Ok(session) => (&session.record.root.0[..], user_key(session)),
                Err(_) => (&[][..], None),
            };
            fill.execute(params![id, root, user])?;
        }
    }
}

/// The rows of the session with this root. There is one, unless a ticket that had been forgotten was taken up again by
/// a process whose clock is behind.
pub(super) fn find_by_root(connection: &Connection, root: &Root) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached("SELECT id, record FROM sessions WHERE root = ?1 ORDER BY id")?
        .query_map([&root.0[..]], read_row)?
        .collect()
}

/// What the index of users says; it is not to be believed without a look at the sessions.
pub(super) fn of_user(connection: &Connection, user: &UserKey) -> rusqlite::Result<Vec<Row>> {
    connection
        .prepare_cached("SELECT id, record FROM sessions WHERE user_key = ?1")?
        .query_map([&user.0[..]], read_row)?
        .collect()
}

/// Up to `at_most` rows after the one with the id `after`, in the order of their ids, which never change.
pub(super) fn page(
    connection: &Connection,
    after: i64,
    at_most: usize,
) -> rusqlite::Result<Vec<Row>> {
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    connection
        .prepare_cached("SELECT id, record FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2")?
        .query_map([after, at_most], read_row)?
        .collect()
}

/// Removes a row with the tickets that lead to it.
pub(super) fn remove(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM sessions WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Lets the ticket with this key lead to the row. It leads nowhere yet, which was looked at before; what may be there all
/// the same is what somebody left who deleted a session by hand.
pub(super) fn file(
    transaction: &Transaction<'_>,
    key: &TicketKey,
    id: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO tickets (key, session) VALUES (?1, ?2) \
             ON CONFLICT (key) DO UPDATE SET session = excluded.session",
        )?
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

fn user_key(session: &Session) -> Option<[u8; 32]> {
    session.user_key().map(|user| user.0)
}

fn keep_until(session: &Session, terms: &Terms) -> i64 {
    millis(session.keep_until(terms))
}

pub(super) fn millis(time: Time) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn text(session: &Session) -> rusqlite::Result<String> {
    stored::write(session).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
