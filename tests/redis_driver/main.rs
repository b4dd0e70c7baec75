//! The driver for Redis and Valkey, against real servers: what it moves, and what it makes of their faults.
//!
//! One function for each promise; its name is the promise.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

#[path = "../support/mod.rs"]
mod support;

mod rows;

mod users;

mod walk;

mod faults;

mod access;

mod cluster;

mod sentinel;

mod watching;

mod startup;

mod silence;

mod resharding;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{Change, Commit, DataEdit, Session, Terms, Ticket, TicketKey, Turn, User};
use cloakroom::store::StoreFault;
use cloakroom::store::redis::{OpenFault, RedisAddress, RedisDriver, Remark};
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{Found, Revision, RowChange, Writing, Written};

/// When it all happens. No clock is read.
const NOW: Time = Time::from_secs(1_800_000_000);

/// How long the driver may take for anything.
const TIMEOUT: Duration = Duration::from_secs(5);

fn after(secs: u64) -> Time {
    NOW.plus(Duration::from_secs(secs))
}

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: Duration::from_secs(60),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 50,
    }
}

async fn try_connect(url: &str) -> Result<(RedisDriver, Vec<Remark>), OpenFault> {
    let address = RedisAddress::parse(url).unwrap();
    let driver = RedisDriver::connect(address, TIMEOUT, NOW).await?;
    let remarks = driver.remarks().to_vec();
    Ok((driver, remarks))
}

async fn connect(url: &str) -> RedisDriver {
    match try_connect(url).await {
        Ok((driver, _)) => driver,
        Err(fault) => panic!("{url}: {fault:?}"),
    }
}

fn set(key: &str, value: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), value.into())],
        ..Change::default()
    }
}

fn turn(turn: Turn) -> Change {
    Change {
        turn,
        ..Change::default()
    }
}

fn user(id: &str) -> User {
    User {
        id: id.into(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".into(),
        auth_time: NOW,
        entrance: None,
        grant: None,
    }
}

fn log_in(id: &str) -> Change {
    turn(Turn::LogIn {
        user: Some(Box::new(user(id))),
        carry: true,
    })
}

/// A session with something in it, that `ticket` began.
fn begun(ticket: &Ticket) -> Session {
    let commit = Commit::new(ticket.clone(), set("a", "1"), ticket.issued());
    let mut session = Session::begin_for(&commit, ticket.issued(), &terms()).unwrap();
    session.commit(&commit, &terms());
    session
}

/// A revision of its own.
fn revision() -> Revision {
    static NEXT: AtomicU64 = AtomicU64::new(0xf000_0000_0000_0001);
    Revision(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A row that is new, with all its tickets.
fn new_row(session: &Session) -> RowChange {
    let file = session.holders.iter().map(|holder| holder.key).collect();
    RowChange {
        file,
        ..changed_row(session, None)
    }
}

/// A row that must still be of `expected`, with no other tickets than before.
fn changed_row(session: &Session, expected: Option<Revision>) -> RowChange {
    RowChange {
        session: Arc::new(session.clone()),
        expected,
        revision: revision(),
        keep_until: session.keep_until(&terms()),
        file: Vec::new(),
        unfile: Vec::new(),
    }
}

fn writing(rows: Vec<RowChange>) -> Writing {
    Writing {
        now: NOW,
        issued: None,
        rows,
    }
}

/// Writes a new session and returns its row.
async fn stored(driver: &RedisDriver, ticket: &Ticket) -> RowChange {
    let row = new_row(&begun(ticket));
    let written = driver.write(&writing(vec![row.clone()])).await;
    assert!(matches!(written, Ok(Written::Done)), "{written:?}");
    row
}

async fn find(driver: &RedisDriver, ticket: &Ticket) -> Found {
    driver.find(&ticket.key(), NOW).await.unwrap()
}

/// The session that `ticket` leads to.
async fn found(driver: &RedisDriver, ticket: &Ticket) -> Option<Arc<Session>> {
    find(driver, ticket).await.row.map(|row| row.session)
}

/// A row that differs from `row` in one key of its data.
fn touched(row: &RowChange, value: &str) -> RowChange {
    let mut session = Session::clone(&row.session);
    let mut record = (*session.record).clone();
    record.data.insert("b", value.into());
    session.record = Arc::new(record);
    changed_row(&session, Some(row.revision))
}

/// A ticket of each of the first `count` families that chance brings.
fn tickets_of_families(count: usize) -> Vec<Ticket> {
    let mut tickets: Vec<Ticket> = Vec::new();
    while tickets.len() < count {
        let ticket = Ticket::mint(NOW);
        let family = ticket.key().family();
        if tickets.iter().all(|known| known.key().family() != family) {
            tickets.push(ticket);
        }
    }
    tickets
}

fn key_of(ticket: &Ticket) -> TicketKey {
    ticket.key()
}

fn is_remote(fault: &StoreFault) -> bool {
    matches!(fault, StoreFault::Remote(_))
}
