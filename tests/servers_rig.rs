//! Promise: the servers that other tests rely on start, fail on demand, come back, and are gone afterwards.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use support::servers::{Postgres, Redis, RedisCluster, RedisSentinel, Wire, until};

/// Long enough for an answer that is on its way, short enough to wait for one that is not.
const SHORT: Duration = Duration::from_millis(300);

// === Redis ===

#[test]
fn redis_keeps_its_data_over_a_kill_and_loses_it_when_told() {
    let Some(redis) = Redis::start() else { return };
    let url = redis.url();
    assert_eq!(redis.cli(&["SET", "key", "value"]), "OK");

    redis.kill9();
    assert!(redis.try_cli(&["PING"]).is_err());
    redis.restart();
    assert_eq!(redis.cli(&["GET", "key"]), "value");

    redis.restart_empty();
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    assert_eq!(redis.url(), url);
}

#[test]
fn a_paused_redis_answers_when_it_is_resumed() {
    let Some(redis) = Redis::start() else { return };
    let mut client = Client::to(redis.addr());
    assert_eq!(client.ask("PING"), "+PONG\r\n");

    redis.pause();
    assert_eq!(client.ask("PING"), "");
    redis.resume();
    assert_eq!(client.hear(), "+PONG\r\n");
}

#[test]
fn redis_takes_further_configuration() {
    let lines = [
        "requirepass secret",
        "user app on >app-password ~app:* +get +set",
        "maxmemory-policy allkeys-lru",
    ];
    let Some(redis) = Redis::with(&lines) else {
        return;
    };
    let mut client = Client::to(redis.addr());
    assert!(client.ask("GET key").starts_with("-NOAUTH"));
    assert_eq!(client.ask("AUTH app app-password"), "+OK\r\n");
    assert!(client.ask("GET key").starts_with("-NOPERM"));
    let policy = redis.cli(&["CONFIG", "GET", "maxmemory-policy"]);
    assert_eq!(policy, "maxmemory-policy\nallkeys-lru");
    let fault = redis.try_cli(&["INCR"]);
    assert!(fault.is_err_and(|fault| fault.contains("wrong number")));
}

#[test]
fn redis_speaks_tls_alone_when_told() {
    let Some(redis) = Redis::with_tls() else {
        return;
    };
    assert!(redis.url().starts_with("rediss://127.0.0.1:"));
    assert!(redis.ca_file().is_some_and(Path::is_file));
    assert_eq!(redis.cli(&["PING"]), "PONG");
    assert_eq!(Client::to(redis.addr()).ask("PING"), "");
    redis.restart();
    assert_eq!(redis.cli(&["PING"]), "PONG");
}

#[test]
fn a_cluster_serves_every_slot_and_misses_a_killed_node() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    assert_eq!(cluster.nodes().len(), 3);
    assert_eq!(cluster.url().matches("127.0.0.1:").count(), 3);
    for key in ["a", "b", "c", "d", "e", "f"] {
        cluster.cli(&["SET", key, "value"]);
        assert_eq!(cluster.owner(key).cli(&["GET", key]), "value");
    }
    for node in cluster.nodes() {
        assert_ne!(node.cli(&["DBSIZE"]), "0");
    }

    let owner = cluster.owner("a");
    owner.kill9();
    until("the others miss it", || {
        let mut others = cluster.nodes().iter();
        let other = others.find(|node| node.port() != owner.port())?;
        let info = other.cli(&["CLUSTER", "INFO"]);
        info.contains("cluster_state:fail").then_some(())
    });
    owner.restart();
    cluster.await_ok();
    assert_eq!(cluster.cli(&["GET", "a"]), "value");
}

#[test]
fn a_replica_takes_over_in_the_cluster() {
    let Some(cluster) = RedisCluster::with_replicas() else {
        return;
    };
    cluster.cli(&["SET", "a", "value"]);
    let owner = cluster.owner("a");
    until("the replica has it", || {
        (owner.cli(&["WAIT", "1", "1000"]) == "1").then_some(())
    });

    owner.kill9();
    let next = until("another owner", || {
        let next = cluster.owner("a");
        (next.port() != owner.port()).then_some(next)
    });
    cluster.await_ok();
    assert_eq!(next.cli(&["GET", "a"]), "value");
}

