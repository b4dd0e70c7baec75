//! One row after the other: what is written is found, and nothing is written over what is not expected.

use std::sync::Arc;

use cloakroom::base::clock::Time;
use cloakroom::session::{Closed, State, Ticket};
use cloakroom::store::StoreFault;
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{RowChange, Writing, Written};

use crate::rig::*;

#[tokio::test]
async fn what_was_written_is_found_by_each_of_its_tickets() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let (ticket, second) = (Ticket::mint(NOW), Ticket::mint(NOW));
    let session = with_data(&session(&ticket), "greeting", "żółć \u{0} 👋");
    let first = make(&driver, &session).await;

    let row = find(&driver, &ticket.key()).await.unwrap().row.unwrap();
    assert_eq!((row.revision, &*row.session), (first, &session));

    let session = with_data(&session, "theme", "dark");
    let change = RowChange {
        file: vec![second.key()],
        ..changing(&session, first)
    };
    assert_eq!(
        driver.write(&writing(vec![change])).await.unwrap(),
        Written::Done
    );
    for key in [ticket.key(), second.key()] {
        assert_eq!(found(&driver, &key).await.as_ref(), Some(&session));
    }
}

#[tokio::test]
async fn an_unfiled_ticket_leads_nowhere() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let session = session(&ticket);
    let revision = make(&driver, &session).await;
    let change = RowChange {
        unfile: vec![ticket.key()],
        ..changing(&session, revision)
    };
    assert_eq!(
        driver.write(&writing(vec![change])).await.unwrap(),
        Written::Done
    );
    let nothing = find(&driver, &ticket.key()).await.unwrap();
    assert!(nothing.row.is_none());
    assert_eq!(nothing.born, BORN);
}

#[tokio::test]
async fn a_row_that_is_not_as_expected_keeps_everything_from_being_written() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let (ticket, other) = (Ticket::mint(NOW), Ticket::mint(NOW));
    let session_one = session(&ticket);
    let revision_one = make(&driver, &session_one).await;

    // Another revision, a row that is there, a row that is not.
    let changed = with_data(&session_one, "x", "y");
    for wrong in [
        changing(&changed, revision()),
        making(&changed),
        changing(&session(&other), revision()),
    ] {
        let beside = making(&session(&Ticket::mint(NOW)));
        let key = beside.file[0];
        let rows = vec![beside, wrong];
        assert_eq!(
            driver.write(&writing(rows)).await.unwrap(),
            Written::Conflict
        );
        assert!(found(&driver, &key).await.is_none(), "a part was written");
    }
    let row = find(&driver, &ticket.key()).await.unwrap().row.unwrap();
    assert_eq!((row.revision, &*row.session), (revision_one, &session_one));
}

#[tokio::test]
async fn a_ticket_that_leads_somewhere_is_not_filed_again() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let (ticket, other) = (Ticket::mint(NOW), Ticket::mint(NOW));
    let first = session(&ticket);
    make(&driver, &first).await;

    let thief = RowChange {
        file: vec![other.key(), ticket.key()],
        ..making(&session(&other))
    };
    let written = driver.write(&writing(vec![thief])).await.unwrap();
    assert_eq!(written, Written::TicketInUse);
    assert_eq!(found(&driver, &ticket.key()).await, Some(first));
    assert!(found(&driver, &other.key()).await.is_none());
}

#[tokio::test]
async fn the_same_writing_twice_is_done_once() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let row = making(&session(&ticket));
    let fork = making(&session(&Ticket::mint(NOW)));
    let again = writing(vec![row, fork]);
    for _ in 0..2 {
        assert_eq!(driver.write(&again).await.unwrap(), Written::Done);
    }
    assert_eq!(
        database.psql("SELECT count(*) FROM cloakroom.sessions"),
        "2"
    );
    assert_eq!(database.psql("SELECT count(*) FROM cloakroom.changes"), "1");
}

#[tokio::test]
async fn a_ticket_older_than_the_server_begins_no_session() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let early = Time::from_secs(BORN.as_secs() - 1);
    let begin = |ticket: &Ticket| Writing {
        issued: Some(ticket.issued()),
        ..writing(vec![making(&session(ticket))])
    };
    let old = Ticket::mint(early);
    assert_eq!(driver.write(&begin(&old)).await.unwrap(), Written::Lost);
    assert!(found(&driver, &old.key()).await.is_none());
    let new = Ticket::mint(BORN);
    assert_eq!(driver.write(&begin(&new)).await.unwrap(), Written::Done);

    // A node whose clock is behind minted it just now.
    let own = Ticket::mint(early);
    let just_now = Writing {
        now: early,
        ..begin(&own)
    };
    assert_eq!(driver.write(&just_now).await.unwrap(), Written::Done);

    // Emptied by hand: what was issued before that is lost.
    database.psql("TRUNCATE cloakroom.sessions CASCADE");
    let nothing = driver.find(&new.key(), after(5)).await.unwrap();
    assert!(nothing.row.is_none());
    assert_eq!(nothing.born, after(5));
    let later = Writing {
        now: after(6),
        ..begin(&new)
    };
    assert_eq!(driver.write(&later).await.unwrap(), Written::Lost);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_a_fault_and_not_an_absence() {
    let Some((database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    make(&driver, &session(&ticket)).await;
    database.psql("UPDATE cloakroom.sessions SET record = left(record, 20)");
    let fault = find(&driver, &ticket.key()).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Unreadable(_)), "{fault:?}");
}

#[tokio::test]
async fn a_tombstone_replaces_what_it_was() {
    let Some((_database, driver)) = fresh().await else {
        return;
    };
    let ticket = Ticket::mint(NOW);
    let before = with_user(&session(&ticket), "alice");
    let revision = make(&driver, &before).await;
    let mut ended = session(&ticket);
    ended.state = State::Closed {
        why: Closed::Ended,
        until: after(10),
    };
    let change = RowChange {
        session: Arc::new(ended.clone()),
        ..changing(&ended, revision)
    };
    assert_eq!(
        driver.write(&writing(vec![change])).await.unwrap(),
        Written::Done
    );
    assert_eq!(found(&driver, &ticket.key()).await, Some(ended));
}
