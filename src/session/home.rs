//! Where a session is at home among several upstreams of a site, if the site keeps sessions to one.

use serde::{Deserialize, Serialize};

use super::ticket::Root;
use crate::base::clock::Time;
use crate::base::framed;

/// From which the upstream is worked out that a session keeps to. A session has its own from its root; one that began
/// with a login takes it over from the session before, since what the app knows of the visitor is where the login was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Says nothing of the root.
    pub key: u64,
    /// Since when the visitor is there: an upstream that is drained keeps those that it had before.
    pub since: Time,
}

impl Home {
    /// Of a session that has taken over none.
    pub fn of(root: &Root, created: Time) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = framed::hash(&[b"cloakroom home v1", &root.0]);
        Self {
            key: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            since: created,
        }
    }
}
