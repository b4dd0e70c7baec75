//! The engines that need a server. All tests share one of each kind, where every engine has a place of its own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use cloakroom::session::Ticket;
use cloakroom::store::postgres::{PostgresAddress, PostgresDriver, PostgresSettings, migrate};
use cloakroom::store::redis::{RedisAddress, RedisDriver};
use cloakroom::store::remote::{RemoteSettings, RemoteStore};
use cloakroom::store::{Answer, Store};

use crate::rig::{Rig, START, block_on, terms};
use crate::support::eventually;
use crate::support::servers::{
    Database, PgBouncer, Postgres, Redis, RedisCluster, RedisSentinel, Wire,
};

/// The machine that runs the tests may be busy.
const TIMEOUT: Duration = Duration::from_secs(10);

const NEAR_CACHE_BYTES: usize = 8 << 20;

// === Redis ===

pub fn redis() -> Option<Rig> {
    let redis = single()?;
    Some(on_redis("redis", 0, &redis.url(), &[redis]))
}

pub fn redis_with_near_cache() -> Option<Rig> {
    let redis = single()?;
    let engine = "redis with near_cache";
    Some(on_redis(engine, NEAR_CACHE_BYTES, &redis.url(), &[redis]))
}

pub fn redis_cluster() -> Option<Rig> {
    static SHARED: OnceLock<Option<RedisCluster>> = OnceLock::new();
    let cluster = shared(&SHARED, || {
        let cluster = RedisCluster::start()?;
        for node in cluster.nodes() {
            // A busy machine must not take a node for dead.
            node.cli(&["CONFIG", "SET", "cluster-node-timeout", "30000"]);
            forgetful(node);
        }
        Some(cluster)
    })?;
    let nodes: Vec<_> = cluster.nodes().iter().collect();
    Some(on_redis("redis cluster", 0, &cluster.url(), &nodes))
}

pub fn redis_sentinel() -> Option<Rig> {
    static SHARED: OnceLock<Option<RedisSentinel>> = OnceLock::new();
    let group = shared(&SHARED, || {
        let group = RedisSentinel::start()?;
        let patient = ["mymaster", "down-after-milliseconds", "60000"];
        group.sentinels()[0].cli(&[&["SENTINEL", "SET"], &patient[..]].concat());
        let _ = group.servers().each_ref().map(forgetful);
        Some(group)
    })?;
    let engine = "redis behind sentinel";
    Some(on_redis(engine, 0, &group.url(), &[group.master()]))
}

fn single() -> Option<&'static Redis> {
    static SHARED: OnceLock<Option<Redis>> = OnceLock::new();
    shared(&SHARED, || Redis::start().inspect(forgetful))
}

/// What outlives a crash is asked elsewhere; here it would only take time.
fn forgetful(redis: &Redis) {
    redis.cli(&["CONFIG", "SET", "appendonly", "no"]);
}

