//! Promise: every engine keeps the consistency contract (DESIGN section 4). One suite, run over each engine; what only
//! a durable engine can promise, and what only SQLite can suffer, follows at the end.
//!
//! Time is an argument here, so nothing waits for it to pass. Parallel means threads, each with a runtime of its own,
//! as in the gateway.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use cloakroom::base::clock::{Stopwatch, Time};
use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::base::secret::Secret;
use cloakroom::session::{
    Change, Closed, Commit, Committed, DataEdit, JarEdit, KeyRing, Opening, Outcome, Reading,
    Record, Standing, Terms, Ticket, TicketKey, Turn, User,
};
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore, StoreOpenFault};
use cloakroom::store::{Answer, Store, StoreFault};
use rusqlite::Connection;
use tempfile::TempDir;

const START: Time = Time::from_secs(1_800_000_000);
const GRACE: Duration = Duration::from_secs(10);

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: GRACE,
        max_bytes: 64 << 10,
        jar_cookies_max: 300,
    }
}

fn after(secs: u64) -> Time {
    START.plus(Duration::from_secs(secs))
}

// === the rig ===

/// One engine, empty.
struct Rig {
    engine: &'static str,
    store: Arc<dyn Store>,
    /// How many tickets it knows.
    rows: Box<dyn Fn() -> usize>,
    _folder: Option<TempDir>,
}

impl Rig {
    fn memory() -> Self {
        let store = MemoryStore::new(terms());
        let counted = store.clone();
        Self {
            engine: "memory",
            store: Arc::new(store),
            rows: Box::new(move || counted.tickets()),
            _folder: None,
        }
    }

    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("sessions.db");
        let store = open_sqlite(&path).unwrap();
        Self {
            engine: "sqlite",
            store: Arc::new(store),
            rows: Box::new(move || rows_of(&path)),
            _folder: Some(folder),
        }
    }

    /// Every engine. Its name is printed, so that a failure tells whose it is.
    fn each() -> impl Iterator<Item = Self> {
        [Self::memory as fn() -> Self, Self::sqlite]
            .into_iter()
            .map(|make| {
                let rig = make();
                println!("engine: {}", rig.engine);
                rig
            })
    }
}

fn open_sqlite(path: &Path) -> Result<SqliteStore, StoreOpenFault> {
    let settings = SqliteSettings::new(path, Duration::from_secs(10));
    SqliteStore::open(&settings, terms())
}

