//! A database of the first schema version, and a gateway of that version that runs on beside this one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom::base::clock::Time;
use cloakroom::session::{Closed, KeyId, Opening, Outcome, Session, Ticket, Turn, UserKey, stored};
use cloakroom::store::sqlite::{SCHEMA_VERSION, SqliteSettings, SqliteStore};
use cloakroom::store::{Catalogue, Node, Store};
use rusqlite::params;
use tempfile::TempDir;

use crate::rig::*;

/// As version 1 made it. Never edited.
const VERSION_1: &str = "
    CREATE TABLE sessions (
        id         INTEGER PRIMARY KEY,
        keep_until INTEGER NOT NULL,  -- milliseconds since 1970; a sweep may take the row afterwards
        record     TEXT NOT NULL      -- JSON
    ) STRICT;
    CREATE INDEX sessions_by_keep_until ON sessions (keep_until);
    CREATE TABLE tickets (
        key     BLOB PRIMARY KEY,     -- a one-way hash of the ticket
        session INTEGER NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tickets_by_session ON tickets (session);
    PRAGMA application_id = 1668050795;
    PRAGMA user_version = 1;
";

/// What version 1 did to file a session.
fn file_as_version_1(path: &Path, session: &Session) {
    let database = raw(path);
    let text = stored::write(session).unwrap();
    // Records of version 1 did not say when a ticket was issued.
    let issued = format!(",\"issued\":{}", START.as_millis());
    let text = text.replace("\"v\":2", "\"v\":1").replace(&issued, "");
    assert!(
        text.starts_with("{\"v\":1,") && !text.contains("issued"),
        "{text}"
    );
    let keep_until = i64::try_from(after(7200).as_millis()).unwrap();
    let sql = "INSERT INTO sessions (keep_until, record) VALUES (?1, ?2)";
    database.execute(sql, params![keep_until, text]).unwrap();
    let id = database.last_insert_rowid();
    for holder in &session.holders {
        let sql = "INSERT INTO tickets (key, session) VALUES (?1, ?2)";
        database
            .execute(sql, params![&holder.key.0[..], id])
            .unwrap();
    }
}

/// A session of `id`'s, as an engine would make it, and its ticket.
async fn session_of(id: &str) -> (Ticket, Session) {
    let rig = crate::local::memory();
    let login = commit(&*rig.store, &Ticket::mint(START), log_in(id), START).await;
    let ticket = login.ticket.unwrap();
    let found = rig.store.catalogue().unwrap().find(&ticket.key()).await;
    (ticket, found.unwrap().unwrap())
}

fn version_1() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let database = raw(&path);
    database.pragma_update(None, "journal_mode", "WAL").unwrap();
    database.execute_batch(VERSION_1).unwrap();
    (folder, path)
}

async fn has_one_session(store: &dyn Store, id: &str) -> bool {
    let list = store.catalogue().unwrap();
    let user = UserKey::of(None, id);
    list.of_user(&user, START).await.unwrap().len() == 1
}

#[tokio::test]
async fn what_version_1_kept_is_there_after_the_migration() {
    let (_folder, path) = version_1();
    let (alices, session) = session_of("alice").await;
    file_as_version_1(&path, &session);
    let (torn, session) = session_of("bob").await;
    file_as_version_1(&path, &session);
    raw(&path)
        .execute(
            "UPDATE sessions SET record = substr(record, 1, 50) WHERE id = 2",
            [],
        )
        .unwrap();

    for _ in 0..2 {
        let store = open_sqlite(&path).unwrap();
        let record = record_of(open(&store, &alices, START).await);
        assert_eq!(record.user.as_ref().unwrap().id, "alice");
        assert!(has_one_session(&store, "alice").await);
        assert!(!has_one_session(&store, "bob").await);
        assert!(
            store.open(&torn, START).await.is_err(),
            "still a fault of its own"
        );
        let page = store.page(None, 10).await.unwrap();
        assert_eq!((page.sessions.len(), page.unreadable), (1, 1));
        // It may have known any ticket that was ever issued.
        assert_eq!(store.born(), Time::from_secs(0));
        let old = Ticket::mint(after(60));
        assert!(matches!(
            open(&store, &old, after(61)).await,
            Opening::Vacant
        ));
    }
    let version: i32 = raw(&path)
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    let store = open_sqlite(&path).unwrap();
    commit(&store, &alices, put("sid"), after(1)).await;
    assert!(store.end(&alices.key(), after(2)).await.unwrap());
    drop(store);
    assert_eq!(indexed_of(&path), 0);
}

#[tokio::test]
async fn what_a_gateway_of_version_1_writes_beside_this_one_is_indexed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    let (alices, session) = session_of("alice").await;
    file_as_version_1(&path, &session);
    // The next transaction notices.
    stored_session(&store).await;
    assert!(has_one_session(&store, "alice").await);
    let ended = commit(&store, &alices, turn(Turn::End), after(1)).await;
    assert_eq!(ended.outcome, Outcome::Ended);
    assert_eq!(indexed_of(&path), 0);

    drop(store);
    let (_, session) = session_of("bob").await;
    file_as_version_1(&path, &session);
    let store = open_sqlite(&path).unwrap();
    assert!(has_one_session(&store, "bob").await, "noticed at the start");
}

#[tokio::test]
async fn a_new_database_knows_since_when_it_remembers() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let ticket = {
        let store = open_sqlite(&path).unwrap();
        let ticket = Ticket::mint(after(5));
        commit(&store, &ticket, set("a", "1"), after(5)).await;
        commit(&store, &ticket, turn(Turn::End), after(6)).await;
        ticket
    };
    for name in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let settings = SqliteSettings::new(&path, Duration::from_secs(10));
    for opened_at in [after(10), after(1000)] {
        let store = SqliteStore::open(&settings, terms(), opened_at).unwrap();
        assert_eq!(store.born(), after(10), "written down by the first");
        // From the cache, and from the database.
        for _ in 0..2 {
            assert_closed(&open(&store, &ticket, after(1001)).await, Closed::Unknown);
        }
        let late = commit(&store, &ticket, set("a", "1"), after(1001)).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::Unknown));
        let fresh = Ticket::mint(after(10));
        assert!(matches!(
            open(&store, &fresh, after(11)).await,
            Opening::Vacant
        ));
    }
}

#[tokio::test]
async fn the_processes_on_one_database_meet_each_other() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let stores = [open_sqlite(&path).unwrap(), open_sqlite(&path).unwrap()];
    let node = |id: &str| Node {
        id: id.into(),
        seen: START,
        session_ids: KeyId([9; 4]),
        keys: Vec::new(),
    };
    let ids = async |number: usize, id: &str, now| {
        let nodes = stores[number].announce(node(id), now).await.unwrap();
        nodes.into_iter().map(|node| node.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(0, "a", START).await, ["a"]);
    assert_eq!(ids(1, "b", after(5)).await, ["a", "b"]);
    assert_eq!(ids(0, "a", after(30)).await, ["a", "b"]);
    assert_eq!(ids(0, "a", after(36)).await, ["a"], "b is gone");
}