#[test]
fn sentinel_fails_over_when_told() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    assert!(group.url().ends_with("/mymaster"));
    let (old, new) = (group.master().port(), group.replica().port());
    group.master().cli(&["SET", "key", "value"]);
    assert_eq!(group.master().cli(&["WAIT", "1", "5000"]), "1");

    group.fail_over();

    assert_eq!(group.master().port(), new);
    assert_eq!(group.master().cli(&["GET", "key"]), "value");
    assert_eq!(group.replica().port(), old);
    let fault = group.replica().try_cli(&["SET", "key", "other"]);
    assert!(fault.is_err_and(|fault| fault.contains("READONLY")));
}

#[test]
fn three_sentinels_replace_a_dead_master() {
    let Some(group) = RedisSentinel::with_three_sentinels() else {
        return;
    };
    let (old, new) = (group.master().port(), group.replica().port());

    group.kill_master();

    assert_eq!(group.await_master().port(), new);
    let mut servers = group.servers().iter();
    let old = servers.find(|server| server.port() == old).unwrap();
    old.restart();
    until("the old master follows", || {
        (old.info("role")? == "slave").then_some(())
    });
}

// === PostgreSQL ===

#[test]
fn databases_of_one_server_know_nothing_of_each_other() {
    let (Some(one), Some(other)) = (Postgres::database(), Postgres::database()) else {
        return;
    };
    assert_eq!(one.addr(), other.addr());
    assert_ne!(one.url(), other.url());
    one.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1), (2)");
    assert_eq!(one.psql("SELECT n, n * 2 FROM t ORDER BY n"), "1|2\n2|4");
    let fault = other.try_psql("SELECT * FROM t");
    assert!(fault.is_err_and(|fault| fault.contains("does not exist")));
}

#[test]
fn postgres_keeps_what_was_committed_over_a_kill() {
    let Some(postgres) = Postgres::own() else {
        return;
    };
    let database = postgres.new_database();
    database.psql("CREATE TABLE t (n int); INSERT INTO t VALUES (1)");

    postgres.kill9();
    assert!(database.try_psql("SELECT 1").is_err());
    postgres.restart();

    assert_eq!(database.psql("SELECT n FROM t"), "1");
}

#[test]
fn a_paused_postgres_answers_when_it_is_resumed() {
    let Some(postgres) = Postgres::own_with(&["max_connections=10"]) else {
        return;
    };
    let database = postgres.new_database();
    assert_eq!(database.psql("SHOW max_connections"), "10");

    postgres.pause();
    let (tell, hear) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| tell.send(database.psql("SELECT 1")));
        assert!(hear.recv_timeout(SHORT).is_err());
        postgres.resume();
        let answer = hear.recv_timeout(support::DEADLINE);
        assert_eq!(answer.as_deref(), Ok("1"));
    });
}

#[test]
fn postgres_speaks_tls_alone_when_told() {
    let Some(postgres) = Postgres::own_with_tls() else {
        return;
    };
    let database = postgres.new_database();
    assert!(database.ca_file().is_some_and(Path::is_file));
    let tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(database.psql(tls), "t");
    let plain = database.url() + "?sslmode=disable";
    let fault = database.psql_by_role(&plain, "SELECT 1");
    assert!(fault.is_err_and(|fault| fault.contains("no pg_hba.conf entry")));
}

#[test]
fn pgbouncer_shares_few_connections_among_many() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let Some(bouncer) = database.bouncer() else {
        return;
    };
    let ask = || database.psql_by_role(&bouncer.url(), "SELECT current_user");
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..12).map(|_| scope.spawn(ask)).collect();
        for one in asked {
            assert_eq!(one.join().unwrap().as_deref(), Ok("cloakroom"));
        }
    });
    let backends = database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = 'cloakroom' \
         AND datname = current_database()",
    );
    assert!((1..=3).contains(&backends.parse().unwrap()), "{backends}");

    bouncer.kill9();
    assert!(ask().is_err());
    bouncer.restart();
    assert_eq!(ask().as_deref(), Ok("cloakroom"));
}

// === the wire ===

#[test]
fn a_wire_cuts_in_the_middle_of_an_answer() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    assert_eq!(
        redis.url_at(wire.addr()),
        format!("redis://{}", wire.addr())
    );
    let mut client = Client::to(wire.addr());
    let mut other = Client::to(wire.addr());
    assert_eq!(client.ask("SET key value"), "+OK\r\n");
    assert_eq!(other.ask("PING"), "+PONG\r\n");

    wire.cut_reply_after(3);
    assert_eq!(client.ask("GET key"), "$5\r");
    assert!(client.is_cut());
    assert!(!wire.cut_is_pending());
    assert_eq!(other.ask("PING"), "+PONG\r\n");

    wire.cut_reply_after(0);
    assert_eq!(other.ask("SET key written"), "");
    assert!(other.is_cut());
    assert_eq!(redis.cli(&["GET", "key"]), "written");
    until("the wire forgets both", || {
        (wire.connections() == 0).then_some(())
    });
}

