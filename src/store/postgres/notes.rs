//! Notes in the database.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::fault::PostgresFault;
use super::millis;
use super::pool::{Connections, Parameter};
use super::rows::{bits, patience};
use crate::base::clock::Time;
use crate::store::remote::driver::{NoteSwap, Pouring};
use crate::store::{NoteKey, StoreFault};

const POUR: &str = "SELECT cloakroom.pour($1, $2, $3, $4, $5, $6)";
const SWAP: &str = "SELECT cloakroom.swap_note($1, $2, $3, $4, $5, $6, $7)";

pub(super) async fn get(
    connections: &Connections,
    key: NoteKey,
    now: Time,
) -> Result<Option<Vec<u8>>, StoreFault> {
    let (key, now) = (&key.0[..], millis(now));
    let patience = patience(connections.timeout());
    let parameters: [Parameter<'_>; 3] = [
        (&key, Type::BYTEA),
        (&now, Type::INT8),
        (&patience, Type::INT8),
    ];
    let sql = "SELECT cloakroom.note($1, $2, $3)";
    let row = connections.row(sql, &parameters).await?;
    Ok(row.try_get(0).map_err(PostgresFault::from)?)
}

pub(super) async fn pour(
    connections: &Connections,
    pouring: &Pouring,
) -> Result<Option<Duration>, StoreFault> {
    let key = &pouring.key.0[..];
    let whole = i64::try_from(pouring.pour.whole_millis).unwrap_or(i64::MAX);
    let (revision, now) = (bits(pouring.revision), millis(pouring.now));
    let patience = patience(connections.timeout());
    let parameters: [Parameter<'_>; 6] = [
        (&key, Type::BYTEA),
        (&revision, Type::INT8),
        (&pouring.pour.by_millis, Type::INT8),
        (&whole, Type::INT8),
        (&now, Type::INT8),
        (&patience, Type::INT8),
    ];
    let row = connections.row(POUR, &parameters).await?;
    let wait: i64 = row.try_get(0).map_err(PostgresFault::from)?;
    let wait = u64::try_from(wait).unwrap_or_default();
    Ok((wait > 0).then(|| Duration::from_millis(wait)))
}

pub(super) async fn swap(connections: &Connections, swap: &NoteSwap) -> Result<bool, StoreFault> {
    let key = &swap.key.0[..];
    let revision = bits(swap.revision);
    let value = swap.new.as_ref().map(|note| &note.value[..]);
    let until = swap.new.as_ref().map(|note| millis(note.until));
    let (now, patience) = (millis(swap.now), patience(connections.timeout()));
    let parameters: [Parameter<'_>; 7] = [
        (&key, Type::BYTEA),
        (&revision, Type::INT8),
        (&swap.expected, Type::BYTEA),
        (&value, Type::BYTEA),
        (&until, Type::INT8),
        (&now, Type::INT8),
        (&patience, Type::INT8),
    ];
    let row = connections.row(SWAP, &parameters).await?;
    Ok(row.try_get(0).map_err(PostgresFault::from)?)
}

/// Removes up to so many that have ended.
pub(super) const SWEEP: &str = "WITH over AS (SELECT key FROM cloakroom.notes WHERE until <= $1 \
         ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED), \
     gone AS (DELETE FROM cloakroom.notes n USING over WHERE n.key = over.key RETURNING 1) \
     SELECT count(*) FROM gone";
