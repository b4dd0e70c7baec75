//! What only several processes on one file can meet; the rest is in `nodes`.

use std::time::Duration;

use cloakroom::session::{Closed, Opening, Ticket};
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore};
use cloakroom::store::{Answer, Store};
use tempfile::TempDir;

use crate::rig::*;

#[tokio::test]
async fn an_end_by_hand_in_a_sqlite_shell_is_seen_within_a_second() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    let ticket = stored_session(&store).await;
    record_of(open(&store, &ticket, START).await);
    let shell = raw(&path);
    shell.pragma_update(None, "foreign_keys", true).unwrap();
    shell.execute("DELETE FROM sessions", []).unwrap();
    // Its ticket says that it is stored, so what the store does not know is closed to it.
    let gone = async || {
        matches!(
            open(&store, &ticket, START).await,
            Opening::Closed(Closed::Unknown)
        )
    };
    within_a_second("the deletion", gone).await;
    assert_eq!(rows_of(&path), 0);
}

#[tokio::test]
async fn what_this_process_wrote_or_asked_before_is_opened_without_waiting() {
    let folder = TempDir::new().unwrap();
    let store = open_sqlite(&folder.path().join("sessions.db")).unwrap();
    let written = stored_session(&store).await;
    let unknown = Ticket::mint(START);
    open(&store, &unknown, START).await;
    for ticket in [written, unknown] {
        // Its own later commits must not pass for somebody else's.
        stored_session(&store).await;
        let at_once = async || matches!(store.open(&ticket, START), Answer::Now(_));
        within_a_second("an answer at once", at_once).await;
    }
}

#[test]
fn a_cache_that_is_too_small_never_shows_an_older_state() {
    let folder = TempDir::new().unwrap();
    let settings = SqliteSettings {
        // A few sessions a shard, so that fills, evictions and writes meet all the time.
        cache_bytes: 64 * 1500,
        ..SqliteSettings::new(folder.path().join("sessions.db"), Duration::from_secs(10))
    };
    let store = SqliteStore::open(&settings, terms(), START).unwrap();
    let tickets: Vec<Vec<_>> = (0..4)
        .map(|_| (0..60).map(|_| Ticket::mint(START)).collect())
        .collect();
    in_parallel(8, |number| {
        let mine = &tickets[number % 4];
        block_on(async {
            for round in 0..20 {
                for ticket in mine {
                    // Half of the threads write, and see what they wrote; the others only stir the cache.
                    if number < 4 {
                        let value = round.to_string();
                        commit(&store, ticket, set("round", &value), START).await;
                        let record = record_of(open(&store, ticket, START).await);
                        assert_eq!(record.data.get("round").unwrap(), value.as_str());
                    } else {
                        open(&store, ticket, START).await;
                    }
                }
            }
        });
    });
}
