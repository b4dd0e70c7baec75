//! What is listed: sessions of a user, all of them, what is over, and the nodes.

use std::collections::BTreeSet;

use cloakroom::session::{Closed, KeyId, State, Ticket, UserKey};
use cloakroom::store::postgres::PostgresDriver;
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{RowChange, Written};
use cloakroom::store::{Cursor, Node, NodeKey};

use crate::rig::*;

async fn names(driver: &PostgresDriver, user: &str) -> usize {
    let key = UserKey::of(None, user);
    driver.of_user(&key, NOW).await.unwrap().len()
}

#[tokio::test]
async fn a_users_sessions_are_listed_while_they_go_on() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let tickets: [Ticket; 3] = std::array::from_fn(|_| Ticket::mint(NOW));
    let mut revisions = Vec::new();
    for ticket in &tickets {
        revisions.push(make(&driver, &with_user(&session(ticket), "alice")).await);
    }
    make(&driver, &with_user(&session(&Ticket::mint(NOW)), "bob")).await;
    assert_eq!(
        (names(&driver, "alice").await, names(&driver, "bob").await),
        (3, 1)
    );

    let mut frozen = with_user(&session(&tickets[0]), "alice");
    frozen.state = State::Frozen { until: after(10) };
    let mut ended = session(&tickets[1]);
    ended.state = State::Closed {
        why: Closed::Ended,
        until: after(10),
    };
    let another = with_user(&session(&tickets[2]), "bob");
    let rows = [frozen, ended, another];
    let rows = rows
        .iter()
        .zip(revisions)
        .map(|(session, revision)| changing(session, revision));
    assert_eq!(
        driver.write(&writing(rows.collect())).await.unwrap(),
        Written::Done
    );
    assert_eq!(
        (names(&driver, "alice").await, names(&driver, "bob").await),
        (0, 2)
    );
}

#[tokio::test]
async fn a_walk_meets_all_that_is_there_throughout() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let mut there = BTreeSet::new();
    for _ in 0..25 {
        let ticket = Ticket::mint(NOW);
        make(&driver, &session(&ticket)).await;
        there.insert(ticket.root().0);
    }
    let torn = Ticket::mint(NOW);
    make(&driver, &session(&torn)).await;
    let root = data_encoding::HEXLOWER.encode(&torn.root().0);
    database.psql(&format!(
        "UPDATE cloakroom.sessions SET record = '{{' WHERE root = '\\x{root}'"
    ));

    let (mut met, mut unreadable) = (BTreeSet::new(), 0);
    let mut after: Option<Cursor> = None;
    loop {
        let page = driver.page(after.as_ref(), 7).await.unwrap();
        unreadable += page.unreadable;
        met.extend(page.sessions.iter().map(|session| session.record.root.0));
        // Comes and goes during the walk.
        make(&driver, &session(&Ticket::mint(NOW))).await;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(met.is_superset(&there));
    assert_eq!(unreadable, 1);
    let foreign = driver.page(Some(&Cursor("§".into())), 7).await.unwrap();
    assert!(foreign.sessions.is_empty() && foreign.next.is_none());
}

#[tokio::test]
async fn what_is_over_is_swept_in_batches_and_nothing_else_is() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    for number in 0..10 {
        let row = RowChange {
            keep_until: after(number),
            ..making(&session(&Ticket::mint(NOW)))
        };
        driver.write(&writing(vec![row])).await.unwrap();
    }
    database
        .psql("UPDATE cloakroom.changes SET at = at - interval '61 seconds' WHERE ctid < '(0,5)'");
    let mut batches = Vec::new();
    for _ in 0..4 {
        batches.push(driver.sweep(after(6), 3).await.unwrap());
    }
    assert_eq!(batches, [3, 3, 1, 0]);
    assert_eq!(
        database.psql("SELECT count(*) FROM cloakroom.sessions"),
        "3"
    );
    assert_eq!(database.psql("SELECT count(*) FROM cloakroom.tickets"), "3");
    assert_eq!(database.psql("SELECT count(*) FROM cloakroom.changes"), "6");
}

#[tokio::test]
async fn a_sweep_waits_for_nobody() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let held = Ticket::mint(NOW);
    make(&driver, &session(&held)).await;
    make(&driver, &session(&Ticket::mint(NOW))).await;
    let root = data_encoding::HEXLOWER.encode(&held.root().0);
    let url = database.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let lock = format!("BEGIN; SELECT FROM cloakroom.sessions WHERE root = '\\x{root}' FOR UPDATE");
    client.batch_execute(&lock).await.unwrap();
    assert_eq!(driver.sweep(after(7200), 10).await.unwrap(), 1);
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(driver.sweep(after(7200), 10).await.unwrap(), 1);
}

#[tokio::test]
async fn nodes_know_of_each_other_while_they_are_alive() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let node = |id: &str, at| Node {
        id: id.to_owned(),
        seen: at,
        session_ids: KeyId([1, 2, 3, 4]),
        keys: vec![
            NodeKey {
                id: KeyId([0xff, 0, 0, 1]),
                signs: true,
                last_use: Some(NOW),
            },
            NodeKey {
                id: KeyId([5; 4]),
                signs: false,
                last_use: None,
            },
        ],
    };
    let (a, b) = (node("a", NOW), node("b", after(20)));
    assert_eq!(driver.announce(&a, NOW).await.unwrap(), vec![a.clone()]);
    let mut both = driver.announce(&b, after(20)).await.unwrap();
    both.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(both, [a, b]);
    let again = node("b", after(31));
    assert_eq!(driver.announce(&again, after(31)).await.unwrap(), [again]);
    assert_eq!(database.psql("SELECT id FROM cloakroom.nodes"), "b");
}