fn rows_of(path: &Path) -> usize {
    let count = |table: &str| {
        let sql = format!("SELECT count(*) FROM {table}");
        raw(path)
            .query_row(&sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    let (tickets, sessions) = (count("tickets"), count("sessions"));
    assert!(sessions <= tickets, "no session is without a ticket");
    usize::try_from(tickets).unwrap()
}

/// The database as an operator's tool sees it.
fn raw(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(5)).unwrap();
    connection
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs `work` on as many threads at once and returns what each of them returned.
fn in_parallel<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let line = Barrier::new(threads);
    std::thread::scope(|scope| {
        let (line, work) = (&line, &work);
        let started: Vec<_> = (0..threads)
            .map(|number| {
                scope.spawn(move || {
                    line.wait();
                    work(number)
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

async fn open(store: &dyn Store, ticket: &Ticket, now: Time) -> Opening {
    store.open(&ticket.key(), now).await.unwrap()
}

#[track_caller]
fn record_of(opening: Opening) -> Arc<Record> {
    match opening {
        Opening::Open { record, .. } => record,
        other => panic!("the ticket should open a session: {other:?}"),
    }
}

#[track_caller]
fn assert_closed(opening: &Opening, why: Closed) {
    assert!(
        matches!(opening, Opening::Closed(found) if *found == why),
        "{opening:?} instead of {why:?}"
    );
}

async fn commit(store: &dyn Store, ticket: &Ticket, change: Change, now: Time) -> Committed {
    store.commit(request(ticket, change, now)).await.unwrap()
}

fn request(ticket: &Ticket, change: Change, now: Time) -> Commit {
    Commit {
        ticket: ticket.clone(),
        next: Ticket::mint(now),
        change,
        now,
    }
}

/// A session with one key in its data, and its ticket as the visitor now has it.
async fn stored_session(store: &dyn Store) -> Ticket {
    let fresh = Ticket::mint(START);
    let committed = commit(store, &fresh, set("a", "1"), START).await;
    committed.ticket.unwrap()
}

fn set(key: &str, value: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), value.into())],
        ..Change::default()
    }
}

fn put(name: &str) -> Change {
    let cookie = KeptCookie {
        identity: CookieIdentity {
            name: name.into(),
            domain: "shop.example".into(),
            path: "/".into(),
        },
        value: b"v".to_vec(),
        host_only: true,
        expires: None,
        created: START,
        same_site: None,
    };
    let site = "shop".into();
    Change {
        cookies: vec![JarEdit::Put { site, cookie }],
        ..Change::default()
    }
}

fn turn(turn: Turn) -> Change {
    Change {
        turn,
        ..Change::default()
    }
}

fn log_in(id: &str) -> Change {
    let user = User {
        id: id.into(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".into(),
        auth_time: START,
    };
    turn(Turn::LogIn {
        user: Box::new(user),
        carry: true,
    })
}

// === every engine: no lost update ===

#[test]
fn a_hundred_parallel_changes_of_one_session_all_survive() {
    for rig in Rig::each() {
        let ticket = block_on(stored_session(&*rig.store));
        in_parallel(100, |number| {
            let change = Change {
                cookies: put(&format!("c{number}")).cookies,
                ..set(&format!("k{number}"), "v")
            };
            let committed = block_on(commit(&*rig.store, &ticket, change, START));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
            // Read your writes.
            let record = record_of(block_on(open(&*rig.store, &ticket, START)));
            assert!(record.data.contains_key(&format!("k{number}")));
        });
        let record = record_of(block_on(open(&*rig.store, &ticket, START)));
        assert_eq!(record.data.len(), 101);
        assert_eq!(record.jar("shop").len(), 100);
    }
}

#[test]
fn fifty_parallel_first_changes_meet_in_one_session() {
    for rig in Rig::each() {
        let fresh = Ticket::mint(START);
        let given = in_parallel(50, |number| {
            block_on(commit(
                &*rig.store,
                &fresh,
                put(&format!("c{number}")),
                START,
            ))
            .ticket
        });
        assert!(
            given
                .iter()
                .all(|ticket| *ticket == Some(fresh.marked_stored()))
        );
        let record = record_of(block_on(open(&*rig.store, &fresh, START)));
        assert_eq!(record.jar("shop").len(), 50);
        assert_eq!((rig.rows)(), 1);
    }
}

// === every engine: what costs nothing ===

#[test]
fn twenty_thousand_unstored_tickets_cost_the_store_nothing() {
    for rig in Rig::each() {
        block_on(async {
            for _ in 0..20_000 {
                let opening = open(&*rig.store, &Ticket::mint(START), START).await;
                assert!(matches!(opening, Opening::Vacant));
            }
        });
        assert_eq!((rig.rows)(), 0);
    }
}

#[tokio::test]
async fn what_is_not_worth_a_record_makes_none() {
    for rig in Rig::each() {
        let fresh = Ticket::mint(START);
        let touch = Change {
            touch: true,
            ..Change::default()
        };
        let committed = commit(&*rig.store, &fresh, touch, START).await;
        assert!(matches!(committed.outcome, Outcome::Applied(_)));
        assert_eq!(committed.ticket, None);
        let too_large = set("big", &"x".repeat(70_000));
        let committed = commit(&*rig.store, &fresh, too_large, START).await;
        assert_eq!(committed.outcome, Outcome::TooLarge);
        let committed = commit(&*rig.store, &fresh.marked_stored(), set("a", "1"), START).await;
        assert_eq!(committed.outcome, Outcome::Dropped(Closed::Unknown));
        assert!(matches!(
            open(&*rig.store, &fresh, START).await,
            Opening::Vacant
        ));
        assert_eq!((rig.rows)(), 0);
    }
}

// === every engine: ends ===

#[tokio::test]
async fn after_a_flush_no_spelling_of_the_ticket_opens_anything() {
    for rig in Rig::each() {
        // Of a session that is stored, and of one that never was.
        for stored in [true, false] {
            let fresh = Ticket::mint(START);
            if stored {
                commit(&*rig.store, &fresh, set("a", "1"), START).await;
            }
            let ended = commit(&*rig.store, &fresh, turn(Turn::End), after(1)).await;
            assert_eq!((ended.outcome, ended.ticket), (Outcome::Ended, None));
            assert_closed(&open(&*rig.store, &fresh, after(1)).await, Closed::Ended);
            for ticket in [&fresh, &fresh.marked_stored()] {
                let late = commit(&*rig.store, ticket, put("late"), after(2)).await;
                assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
            }
        }
    }
}

#[tokio::test]
async fn after_a_login_the_old_ticket_sees_the_old_state_for_the_grace_and_then_nothing() {
    for rig in Rig::each() {
        for fresh in [Ticket::mint(START), stored_session(&*rig.store).await] {
            let login = commit(&*rig.store, &fresh, log_in("alice"), after(1)).await;
            let new = login.ticket.unwrap();
            commit(&*rig.store, &new, put("sid"), after(2)).await;

            let late = commit(&*rig.store, &fresh, put("planted"), after(3)).await;
            assert_eq!(late.outcome, Outcome::Dropped(Closed::Superseded));
            match open(&*rig.store, &fresh, after(3)).await {
                Opening::Open { record, standing } => {
                    assert_eq!(standing, Standing::Frozen);
                    assert_eq!(record.user, None);
                    assert!(record.jar("shop").is_empty());
                }
                other => panic!("{other:?}"),
            }
            assert_closed(
                &open(&*rig.store, &fresh, after(11)).await,
                Closed::Superseded,
            );
            let record = record_of(open(&*rig.store, &new, after(11)).await);
            assert_eq!(record.user.as_ref().map(|user| &user.id[..]), Some("alice"));
            assert_eq!(record.jar("shop").len(), 1);
        }
    }
}

#[tokio::test]
async fn a_flush_ends_the_state_from_before_the_login_too() {
    for rig in Rig::each() {
        let first = stored_session(&*rig.store).await;
        let login = commit(&*rig.store, &first, log_in("alice"), after(1)).await;
        let second = login.ticket.unwrap();
        let login = commit(&*rig.store, &second, log_in("alice"), after(2)).await;
        let third = login.ticket.unwrap();
        commit(&*rig.store, &third, turn(Turn::End), after(3)).await;
        for ticket in [first, second, third] {
            assert_closed(&open(&*rig.store, &ticket, after(3)).await, Closed::Ended);
        }
    }
}

#[test]
fn whatever_races_with_a_flush_the_session_stays_ended() {
    for rig in Rig::each() {
        for _ in 0..10 {
            let ticket = block_on(stored_session(&*rig.store));
            in_parallel(8, |number| {
                let change = match number {
                    0 => turn(Turn::End),
                    1 => turn(Turn::Rotate),
                    _ => put(&format!("c{number}")),
                };
                let committed = block_on(commit(&*rig.store, &ticket, change, START));
                if number > 1 {
                    let outcome = &committed.outcome;
                    let fine = matches!(
                        outcome,
                        Outcome::Applied(_) | Outcome::Dropped(Closed::Ended)
                    );
                    assert!(fine, "{outcome:?}");
                }
                if let Some(new) = committed.ticket {
                    block_on(commit(&*rig.store, &new, turn(Turn::End), START));
                }
            });
            assert_closed(&block_on(open(&*rig.store, &ticket, START)), Closed::Ended);
        }
    }
}

#[tokio::test]
async fn what_is_over_is_refused_without_a_sweep() {
    for rig in Rig::each() {
        let ticket = stored_session(&*rig.store).await;
        assert!(matches!(
            open(&*rig.store, &ticket, after(3599)).await,
            Opening::Open { .. }
        ));
        assert_closed(
            &open(&*rig.store, &ticket, after(3600)).await,
            Closed::IdleExpired,
        );
        let late = commit(&*rig.store, &ticket, set("b", "2"), after(3600)).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::IdleExpired));
        let in_2039 = Time::from_secs(2_177_452_800);
        assert_closed(
            &open(&*rig.store, &ticket, in_2039).await,
            Closed::AbsoluteExpired,
        );
    }
}

// === every engine: rotation ===

#[test]
fn a_rotation_among_fifty_requests_gives_one_new_ticket_and_loses_nothing() {
    for rig in Rig::each() {
        let ticket = block_on(stored_session(&*rig.store));
        let given = in_parallel(50, |number| {
            let mut change = put(&format!("c{number}"));
            if number % 10 == 0 {
                change.turn = Turn::Rotate;
            }
            let committed = block_on(commit(&*rig.store, &ticket, change, START));
            assert!(matches!(committed.outcome, Outcome::Applied(_)));
            committed.ticket
        });
        let given: Vec<_> = given.into_iter().flatten().collect();
        let [new] = &given[..] else {
            panic!("one rotation counts, not {}", given.len());
        };
        let record = record_of(block_on(open(&*rig.store, new, after(20))));
        assert_eq!(record.jar("shop").len(), 50);
        assert_closed(
            &block_on(open(&*rig.store, &ticket, START.plus(GRACE))),
            Closed::Superseded,
        );
    }
}

#[tokio::test]
async fn a_fresh_ticket_that_is_in_use_is_never_adopted() {
    for rig in Rig::each() {
        let somebody_elses = stored_session(&*rig.store).await;
        let stored = stored_session(&*rig.store).await;
        let rows = (rig.rows)();
        for mine in [&stored, &Ticket::mint(START)] {
            for change in [turn(Turn::Rotate), log_in("alice")] {
                let mut request = request(mine, change, START);
                request.next = somebody_elses.clone();
                let answer = rig.store.commit(request).await;
                assert!(matches!(answer, Err(StoreFault::TicketInUse)), "{answer:?}");
            }
        }
        assert_eq!((rig.rows)(), rows, "nothing was done");
        let standing = match open(&*rig.store, &stored, after(60)).await {
            Opening::Open { standing, .. } => standing,
            other => panic!("{other:?}"),
        };
        assert_eq!(standing, Standing::Current);
        let record = record_of(open(&*rig.store, &somebody_elses, START).await);
        assert_eq!(record.root, somebody_elses.root());
    }
}

// === every engine: sweeping and limits ===

#[tokio::test]
async fn a_sweep_takes_what_is_over_in_small_steps_and_nothing_else() {
    for rig in Rig::each() {
        let mut over = Vec::new();
        for _ in 0..25 {
            over.push(stored_session(&*rig.store).await);
        }
        let rotated = commit(&*rig.store, &over[0], turn(Turn::Rotate), START).await;
        over.push(rotated.ticket.unwrap());
        commit(&*rig.store, &over[1], turn(Turn::End), START).await;
        let login = commit(&*rig.store, &over[2], log_in("alice"), after(3600 - 1)).await;
        let alive = login.ticket.unwrap();

        assert_eq!(
            rig.store.sweep(after(3600), 100).await.unwrap(),
            0,
            "not yet"
        );
        let now = after(3600 + 60);
        assert_eq!(rig.store.sweep(now, 10).await.unwrap(), 10);
        assert_eq!(rig.store.sweep(now, 10).await.unwrap(), 10);
        let rest = rig.store.sweep(now, 10).await.unwrap();
        // The session that froze a moment ago is over a moment later.
        let last = rig.store.sweep(after(3600 + 70), 10).await.unwrap();
        assert_eq!(rest + last, 5);
        assert_eq!(rig.store.sweep(after(3600 + 70), 10).await.unwrap(), 0);

        assert_eq!((rig.rows)(), 1);
        record_of(open(&*rig.store, &alive, now).await);
        for ticket in over {
            let opening = open(&*rig.store, &ticket, now).await;
            assert!(matches!(opening, Opening::Vacant | Opening::Closed(_)));
            let late = commit(&*rig.store, &ticket, set("b", "2"), now).await;
            assert!(matches!(late.outcome, Outcome::Dropped(_)), "{late:?}");
        }
    }
}

#[tokio::test]
async fn a_session_past_its_limit_keeps_its_old_state() {
    for rig in Rig::each() {
        let ticket = stored_session(&*rig.store).await;
        let big = set("big", &"x".repeat(70_000));
        let committed = commit(&*rig.store, &ticket, big, START).await;
        assert_eq!(committed.outcome, Outcome::TooLarge);
        let record = record_of(open(&*rig.store, &ticket, START).await);
        assert_eq!(record.data.len(), 1);
    }
}

// === every engine: the same answers ===

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }

    fn change(&mut self) -> Change {
        let name = format!("n{}", self.roll(4));
        match self.roll(10) {
            0..3 => set(&name, "v"),
            3..6 => put(&name),
            6 => turn(Turn::Rotate),
            7 => log_in(["alice", "bob"][self.roll(2)]),
            8 => turn(Turn::End),
            _ => Change {
                touch: true,
                ..Change::default()
            },
        }
    }
}

#[tokio::test]
async fn whatever_happens_the_engines_answer_alike() {
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let (one, other) = (Rig::memory(), Rig::sqlite());
        let mut now = START;
        let mut tickets: Vec<_> = (0..3).map(|_| Ticket::mint(now)).collect();
        for step in 0..80 {
            let span = [0, 0, 1, 4, 12, 1300][dice.roll(6)];
            now = now.plus(Duration::from_secs(span));
            let request = request(&tickets[dice.roll(tickets.len())], dice.change(), now);
            let committed = one.store.commit(request.clone()).await.unwrap();
            assert_eq!(
                committed,
                other.store.commit(request).await.unwrap(),
                "seed {seed}, step {step}"
            );
            tickets.extend(committed.ticket);
            for ticket in &tickets {
                let opening = open(&*one.store, ticket, now).await;
                assert_eq!(
                    shown(opening),
                    shown(open(&*other.store, ticket, now).await),
                    "seed {seed}, step {step}"
                );
            }
            if dice.roll(10) == 0 {
                let swept = one.store.sweep(now, 100).await.unwrap();
                assert_eq!(swept, other.store.sweep(now, 100).await.unwrap());
            }
            assert_eq!((one.rows)(), (other.rows)(), "seed {seed}, step {step}");
        }
    }
}