#[test]
fn a_wire_cuts_all_and_goes_on() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let mut clients = [Client::to(wire.addr()), Client::to(wire.addr())];
    for client in &mut clients {
        assert_eq!(client.ask("PING"), "+PONG\r\n");
    }
    wire.cut();
    assert!(clients.iter_mut().all(Client::is_cut));
    assert_eq!(Client::to(wire.addr()).ask("PING"), "+PONG\r\n");

    wire.refuse();
    assert!(Client::to(wire.addr()).is_cut());
    wire.heal();
    assert_eq!(Client::to(wire.addr()).ask("PING"), "+PONG\r\n");
}

#[test]
fn a_stalled_wire_hands_on_later() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let mut client = Client::to(wire.addr());
    assert_eq!(client.ask("PING"), "+PONG\r\n");

    wire.stall();
    assert_eq!(client.ask("SET key value"), "");
    assert_eq!(Client::to(wire.addr()).ask("PING"), "");
    assert_eq!(redis.cli(&["EXISTS", "key"]), "0");

    wire.heal();
    assert_eq!(client.hear(), "+OK\r\n");
}

// === the end ===

const OWNER: &str = "CLOAKROOM_RIG_OWNER";

/// The test binary, run again, owns servers and ends without telling them.
#[test]
fn servers_end_with_the_process_that_started_them() {
    if let Ok(way) = std::env::var(OWNER) {
        own_servers(&way);
        return;
    }
    if Redis::start().is_none() || Postgres::database().is_none() {
        return;
    }
    for way in ["is killed", "exits"] {
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture"])
            .arg("servers_end_with_the_process_that_started_them")
            .env(OWNER, way)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = BufReader::new(owner.stdout.take().unwrap()).lines();
        let printed = printed.map_while(Result::ok);
        let owned = printed.filter_map(|line| Some(line.strip_prefix("owned: ")?.to_owned()));
        let owned: Vec<_> = owned.take(4).collect();
        assert_eq!(owned.len(), 4, "{owned:?}");
        assert!(owned.iter().all(|path| Path::new(path).exists()));

        if way == "is killed" {
            owner.kill().unwrap();
        }
        drop(owner.stdin.take());
        owner.wait().unwrap();

        until("all of it is gone", || {
            let mut left = owned.iter().filter(|path| exists(path));
            left.next().is_none().then_some(())
        });
    }
}

/// Prints the folders and processes of its servers, and ends as `way` says.
fn own_servers(way: &str) {
    let redis = Redis::start().unwrap();
    // The database's server is never dropped.
    let database = Postgres::database().unwrap();
    let folder = redis.cli(&["CONFIG", "GET", "dir"]);
    let postmaster = database.psql("SELECT pg_read_file('postmaster.pid')");
    let owned = [
        folder.lines().last().unwrap().to_owned(),
        format!("/proc/{}", redis.info("process_id").unwrap()),
        database.psql("SHOW data_directory"),
        format!("/proc/{}", postmaster.lines().next().unwrap()),
    ];
    // It must end even when it cannot do anything.
    redis.pause();
    for path in owned {
        println!("owned: {path}");
    }
    let _ = std::io::stdin().read(&mut [0]);
    if way == "exits" {
        std::process::exit(0);
    }
    loop {
        std::thread::park();
    }
}

/// Whether a folder is there, or a process that is more than a number waiting to be collected.
fn exists(path: &str) -> bool {
    let status = std::fs::read_to_string(PathBuf::from(path).join("status"));
    let zombie = status.is_ok_and(|status| status.contains("State:\tZ"));
    Path::new(path).exists() && !zombie
}

/// A client of Redis that knows no more than lines.
struct Client(TcpStream);

impl Client {
    fn to(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(SHORT)).unwrap();
        Self(stream)
    }

    /// Sends a command and hears.
    fn ask(&mut self, command: &str) -> String {
        self.0
            .write_all(format!("{command}\r\n").as_bytes())
            .unwrap();
        self.hear()
    }

    /// What comes until a whole line has, or nothing more does.
    fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        while !heard.ends_with(b"\n") {
            match self.0.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => heard.extend(&buffer[..count]),
            }
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// Whether the connection has ended, other than by waiting too long.
    fn is_cut(&mut self) -> bool {
        match self.0.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(fault) => fault.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
