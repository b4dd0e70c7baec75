//! PostgreSQL: one server for all tests of a binary, or one that a test may harm.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::process::{Process, folder, local, on_free_port, output};
use super::programs::{self, Servant};
use super::{PgBouncer, certificate};

/// The role that the gateway logs in as: the owner of its database and nothing more.
pub(super) const ROLE: &str = "cloakroom";
pub(super) const PASSWORD: &str = "role-password";
/// The same as the server keeps it, after one round of hashing and not the usual 4096: tests connect all the time, and
/// without optimisation that would be most of what they do.
const VERIFIER: &str = "SCRAM-SHA-256$1:Y2xvYWtyb29tLXRlc3RzIQ==\
     $RN4vtXtzQ8sv/A5gPjXJGtEFn7VqW05l+5TyKT0x8xE=:teWqorTGhFf7Lpl8dd9ymGxDXoAFGFt9mIJcWEIDJ1k=";
const SUPERUSER_PASSWORD: &str = "superuser-password";

/// A PostgreSQL server. What was committed survives `kill9`; for the sake of speed it would not survive the loss of
/// the machine, unless it is started with `fsync=on`.
pub struct Postgres {
    process: Process,
    port: u16,
    psql: PathBuf,
    ca: Option<PathBuf>,
    databases: AtomicU32,
}

/// A database of a test's own.
pub struct Database {
    addr: SocketAddr,
    name: String,
    psql: PathBuf,
    ca: Option<PathBuf>,
}

impl Postgres {
    /// A fresh database on the server that all tests of this binary share.
    pub fn database() -> Option<Database> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        if let Some(shared) = SHARED.get_or_init(Self::own) {
            return Some(shared.new_database());
        }
        // Once more, for each test that is not run has to say so.
        Self::own().map(|server| server.new_database())
    }

    /// A server of the test's own, to be killed and paused.
    pub fn own() -> Option<Self> {
        Self::own_with(&[])
    }

    /// The same with settings such as `max_connections=5`.
    pub fn own_with(settings: &[&str]) -> Option<Self> {
        Self::of_kind(settings, false)
    }

    /// One that takes connections over TLS alone; [`Database::ca_file`] vouches for it.
    pub fn own_with_tls() -> Option<Self> {
        Self::of_kind(&[], true)
    }

    fn of_kind(settings: &[&str], tls: bool) -> Option<Self> {
        let programs = programs::all_of("postgresql", ["initdb", "postgres", "psql"])?;
        let server = on_free_port(|port| Self::on_port(&programs, port, settings, tls));
        server
            .superuser()
            .psql(&format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{VERIFIER}'"));
        Some(server)
    }

    fn on_port(
        [initdb, postgres, psql]: &[PathBuf; 3],
        port: u16,
        settings: &[&str],
        tls: bool,
    ) -> Result<Self, String> {
        let folder = folder();
        let servant = Servant::of_postgres();
        servant.owns(folder.path());
        let data = folder.path().join("data");
        create_cluster(initdb, servant, &data, tls);

        let mut words = servant.prefix.clone();
        words.extend([postgres.clone().into_os_string(), "-D".into(), data.into()]);
        let mut set = |setting: String| words.extend([OsString::from("-c"), setting.into()]);
        set(format!("port={port}"));
        for setting in SETTINGS.iter().chain(settings) {
            set((*setting).to_owned());
        }
        let files = tls.then(|| certificate::write(folder.path()));
        if let Some(files) = &files {
            servant.owns(&files.certificate);
            servant.owns(&files.key);
            set("ssl=on".to_owned());
            set(format!("ssl_cert_file={}", files.certificate.display()));
            set(format!("ssl_key_file={}", files.key.display()));
        }
        let server = Self {
            // Killed, it would leave a piece of shared memory behind for good.
            process: Process::new(folder, words, "QUIT"),
            port,
            psql: psql.clone(),
            ca: files.map(|files| files.ca),
            databases: AtomicU32::new(0),
        };
        if server.process.start(|pid| server.is_ready(pid)) {
            return Ok(server);
        }
        Err(server.process.log())
    }

    /// A fresh database on this server.
    pub fn new_database(&self) -> Database {
        let count = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("sessions_{count}");
        self.superuser().psql(&format!(
            "CREATE DATABASE {name} OWNER {ROLE} TEMPLATE template0"
        ));
        self.named(name)
    }

    /// Ends it and its connections as a power cut would.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Starts it again on the same port with the same data, killing it first where it runs.
    pub fn restart(&self) {
        self.process.kill9();
        self.process.restart(|pid| self.is_ready(pid));
    }

    /// Holds it and its connections: they stay open, and no answer comes.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    fn superuser(&self) -> Database {
        self.named("postgres".to_owned())
    }

    fn named(&self, name: String) -> Database {
        Database {
            addr: local(self.port),
            name,
            psql: self.psql.clone(),
            ca: self.ca.clone(),
        }
    }

    /// It says so itself, in a file that begins with its process and ends with its state.
    fn is_ready(&self, pid: u32) -> bool {
        let file = self.process.folder().join("data/postmaster.pid");
        let text = fs::read_to_string(file).unwrap_or_default();
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
    }
}

