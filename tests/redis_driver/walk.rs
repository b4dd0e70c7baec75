//! A walk through all sessions.

use std::collections::BTreeSet;

use cloakroom::store::{Cursor, Node, NodeKey};

use super::support::servers::Redis;
use super::*;

/// Every root that a walk in pages of `at_most` meets, and the number of pages.
pub async fn roots(driver: &RedisDriver, at_most: usize) -> (BTreeSet<[u8; 32]>, usize) {
    let mut met = BTreeSet::new();
    let mut after: Option<Cursor> = None;
    for pages in 1..1000 {
        let page = driver.page(after.as_ref(), at_most).await.unwrap();
        assert!(page.sessions.len() <= at_most);
        assert_eq!(page.unreadable, 0);
        met.extend(page.sessions.iter().map(|session| session.record.root.0));
        after = page.next;
        if after.is_none() {
            return (met, pages);
        }
    }
    panic!("it does not end");
}

#[tokio::test]
async fn a_walk_meets_every_session_page_by_page() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    assert_eq!(roots(&driver, 10).await.0.len(), 0);
    let mut stored_roots = BTreeSet::new();
    for _ in 0..300 {
        let row = stored(&driver, &Ticket::mint(NOW)).await;
        stored_roots.insert(row.session.record.root.0);
    }
    for at_most in [1, 7, 1000] {
        let (met, pages) = roots(&driver, at_most).await;
        assert_eq!(met, stored_roots);
        assert!(pages >= 300 / at_most, "{pages} of {at_most}");
    }
}

#[tokio::test]
async fn a_walk_goes_on_over_a_restart_and_misses_nothing() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let mut stored_roots = BTreeSet::new();
    for _ in 0..200 {
        let row = stored(&driver, &Ticket::mint(NOW)).await;
        stored_roots.insert(row.session.record.root.0);
    }
    let first = driver.page(None, 20).await.unwrap();
    let mut met: BTreeSet<_> = first.sessions.iter().map(|one| one.record.root.0).collect();
    redis.restart();
    let mut after = first.next;
    while let Some(cursor) = after {
        let page = driver.page(Some(&cursor), 20).await.unwrap();
        met.extend(page.sessions.iter().map(|one| one.record.root.0));
        after = page.next;
    }
    assert_eq!(met, stored_roots);
}

#[tokio::test]
async fn a_torn_row_is_counted_and_does_not_stop_a_walk() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    stored(&driver, &Ticket::mint(NOW)).await;
    redis.cli(&["SET", "cloakroom:s:{mm}:torn", "no session"]);
    let page = driver.page(None, 100).await.unwrap();
    assert_eq!((page.sessions.len(), page.unreadable), (1, 1));
}

#[tokio::test]
async fn nodes_hear_of_each_other_until_they_are_silent() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let id = |byte| cloakroom::session::KeyId([byte; 4]);
    let node = |name: &str, seen: Time| Node {
        id: name.into(),
        seen,
        session_ids: id(9),
        keys: vec![
            NodeKey {
                id: id(1),
                signs: false,
                last_use: Some(NOW),
            },
            NodeKey {
                id: id(2),
                signs: true,
                last_use: None,
            },
        ],
    };
    let one = node("one", NOW);
    assert_eq!(
        driver.announce(&one, NOW).await.unwrap(),
        std::slice::from_ref(&one)
    );
    let two = node("two", after(20));
    let both = driver.announce(&two, after(20)).await.unwrap();
    assert_eq!(both, [one, two.clone()]);
    let two = node("two", after(40));
    assert_eq!(driver.announce(&two, after(40)).await.unwrap(), [two]);
    assert_eq!(redis.cli(&["HLEN", "cloakroom:nodes:{mm}"]), "1");
}