/// What the visitor sees. Why there is nothing to see, an engine may have forgotten.
fn shown(opening: Opening) -> Option<(Arc<Record>, Standing)> {
    match opening {
        Opening::Open { record, standing } => Some((record, standing)),
        Opening::Vacant | Opening::Closed(_) => None,
    }
}

// === SQLite: durable ===

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
    let text = ring.encode(&ticket);
    // The random part begins at the 15th byte of a ticket, so this lies wholly in it.
    let secret = &text.as_bytes()[24..56];
    assert!(!bytes.windows(secret.len()).any(|window| window == secret));
    let key = &ticket.key().0;
    assert!(bytes.windows(key.len()).any(|window| window == key));
}

const CHILD_PATH: &str = "CLOAKROOM_TEST_KILLED_STORE";

fn ring() -> KeyRing {
    KeyRing::new(&[Secret::new([7; 32])]).unwrap()
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
            block_on(commit(&store, &ticket, put("sid"), START));
            println!("durable {}", *ring.encode(&ticket));
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
                "child_that_writes_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD_PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map_while(Result::ok) {
            if let Some((_, text)) = line.split_once("durable ")
                && let Reading::Genuine(ticket) = ring.read(text.as_bytes())
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
        });
    }
}

// === SQLite: several processes ===

