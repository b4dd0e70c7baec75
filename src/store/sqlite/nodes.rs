//! The register of the processes that use the database.

use data_encoding::HEXLOWER;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};

use super::rows::millis;
use crate::base::clock::Time;
use crate::session::KeyId;
use crate::store::catalogue::NODE_LIFE_SECS;
use crate::store::{Node, NodeKey};

#[derive(Serialize, Deserialize)]
struct StoredNode {
    session_ids: String,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    id: String,
    signs: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_use: Option<Time>,
}

/// Notes that `node` is alive, and tells which are.
pub(super) fn announce(
    transaction: &Transaction<'_>,
    node: &Node,
    now: Time,
) -> rusqlite::Result<Vec<Node>> {
    let dead = Time::from_millis(now.as_millis().saturating_sub(NODE_LIFE_SECS * 1000));
    transaction
        .prepare_cached("DELETE FROM nodes WHERE seen < ?1")?
        .execute([millis(dead)])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO nodes (id, seen, node) VALUES (?1, ?2, ?3)")?
        .execute(params![node.id, millis(now), text(node)?])?;
    list(transaction)
}

/// Everybody in the register.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<Node>> {
    let mut list = connection.prepare_cached("SELECT id, seen, node FROM nodes ORDER BY id")?;
    let rows = list.query_map([], |row| {
        let seen: i64 = row.get(1)?;
        let seen = Time::from_millis(u64::try_from(seen).unwrap_or_default());
        let text: String = row.get(2)?;
        Ok(read(row.get(0)?, seen, &text))
    })?;
    // One that cannot be read is of another version, which has its own idea of what to compare.
    rows.filter_map(Result::transpose).collect()
}

fn text(node: &Node) -> rusqlite::Result<String> {
    let keys = node.keys.iter().map(|key| StoredKey {
        id: HEXLOWER.encode(&key.id.0),
        signs: key.signs,
        last_use: key.last_use,
    });
    let stored = StoredNode {
        session_ids: HEXLOWER.encode(&node.session_ids.0),
        keys: keys.collect(),
    };
    serde_json::to_string(&stored)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

fn read(id: String, seen: Time, text: &str) -> Option<Node> {
    let stored: StoredNode = serde_json::from_str(text).ok()?;
    let keys = stored.keys.iter().map(|key| {
        Some(NodeKey {
            id: key_id(&key.id)?,
            signs: key.signs,
            last_use: key.last_use,
        })
    });
    Some(Node {
        id,
        seen,
        session_ids: key_id(&stored.session_ids)?,
        keys: keys.collect::<Option<_>>()?,
    })
}

fn key_id(text: &str) -> Option<KeyId> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(KeyId)
}
