//! `cloakroom store`: what is in it, and the move to another.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::base::clock::{Clock, Time};
use cloakroom::run::StartFault;
use cloakroom::session::{Holder, Record, Session, State, Terms, Ticket, stored};
use cloakroom::store::Catalogue;
use cloakroom::store::sqlite::{SCHEMA_VERSION, SqliteSettings, SqliteStore};
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;

use crate::run;
use crate::support::servers::{Postgres, Redis};
use crate::support::{App, Gate, Reply, Setup, cloakroom, configuration, eventually};

/// A folder with a configuration, and a database `a.db` of so many sessions.
async fn folder_with(sessions: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    let nowhere = ([127, 0, 0, 1], 9).into();
    let text = configuration(nowhere, Setup::default()).replace("data/sessions.db", "a.db");
    fs::write(folder.path().join("cloakroom.toml"), text).unwrap();
    let now = Clock::system().now();
    let settings = SqliteSettings::new(folder.path().join("a.db"), Duration::from_secs(10));
    let store = SqliteStore::open(&settings, terms(), now).unwrap();
    let made: Vec<_> = (0..sessions).map(|_| session(now)).collect();
    for some in made.chunks(500) {
        store.take_over(some.to_vec(), now).await.unwrap();
    }
    folder
}

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: Duration::from_secs(10),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 300,
    }
}

fn session(now: Time) -> Session {
    let ticket = Ticket::mint(now);
    let mut record = Record::empty(ticket.root(), now, now);
    record.data.insert("theme", "dark".into());
    Session {
        record: Arc::new(record),
        holders: [Holder::current(ticket.key(), now)].into(),
        state: State::Live,
        forebears: Vec::new(),
    }
}

/// What the database holds, a line a session, in an order of its own.
fn content(path: &Path) -> Vec<String> {
    let database = Connection::open(path).unwrap();
    let mut list = database.prepare("SELECT record FROM sessions").unwrap();
    let rows = list.query_map([], |row| row.get(0)).unwrap();
    let mut rows: Vec<String> = rows.map(Result::unwrap).collect();
    rows.sort();
    rows
}

const COPY: [&str; 6] = ["store", "copy", "--from", "a.db", "--to", "sqlite:b.db"];

#[tokio::test]
async fn a_copy_that_was_killed_half_way_goes_on_and_loses_nothing() {
    let all = 8000;
    let folder = folder_with(all).await;
    let there = || {
        let database = Connection::open(folder.path().join("b.db")).ok()?;
        let sql = "SELECT count(*) FROM sessions";
        let count = database.query_row(sql, [], |row| row.get::<_, i64>(0));
        count.ok().and_then(|count| usize::try_from(count).ok())
    };
    let args = [&COPY[..], &["--config", "cloakroom.toml"]].concat();
    let mut copy: Command = cloakroom(folder.path(), &args);
    let mut copy = copy
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the first sessions come", async || {
        let made = folder.path().join("b.db").exists();
        there().filter(|count| made && *count > 0)
    })
    .await;
    copy.kill().unwrap();
    copy.wait().unwrap();
    let half = there().unwrap();
    assert!(half > 0 && half < all, "killed with {half}");

    let told = run(folder.path(), &COPY).fine();
    let rest = all - half;
    let expected = format!("{rest} of {all} sessions copied, {half} were there already");
    assert!(told.contains(&expected), "{told}");
    let before = content(&folder.path().join("a.db"));
    assert_eq!(content(&folder.path().join("b.db")), before);

    let told = run(folder.path(), &COPY).fine();
    assert!(
        told.contains(&format!("0 of {all} sessions copied")),
        "{told}"
    );
    assert_eq!(content(&folder.path().join("b.db")), before);
}

