//! Promise: a million stored sessions fit into a gigabyte.
//!
//! A binary of its own, because what is measured is the memory of the process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::session::{Change, Commit, JarEdit, Outcome, Terms, Ticket};
use cloakroom::store::Store;
use cloakroom::store::memory::MemoryStore;

/// An eighth of a million: the tables of the store are as full as with all of them.
const SESSIONS: usize = 125_000;

const NOW: Time = Time::from_secs(1_800_000_000);

/// What the process has in memory, in bytes.
fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1024
}

/// A cookie as Django sets it.
fn put(name: &str) -> JarEdit {
    JarEdit::Put {
        site: "shop".into(),
        cookie: KeptCookie {
            identity: CookieIdentity {
                name: name.as_bytes().into(),
                domain: "shop.example.com".into(),
                path: "/".into(),
            },
            value: b"abcdefghijklmnopqrstuvwxyz012345"[..].into(),
            host_only: true,
            expires: Some(NOW.plus(Duration::from_secs(1_209_600))),
            created: NOW,
            same_site: None,
            adopted: false,
        },
    }
}

#[tokio::test]
async fn a_session_with_two_cookies_takes_less_than_a_kibibyte_of_memory() {
    let terms = Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: Duration::from_secs(10),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 300,
    };
    let store = MemoryStore::new(terms, NOW);
    let before = resident_bytes();
    for _ in 0..SESSIONS {
        let ticket = Ticket::mint(NOW);
        // As they come: the session of the app first, its token for forms with a later response.
        for name in ["sessionid", "csrftoken"] {
            let change = Change {
                cookies: vec![put(name)],
                ..Change::default()
            };
            let (ticket, next) = (ticket.clone(), Ticket::mint(NOW));
            let commit = Commit {
                ticket,
                next,
                change,
                now: NOW,
            };
            let committed = store.commit(commit).await.unwrap();
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
        }
    }
    let each = (resident_bytes() - before) / SESSIONS;
    println!("{each} bytes a session");
    assert_eq!(store.tickets(), SESSIONS);
    assert!(each < 1024, "{each} bytes a session");
}
