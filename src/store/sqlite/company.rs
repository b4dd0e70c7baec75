//! Whether other gateways serve from the same database.
//!
//! Alone, this process knows of every change, and opens sessions from memory. In company (the old and the new gateway
//! during an upgrade) a request must see at once what the other has just answered, so each one asks the database.
//! Commands of an operator are no company: what they change is seen at the next look.

use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;

use super::nodes;
use crate::store::Node;
use crate::store::catalogue::NODE_LIFE_SECS;

/// Known to the threads that serve, kept by the writer.
#[derive(Default)]
pub(super) struct Company(AtomicBool);

impl Company {
    /// Whether what is known here may be outdated by another gateway.
    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Judges the register as this node, `own`, finds it now.
    pub(super) fn judge(&self, own: &Node, register: &[Node]) {
        let is_alive = |node: &Node| own.seen.since(node.seen).as_secs() <= NODE_LIFE_SECS;
        // One without keys is an onlooker, or has left.
        let serves = |node: &&Node| node.id != own.id && !node.keys.is_empty() && is_alive(node);
        self.0
            .store(register.iter().any(|node| serves(&node)), Ordering::Release);
    }

    /// The same, when somebody else wrote. Where the register cannot be read, there is company: that is never wrong.
    pub(super) fn look(&self, connection: &Connection, own: Option<&Node>) {
        let Some(own) = own else { return };
        match nodes::list(connection) {
            Ok(register) => self.judge(own, &register),
            Err(_) => self.0.store(true, Ordering::Release),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Time;
    use crate::session::KeyId;
    use crate::store::NodeKey;

    fn node(id: &str, seen_secs: u64, serves: bool) -> Node {
        let key = NodeKey {
            id: KeyId([1; 4]),
            signs: true,
            last_use: None,
        };
        Node {
            id: id.into(),
            seen: Time::from_secs(seen_secs),
            session_ids: KeyId([2; 4]),
            keys: if serves { vec![key] } else { Vec::new() },
        }
    }

    #[test]
    fn another_gateway_that_is_alive_is_company_and_nobody_else_is() {
        let own = node("own", 1000, true);
        for (what, other, expected) in [
            ("nobody", None, false),
            ("itself", Some(node("own", 1000, true)), false),
            ("another", Some(node("other", 995, true)), true),
            (
                "one whose clock is ahead",
                Some(node("other", 1020, true)),
                true,
            ),
            ("a command", Some(node("other", 1000, false)), false),
            (
                "one that died long ago",
                Some(node("other", 900, true)),
                false,
            ),
        ] {
            let company = Company::default();
            company.judge(&own, other.as_slice());
            assert_eq!(company.is_there(), expected, "{what}");
        }
    }
}
