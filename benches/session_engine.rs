//! What sessions cost: opening one, keeping a million in memory, changing them durably. Every figure stands beside the
//! one that it is to be compared with, measured in the same run.
//!
//! `cargo bench --bench session_engine` does all of it; `-- open`, `-- memory`, `-- change` or `-- remote` one part.
//! The remote part starts a Redis and a PostgreSQL server of its own where they are installed.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a bench ends where its rig fails"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::any::Any;
use std::future::Future;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::base::clock::{Stopwatch, Time};
use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::session::{Change, Commit, DataEdit, JarEdit, Opening, Terms, Ticket};
use cloakroom::store::Store;
use cloakroom::store::memory::MemoryStore;
use cloakroom::store::postgres::{PostgresAddress, PostgresDriver, PostgresSettings, migrate};
use cloakroom::store::redis::{RedisAddress, RedisDriver};
use cloakroom::store::remote::{RemoteSettings, RemoteStore};
use cloakroom::store::sqlite::{SqliteSettings, SqliteStore};

use support::servers::{Postgres, Redis};

const NOW: Time = Time::from_secs(1_800_000_000);

/// Sessions that are opened in turn: more than the caches of a core hold.
const SESSIONS: usize = 20_000;
const OPENINGS: usize = 2_000_000;

/// The machine may be busy.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Changes under way at once, as on a busy gateway.
const IN_FLIGHT: usize = 256;
const CHANGES: usize = 40_000;

fn main() {
    let asked: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with("--"))
        .collect();
    let wanted = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        if wanted("open") {
            open().await;
        }
        if wanted("change") {
            change().await;
        }
        if wanted("remote") {
            remote().await;
        }
        if wanted("memory") {
            memory().await;
        }
    });
}

fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: Duration::from_secs(10),
        rotate_every: None,
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 180,
    }
}

/// What a small app leaves: a session cookie and a preference.
fn small_jar() -> Change {
    let cookie = |name: &str, value: &str| JarEdit::Put {
        site: "shop".into(),
        cookie: KeptCookie {
            identity: CookieIdentity {
                name: name.as_bytes().into(),
                domain: "shop.example.com".into(),
                path: "/".into(),
            },
            value: value.as_bytes().into(),
            host_only: true,
            expires: None,
            created: NOW,
            same_site: None,
            adopted: false,
        },
    };
    Change {
        cookies: vec![
            cookie("PHPSESSID", "8m2q1v0gkq3n6b1k0c5t4r7d2a"),
            cookie("lang", "en"),
        ],
        ..Change::default()
    }
}

fn commit(ticket: &Ticket, change: Change) -> Commit {
    Commit::new(ticket.clone(), change, NOW)
}

