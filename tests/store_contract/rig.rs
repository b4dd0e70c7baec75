//! The engines, empty, and the words in which the contract is told.

use std::any::Any;
use std::future::Future;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use cloakroom::base::clock::{Stopwatch, Time};
use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::session::{
    Change, Closed, Commit, Committed, DataEdit, JarEdit, Opening, Record, Terms, Ticket, Turn,
    User,
};
use cloakroom::store::Store;

use crate::catalogue::node;
pub use crate::local::{indexed_of, open_sqlite, raw, rows_of};
use crate::support::contract::holds;
use crate::{local, remote};

pub const START: Time = Time::from_secs(1_800_000_000);
pub const GRACE: Duration = Duration::from_secs(10);
pub const ROTATE_EVERY: Duration = Duration::from_secs(1200);

pub fn terms() -> Terms {
    Terms {
        idle: Duration::from_secs(3600),
        absolute: Duration::from_secs(86_400),
        rotation_grace: GRACE,
        rotate_every: Some(ROTATE_EVERY),
        save_every_request: false,
        max_bytes: 64 << 10,
        jar_cookies_max: 300,
    }
}

pub fn after(secs: u64) -> Time {
    START.plus(Duration::from_secs(secs))
}

/// One engine, empty.
pub struct Rig {
    pub engine: &'static str,
    pub store: Arc<dyn Store>,
    /// How many tickets it knows.
    pub rows: Box<dyn Fn() -> usize>,
    /// How many sessions its index of users leads to.
    pub indexed: Box<dyn Fn() -> usize>,
    /// Makes the store of another node on the same server, where there can be one.
    pub another: Option<Box<dyn Fn() -> Arc<dyn Store>>>,
    /// Whether another node may be a little behind.
    pub is_near_cache: bool,
    /// Whether what is over goes by a sweep, and not by the server's own clock.
    pub sweeps: bool,
    /// Goes with it.
    pub _place: Box<dyn Any>,
}

/// An engine in one of the ways in which it can be set up.
struct Kind {
    /// Its column in the table of `docs/STORES.md`.
    column: &'static str,
    /// `None` where a program that it needs is not installed.
    make: fn() -> Option<Rig>,
}

const KINDS: &[Kind] = &[
    Kind::of("memory", || Some(local::memory())),
    Kind::of("sqlite", || Some(local::sqlite())),
    Kind::of("redis", remote::redis),
    Kind::of("postgres", remote::postgres),
    Kind::of("redis", remote::redis_with_near_cache),
    Kind::of("redis", remote::redis_cluster),
    Kind::of("redis", remote::redis_sentinel),
    Kind::of("postgres", remote::postgres_with_near_cache),
    Kind::of("postgres", remote::postgres_behind_pgbouncer),
];

/// The first of the kinds are one of each engine.
const ENGINES: usize = 4;

impl Kind {
    const fn of(column: &'static str, make: fn() -> Option<Rig>) -> Self {
        Self { column, make }
    }

    fn keeps(&self, points: &[u8]) -> bool {
        points.iter().all(|point| holds(self.column, *point))
    }

    /// Its name is printed, so that a failure tells whose it is.
    fn start(&self) -> Option<Rig> {
        let rig = (self.make)()?;
        println!("engine: {}", rig.engine);
        Some(rig)
    }
}

impl Rig {
    /// Every engine in every way, for what is promised of all.
    pub fn each() -> impl Iterator<Item = Self> {
        Self::keeping(&[])
    }

    /// Those that are said to keep these points of the contract.
    pub fn keeping(points: &'static [u8]) -> impl Iterator<Item = Self> {
        let kinds = KINDS.iter().filter(|kind| kind.keeps(points));
        kinds.filter_map(Kind::start)
    }

    /// The store of another node on the same server, where there can be one. Both have announced themselves, as gateways
    /// do at their start.
    pub async fn another_node(&self) -> Option<Arc<dyn Store>> {
        let another = self.another.as_ref()?();
        for (store, id) in [
            (&self.store, "here"),
            (&another, "there"),
            (&self.store, "here"),
        ] {
            let list = store.catalogue().unwrap();
            list.announce(node(id), START).await.unwrap();
        }
        Some(another)
    }

    /// Every engine with every engine, its own kind too.
    pub fn pairs() -> impl Iterator<Item = (Self, Self)> {
        let engines = || KINDS.iter().take(ENGINES);
        let pairs = engines().flat_map(move |from| engines().map(move |to| (from, to)));
        pairs.filter_map(|(from, to)| Some((from.start()?, to.start()?)))
    }
}

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Runs `work` on as many threads at once and returns what each of them returned.
pub fn in_parallel<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
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

pub async fn open(store: &dyn Store, ticket: &Ticket, now: Time) -> Opening {
    store.open(ticket, now).await.unwrap()
}

#[track_caller]
pub fn record_of(opening: Opening) -> Arc<Record> {
    match opening {
        Opening::Open { record, .. } => record,
        other => panic!("the ticket should open a session: {other:?}"),
    }
}

#[track_caller]
pub fn assert_closed(opening: &Opening, why: Closed) {
    assert!(
        matches!(opening, Opening::Closed(found) if *found == why),
        "{opening:?} instead of {why:?}"
    );
}

pub async fn commit(store: &dyn Store, ticket: &Ticket, change: Change, now: Time) -> Committed {
    store.commit(request(ticket, change, now)).await.unwrap()
}

pub fn request(ticket: &Ticket, change: Change, now: Time) -> Commit {
    Commit::new(ticket.clone(), change, now)
}

/// A session with one key in its data, and its ticket as the visitor now has it.
pub async fn stored_session(store: &dyn Store) -> Ticket {
    let fresh = Ticket::mint(START);
    let committed = commit(store, &fresh, set("a", "1"), START).await;
    committed.ticket.unwrap()
}

pub fn set(key: &str, value: &str) -> Change {
    Change {
        data: vec![DataEdit::Set(key.into(), value.into())],
        ..Change::default()
    }
}

pub fn put(name: &str) -> Change {
    let cookie = KeptCookie {
        identity: CookieIdentity {
            name: name.as_bytes().into(),
            domain: "shop.example".into(),
            path: "/".into(),
        },
        value: b"v"[..].into(),
        host_only: true,
        expires: None,
        created: START,
        same_site: None,
        adopted: false,
    };
    let site = "shop".into();
    Change {
        cookies: vec![JarEdit::Put { site, cookie }],
        ..Change::default()
    }
}

pub fn turn(turn: Turn) -> Change {
    Change {
        turn,
        ..Change::default()
    }
}

pub fn log_in(id: &str) -> Change {
    let user = User {
        id: id.into(),
        issuer: None,
        name: None,
        email: None,
        groups: Vec::new(),
        claims: serde_json::Map::new(),
        site: "shop".into(),
        auth_time: START,
        entrance: None,
        grant: None,
    };
    turn(Turn::LogIn {
        user: Some(Box::new(user)),
        carry: true,
    })
}

/// Asks again until `is_there`, for a second at most; tells how long it took.
pub async fn within_a_second(what: &str, mut is_there: impl AsyncFnMut() -> bool) -> Duration {
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
