//! What goes wrong while it runs.

use std::path::Path;
use std::time::Duration;

use cloakroom::session::{Change, Opening, Outcome, Standing, Ticket, Turn};
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore};
use cloakroom::store::{Answer, Store, StoreFault};
use tempfile::TempDir;

use crate::rig::*;

fn impatient(path: &Path) -> SqliteStore {
    let settings = SqliteSettings {
        queue_max: 2,
        ..SqliteSettings::new(path, Duration::from_millis(100))
    };
    SqliteStore::open(&settings, terms(), START).unwrap()
}

#[tokio::test]
async fn a_locked_database_is_an_outage_with_an_end_and_nobody_is_logged_out() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = impatient(&path);
    let ticket = stored_session(&store).await;
    let lock = raw(&path);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();

    let answers: Vec<_> = (0..8)
        .map(|_| store.commit(request(&ticket, put("sid"), START)))
        .collect();
    let mut overloaded = 0;
    for answer in answers {
        match answer.await {
            Err(StoreFault::Overloaded) => overloaded += 1,
            Err(StoreFault::Timeout | StoreFault::Sqlite(_)) => {}
            other => panic!("a locked database cannot answer: {other:?}"),
        }
    }
    assert!(overloaded > 0, "the queue has an end");
    record_of(open(&store, &ticket, START).await);

    lock.execute_batch("ROLLBACK").unwrap();
    let works = async || {
        let answer = store.commit(request(&ticket, put("back"), START)).await;
        matches!(answer, Ok(committed) if matches!(committed.outcome, Outcome::Applied(_)))
    };
    within_a_second("the store after the lock", works).await;
}

/// A request that was told "no answer" keeps its ticket, so what it asked for must not be done afterwards.
#[tokio::test]
async fn what_was_given_up_is_not_done_when_the_store_is_back() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let settings = SqliteSettings {
        queue_max: 1,
        ..SqliteSettings::new(&path, Duration::from_millis(500))
    };
    let store = SqliteStore::open(&settings, terms(), START).unwrap();
    let ticket = stored_session(&store).await;
    let other = stored_session(&store).await;
    let lock = raw(&path);
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();

    // One commit that holds the writer up; the next finds room only when the writer has taken it, and waits behind it.
    let _ahead = store.commit(request(&other, set("ahead", "1"), START));
    let rotation = Change {
        turn: Turn::Rotate,
        ..Change::default()
    };
    let given_up = loop {
        match store.commit(request(&ticket, rotation.clone(), START)) {
            Answer::Now(_) => tokio::task::yield_now().await,
            waiting => break waiting.await,
        }
    };
    assert!(matches!(given_up, Err(StoreFault::Timeout)), "{given_up:?}");
    lock.execute_batch("ROLLBACK").unwrap();

    let works = async || {
        let answer = store.commit(request(&other, set("back", "1"), START)).await;
        matches!(answer, Ok(committed) if matches!(committed.outcome, Outcome::Applied(_)))
    };
    within_a_second("the store after the lock", works).await;
    let opening = open(&store, &ticket, START).await;
    let is_current =
        matches!(&opening, Opening::Open { standing, .. } if *standing == Standing::Current);
    assert!(is_current, "{opening:?}");
}

#[tokio::test]
async fn a_torn_record_is_a_fault_of_its_own_session_only() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    let torn = stored_session(&store).await;
    drop(store);
    raw(&path)
        .execute("UPDATE sessions SET record = substr(record, 1, 50)", [])
        .unwrap();

    let store = open_sqlite(&path).unwrap();
    let whole = stored_session(&store).await;
    let answers: Vec<_> = [&torn, &whole, &torn, &whole]
        .iter()
        .map(|ticket| store.commit(request(ticket, put("sid"), START)))
        .collect();
    for (number, answer) in answers.into_iter().enumerate() {
        match answer.await {
            Ok(_) if number % 2 == 1 => {}
            Err(StoreFault::Unreadable(_)) if number % 2 == 0 => {}
            other => panic!("{number}: {other:?}"),
        }
    }
    let answer = store.open(&torn, START).await;
    assert!(
        matches!(answer, Err(StoreFault::Unreadable(_))),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_closed_store_says_so_and_has_done_what_it_was_asked() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    let fresh: Vec<_> = (0..50).map(|_| Ticket::mint(START)).collect();
    let answers: Vec<_> = fresh
        .iter()
        .map(|ticket| store.commit(request(ticket, set("a", "1"), START)))
        .collect();
    store.close();
    store.close();
    for answer in answers {
        answer.await.unwrap();
    }
    let stranger = Ticket::mint(START);
    assert!(matches!(
        store.open(&stranger, START).await,
        Err(StoreFault::Stopped)
    ));
    let late = store.commit(request(&fresh[0], set("b", "2"), START)).await;
    assert!(matches!(late, Err(StoreFault::Stopped)));
    assert!(matches!(
        store.sweep(START, 1).await,
        Err(StoreFault::Stopped)
    ));
    assert_eq!(rows_of(&path), 50);
}