/// Asks again until `is_there`, for a second at most; tells how long it took.
async fn within_a_second(what: &str, mut is_there: impl AsyncFnMut() -> bool) -> Duration {
    let watch = Stopwatch::start();
    while !is_there().await {
        assert!(
            watch.elapsed() < Duration::from_secs(1),
            "not within a second: {what}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    watch.elapsed()
}

#[tokio::test]
async fn what_one_process_ends_the_other_refuses_within_a_second() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let (here, there) = (open_sqlite(&path).unwrap(), open_sqlite(&path).unwrap());
    for _ in 0..5 {
        let ticket = stored_session(&here).await;
        record_of(open(&here, &ticket, START).await);
        commit(&there, &ticket, turn(Turn::End), START).await;
        let ended = async || {
            matches!(
                open(&here, &ticket, START).await,
                Opening::Closed(Closed::Ended)
            )
        };
        let took = within_a_second("the end", ended).await;
        println!("refused after {took:?}");
        let late = commit(&here, &ticket, put("late"), START).await;
        assert_eq!(late.outcome, Outcome::Dropped(Closed::Ended));
    }
}

#[tokio::test]
async fn what_one_process_writes_the_other_merges_at_once_and_sees_within_a_second() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let (here, there) = (open_sqlite(&path).unwrap(), open_sqlite(&path).unwrap());
    let fresh = Ticket::mint(START);
    // A negative entry: known here as unknown.
    assert!(matches!(open(&here, &fresh, START).await, Opening::Vacant));
    commit(&there, &fresh, put("there"), START).await;
    // Never used when committing: this meets the other's session.
    let committed = commit(&here, &fresh, put("here"), START).await;
    let Outcome::Applied(record) = committed.outcome else {
        panic!("{committed:?}");
    };
    assert_eq!(record.jar("shop").len(), 2);
    commit(&there, &fresh, put("there again"), START).await;
    let all = async || {
        record_of(open(&here, &fresh, START).await)
            .jar("shop")
            .len()
            == 3
    };
    within_a_second("the change", all).await;
}

