//! Each engine as a configuration of gateway processes, with the server that it needs.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use crate::support::servers::{Database, Postgres, Redis, RedisCluster};
use crate::support::{App, Gate, Reply, Seen, Setup, cloakroom, configuration, write_certificate};

/// An engine, empty.
pub struct Engine {
    pub name: &'static str,
    /// Lines of `[session.store]`.
    store: String,
    pub server: Server,
}

/// How far a node with near_cache may be behind (contract 11). It is the promise itself, so it is waited for.
const NEAR_CACHE_LAG: Duration = Duration::from_millis(100);

/// The server behind an engine, to be broken by tests.
pub enum Server {
    None,
    Redis(Arc<Redis>),
    Cluster(RedisCluster),
    Postgres(Database),
}

impl Engine {
    /// Every engine that this machine can run. The name of each is printed, so that a failure tells whose it is.
    pub fn each() -> impl Iterator<Item = Self> {
        let makers: [fn() -> Option<Self>; 7] = [
            || Some(Self::memory()),
            || Some(Self::sqlite()),
            || Self::redis(""),
            || Self::redis("near_cache = \"8MiB\""),
            Self::cluster,
            || Self::postgres(""),
            || Self::postgres("near_cache = \"8MiB\""),
        ];
        makers
            .into_iter()
            .filter_map(|make| make())
            .inspect(|engine| println!("engine: {}", engine.name))
    }

    /// Those whose sessions outlive the gateway.
    pub fn each_durable() -> impl Iterator<Item = Self> {
        Self::each().filter(|engine| engine.name != "memory")
    }

    fn of(name: &'static str, store: &str, server: Server) -> Self {
        // The machine that runs the tests may be busy, and its disk too.
        let patience = if store.contains("timeout") {
            ""
        } else {
            "\ntimeout = \"20s\""
        };
        Self {
            name,
            store: format!("engine = \"{store}{patience}"),
            server,
        }
    }

    fn memory() -> Self {
        Self::of("memory", "memory\"", Server::None)
    }

    pub fn sqlite() -> Self {
        let store = "sqlite\"\npath = \"data/sessions.db\"";
        Self::of("sqlite", store, Server::None)
    }

    pub fn redis(more: &str) -> Option<Self> {
        let redis = Redis::start()?;
        let store = format!("redis\"\nurl = \"{}\"\n{more}", redis.url());
        let name = if more.contains("near_cache") {
            "redis with near_cache"
        } else {
            "redis"
        };
        Some(Self::of(name, &store, Server::Redis(Arc::new(redis))))
    }

    fn cluster() -> Option<Self> {
        let cluster = RedisCluster::start()?;
        let store = format!("redis\"\nurl = \"{}\"", cluster.url());
        Some(Self::of("redis cluster", &store, Server::Cluster(cluster)))
    }

    pub fn postgres(more: &str) -> Option<Self> {
        Postgres::database().map(|database| Self::postgres_at(database, more))
    }

    /// PostgreSQL in this database, with its schema made.
    pub fn postgres_at(database: Database, more: &str) -> Self {
        let store = format!("postgres\"\nurl = \"{}\"\n{more}", database.url());
        let name = if more.contains("near_cache") {
            "postgres with near_cache"
        } else {
            "postgres"
        };
        let engine = Self::of(name, &store, Server::Postgres(database));
        engine.migrate();
        engine
    }

    /// Makes the schema, as an operator would.
    pub fn migrate(&self) {
        let folder = tempfile::tempdir().expect("a folder");
        write_certificate(folder.path());
        let nowhere = ([127, 0, 0, 1], 9).into();
        let text = configuration(nowhere, self.setup());
        fs::write(folder.path().join("cloakroom.toml"), text).expect("the configuration");
        let migrate = ["store", "migrate", "--config", "cloakroom.toml"];
        let ran = cloakroom(folder.path(), &migrate)
            .output()
            .expect("it runs");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// The configuration of its gateways: directives are obeyed and the app is shown the data.
    pub fn setup(&self) -> Setup<'_> {
        Setup {
            store: &self.store,
            site: "trust_directives = true\n[site.headers]\n\"X-Session-Id\" = \"{session.id}\"\n\
                   \"X-Session-User\" = \"{user.id}\"\n\"X-Session-Data\" = \"{session.data}\"",
            ..Setup::default()
        }
    }

    /// The same with lines of `[session]`.
    pub fn setup_with<'a>(&'a self, session: &'a str) -> Setup<'a> {
        Setup {
            session,
            ..self.setup()
        }
    }

    /// Waits for as long as another node may be behind: with near_cache, and with nothing else.
    pub async fn lag(&self) {
        if self.name.contains("near_cache") {
            tokio::time::sleep(NEAR_CACHE_LAG).await;
        }
    }

    /// A node, and another one where the engine can have several.
    pub async fn nodes(&self, app: &App) -> Vec<Gate> {
        self.nodes_with(app, self.setup()).await
    }

    pub async fn nodes_with(&self, app: &App, setup: Setup<'_>) -> Vec<Gate> {
        let one = Gate::with(app, setup).await;
        if self.name == "memory" {
            return vec![one];
        }
        let another = one.another().await;
        vec![one, another]
    }
}

/// An app that remembers, logs in and logs out as its path says.
pub async fn app() -> App {
    App::answering(answer).await
}

pub fn answer(seen: &Seen) -> Reply {
    let about = seen.target.split_once('?').map_or("", |(_, query)| query);
    let reply = Reply::ok("ok");
    match seen.path() {
        "/keep" => reply.header("set-cookie", format!("{about}=kept; Path=/")),
        "/both" => reply
            .header("set-cookie", format!("c{about}=kept; Path=/"))
            .header("x-session-set", format!("k{about}=1")),
        "/login" => reply
            .header("x-session-login", format!("\"{about}\""))
            .header("set-cookie", "sid=of-the-login; Path=/"),
        "/logout" => reply.header("x-session-logout", "?1"),
        "/rotate" => reply.header("x-session-rotate", "?1"),
        "/big" => reply.header("x-session-set", format!("big=\"{}\"", "x".repeat(900))),
        _ => reply,
    }
}

/// What the app was shown with the last request for `path`.
pub fn shown(app: &App, path: &str) -> Seen {
    let seen = app.seen().into_iter().rev();
    let mut of_path = seen.filter(|seen| seen.target == path);
    of_path.next().expect("the app was asked")
}
