//! PgBouncer in transaction mode.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::postgres::{Database, PASSWORD, ROLE};
use super::process::{Process, folder, local, on_free_port};
use super::programs::{self, Servant};

/// A PgBouncer that hands out its few connections to a database for a transaction at a time.
pub struct PgBouncer {
    process: Process,
    port: u16,
    url: String,
}

impl PgBouncer {
    /// In front of `database`, which speaks no TLS.
    pub fn before(database: &Database) -> Option<Self> {
        let [program] = programs::all_of("pgbouncer", ["pgbouncer"])?;
        Some(on_free_port(|port| Self::on_port(&program, port, database)))
    }

    fn on_port(program: &PathBuf, port: u16, database: &Database) -> Result<Self, String> {
        let folder = folder();
        let servant = Servant::of_postgres();
        servant.owns(folder.path());
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            fs::write(&file, text).expect("a file");
            servant.owns(&file);
            file
        };
        let users = write("users", format!("\"{ROLE}\" \"{PASSWORD}\"\n"));
        let (name, server) = (database.name(), database.addr().port());
        let file = write(
            "pgbouncer.ini",
            format!(
                "[databases]
{name} = host=127.0.0.1 port={server} dbname={name}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
",
                users = users.display()
            ),
        );
        let mut words = servant.prefix.clone();
        words.extend([program.into(), file.into()]);
        let bouncer = Self {
            process: Process::new(folder, words, "KILL"),
            port,
            url: database.url_at(local(port)),
        };
        if bouncer.process.start(|pid| bouncer.is_ready(pid)) {
            return Ok(bouncer);
        }
        Err(bouncer.process.log())
    }

    /// `postgres://…` by way of it.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn addr(&self) -> SocketAddr {
        local(self.port)
    }

    /// Ends it and its connections as a power cut would.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Starts it again on the same port, killing it first where it runs.
    pub fn restart(&self) {
        self.process.kill9();
        self.process.restart(|pid| self.is_ready(pid));
    }

    fn is_ready(&self, pid: u32) -> bool {
        let up = format!("[{pid}] LOG process up");
        self.process.log().contains(&up)
    }
}
