//! Rows as the schema's functions take and give them.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use tokio_postgres::types::Type;

use super::fault::PostgresFault;
use super::millis;
use super::notes::SWEEP as SWEEP_NOTES;
use super::pool::{Connections, Parameter};
use crate::base::clock::Time;
use crate::session::{Session, TicketKey, stored};
use crate::store::remote::driver::{Found, Revision, Row, RowChange, Writing, Written};
use crate::store::{Cursor, Page, StoreFault};

const WRITE: &str =
    "SELECT cloakroom.write($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// A [`Writing`], column by column.
struct Columns<'a> {
    roots: Vec<&'a [u8]>,
    expectations: Vec<Option<i64>>,
    revisions: Vec<i64>,
    kept_until: Vec<i64>,
    user_keys: Vec<Option<Vec<u8>>>,
    records: Vec<String>,
    filed: Vec<&'a [u8]>,
    filed_under: Vec<&'a [u8]>,
    unfiled: Vec<&'a [u8]>,
    unfiled_from: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(writing: &'a Writing) -> Result<Self, StoreFault> {
        let rows = &writing.rows;
        let root = |session: &'a Session| &session.record.root.0[..];
        let user_key = |row: &RowChange| row.session.user_key().map(|key| key.0.to_vec());
        let records = rows.iter().map(|row| stored::write(&row.session));
        let tickets = |keys: fn(&'a RowChange) -> &'a [TicketKey]| {
            let of_row = move |row: &'a RowChange| {
                let root = root(&row.session);
                keys(row).iter().map(move |key| (&key.0[..], root))
            };
            rows.iter().flat_map(of_row).unzip::<_, _, Vec<_>, Vec<_>>()
        };
        let (filed, filed_under) = tickets(|row| &row.file);
        let (unfiled, unfiled_from) = tickets(|row| &row.unfile);
        Ok(Self {
            roots: rows.iter().map(|row| root(&row.session)).collect(),
            expectations: rows.iter().map(|row| row.expected.map(bits)).collect(),
            revisions: rows.iter().map(|row| bits(row.revision)).collect(),
            kept_until: rows.iter().map(|row| millis(row.keep_until)).collect(),
            user_keys: rows.iter().map(user_key).collect(),
            records: records
                .collect::<Result<_, _>>()
                .map_err(StoreFault::Unreadable)?,
            filed,
            filed_under,
            unfiled,
            unfiled_from,
        })
    }
}

/// A revision in the column's type: all of its bits, whatever number they make there.
pub(super) const fn bits(revision: Revision) -> i64 {
    revision.0.cast_signed()
}

/// How long a function of the schema may wait for a lock, in the type that it takes. 0 would be for ever.
pub(super) fn patience(timeout: Duration) -> i64 {
    i64::try_from(timeout.as_millis())
        .unwrap_or(i64::MAX)
        .clamp(1, i64::from(i32::MAX))
}

/// Writes all rows, or nothing.
pub(super) async fn write(
    connections: &Connections,
    writing: &Writing,
) -> Result<Written, StoreFault> {
    let columns = Columns::of(writing)?;
    let patience = patience(connections.timeout());
    let (now, issued) = (millis(writing.now), writing.issued.map(millis));
    let parameters: [Parameter<'_>; 13] = [
        (&now, Type::INT8),
        (&issued, Type::INT8),
        (&patience, Type::INT8),
        (&columns.roots, Type::BYTEA_ARRAY),
        (&columns.expectations, Type::INT8_ARRAY),
        (&columns.revisions, Type::INT8_ARRAY),
        (&columns.kept_until, Type::INT8_ARRAY),
        (&columns.user_keys, Type::BYTEA_ARRAY),
        (&columns.records, Type::TEXT_ARRAY),
        (&columns.filed, Type::BYTEA_ARRAY),
        (&columns.filed_under, Type::BYTEA_ARRAY),
        (&columns.unfiled, Type::BYTEA_ARRAY),
        (&columns.unfiled_from, Type::BYTEA_ARRAY),
    ];
    let answer = match connections.row(WRITE, &parameters).await {
        Ok(row) => row,
        Err(fault) if fault.is_conflict() => return Ok(Written::Conflict),
        Err(fault) if fault.is_ticket_in_use() => return Ok(Written::TicketInUse),
        Err(fault) => return Err(fault.into()),
    };
    match answer.try_get(0).map_err(PostgresFault::from)? {
        "done" => Ok(Written::Done),
        "conflict" => Ok(Written::Conflict),
        "ticket in use" => Ok(Written::TicketInUse),
        "lost" => Ok(Written::Lost),
        _ => Err(PostgresFault::Schema.into()),
    }
}

/// What the server knows of the ticket with this key.
pub(super) async fn find(
    connections: &Connections,
    key: &TicketKey,
    now: Time,
) -> Result<Found, StoreFault> {
    let sql = "SELECT born_ms, revision, record FROM cloakroom.find($1, $2, $3)";
    let (key, now, patience) = (&key.0[..], millis(now), patience(connections.timeout()));
    let parameters: [Parameter<'_>; 3] = [
        (&key, Type::BYTEA),
        (&now, Type::INT8),
        (&patience, Type::INT8),
    ];
    let row = connections.row(sql, &parameters).await?;
    let found = || -> Result<_, tokio_postgres::Error> {
        let revision: Option<i64> = row.try_get(1)?;
        Ok((row.try_get::<_, i64>(0)?, revision, row.try_get(2)?))
    };
    let (born, revision, record): (_, _, Option<&str>) = found().map_err(PostgresFault::from)?;
    let row = match (revision, record) {
        (Some(revision), Some(record)) => Some(Row {
            revision: Revision(revision.cast_unsigned()),
            session: Arc::new(read(record)?),
        }),
        _ => None,
    };
    Ok(Found {
        born: Time::from_millis(u64::try_from(born).unwrap_or_default()),
        row,
    })
}