#[test]
fn parallel_changes_over_two_processes_all_survive() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let stores = [open_sqlite(&path).unwrap(), open_sqlite(&path).unwrap()];
    let fresh = Ticket::mint(START);
    in_parallel(100, |number| {
        let change = put(&format!("c{number}"));
        block_on(commit(&stores[number % 2], &fresh, change, START));
    });
    for store in &stores {
        let all = async || {
            record_of(open(store, &fresh, START).await)
                .jar("shop")
                .len()
                == 100
        };
        block_on(within_a_second("all cookies", all));
    }
    assert_eq!(rows_of(&path), 1);
}

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
    let gone = async || matches!(open(&store, &ticket, START).await, Opening::Vacant);
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
        let at_once = async || matches!(store.open(&ticket.key(), START), Answer::Now(_));
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
    let store = SqliteStore::open(&settings, terms()).unwrap();
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
                        assert_eq!(record.data["round"], value.as_str());
                    } else {
                        open(&store, ticket, START).await;
                    }
                }
            }
        });
    });
}

// === SQLite: faults ===

fn impatient(path: &Path) -> SqliteStore {
    let settings = SqliteSettings {
        queue_max: 2,
        ..SqliteSettings::new(path, Duration::from_millis(100))
    };
    SqliteStore::open(&settings, terms()).unwrap()
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
    let store = SqliteStore::open(&settings, terms()).unwrap();
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
    let answer = store.open(&torn.key(), START).await;
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
    let stranger = TicketKey([1; 32]);
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

// === SQLite: what cannot be opened ===

/// A database of ours with one session, after `spoil` had its way with it.
fn spoiled(spoil: impl FnOnce(&Path)) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("sessions.db");
    let store = open_sqlite(&path).unwrap();
    block_on(stored_session(&store));
    drop(store);
    spoil(&path);
    (folder, path)
}

