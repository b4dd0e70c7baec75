//! The server, or the way to it, fails: that is a fault and never an absence, and the next call finds it mended.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::base::clock::Stopwatch;
use cloakroom::session::Ticket;
use cloakroom::store::StoreFault;
use cloakroom::store::postgres::PostgresFault;
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::Written;

use crate::rig::*;
use crate::support::servers::{Postgres, Wire};
use crate::support::{eventually, together};

#[tokio::test]
async fn a_write_whose_answer_was_cut_off_is_done_once() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let wire = Wire::to(database.addr());
    let driver = connect(&database.url_at(wire.addr())).await.unwrap();
    let ticket = Ticket::mint(NOW);
    let first = make(&driver, &session(&ticket)).await;

    for bytes in [0, 1, 7] {
        let now = find(&driver, &ticket.key()).await.unwrap().row.unwrap();
        let change = changing(
            &with_data(&now.session, &bytes.to_string(), "1"),
            now.revision,
        );
        wire.cut_reply_after(bytes);
        let written = driver.write(&writing(vec![change])).await.unwrap();
        assert_eq!(written, Written::Done, "after {bytes} bytes");
        assert!(!wire.cut_is_pending());
    }
    let now = find(&driver, &ticket.key()).await.unwrap().row.unwrap();
    assert_eq!(now.session.record.data.len(), 3);
    assert_ne!(now.revision, first);
    // One for each writing and none for the attempts that found it done.
    assert_eq!(database.psql("SELECT count(*) FROM cloakroom.changes"), "4");
}

#[tokio::test]
async fn a_find_whose_answer_was_cut_off_is_asked_again() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let wire = Wire::to(database.addr());
    let driver = connect(&database.url_at(wire.addr())).await.unwrap();
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;
    wire.cut_reply_after(5);
    assert!(found(&driver, &ticket.key()).await.is_some());
    wire.cut();
    assert!(found(&driver, &ticket.key()).await.is_some());
}

#[tokio::test]
async fn after_a_restart_of_the_server_no_dead_connection_comes_to_light() {
    let Some(server) = Postgres::own() else {
        return;
    };
    let database = server.new_database();
    migrated(&database.url()).await;
    let driver = Arc::new(connect(&database.url()).await.unwrap());
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;
    let all = async || {
        let key = ticket.key();
        let finds = (0..20).map(|_| {
            let driver = Arc::clone(&driver);
            tokio::spawn(async move { find(&driver, &key).await })
        });
        together(finds)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
    };
    assert!(all().await.iter().all(Result::is_ok));

    server.kill9();
    for answer in all().await {
        let fault = answer.expect_err("nobody is there");
        assert!(matches!(fault, StoreFault::Remote(_)), "{fault:?}");
    }
    server.restart();
    for answer in all().await {
        assert!(answer.unwrap().row.is_some());
    }
}

#[tokio::test]
async fn a_killed_backend_is_not_noticed() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    assert_eq!(database.psql(kill), "1");
    assert!(found(&driver, &ticket.key()).await.is_some());
}

#[tokio::test]
async fn a_backend_killed_in_the_middle_of_a_write_is_not_noticed() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let revision = make(&driver, &session(&ticket)).await;
    let holding = hold_the_rows(&database.url()).await;
    let change = changing(&with_data(&session(&ticket), "x", "1"), revision);
    let writing = tokio::spawn(async move { driver.write(&writing(vec![change])).await });
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a write that waits", async || {
        (database.psql(kill) == "1").then_some(())
    })
    .await;
    drop(holding);
    assert_eq!(writing.await.unwrap().unwrap(), Written::Done);
}

/// Locks all sessions until it is dropped.
async fn hold_the_rows(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
        .batch_execute("BEGIN; SELECT FROM cloakroom.sessions FOR UPDATE")
        .await
        .unwrap();
    client
}