/// Which writings the rows of these tickets are of, in the order of `keys`.
pub(super) async fn glance(
    connections: &Connections,
    keys: &[TicketKey],
) -> Result<Vec<Option<Revision>>, StoreFault> {
    let sql = "SELECT s.revision FROM unnest($1) WITH ORDINALITY AS asked (key, place) \
         LEFT JOIN cloakroom.tickets t ON t.key = asked.key \
         LEFT JOIN cloakroom.sessions s ON s.root = t.root ORDER BY asked.place";
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key.0[..]).collect();
    let parameters: [Parameter<'_>; 1] = [(&keys, Type::BYTEA_ARRAY)];
    let rows = connections.rows(sql, &parameters).await?;
    let revision = |row: &tokio_postgres::Row| -> Result<Option<Revision>, PostgresFault> {
        let bits: Option<i64> = row.try_get(0)?;
        Ok(bits.map(|bits| Revision(bits.cast_unsigned())))
    };
    Ok(rows.iter().map(revision).collect::<Result<_, _>>()?)
}

/// The sessions that are listed under a user.
pub(super) async fn of_user(
    connections: &Connections,
    user: &[u8],
    now: Time,
    at_most: i64,
) -> Result<Vec<Session>, StoreFault> {
    let sql = "SELECT record FROM cloakroom.sessions WHERE user_key = $1 AND keep_until > $2 \
         ORDER BY keep_until DESC LIMIT $3";
    let now = millis(now);
    let parameters: [Parameter<'_>; 3] = [
        (&user, Type::BYTEA),
        (&now, Type::INT8),
        (&at_most, Type::INT8),
    ];
    let mut sessions = Vec::new();
    for row in connections.rows(sql, &parameters).await? {
        match read(row.try_get(0).map_err(PostgresFault::from)?) {
            Ok(session) => sessions.push(session),
            Err(fault) => tracing::warn!(%fault, "a session in the list of a user is left out"),
        }
    }
    Ok(sessions)
}

/// A part of all rows, in the order of their roots.
pub(super) async fn page(
    connections: &Connections,
    after: Option<&Cursor>,
    at_most: usize,
) -> Result<Page, StoreFault> {
    let after = after.map(|cursor| BASE64URL_NOPAD.decode(cursor.0.as_bytes()));
    // Before the first root comes the empty one; nothing comes after a place of another engine's.
    let Ok(after) = after.transpose().map(Option::unwrap_or_default) else {
        return Ok(Page::default());
    };
    let most = i64::try_from(at_most).unwrap_or(i64::MAX);
    let sql = "SELECT root, record FROM cloakroom.sessions WHERE root > $1 ORDER BY root LIMIT $2";
    let parameters: [Parameter<'_>; 2] = [(&after, Type::BYTEA), (&most, Type::INT8)];
    let rows = connections.rows(sql, &parameters).await?;
    let mut page = Page::default();
    for row in &rows {
        match read(row.try_get(1).map_err(PostgresFault::from)?) {
            Ok(session) => page.sessions.push(session),
            Err(_) => page.unreadable += 1,
        }
    }
    if let Some(last) = rows.last().filter(|_| rows.len() >= at_most) {
        let root: &[u8] = last.try_get(0).map_err(PostgresFault::from)?;
        page.next = Some(Cursor(BASE64URL_NOPAD.encode(root)));
    }
    Ok(page)
}

/// How many rows of `changes` one statement takes away.
const CHANGES_BATCH: i64 = 5000;

/// Removes what is over; tells how many sessions and tombstones that were.
pub(super) async fn sweep(
    connections: &Connections,
    now: Time,
    at_most: usize,
) -> Result<usize, StoreFault> {
    // What others are writing just now is not over after all, or is swept the next time.
    let sql = "WITH over AS (SELECT root FROM cloakroom.sessions WHERE keep_until <= $1 \
             ORDER BY keep_until LIMIT $2 FOR UPDATE SKIP LOCKED), \
         gone AS (DELETE FROM cloakroom.sessions s USING over WHERE s.root = over.root RETURNING 1) \
         SELECT count(*) FROM gone";
    let (now, most) = (millis(now), i64::try_from(at_most).unwrap_or(i64::MAX));
    let parameters: [Parameter<'_>; 2] = [(&now, Type::INT8), (&most, Type::INT8)];
    let removed = count(connections, sql, &parameters).await?;
    let sql = "WITH old AS (SELECT ctid FROM cloakroom.changes \
             WHERE at < clock_timestamp() - interval '1 minute' LIMIT $1 FOR UPDATE SKIP LOCKED), \
         gone AS (DELETE FROM cloakroom.changes c USING old WHERE c.ctid = old.ctid RETURNING 1) \
         SELECT count(*) FROM gone";
    let notes = count(connections, SWEEP_NOTES, &parameters).await?;
    while count(connections, sql, &[(&CHANGES_BATCH, Type::INT8)]).await? >= CHANGES_BATCH {}
    Ok(usize::try_from(removed + notes).unwrap_or_default())
}

async fn count(
    connections: &Connections,
    sql: &str,
    parameters: &[Parameter<'_>],
) -> Result<i64, PostgresFault> {
    Ok(connections.row(sql, parameters).await?.try_get(0)?)
}

fn read(record: &str) -> Result<Session, StoreFault> {
    stored::read(record.as_bytes()).map_err(StoreFault::Unreadable)
}
