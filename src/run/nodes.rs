//! Whether the nodes of one gateway hold the same keys.
//!
//! A node that cannot verify what its neighbour signs makes a new session of every ticket that comes from there, and
//! the visitor's old one is lost to the browser. So the nodes tell each other through the store which keys they have,
//! and one that lacks a key asks for no visitors until it has it. Pure rules; who asks and when is in `keeper.rs`.

use std::collections::HashMap;
use std::fmt;

use crate::base::clock::Time;
use crate::session::{KeyId, KeyUse};
use crate::store::{Node, NodeKey};

/// What a node makes of its neighbours. In the order of their names, so that two judgements can be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// Why this node must not be sent visitors.
    pub mismatches: Vec<Mismatch>,
    /// What will be a mismatch on another node if nobody acts.
    pub lags: Vec<Lag>,
}

/// Why two nodes do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mismatch {
    /// The same session would have two IDs.
    SessionIds { node: String },
    /// Its tickets open nothing here.
    UnknownKey { node: String, key: KeyId },
}

/// A node that lacks a key of ours, which it will see tickets of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lag {
    pub node: String,
    pub key: KeyId,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionIds { node } => write!(f, "node {node} has another session_id_key"),
            Self::UnknownKey { node, key } => {
                write!(
                    f,
                    "node {node} signs with key {key}, which this node does not have"
                )
            }
        }
    }
}

impl fmt::Display for Lag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, key } = self;
        write!(f, "node {node} does not have key {key} of this node")
    }
}

/// Judges `all` nodes that are alive, as `own` sees them. A node without keys only looks on, as the command line does.
pub(super) fn judge(own: &Node, all: &[Node]) -> Judgement {
    let mut judgement = Judgement::default();
    for other in all
        .iter()
        .filter(|node| node.id != own.id && !node.keys.is_empty())
    {
        let node = &other.id;
        if other.session_ids != own.session_ids {
            let node = node.clone();
            judgement.mismatches.push(Mismatch::SessionIds { node });
        }
        // Keys that it only verifies with, or that wait, are no business of ours: no ticket of today has them.
        let signing = other.keys.iter().filter(|key| key.signs);
        for key in signing.filter(|key| !has(own, key.id)) {
            let (node, key) = (node.clone(), key.id);
            judgement
                .mismatches
                .push(Mismatch::UnknownKey { node, key });
        }
        for key in signing_and_waiting(own).filter(|key| !has(other, key.id)) {
            let (node, key) = (node.clone(), key.id);
            judgement.lags.push(Lag { node, key });
        }
    }
    judgement.mismatches.sort();
    judgement.lags.sort();
    judgement
}

fn has(node: &Node, id: KeyId) -> bool {
    node.keys.iter().any(|key| key.id == id)
}

fn signing_and_waiting(node: &Node) -> impl Iterator<Item = &NodeKey> {
    // The oldest are first, so those after the one that signs are those that wait.
    node.keys.iter().skip_while(|key| !key.signs)
}

/// When each key was last used, learned from how its count grows.
#[derive(Debug, Default)]
pub(super) struct LastUses(HashMap<KeyId, (u64, Option<Time>)>);

impl LastUses {
    /// Notes how far the counts are at `now`; tells the keys as a node announces them.
    pub(super) fn note(&mut self, keys: &[KeyUse], now: Time) -> Vec<NodeKey> {
        self.0.retain(|id, _| keys.iter().any(|key| key.id == *id));
        let noted = keys.iter().map(|key| {
            let (count, last_use) = self.0.entry(key.id).or_default();
            if key.uses > *count {
                (*count, *last_use) = (key.uses, Some(now));
            }
            NodeKey {
                id: key.id,
                signs: key.signs,
                last_use: *last_use,
            }
        });
        noted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: KeyId = KeyId([9; 4]);

    /// A node whose key `signs` is the one that signs.
    fn node(id: &str, ids: KeyId, keys: &[u8], signs: u8) -> Node {
        let key = |byte: &u8| NodeKey {
            id: KeyId([*byte; 4]),
            signs: *byte == signs,
            last_use: None,
        };
        Node {
            id: id.to_owned(),
            seen: Time::from_secs(1),
            session_ids: ids,
            keys: keys.iter().map(key).collect(),
        }
    }

    #[test]
    fn a_node_is_ready_when_it_has_what_the_others_sign_with() {
        let own = node("own", IDS, &[1, 2], 1);
        let rows: [(&str, Node, &[&str], &[&str]); 8] = [
            ("itself", node("own", KeyId([0; 4]), &[7], 7), &[], &[]),
            ("a twin", node("b", IDS, &[1, 2], 1), &[], &[]),
            ("a clock ahead", node("b", IDS, &[1, 2], 2), &[], &[]),
            ("one more, waiting", node("b", IDS, &[1, 2, 3], 1), &[], &[]),
            ("an onlooker", node("b", IDS, &[], 0), &[], &[]),
            (
                "not reached by the new key",
                node("b", IDS, &[1], 1),
                &[],
                &["node b does not have key 02020202 of this node"],
            ),
            (
                "a key that is not here",
                node("b", IDS, &[1, 2, 3], 3),
                &["node b signs with key 03030303, which this node does not have"],
                &[],
            ),
            (
                "a stranger",
                node("b", KeyId([8; 4]), &[5], 5),
                &[
                    "node b has another session_id_key",
                    "node b signs with key 05050505, which this node does not have",
                ],
                &[
                    "node b does not have key 01010101 of this node",
                    "node b does not have key 02020202 of this node",
                ],
            ),
        ];
        for (name, other, mismatches, lags) in rows {
            let judged = judge(&own, &[own.clone(), other]);
            let told: Vec<_> = judged.mismatches.iter().map(ToString::to_string).collect();
            assert_eq!(told, mismatches, "{name}");
            let told: Vec<_> = judged.lags.iter().map(ToString::to_string).collect();
            assert_eq!(told, lags, "{name}");
        }
    }

    #[test]
    fn the_order_in_which_a_store_tells_nodes_says_nothing() {
        let own = node("own", IDS, &[1], 1);
        let (b, c) = (node("b", IDS, &[2], 2), node("c", IDS, &[3], 3));
        let one = judge(&own, &[b.clone(), own.clone(), c.clone()]);
        assert_eq!(one, judge(&own, &[c, b, own.clone()]));
        assert_eq!(one.mismatches.len(), 2);
    }

    #[test]
    fn a_key_was_last_used_when_its_count_last_grew() {
        let key = |uses| KeyUse {
            id: KeyId([1; 4]),
            signs_from: Time::from_secs(0),
            signs: true,
            uses,
        };
        let mut last = LastUses::default();
        let mut at = |secs, uses| {
            let noted = last.note(&[key(uses)], Time::from_secs(secs));
            noted[0].last_use.map(Time::as_secs)
        };
        assert_eq!(at(10, 0), None);
        assert_eq!(at(20, 3), Some(20));
        assert_eq!(at(30, 3), Some(20));
        assert_eq!(at(40, 4), Some(40));
        // After it was dropped and added again, the count begins anew.
        last.note(&[], Time::from_secs(50));
        let noted = last.note(&[key(1)], Time::from_secs(60));
        assert_eq!(noted[0].last_use, Some(Time::from_secs(60)));
    }
}