#[track_caller]
fn refusal(path: &Path) -> StoreOpenFault {
    let settings = SqliteSettings::new(path, Duration::from_millis(50));
    match SqliteStore::open(&settings, terms()) {
        Ok(_) => panic!("this should not open"),
        Err(fault) => {
            let message = fault.to_string();
            let names_it = message.contains(&*path.parent().unwrap().to_string_lossy());
            assert!(names_it, "{message}");
            fault
        }
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, path) = spoiled(|path| raw(path).pragma_update(None, "user_version", 2).unwrap());
    let fault = refusal(&path);
    assert!(
        matches!(
            fault,
            StoreOpenFault::NewerSchema {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{fault:?}"
    );
    assert_eq!(rows_of(&path), 1);
}

#[test]
fn a_damaged_database_is_refused() {
    let (_folder, path) = spoiled(|path| {
        let mut bytes = std::fs::read(path).unwrap();
        // Everything past the first page, which holds the schema.
        bytes[4096..].fill(0x5a);
        std::fs::write(path, bytes).unwrap();
    });
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Corrupt { .. }), "{fault:?}");
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    let text = "# not a database at all\n".repeat(100);
    let (_folder, path) = spoiled(|path| std::fs::write(path, &text).unwrap());
    let fault = refusal(&path);
    assert!(
        matches!(fault, StoreOpenFault::NotADatabase { .. }),
        "{fault:?}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn the_database_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("other.db");
    raw(&path).execute("CREATE TABLE notes (text)", []).unwrap();
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Foreign { .. }), "{fault:?}");
}

#[test]
fn a_database_that_somebody_holds_is_refused_after_the_timeout() {
    let (_folder, path) = spoiled(|_| {});
    let holder = raw(&path);
    holder
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let fault = refusal(&path);
    assert!(matches!(fault, StoreOpenFault::Locked { .. }), "{fault:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let fault = refusal(&folder.path().join("file/sessions.db"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
    let fault = refusal(&folder.path().join("file/deeper/sessions.db"));
    assert!(matches!(fault, StoreOpenFault::Folder { .. }), "{fault:?}");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    let fault = refusal(&folder.path().join("dangling"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
    let fault = refusal(&folder.path().join("folder"));
    assert!(matches!(fault, StoreOpenFault::File { .. }), "{fault:?}");
}