#[tokio::test]
async fn who_waits_for_a_lock_waits_as_long_as_for_the_server_and_leaves_nobody_behind() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let revision = make(&driver, &session(&ticket)).await;
    let holding = hold_the_rows(&database.url()).await;
    let change = changing(&with_data(&session(&ticket), "x", "1"), revision);
    let watch = Stopwatch::start();
    let fault = driver.write(&writing(vec![change])).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Timeout), "{fault:?}");
    assert!(watch.elapsed() < TIMEOUT * 2);
    let waiting = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("nobody waits", async || {
        (database.psql(waiting) == "0").then_some(())
    })
    .await;
    drop(holding);
    assert!(
        found(&driver, &ticket.key())
            .await
            .unwrap()
            .record
            .data
            .is_empty()
    );
}

#[tokio::test]
async fn a_way_that_swallows_everything_is_left_in_time_and_for_good() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let wire = Wire::to(database.addr());
    let driver = connect(&database.url_at(wire.addr())).await.unwrap();
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;

    wire.stall();
    let watch = Stopwatch::start();
    let fault = find(&driver, &ticket.key()).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Timeout), "{fault:?}");
    assert!(watch.elapsed() < TIMEOUT + Duration::from_secs(1));
    // The connection with the lost answer is not used again, so it does not matter that it never comes.
    wire.heal();
    assert!(found(&driver, &ticket.key()).await.is_some());
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_no_connection_that_waits_for_its_answer() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let revision = make(&driver, &session(&ticket)).await;
    let holding = hold_the_rows(&database.url()).await;
    for _ in 0..20 {
        let change = changing(&with_data(&session(&ticket), "x", "1"), revision);
        let writing = writing(vec![change]);
        let given_up =
            tokio::time::timeout(Duration::from_millis(20), driver.write(&writing)).await;
        assert!(given_up.is_err());
    }
    // More of them than there are connections.
    assert!(found(&driver, &ticket.key()).await.is_some());
    drop(holding);
}

/// Somebody has the tables locked, and a statement that waits for them does not see that it was given up.
#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_behind_at_the_server() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let Some(bouncer) = database.bouncer() else {
        return;
    };
    migrated(&database.url()).await;
    let waiting = "SELECT count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for url in [database.url(), bouncer.url()] {
        let driver = connect(&url).await.unwrap();
        let ticket = Ticket::mint(NOW);
        make(&driver, &session(&ticket)).await;
        let holding = hold_the_rows(&database.url()).await;
        let lock = "LOCK TABLE cloakroom.sessions IN ACCESS EXCLUSIVE MODE";
        holding.batch_execute(lock).await.unwrap();
        let (key, waits) = (ticket.key(), Duration::from_millis(200));
        for _ in 0..4 {
            let given_up = tokio::time::timeout(waits, driver.find(&key, NOW)).await;
            assert!(given_up.is_err());
        }
        eventually("nobody waits", async || {
            (database.psql(waiting) == "0").then_some(())
        })
        .await;
        drop(holding);
        assert!(found(&driver, &key).await.is_some());
    }
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_a_fault() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    database.psql(&format!(
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        database.name()
    ));
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.psql(kill);
    let fault = driver
        .write(&writing(vec![making(&session(&ticket))]))
        .await
        .unwrap_err();
    assert!(matches!(fault, StoreFault::Remote(_)), "{fault:?}");
    let fault = find(&driver, &ticket.key()).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Remote(_)), "{fault:?}");

    let url = format!("{}?target_session_attrs=any", database.url());
    let any = connect(&url).await.unwrap();
    let fault = any
        .write(&writing(vec![making(&session(&ticket))]))
        .await
        .unwrap_err();
    let StoreFault::Remote(cause) = &fault else {
        panic!("{fault:?}");
    };
    let text = cause.to_string();
    assert!(text.contains("takes no writes"), "{text}");
}

#[tokio::test]
async fn a_start_without_a_server_says_that_it_cannot_be_reached() {
    let url = "postgres://u:hunter2@127.0.0.1:1/s";
    let Err(fault) = connect(url).await else {
        panic!("nobody is there");
    };
    assert!(
        matches!(fault, PostgresFault::Connect(_)) && fault.is_outage(),
        "{fault:?}"
    );
    assert!(!format!("{fault:?}").contains("hunter2"));
}
