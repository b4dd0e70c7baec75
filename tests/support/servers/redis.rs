//! One Redis server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Process, folder, local, on_free_port, output};
use super::{certificate, programs};

/// A Redis server. Every write is on disk before it is answered, unless its configuration says otherwise.
pub struct Redis {
    pub(super) process: Process,
    port: u16,
    cli: PathBuf,
    ca: Option<PathBuf>,
}

/// What makes one kind of server out of the program.
#[derive(Clone, Copy, Default)]
pub(super) struct Kind<'a> {
    /// Further words of the command line, such as `--sentinel`.
    pub words: &'a [&'a str],
    pub tls: bool,
}

impl Redis {
    /// One with nothing special.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// One with further lines of `redis.conf`, such as `maxmemory-policy noeviction` or `user app on >secret ~* +@all`.
    pub fn with(lines: &[&str]) -> Option<Self> {
        Self::of_kind(Kind::default(), lines)
    }

    /// One that speaks TLS alone; [`Self::ca_file`] vouches for it.
    pub fn with_tls() -> Option<Self> {
        let kind = Kind {
            tls: true,
            ..Kind::default()
        };
        Self::of_kind(kind, &[])
    }

    pub(super) fn of_kind(kind: Kind<'_>, lines: &[&str]) -> Option<Self> {
        let programs = programs::all_of("redis-server", ["redis-server", "redis-cli"])?;
        Some(on_free_port(|port| {
            Self::on_port(&programs, port, kind, lines)
        }))
    }

    fn on_port(
        [server, cli]: &[PathBuf; 2],
        port: u16,
        kind: Kind<'_>,
        lines: &[&str],
    ) -> Result<Self, String> {
        let folder = folder();
        let files = kind.tls.then(|| certificate::write(folder.path()));
        let mut configuration = configuration(port, kind, files.as_ref());
        configuration.extend(lines.iter().map(|line| (*line).to_owned()));
        let file = folder.path().join("redis.conf");
        fs::write(&file, configuration.join("\n") + "\n").expect("redis.conf");

        let mut words = vec![server.clone().into_os_string(), file.into_os_string()];
        words.extend(kind.words.iter().map(Into::into));
        let redis = Self {
            process: Process::new(folder, words, "KILL"),
            port,
            cli: cli.clone(),
            ca: files.map(|files| files.ca),
        };
        if redis.process.start(|pid| redis.is_ready(pid)) {
            return Ok(redis);
        }
        Err(redis.process.log())
    }

    /// `redis://…` or `rediss://…`.
    pub fn url(&self) -> String {
        self.url_at(self.addr())
    }

    /// The same by way of another address, such as a [`super::Wire`].
    pub fn url_at(&self, addr: SocketAddr) -> String {
        let scheme = if self.ca.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{addr}")
    }

    pub fn addr(&self) -> SocketAddr {
        local(self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The CA as PEM, where it speaks TLS.
    pub fn ca_file(&self) -> Option<&Path> {
        self.ca.as_deref()
    }

    /// What `redis-cli` prints for one command. It may do everything, whatever the configuration says of passwords.
    ///
    /// # Panics
    /// When the server answers with an error or does not answer.
    pub fn cli(&self, command: &[&str]) -> String {
        let answer = self.try_cli(command);
        answer.unwrap_or_else(|fault| panic!("redis-cli {command:?}: {fault}"))
    }

    /// The same, where the error is of interest.
    pub fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        output(self.command().arg("-e").args(command))
    }

    /// `redis-cli` on its way to this server.
    pub(super) fn command(&self) -> Command {
        let mut cli = Command::new(&self.cli);
        cli.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        cli.args(["--user", "rig", "--pass", "rig", "--no-auth-warning"]);
        if let Some(ca) = &self.ca {
            cli.arg("--tls").arg("--cacert").arg(ca);
        }
        cli
    }

    /// One field of `INFO`.
    pub fn info(&self, field: &str) -> Option<String> {
        read_info(&self.try_cli(&["INFO"]).ok()?, field)
    }

    /// Ends it as a power cut would.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Starts it again on the same port with the same data, killing it first where it runs.
    pub fn restart(&self) {
        self.process.kill9();
        self.process.restart(|pid| self.is_ready(pid));
    }

    /// Starts it again on the same port without data.
    pub fn restart_empty(&self) {
        self.process.kill9();
        let folder = self.process.folder();
        let _ = fs::remove_dir_all(folder.join("appendonlydir"));
        let _ = fs::remove_file(folder.join("dump.rdb"));
        self.process.restart(|pid| self.is_ready(pid));
    }

    /// Holds it: connections stay open, and no answer comes.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// It answers, has loaded its data, and is not a stranger on this port.
    fn is_ready(&self, pid: u32) -> bool {
        let Ok(info) = self.try_cli(&["INFO"]) else {
            return false;
        };
        let loading = read_info(&info, "loading").is_some_and(|loading| loading != "0");
        read_info(&info, "process_id") == Some(pid.to_string()) && !loading
    }
}

fn configuration(port: u16, kind: Kind<'_>, files: Option<&certificate::Files>) -> Vec<String> {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        "dir .".to_owned(),
        "user rig on >rig ~* &* +@all".to_owned(),
    ];
    if let Some(files) = files {
        lines.push(format!("port 0\ntls-port {port}"));
        lines.push(format!("tls-cert-file {}", files.certificate.display()));
        lines.push(format!("tls-key-file {}", files.key.display()));
        lines.push(format!("tls-ca-cert-file {}", files.ca.display()));
        lines.push("tls-auth-clients no".to_owned());
    } else {
        lines.push(format!("port {port}"));
    }
    if kind.words.is_empty() {
        let durable = ["appendonly yes", "appendfsync always", "save \"\""];
        lines.extend(durable.map(String::from));
    }
    lines
}

fn read_info(info: &str, field: &str) -> Option<String> {
    let fields = info.lines().filter_map(|line| line.split_once(':'));
    let mut values = fields.filter(|(name, _)| *name == field);
    values.next().map(|(_, value)| value.trim().to_owned())
}
