//! Several at once: writings meet, and neither wait for each other nor lose anything.

use std::sync::Arc;

use cloakroom::session::{Session, Ticket};
use cloakroom::store::postgres::PostgresDriver;
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{Revision, Written};

use crate::rig::*;
use crate::support::servers::{Database, Postgres};
use crate::support::{eventually, together};

/// Adds `name` to both sessions in one writing, with the rows in the given order, until it fits.
async fn add(driver: &PostgresDriver, tickets: [&Ticket; 2], name: &str) {
    loop {
        let mut rows = Vec::new();
        for ticket in tickets {
            let row = find(driver, &ticket.key()).await.unwrap().row.unwrap();
            let session = with_data(&row.session, name, "1");
            rows.push(changing(&session, row.revision));
        }
        match driver.write(&writing(rows)).await.unwrap() {
            Written::Done => return,
            Written::Conflict => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn writers_of_the_same_two_rows_in_either_order_neither_deadlock_nor_lose_anything() {
    let Some((database, one)) = fresh().await else {
        return;
    };
    let other = connect(&database.url()).await.unwrap();
    let (a, b) = (Ticket::mint(NOW), Ticket::mint(NOW));
    make(&one, &session(&a)).await;
    make(&one, &session(&b)).await;

    let names: Vec<_> = (0..50).map(|number| number.to_string()).collect();
    let of = |driver, order: [&'static str; 2]| {
        let by_name = |name: &str| if name == "a" { &a } else { &b };
        let tickets = order.map(by_name);
        let prefix = order[0];
        let names = names.clone();
        async move {
            for name in names {
                add(driver, tickets, &format!("{prefix}{name}")).await;
            }
        }
    };
    tokio::join!(of(&one, ["a", "b"]), of(&other, ["b", "a"]));

    for ticket in [&a, &b] {
        let session = found(&one, &ticket.key()).await.unwrap();
        assert_eq!(session.record.data.len(), 100);
    }
    no_deadlock(&database).await;
}

/// The server undid none of the transactions that there were.
async fn no_deadlock(database: &Database) {
    // It tells its figures with a delay.
    let commits =
        "SELECT xact_commit > 100 FROM pg_stat_database WHERE datname = current_database()";
    eventually("figures", async || {
        (database.psql(commits) == "t").then_some(())
    })
    .await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(database.psql(deadlocks), "0");
}

#[tokio::test]
async fn of_many_who_make_the_same_rows_one_does() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let driver = Arc::new(driver);
    for _ in 0..20 {
        let (a, b) = (session(&Ticket::mint(NOW)), session(&Ticket::mint(NOW)));
        let orders: [[&Session; 2]; 8] = std::array::from_fn(|at| match at % 2 {
            0 => [&a, &b],
            _ => [&b, &a],
        });
        let makers = orders.map(|order| {
            let writing = writing(order.map(making).to_vec());
            let driver = Arc::clone(&driver);
            tokio::spawn(async move { driver.write(&writing).await.unwrap() })
        });
        let written: Vec<_> = together(makers)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let done = written.iter().filter(|written| **written == Written::Done);
        assert_eq!(done.count(), 1, "{written:?}");
        let conflicts = written
            .iter()
            .filter(|written| **written == Written::Conflict);
        assert_eq!(conflicts.count(), 7, "{written:?}");
    }
    assert_eq!(
        database.psql("SELECT count(*) FROM cloakroom.sessions"),
        "40"
    );
    no_deadlock(&database).await;
}

/// Behind a pooler with three connections in transaction mode, where nothing may be left in a session.
#[tokio::test]
async fn everything_works_behind_a_pooler_in_transaction_mode() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let Some(bouncer) = database.bouncer() else {
        return;
    };
    migrated(&bouncer.url()).await;
    let driver = Arc::new(connect(&bouncer.url()).await.unwrap());
    let walkers = (0..16).map(|walker| {
        let driver = Arc::clone(&driver);
        tokio::spawn(async move {
            let ticket = Ticket::mint(NOW);
            let mut revision: Revision = make(&driver, &session(&ticket)).await;
            for step in 0..20 {
                let name = format!("{walker}/{step}");
                let now = found(&driver, &ticket.key()).await.unwrap();
                let change = changing(&with_data(&now, &name, "1"), revision);
                revision = change.revision;
                let written = driver.write(&writing(vec![change])).await.unwrap();
                assert_eq!(written, Written::Done);
            }
            found(&driver, &ticket.key())
                .await
                .unwrap()
                .record
                .data
                .len()
        })
    });
    for steps in together(walkers).await {
        assert_eq!(steps.unwrap(), 20);
    }
    let page = driver.page(None, 100).await.unwrap();
    assert_eq!(page.sessions.len(), 16);
    assert_eq!(driver.sweep(after(7200), 100).await.unwrap(), 16);
}