#[tokio::test]
async fn visitors_do_not_notice_the_move() {
    let app = App::answering(|seen| match seen.path() {
        "/login" => Reply::ok("welcome")
            .header("x-session-login", "\"alice\"")
            .header("set-cookie", "sid=kept; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let setup = Setup {
        site: "trust_directives = true",
        ..Setup::default()
    };
    let mut gate = Gate::with(&app, setup).await;
    let (alice, ended) = (gate.browser(), gate.browser());
    for browser in [&alice, &ended] {
        browser.post("/login", "").send().await;
        browser.get("/").send().await;
    }
    let id = app.last().header("x-session-id").unwrap();
    run(gate.folder(), &["sessions", "end", &id]).fine();
    assert!(gate.stop().await.success());

    let copy = [
        "store",
        "copy",
        "--from",
        "config:cloakroom.toml",
        "--to",
        "data/new.db",
    ];
    run(gate.folder(), &copy).fine();
    let file = gate.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("data/sessions.db", "data/new.db")).unwrap();
    gate.restart().await;

    alice.get("/").send().await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
    assert_eq!(seen.cookie("sid").as_deref(), Some("kept"));
    ended.get("/").send().await;
    assert_eq!(app.last().header("x-session-user"), None);
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_told_and_the_others_come() {
    let folder = folder_with(10).await;
    let database = Connection::open(folder.path().join("a.db")).unwrap();
    let tear = "UPDATE sessions SET record = substr(record, 1, 40) WHERE id IN (3, 7)";
    database.execute(tear, []).unwrap();

    run(folder.path(), &COPY).refused(1, "were not copied: 2");
    assert_eq!(content(&folder.path().join("b.db")).len(), 8);

    let told = run(folder.path(), &["store", "check", "--json"]);
    let counted: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!(
        (&counted["live"], &counted["unreadable"]),
        (&8.into(), &2.into())
    );
    told.refused(1, "cannot be read: 2");
    run(folder.path(), &["sessions", "sweep"]).fine();
}

#[tokio::test]
async fn a_check_tells_what_is_there() {
    let folder = folder_with(5).await;
    let now = Clock::system().now();
    let database = Connection::open(folder.path().join("a.db")).unwrap();
    // One has run out, long ago.
    let mut old = session(Time::from_secs(now.as_secs() - 90_000));
    Arc::make_mut(&mut old.record).user = None;
    let text = stored::write(&old).unwrap();
    database
        .execute("UPDATE sessions SET record = ?1 WHERE id = 1", [text])
        .unwrap();

    let told = run(folder.path(), &["store", "check"]).fine();
    for line in ["database", "schema version", "remembers since", "size"] {
        assert!(told.contains(line), "{told}");
    }
    let told = run(folder.path(), &["store", "check", "--json"]).fine();
    let counted: Value = serde_json::from_str(&told).unwrap();
    for (name, count) in [("live", 4), ("over", 1), ("ended", 0), ("unreadable", 0)] {
        assert_eq!(counted[name], count, "{name}");
    }
    assert_eq!(
        counted["facts"]["schema_version"],
        SCHEMA_VERSION.to_string()
    );
    assert!(counted["remembers_since"].is_string());

    // What is over is not copied.
    let told = run(folder.path(), &COPY).fine();
    assert!(
        told.starts_with("4 of 5 sessions copied, 0 were there already, 1 were over"),
        "{told}"
    );
}

#[tokio::test]
async fn a_check_tells_what_a_redis_server_might_lose() {
    let Some(redis) = Redis::with(&["appendonly no"]) else {
        return;
    };
    let folder = folder_with(0).await;
    let file = folder.path().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    let sqlite = "engine = \"sqlite\"\npath = \"a.db\"";
    assert!(text.contains(sqlite));
    let here = format!("engine = \"redis\"\nurl = \"{}\"", redis.url());
    fs::write(&file, text.replace(sqlite, &here)).unwrap();

    let told = run(folder.path(), &["store", "check"]).fine();

    assert!(told.contains("appendonly no"), "{told}");
}

#[tokio::test]
async fn a_database_that_another_program_has_locked_is_not_the_configurations_fault() {
    let folder = folder_with(1).await;
    let path = folder.path().join("a.db");
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let settings = SqliteSettings::new(&path, Duration::from_millis(100));

    let fault = SqliteStore::open(&settings, terms(), Clock::system().now());

    let fault = StartFault::from(fault.err().unwrap());
    assert!(fault.is_of_the_moment(), "{fault}");
}

/// A shell of SQLite's does not look after the tickets of a session that it deletes.
#[tokio::test]
async fn what_was_deleted_by_hand_stands_in_nobodys_way() {
    let folder = folder_with(0).await;
    let path = folder.path().join("a.db");
    let now = Clock::system().now();
    let settings = SqliteSettings::new(&path, Duration::from_secs(10));
    let store = SqliteStore::open(&settings, terms(), now).unwrap();
    let sessions = vec![session(now)];
    assert_eq!(store.take_over(sessions.clone(), now).await.unwrap(), 1);
    let shell = Connection::open(&path).unwrap();
    let by_hand = "PRAGMA foreign_keys = OFF; DELETE FROM sessions";
    shell.execute_batch(by_hand).unwrap();

    assert_eq!(store.take_over(sessions.clone(), now).await.unwrap(), 1);

    let key = sessions[0].holders[0].key;
    assert!(store.find(&key).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_no_password_is_printed() {
    let folder = folder_with(1).await;
    let copy = |from, to| {
        run(
            folder.path(),
            &["store", "copy", "--from", from, "--to", to],
        )
    };
    copy("a.db", "sqlite:./a.db").refused(2, "the same store");
    copy("no.db", "b.db").refused(1, "no session database");
    copy("config:no.toml", "b.db").refused(78, "no.toml");
    // Where nobody answers nothing is wrong with the configuration, and no line of it is named.
    let told = copy("redis://:hunter2@127.0.0.1:1", "b.db");
    assert!(!told.err.contains("hunter2") && !told.err.contains("cloakroom.toml"));
    told.refused(1, "cannot be reached");
    let told = copy("mysql://me:hunter2@host/db", "b.db");
    assert!(!told.err.contains("hunter2"));
    told.refused(2, "mysql://");
    fs::write(folder.path().join("text"), "not a database".repeat(100)).unwrap();
    copy("a.db", "text").refused(78, "is not a SQLite database");
    assert!(!folder.path().join("no.db").exists() && !folder.path().join("b.db").exists());
}

/// Over every kind of store that others can share, and back.
#[tokio::test]
async fn a_round_trip_through_redis_and_postgresql_brings_everything_back() {
    let (Some(redis), Some(postgres)) = (Redis::start(), Postgres::database()) else {
        return;
    };
    let folder = folder_with(1200).await;
    let (redis, postgres) = (redis.url(), postgres.url());
    let text = fs::read_to_string(folder.path().join("cloakroom.toml")).unwrap();
    let old = "engine = \"sqlite\"\npath = \"a.db\"";
    assert!(text.contains(old));
    let of_postgres = format!("engine = \"postgres\"\nurl = \"{postgres}\"");
    let of_postgres = text.replace(old, &of_postgres);
    fs::write(folder.path().join("postgres.toml"), of_postgres).unwrap();
    let migrate = ["store", "migrate", "--config", "postgres.toml"];
    let migrated = cloakroom(folder.path(), &migrate).status().unwrap();
    assert!(migrated.success());

    let ways = [
        ("a.db", &*redis),
        (&*redis, "config:postgres.toml"),
        (&*postgres, "b.db"),
    ];
    for (from, to) in ways {
        let copy = || {
            run(
                folder.path(),
                &["store", "copy", "--from", from, "--to", to],
            )
        };
        let told = copy().fine();
        assert!(told.starts_with("1200 of 1200 sessions copied"), "{told}");
        let told = copy().fine();
        assert!(told.starts_with("0 of 1200 sessions copied"), "{told}");
    }
    let before = content(&folder.path().join("a.db"));
    assert_eq!(content(&folder.path().join("b.db")), before);
}
