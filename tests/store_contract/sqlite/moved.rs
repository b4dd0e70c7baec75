//! The file is moved, deleted or replaced while it is open.

use std::fs;
use std::path::{Path, PathBuf};

use cloakroom::session::{Outcome, Ticket, UserKey};
use cloakroom::store::sqlite::SqliteStore;
use cloakroom::store::{Catalogue, Store, StoreFault};
use tempfile::TempDir;

use crate::rig::*;

const FILES: [&str; 3] = ["sessions.db", "sessions.db-wal", "sessions.db-shm"];

/// Moves the database with all its files.
fn move_away(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in FILES {
        let _ = fs::rename(from.join(name), to.join(name));
    }
}

fn opened() -> (TempDir, PathBuf, SqliteStore) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    (folder, path, store)
}

/// Nothing is answered: not from memory for long, and no change is taken.
async fn assert_out(store: &SqliteStore, ticket: &Ticket) {
    let commit = store.commit(request(ticket, set("lost", "1"), START)).await;
    assert!(matches!(commit, Err(StoreFault::Moved)), "{commit:?}");
    let is_out = async || matches!(store.open(ticket, START).await, Err(StoreFault::Moved));
    within_a_second("the outage", is_out).await;
    let unknown = store.open(&Ticket::mint(START), START).await;
    assert!(matches!(unknown, Err(StoreFault::Moved)), "{unknown:?}");
    let list = store.of_user(&UserKey::of(None, "alice"), START).await;
    assert!(matches!(list, Err(StoreFault::Moved)));
    let ended = store.end(&ticket.key(), START).await;
    assert!(matches!(ended, Err(StoreFault::Moved)));
}

#[tokio::test]
async fn a_database_that_was_moved_is_an_outage_until_it_is_back() {
    let (folder, path, store) = opened();
    let ticket = stored_session(&store).await;
    let away = folder.path().join("away");
    move_away(folder.path(), &away);

    assert_out(&store, &ticket).await;
    let lost = raw(&away.join("sessions.db")).query_row(
        "SELECT count(*) FROM sessions WHERE record LIKE '%lost%'",
        [],
        |row| row.get::<_, i64>(0),
    );
    assert_eq!(lost.unwrap(), 0);

    move_away(&away, folder.path());
    let committed = commit(&store, &ticket, set("back", "1"), START).await;
    assert!(matches!(committed.outcome, Outcome::Applied(_)));
    record_of(open(&store, &ticket, START).await);
    assert_eq!(rows_of(&path), 1);
}

#[tokio::test]
async fn a_database_that_was_deleted_or_replaced_is_an_outage_until_a_restart() {
    for replaced in [false, true] {
        let (folder, path, store) = opened();
        let ticket = stored_session(&store).await;
        for name in FILES {
            let _ = fs::remove_file(folder.path().join(name));
        }
        if replaced {
            drop(open_sqlite(&path).unwrap());
        }
        assert_out(&store, &ticket).await;
        drop(store);
        let store = open_sqlite(&path).unwrap();
        stored_session(&store).await;
        assert_eq!(rows_of(&path), 1);
    }
}

/// Without anybody who commits, the watch notices.
#[tokio::test]
async fn readers_alone_notice_too() {
    let (folder, _, store) = opened();
    let ticket = stored_session(&store).await;
    record_of(open(&store, &ticket, START).await);
    move_away(folder.path(), &folder.path().join("away"));
    let is_out = async || matches!(store.open(&ticket, START).await, Err(StoreFault::Moved));
    within_a_second("the outage", is_out).await;
}