const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "fsync=off",
    "full_page_writes=off",
    // In the folder, where it goes with it.
    "dynamic_shared_memory_type=mmap",
];

fn create_cluster(initdb: &Path, servant: &Servant, data: &Path, tls: bool) {
    let password = data.with_file_name("password");
    fs::write(&password, SUPERUSER_PASSWORD).expect("a file");
    servant.owns(&password);
    let mut initdb = servant.command(initdb);
    initdb.arg("-D").arg(data);
    initdb.args(["--username=postgres", "--auth=scram-sha-256"]);
    initdb.arg("--pwfile").arg(password);
    initdb.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
    output(&mut initdb).expect("initdb");
    let kind = if tls { "hostssl" } else { "host" };
    let rules = format!("{kind} all all 127.0.0.1/32 scram-sha-256\n");
    fs::write(data.join("pg_hba.conf"), rules).expect("pg_hba.conf");
}

impl Database {
    /// `postgres://ROLE:PASSWORD@127.0.0.1:PORT/NAME`, with nothing said about TLS.
    pub fn url(&self) -> String {
        self.url_at(self.addr)
    }

    /// The same by way of another address, such as a [`super::Wire`].
    pub fn url_at(&self, addr: SocketAddr) -> String {
        format!("postgres://{ROLE}:{PASSWORD}@{addr}/{}", self.name)
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The CA as PEM, where it speaks TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// What `psql` prints for this SQL, run by the superuser: a row a line, its fields between `|`.
    ///
    /// # Panics
    /// When the server answers with an error or does not answer.
    pub fn psql(&self, sql: &str) -> String {
        let answer = self.try_psql(sql);
        answer.unwrap_or_else(|fault| panic!("{sql}: {fault}"))
    }

    /// The same, where the error is of interest.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let (addr, name) = (self.addr, &self.name);
        let mut url = format!("postgres://postgres:{SUPERUSER_PASSWORD}@{addr}/{name}");
        if let Some(ca) = &self.ca {
            url = format!("{url}?sslmode=verify-full&sslrootcert={}", ca.display());
        }
        run_sql(&self.psql, &url, sql)
    }

    /// A PgBouncer in front of it.
    pub fn bouncer(&self) -> Option<PgBouncer> {
        PgBouncer::before(self)
    }

    /// The same by the role of the gateway, by way of `url`.
    pub fn psql_by_role(&self, url: &str, sql: &str) -> Result<String, String> {
        run_sql(&self.psql, url, sql)
    }
}

fn run_sql(psql: &Path, url: &str, sql: &str) -> Result<String, String> {
    let mut psql = Command::new(psql);
    psql.args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-c", sql, url]);
    output(&mut psql)
}