/// Runs `count` futures, [`IN_FLIGHT`] at a time, and tells how long all took.
async fn in_flight<F: Future>(count: usize, mut make: impl FnMut(usize) -> F) -> Duration {
    let watch = Stopwatch::start();
    let mut next = 0;
    let mut running: Vec<_> = Vec::new();
    while next < count || !running.is_empty() {
        while next < count && running.len() < IN_FLIGHT {
            running.push(Box::pin(make(next)));
            next += 1;
        }
        std::future::poll_fn(|cx| {
            let before = running.len();
            running.retain_mut(|future| future.as_mut().poll(cx).is_pending());
            if running.len() < before {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
    }
    watch.elapsed()
}

/// Tickets of as many stored sessions.
async fn filled(store: &dyn Store, count: usize) -> Vec<Ticket> {
    let tickets: Vec<_> = (0..count).map(|_| Ticket::mint(NOW)).collect();
    in_flight(count, |at| {
        let commit = store.commit(commit(&tickets[at], small_jar()));
        async move { drop(commit.await.unwrap()) }
    })
    .await;
    tickets.iter().map(Ticket::marked_stored).collect()
}

async fn nanos_per_open(store: &dyn Store, tickets: &[Ticket]) -> f64 {
    let opened = |opening: Opening| assert!(matches!(opening, Opening::Open { .. }));
    for ticket in tickets {
        opened(store.open(ticket, NOW).await.unwrap());
    }
    let before = cpu_nanos();
    for number in 0..OPENINGS {
        // A stride that visits all in an order that no cache foresees.
        let ticket = &tickets[number.wrapping_mul(7919) % tickets.len()];
        opened(black_box(store.open(ticket, NOW).await.unwrap()));
    }
    (cpu_nanos() - before) as f64 / OPENINGS as f64
}

/// What this process has used of its cores, in steps of a hundredth of a second: other programs do not count.
fn cpu_nanos() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10_000_000
}

async fn open() {
    println!("\nopening a live session: CPU time, {SESSIONS} sessions in turn");
    let memory = MemoryStore::new(terms(), NOW);
    let tickets = filled(&memory, SESSIONS).await;
    let of_memory = nanos_per_open(&memory, &tickets).await;
    println!("  memory                      {of_memory:7.0} ns    1.00");
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite(folder.path());
    let tickets = filled(&sqlite, SESSIONS).await;
    let of_sqlite = nanos_per_open(&sqlite, &tickets).await;
    println!(
        "  sqlite, known to the process {of_sqlite:6.0} ns    {:.2}",
        of_sqlite / of_memory
    );
}

fn sqlite(folder: &std::path::Path) -> SqliteStore {
    let settings = SqliteSettings::new(folder.join("sessions.db"), Duration::from_secs(10));
    SqliteStore::open(&settings, terms(), NOW).unwrap()
}

async fn change() {
    println!("\ndurable changes of one session each, {IN_FLIGHT} under way at once");
    let folder = tempfile::tempdir().unwrap();
    let sqlite = sqlite(folder.path());
    let per_sec = changes_per_sec(&sqlite).await;
    println!("  sqlite (WAL, FULL)          {per_sec:7.0} /s");
}

async fn changes_per_sec(store: &dyn Store) -> f64 {
    let tickets = filled(store, 10_000).await;
    let elapsed = in_flight(CHANGES, |number| {
        let ticket = &tickets[number % tickets.len()];
        let edit = DataEdit::Set("cart".into(), number.into());
        let change = Change {
            data: vec![edit],
            touch: true,
            ..Change::default()
        };
        let commit = store.commit(commit(ticket, change));
        async move { drop(commit.await.unwrap()) }
    })
    .await;
    CHANGES as f64 / elapsed.as_secs_f64()
}

async fn remote() {
    let memory = MemoryStore::new(terms(), NOW);
    let tickets = filled(&memory, SESSIONS).await;
    let of_memory = nanos_per_open(&memory, &tickets).await;
    println!(
        "\nremote stores on loopback, with a near cache; opening in memory: {of_memory:.0} ns"
    );
    for (name, store, _server) in remote_stores() {
        let tickets = filled(&*store, SESSIONS).await;
        let near = nanos_per_open(&*store, &tickets).await;
        println!(
            "  {name:10} near           {near:7.0} ns    {:.2}",
            near / of_memory
        );
        let changes = changes_per_sec(&*store).await;
        println!("  {name:10} changes        {changes:7.0} /s");
    }
}

/// What the store is called, the store, and the server that it needs.
type Remote = (&'static str, Arc<dyn Store>, Box<dyn Any>);

/// A store on each kind of server that is installed, and the server itself.
fn remote_stores() -> Vec<Remote> {
    let core = RemoteSettings::new(TIMEOUT, 64 << 20);
    let mut stores: Vec<Remote> = Vec::new();
    if let Some(server) = Redis::start() {
        let address = RedisAddress::parse(&server.url()).unwrap();
        let connect = move || RedisDriver::connect(address, TIMEOUT, NOW);
        let store = RemoteStore::start(&core, terms(), connect).unwrap();
        stores.push(("redis", Arc::new(store), Box::new(server)));
    }
    if let Some(server) = Postgres::own_with(&["fsync=on", "synchronous_commit=on"]) {
        let database = server.new_database();
        let address = PostgresAddress::parse(&database.url()).unwrap();
        let settings = PostgresSettings::new(address.clone(), None, TIMEOUT);
        let connect = move || async move {
            migrate(&address, NOW).await?;
            PostgresDriver::connect(&settings).await
        };
        let store = RemoteStore::start(&core, terms(), connect).unwrap();
        stores.push(("postgres", Arc::new(store), Box::new((server, database))));
    }
    stores
}

async fn memory() {
    println!("\nsessions with a small jar in the memory engine");
    println!("  sessions    resident    a session");
    let store = MemoryStore::new(terms(), NOW);
    let empty = resident_bytes();
    let mut count = 0;
    for _ in 0..5 {
        // The tickets are not kept: they are the browsers' to keep.
        drop(filled(&store, 200_000).await);
        count += 200_000;
        let bytes = resident_bytes() - empty;
        println!(
            "  {count:8}   {:6} MiB   {:6} B",
            bytes >> 20,
            bytes / count
        );
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib << 10
}
