//! A family on its way from one master of a cluster to another: key by key, for as long as it takes.

use super::support::servers::{Redis, RedisCluster};
use super::*;

/// How long a half that is missing is waited for.
const HALF_WAY: Duration = Duration::from_millis(300);

/// A slot that is being moved.
struct Move<'a> {
    from: &'a Redis,
    to: &'a Redis,
    slot: String,
    to_id: String,
}

impl<'a> Move<'a> {
    /// Begins to move the family with this tag.
    fn begin(cluster: &'a RedisCluster, tag: &str) -> Self {
        let name = format!("{{{tag}}}");
        let slot = cluster.cli(&["CLUSTER", "KEYSLOT", &name]);
        let from = cluster.owner(&name);
        let mut nodes = cluster.nodes().iter();
        let to = nodes.find(|node| node.port() != from.port()).unwrap();
        Self::between(from, to, slot)
    }

    fn between(from: &'a Redis, to: &'a Redis, slot: String) -> Self {
        let id = |node: &Redis| node.cli(&["CLUSTER", "MYID"]);
        let (from_id, to_id) = (id(from), id(to));
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
        Self {
            from,
            to,
            slot,
            to_id,
        }
    }

    /// Moves the keys whose names begin so.
    fn keys(&self, prefix: &str) {
        let port = self.to.port().to_string();
        let there = self
            .from
            .cli(&["CLUSTER", "GETKEYSINSLOT", &self.slot, "1000"]);
        for key in there.lines().filter(|key| key.starts_with(prefix)) {
            let words = [
                "MIGRATE",
                "127.0.0.1",
                &port,
                key,
                "0",
                "5000",
                "AUTH2",
                "rig",
                "rig",
            ];
            self.from.cli(&words);
        }
    }

    fn end(self) {
        self.keys("");
        for node in [self.to, self.from] {
            node.cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", &self.to_id]);
        }
    }
}

/// The tag of the family of the ticket with this key.
fn tag_of(cluster: &RedisCluster, key: &TicketKey) -> String {
    let key = data_encoding::BASE64URL_NOPAD.encode(&key.0);
    let names = cluster
        .nodes()
        .iter()
        .map(|node| node.cli(&["KEYS", &format!("cloakroom:t:*{key}")]));
    let name = names.into_iter().find(|name| !name.is_empty()).unwrap();
    let (_, rest) = name.split_once('{').unwrap();
    rest.split_once('}').unwrap().0.to_owned()
}

#[tokio::test]
async fn nobody_is_a_stranger_while_a_family_moves() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let driver = connect(&cluster.url()).await;
    // Tickets, births and sessions, in the orders in which one of them may be missed.
    for order in [["t", "b", "s"], ["s", "b", "t"], ["b", "t", "s"]] {
        let ticket = Ticket::mint(NOW);
        let row = stored(&driver, &ticket).await;
        let moving = Move::begin(&cluster, &tag_of(&cluster, &ticket.key()));
        for kind in order {
            moving.keys(&format!("cloakroom:{kind}"));
            let key = ticket.key();
            let half = tokio::time::timeout(HALF_WAY, driver.find(&key, NOW));
            if let Ok(Ok(found)) = half.await {
                assert!(found.row.is_some(), "{order:?} {kind}");
            }
        }
        moving.end();
        assert_eq!(found(&driver, &ticket).await, Some(row.session.clone()));
    }
}

#[tokio::test]
async fn a_user_keeps_all_sessions_while_their_family_moves() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let driver = connect(&cluster.url()).await;
    let fork = users::logged_in(&driver, "alice").await;
    let key = fork.session.holders[0].key;
    let tag = tag_of(&cluster, &key);
    let moving = Move::begin(&cluster, &tag);
    for prefix in ["cloakroom:u:", "cloakroom:b"] {
        moving.keys(prefix);
        let user = user("alice").key();
        let half = tokio::time::timeout(HALF_WAY, driver.of_user(&user, NOW));
        if let Ok(Ok(found)) = half.await {
            assert_eq!(found.len(), 1, "{prefix}");
        }
    }
    moving.end();
    assert_eq!(
        driver
            .of_user(&user("alice").key(), NOW)
            .await
            .unwrap()
            .len(),
        1
    );
}
