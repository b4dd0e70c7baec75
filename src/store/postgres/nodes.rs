//! The gateways that are alive, as the database lists them.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;

use super::fault::PostgresFault;
use super::millis;
use super::pool::{Connections, Parameter};
use crate::base::clock::Time;
use crate::session::KeyId;
use crate::store::catalogue::NODE_LIFE_SECS;
use crate::store::{Node, NodeKey, StoreFault};

/// A node, but for its name and the time.
#[derive(Serialize, Deserialize)]
struct Described {
    session_ids: String,
    keys: Vec<DescribedKey>,
}

#[derive(Serialize, Deserialize)]
struct DescribedKey {
    id: String,
    signs: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_use: Option<Time>,
}

/// Lists `node`, and tells who was listed in the last [`NODE_LIFE_SECS`]. Others are struck off.
pub(super) async fn announce(
    connections: &Connections,
    node: &Node,
    now: Time,
) -> Result<Vec<Node>, StoreFault> {
    // All parts see the table as it was before, so the node itself is joined to the rest.
    let sql = "WITH own AS (INSERT INTO cloakroom.nodes AS n VALUES ($1, $2, $3) \
             ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, described = excluded.described \
             RETURNING n.id, n.seen, n.described), \
         dead AS (SELECT id FROM cloakroom.nodes WHERE seen <= $4 AND id <> $1 FOR UPDATE SKIP LOCKED), \
         gone AS (DELETE FROM cloakroom.nodes n USING dead WHERE n.id = dead.id) \
         SELECT id, seen, described FROM own \
         UNION ALL SELECT id, seen, described FROM cloakroom.nodes WHERE seen > $4 AND id <> $1";
    let described = serde_json::to_string(&Described::of(node)).map_err(StoreFault::Unreadable)?;
    let alive_after = Time::from_millis(now.as_millis().saturating_sub(NODE_LIFE_SECS * 1000));
    let (seen, alive_after) = (millis(now), millis(alive_after));
    let parameters: [Parameter<'_>; 4] = [
        (&node.id, Type::TEXT),
        (&seen, Type::INT8),
        (&described, Type::TEXT),
        (&alive_after, Type::INT8),
    ];
    let mut nodes = Vec::new();
    for row in connections.rows(sql, &parameters).await? {
        let fields = || -> Result<(String, i64, String), tokio_postgres::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
        };
        let (id, seen, described) = fields().map_err(PostgresFault::from)?;
        let seen = Time::from_millis(u64::try_from(seen).unwrap_or_default());
        // A node of a later version may describe itself in words that are not known here.
        nodes.extend(Described::read(&described).and_then(|described| described.node(id, seen)));
    }
    Ok(nodes)
}

impl Described {
    fn of(node: &Node) -> Self {
        let keys = node.keys.iter().map(|key| DescribedKey {
            id: HEXLOWER.encode(&key.id.0),
            signs: key.signs,
            last_use: key.last_use,
        });
        Self {
            session_ids: HEXLOWER.encode(&node.session_ids.0),
            keys: keys.collect(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    fn node(self, id: String, seen: Time) -> Option<Node> {
        let keys = self.keys.into_iter().map(|key| {
            Some(NodeKey {
                id: key_id(&key.id)?,
                signs: key.signs,
                last_use: key.last_use,
            })
        });
        Some(Node {
            id,
            seen,
            session_ids: key_id(&self.session_ids)?,
            keys: keys.collect::<Option<_>>()?,
        })
    }
}

fn key_id(text: &str) -> Option<KeyId> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
    Some(KeyId(bytes.try_into().ok()?))
}
