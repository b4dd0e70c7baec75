//! A driver on a database of its own, and rows to write.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{Holder, Record, Session, State, Ticket, TicketKey, User};
use cloakroom::store::StoreFault;
use cloakroom::store::postgres::{
    PostgresAddress, PostgresDriver, PostgresFault, PostgresSettings, migrate,
};
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{Found, Revision, RowChange, Writing, Written};

use crate::support::servers::{Database, Postgres};

/// When the database is made.
pub const BORN: Time = Time::from_secs(1_800_000_000);

/// When things happen.
pub const NOW: Time = Time::from_secs(1_800_001_000);

/// How long an answer may take.
pub const TIMEOUT: Duration = Duration::from_secs(2);

pub fn after(secs: u64) -> Time {
    NOW.plus(Duration::from_secs(secs))
}

pub fn address(url: &str) -> PostgresAddress {
    PostgresAddress::parse(url).unwrap()
}

pub async fn migrated(url: &str) {
    migrate(&address(url), BORN).await.unwrap();
}

pub async fn connect(url: &str) -> Result<PostgresDriver, PostgresFault> {
    PostgresDriver::connect(&PostgresSettings::new(address(url), None, TIMEOUT)).await
}

/// A driver on a fresh database of the shared server.
pub async fn fresh() -> Option<(Database, PostgresDriver)> {
    let database = Postgres::database()?;
    migrated(&database.url()).await;
    let driver = connect(&database.url()).await.unwrap();
    Some((database, driver))
}

/// A live session with one ticket.
pub fn session(ticket: &Ticket) -> Session {
    Session {
        record: Arc::new(Record::empty(ticket.root(), ticket.issued(), NOW)),
        holders: [Holder::current(ticket.key(), ticket.issued())].into(),
        state: State::Live,
        forebears: Vec::new(),
    }
}

/// The session with one thing in its data.
pub fn with_data(session: &Session, name: &str, value: &str) -> Session {
    let mut session = session.clone();
    let mut record = Record::clone(&session.record);
    record.data.insert(name, value.into());
    session.record = Arc::new(record);
    session
}

/// The session with a user.
pub fn with_user(session: &Session, id: &str) -> Session {
    let mut session = session.clone();
    let mut record = Record::clone(&session.record);
    record.user = Some(Box::new(User {
        id: id.to_owned(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".to_owned(),
        auth_time: NOW,
        entrance: None,
        grant: None,
    }));
    session.record = Arc::new(record);
    session
}

pub fn revision() -> Revision {
    Revision(u64::from_le_bytes(cloakroom::base::secret::random_bytes()))
}

/// Makes a row for `session`, filed under its tickets.
pub fn making(session: &Session) -> RowChange {
    RowChange {
        session: Arc::new(session.clone()),
        expected: None,
        revision: revision(),
        keep_until: after(3600),
        file: session.holders.iter().map(|holder| holder.key).collect(),
        unfile: Vec::new(),
    }
}

/// Writes `session` over the row that `expected` made.
pub fn changing(session: &Session, expected: Revision) -> RowChange {
    RowChange {
        expected: Some(expected),
        file: Vec::new(),
        ..making(session)
    }
}

pub fn writing(rows: Vec<RowChange>) -> Writing {
    Writing {
        now: NOW,
        issued: None,
        rows,
    }
}

/// Writes one row and tells its revision.
pub async fn make(driver: &PostgresDriver, session: &Session) -> Revision {
    let row = making(session);
    let revision = row.revision;
    assert_eq!(
        driver.write(&writing(vec![row])).await.unwrap(),
        Written::Done
    );
    revision
}

pub async fn find(driver: &PostgresDriver, key: &TicketKey) -> Result<Found, StoreFault> {
    driver.find(key, NOW).await
}

/// The session that `key` leads to.
pub async fn found(driver: &PostgresDriver, key: &TicketKey) -> Option<Session> {
    let row = find(driver, key).await.unwrap().row?;
    Some(Session::clone(&row.session))
}
