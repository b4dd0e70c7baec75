//! The nodes that use the server, each telling the others what it has.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use super::ask::Ask;
use super::keys::Family;
use super::rows::read;
use super::servers::Servers;
use crate::base::clock::Time;
use crate::session::KeyId;
use crate::store::catalogue::NODE_LIFE_SECS;
use crate::store::{Node, NodeKey, StoreFault};

/// A [`Node`] as the server holds it, under its name.
#[derive(Serialize, Deserialize)]
struct StoredNode {
    seen: Time,
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

pub(super) async fn announce(
    servers: &Arc<Servers>,
    node: &Node,
    now: Time,
) -> Result<Vec<Node>, StoreFault> {
    let key = servers.names().nodes();
    let text = write(node, now).map_err(StoreFault::Unreadable)?;
    let ask = Ask::command("HSET", &key).with(&node.id).with(text);
    servers.call(Family::FIRST, &ask).await?;
    let ask = Ask::command("HGETALL", &key);
    let stored: BTreeMap<String, Vec<u8>> = read(servers.call(Family::FIRST, &ask).await?)?;
    let mut nodes = Vec::new();
    let mut gone = Vec::new();
    for (id, text) in stored {
        match read_node(&id, &text) {
            Some(node) if now.since(node.seen).as_secs() <= NODE_LIFE_SECS => nodes.push(node),
            // Nor does one stay that nobody can read.
            _ => gone.push(id),
        }
    }
    if !gone.is_empty() {
        let ask = Ask::command("HDEL", &key).with(gone);
        servers.call(Family::FIRST, &ask).await?;
    }
    Ok(nodes)
}

fn write(node: &Node, now: Time) -> Result<String, serde_json::Error> {
    let keys = node.keys.iter().map(|key| StoredKey {
        id: HEXLOWER.encode(&key.id.0),
        signs: key.signs,
        last_use: key.last_use,
    });
    serde_json::to_string(&StoredNode {
        seen: now,
        session_ids: HEXLOWER.encode(&node.session_ids.0),
        keys: keys.collect(),
    })
}

fn read_node(id: &str, text: &[u8]) -> Option<Node> {
    let stored: StoredNode = serde_json::from_slice(text).ok()?;
    let keys = stored.keys.iter().map(|key| {
        Some(NodeKey {
            id: read_id(&key.id)?,
            signs: key.signs,
            last_use: key.last_use,
        })
    });
    Some(Node {
        id: id.to_owned(),
        seen: stored.seen,
        session_ids: read_id(&stored.session_ids)?,
        keys: keys.collect::<Option<_>>()?,
    })
}

fn read_id(text: &str) -> Option<KeyId> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok().map(KeyId)
}
