//! What was acknowledged is there, for its owner alone.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloakroom::base::secret::Secret;
use cloakroom::session::{
    Change, Closed, KeyRing, Opening, Place, Reading, RingKey, Standing, Ticket, Turn,
};
use tempfile::TempDir;

use crate::catalogue::the_index_agrees_with_the_sessions;
use crate::rig::*;

const PLACE: Place<'_> = Place::at("sid", "localhost");

#[tokio::test]
async fn a_reopened_database_has_everything() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("deep/er/sessions.db");
    let store = open_sqlite(&path).unwrap();
    let mut change = log_in("alice");
    change.cookies = put("sid").cookies;
    let before = stored_session(&store).await;
    let login = commit(&store, &before, change, START).await;
    let user = login.ticket.unwrap();
    let rotated = commit(&store, &user, turn(Turn::Rotate), START).await;
    let newest = rotated.ticket.unwrap();
    let ended = stored_session(&store).await;
    commit(&store, &ended, turn(Turn::End), START).await;
    let record = record_of(open(&store, &newest, START).await);
    drop(store);

    assert!(
        !folder.path().join("deep/er/sessions.db-wal").exists(),
        "folded in"
    );
    let store = open_sqlite(&path).unwrap();
    assert_eq!(record_of(open(&store, &newest, START).await), record);
    assert_eq!(record.jar("shop").len(), 1);
    assert_closed(&open(&store, &ended, START).await, Closed::Ended);
    let standing = |opening| match opening {
        Opening::Open { standing, .. } => standing,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        standing(open(&store, &before, START).await),
        Standing::Frozen
    );
    assert_eq!(
        standing(open(&store, &user, START).await),
        Standing::Retiring
    );
}

#[tokio::test]
async fn nobody_else_can_read_the_database() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data/sessions.db");
    let store = open_sqlite(&path).unwrap();
    stored_session(&store).await;
    let mode = |name: &str| {
        let path = folder.path().join("data").join(name);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(""), 0o700);
    for name in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_stolen_database_holds_no_ticket() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    let ring = ring();
    let ticket = stored_session(&store).await;
    drop(store);
    let bytes = std::fs::read(&path).unwrap();
    let text = ring.encode(&ticket, &PLACE, START);
    // The random part begins at the 15th byte of a ticket, so this lies wholly in it.
    let secret = &text.as_bytes()[24..56];
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    let key = &ticket.key().0;
    assert!(bytes.windows(key.len()).any(|window| window == key));
}

const CHILD_PATH: &str = "CLOAKROOM_TEST_KILLED_STORE";

fn ring() -> KeyRing {
    let key = RingKey {
        secret: Secret::new([7; 32]),
        created: START,
    };
    KeyRing::new(&[key], Duration::ZERO).unwrap()
}

/// Not a test by itself: the process that the next test kills. It prints each ticket once its session is durable.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_PATH) else {
        return;
    };
    let store = open_sqlite(Path::new(&path)).unwrap();
    in_parallel(8, |_| {
        let ring = ring();
        // An end, lest a child that nobody kills goes on for ever.
        for _ in 0..100_000 {
            let ticket = block_on(stored_session(&store));
            let login = Change {
                cookies: put("sid").cookies,
                ..log_in("alice")
            };
            let login = block_on(commit(&store, &ticket, login, START));
            println!(
                "durable {}",
                *ring.encode(&login.ticket.unwrap(), &PLACE, START)
            );
            let passer_by = block_on(commit(&store, &Ticket::mint(START), log_in("bob"), START));
            let passer_by = passer_by.ticket.unwrap();
            block_on(commit(&store, &passer_by, turn(Turn::End), START));
        }
    });
}

#[test]
fn a_kill_loses_nothing_that_was_acknowledged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let ring = ring();
    let mut acknowledged = Vec::new();
    for round in 1..=5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "sqlite::durable::child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, text)) = line.split_once("durable ")
                && let Reading::Genuine { ticket, .. } = ring.read(text.as_bytes(), &PLACE, START)
            {
                acknowledged.push(ticket);
                if acknowledged.len() == round * 100 {
                    // SIGKILL; what it printed until then is read to the end.
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        assert!(
            acknowledged.len() >= round * 100,
            "the child wrote too little"
        );

        let store = open_sqlite(&path).unwrap();
        block_on(async {
            for ticket in &acknowledged {
                let record = record_of(open(&store, ticket, START).await);
                assert_eq!(record.jar("shop").len(), 1);
            }
            the_index_agrees_with_the_sessions(&store, indexed_of(&path), START).await;
        });
    }
}
