//! Servers that go away and come back, and wires that are cut.

use cloakroom::base::clock::Stopwatch;

use super::support::servers::{Redis, Wire};
use super::*;

#[tokio::test]
async fn a_write_whose_answer_was_cut_off_is_done_once_and_known_as_done() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let driver = connect(&redis.url_at(wire.addr())).await;
    let ticket = Ticket::mint(NOW);
    let mut row = stored(&driver, &ticket).await;
    for bytes in [0, 1, 5] {
        let next = touched(&row, &bytes.to_string());
        wire.cut_reply_after(bytes);
        let written = driver.write(&writing(vec![next.clone()])).await.unwrap();
        assert!(!wire.cut_is_pending());
        assert_eq!(written, Written::Done, "cut after {bytes} bytes");
        let there = find(&driver, &ticket).await.row.unwrap();
        assert_eq!(there.revision, next.revision);
        row = next;
    }
    // A new session too: its ticket is filed by itself, not by somebody else.
    let other = Ticket::mint(NOW);
    wire.cut_reply_after(0);
    stored(&driver, &other).await;
    assert!(found(&driver, &other).await.is_some());
}

#[tokio::test]
async fn a_question_whose_answer_was_cut_off_is_asked_again() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let driver = connect(&redis.url_at(wire.addr())).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    for bytes in [0, 10, 100] {
        wire.cut_reply_after(bytes);
        assert_eq!(found(&driver, &ticket).await, Some(row.session.clone()));
    }
}

#[tokio::test]
async fn no_dead_connection_is_used_after_a_restart() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    for _ in 0..3 {
        redis.restart();
        // The first question is answered, and so are many at once.
        let asked = (0..20).map(|_| found(&driver, &ticket));
        for answer in support::together(asked).await {
            assert_eq!(answer, Some(row.session.clone()));
        }
    }
}

#[tokio::test]
async fn a_server_that_is_gone_is_a_fault_at_once_and_no_stranger() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    redis.kill9();
    let watch = Stopwatch::start();
    let fault = driver.find(&ticket.key(), NOW).await.unwrap_err();
    assert!(is_remote(&fault), "{fault:?}");
    let change = writing(vec![touched(&row, "2")]);
    assert!(driver.write(&change).await.is_err());
    assert!(watch.elapsed() < TIMEOUT, "{:?}", watch.elapsed());
    redis.restart();
    assert_eq!(found(&driver, &ticket).await, Some(row.session));
    assert_eq!(driver.write(&change).await.unwrap(), Written::Done);
}

#[tokio::test]
async fn a_server_that_is_silent_is_waited_for_no_longer_than_allowed() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let address = RedisAddress::parse(&redis.url_at(wire.addr())).unwrap();
    let patience = Duration::from_millis(300);
    let driver = RedisDriver::connect(address, patience, NOW).await.unwrap();
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    wire.stall();
    // Once on a connection that is there, once on one that cannot be made.
    for _ in 0..2 {
        let watch = Stopwatch::start();
        let fault = driver.find(&ticket.key(), NOW).await.unwrap_err();
        assert!(matches!(fault, StoreFault::Timeout), "{fault:?}");
        assert!(watch.elapsed() < patience * 3, "{:?}", watch.elapsed());
    }
    wire.heal();
    assert_eq!(found(&driver, &ticket).await, Some(row.session));
}

#[tokio::test]
async fn a_server_restarted_empty_is_born_anew() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    stored(&driver, &ticket).await;
    redis.restart_empty();
    let there = driver.find(&ticket.key(), after(60)).await.unwrap();
    assert!(there.row.is_none());
    assert_eq!(there.born, after(60));
}

#[tokio::test]
async fn a_replica_is_believed_nothing() {
    let Some(master) = Redis::start() else { return };
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    // The master has its births: with those, a replica looks like a server that knows.
    connect(&master.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    redis.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    support::servers::until("it follows", || {
        (redis.info("master_link_status")? == "up").then_some(())
    });
    for ticket in [&ticket, &Ticket::mint(NOW)] {
        let fault = driver.find(&ticket.key(), NOW).await.unwrap_err();
        assert!(is_remote(&fault), "{fault:?}");
    }
    assert!(
        driver
            .write(&writing(vec![new_row(&row.session)]))
            .await
            .is_err()
    );
    assert!(driver.of_user(&user("alice").key(), NOW).await.is_err());
}

#[tokio::test]
async fn a_full_server_that_evicts_nothing_still_answers_what_it_knows() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(found(&driver, &ticket).await, Some(row.session.clone()));
    let fault = driver.write(&writing(vec![touched(&row, "2")])).await;
    assert!(fault.is_err(), "{fault:?}");
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(found(&driver, &ticket).await, Some(row.session));
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_learns_them_again() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let ticket = Ticket::mint(NOW);
    stored(&driver, &ticket).await;
    redis.cli(&["SCRIPT", "FLUSH"]);
    assert!(found(&driver, &ticket).await.is_some());
}