/// The server that all tests share. Each test that is not run without it has to say so, hence the second try.
fn shared<T>(server: &'static OnceLock<Option<T>>, start: fn() -> Option<T>) -> Option<&'static T> {
    let known = server.get_or_init(start).as_ref();
    if known.is_none() {
        let _ = start();
    }
    known
}

/// An engine at `url` whose keys are on `servers`.
fn on_redis(
    engine: &'static str,
    near_cache_bytes: usize,
    url: &str,
    servers: &[&'static Redis],
) -> Rig {
    let prefix = new_prefix();
    let url = format!("{url}?prefix={prefix}");
    let make = move || redis_store(&url, near_cache_bytes);
    let counts = Arc::new(Counts {
        prefix,
        servers: servers.to_vec(),
    });
    let indexed = Arc::clone(&counts);
    Rig {
        engine,
        store: make(),
        rows: Box::new(move || counts.tickets()),
        indexed: Box::new(move || indexed.of_users()),
        another: Some(Box::new(make)),
        is_near_cache: near_cache_bytes > 0,
        sweeps: false,
        _place: Box::new(()),
    }
}

fn new_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("rig{}:", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn redis_store(url: &str, near_cache_bytes: usize) -> Arc<dyn Store> {
    let address = RedisAddress::parse(url).unwrap();
    let connect = move || RedisDriver::connect(address, TIMEOUT, START);
    let core = RemoteSettings::new(TIMEOUT, near_cache_bytes);
    let store = RemoteStore::start(&core, terms(), connect).unwrap();
    await_near_cache(&store, near_cache_bytes);
    Arc::new(store)
}

/// What an operator's tool counts.
struct Counts {
    prefix: String,
    servers: Vec<&'static Redis>,
}

impl Counts {
    fn tickets(&self) -> usize {
        self.sum("t", |_, keys| keys.len())
    }

    fn of_users(&self) -> usize {
        self.sum("u", |connection, keys| {
            let members =
                |key: &String| -> usize { redis::cmd("ZCARD").arg(key).query(connection).unwrap() };
            keys.iter().map(members).sum()
        })
    }

    /// Counts the keys of a kind, or what is in them, on all servers.
    fn sum(&self, kind: &str, count: impl Fn(&mut redis::Connection, &[String]) -> usize) -> usize {
        let pattern = format!("{}{kind}:*", self.prefix);
        let counts = self.servers.iter().map(|server| {
            let client = redis::Client::open(server.url()).unwrap();
            let mut connection = client.get_connection().unwrap();
            let keys: Vec<String> = redis::cmd("KEYS")
                .arg(&pattern)
                .query(&mut connection)
                .unwrap();
            count(&mut connection, &keys)
        });
        counts.sum()
    }
}

// === PostgreSQL ===

pub fn postgres() -> Option<Rig> {
    on_postgres("postgres", 0, Place::take(false)?)
}

/// Without LISTEN: the table of changes is read at short intervals.
pub fn postgres_with_near_cache() -> Option<Rig> {
    on_postgres(
        "postgres with near_cache",
        NEAR_CACHE_BYTES,
        Place::take(false)?,
    )
}

pub fn postgres_behind_pgbouncer() -> Option<Rig> {
    on_postgres("postgres behind PgBouncer", 0, Place::take(true)?)
}

fn on_postgres(engine: &'static str, near_cache_bytes: usize, place: Place) -> Option<Rig> {
    let url = place.url();
    let make = move || postgres_store(&url, near_cache_bytes);
    let place = Arc::new(place);
    let [counted, indexed] = [(); 2].map(|()| Arc::clone(&place));
    Some(Rig {
        engine,
        store: make(),
        rows: Box::new(move || counted.count("tickets")),
        indexed: Box::new(move || indexed.count("sessions WHERE user_key IS NOT NULL")),
        another: Some(Box::new(make)),
        is_near_cache: near_cache_bytes > 0,
        sweeps: true,
        _place: Box::new(place),
    })
}

/// A database of a test's own. It takes a while to make one, so what one test is through with, another gets, empty.
struct Place {
    /// There until it is dropped.
    at: Option<(Database, Option<PgBouncer>)>,
}

static FREE: Mutex<Vec<(Database, Option<PgBouncer>)>> = Mutex::new(Vec::new());

impl Place {
    fn take(behind_pgbouncer: bool) -> Option<Self> {
        let mut free = FREE.lock().unwrap();
        let fits = free
            .iter()
            .position(|(_, bouncer)| bouncer.is_some() == behind_pgbouncer);
        let known = fits.map(|at| free.swap_remove(at));
        drop(free);
        if known.is_some() {
            return Some(Self { at: known });
        }
        let database = Postgres::database()?;
        let bouncer = if behind_pgbouncer {
            Some(database.bouncer()?)
        } else {
            None
        };
        Some(Self {
            at: Some((database, bouncer)),
        })
    }

    fn url(&self) -> String {
        match self.at.as_ref().unwrap() {
            (_, Some(bouncer)) => bouncer.url(),
            (database, None) => database.url(),
        }
    }

    fn count(&self, of_what: &str) -> usize {
        let (database, _) = self.at.as_ref().unwrap();
        let count = database.psql(&format!("SELECT count(*) FROM cloakroom.{of_what}"));
        count.parse().unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(at) = self.at.take().filter(|_| !std::thread::panicking()) else {
            return;
        };
        let tables = ["sessions", "nodes", "notes"];
        let empty = tables.map(|table| format!("DELETE FROM cloakroom.{table};"));
        at.0.psql(&empty.concat());
        FREE.lock().unwrap().push(at);
    }
}

fn postgres_store(url: &str, near_cache_bytes: usize) -> Arc<dyn Store> {
    let address = PostgresAddress::parse(url).unwrap();
    let settings = PostgresSettings::new(address.clone(), None, TIMEOUT);
    let connect = move || async move {
        migrate(&address, START).await?;
        PostgresDriver::connect(&settings).await
    };
    let core = RemoteSettings::new(TIMEOUT, near_cache_bytes);
    let store = RemoteStore::start(&core, terms(), connect).unwrap();
    await_near_cache(&store, near_cache_bytes);
    Arc::new(store)
}

/// Waits until what is known near is believed, where it ever is.
fn await_near_cache(store: &impl Store, near_cache_bytes: usize) {
    if near_cache_bytes == 0 {
        return;
    }
    let ticket = Ticket::mint(START);
    let is_here = async || {
        let answer = store.open(&ticket, START);
        let is_here = matches!(answer, Answer::Now(_));
        answer.await.unwrap();
        is_here.then_some(())
    };
    // On a thread of its own: the one that calls may have a runtime already.
    std::thread::scope(|scope| {
        scope.spawn(|| block_on(eventually("the near cache", is_here)));
    });
}

// === wires ===

/// A store whose way to its server can be watched.
pub struct Wired {
    pub engine: &'static str,
    pub store: Arc<dyn Store>,
    pub wire: Wire,
    _database: Option<Database>,
}

impl Wired {
    /// One of each engine, without near_cache.
    pub fn each() -> impl Iterator<Item = Self> {
        let all = [Self::redis, Self::postgres];
        let all = all.into_iter().filter_map(|make| make());
        all.inspect(|wired| println!("engine: {}", wired.engine))
    }

    fn redis() -> Option<Self> {
        let redis = single()?;
        let wire = Wire::to(redis.addr());
        let url = format!("{}?prefix={}", redis.url_at(wire.addr()), new_prefix());
        Some(Self {
            engine: "redis",
            store: redis_store(&url, 0),
            wire,
            _database: None,
        })
    }

    fn postgres() -> Option<Self> {
        let database = Postgres::database()?;
        let wire = Wire::to(database.addr());
        Some(Self {
            engine: "postgres",
            store: postgres_store(&database.url_at(wire.addr()), 0),
            wire,
            _database: Some(database),
        })
    }
}
