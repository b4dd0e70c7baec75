//! Django's admin in gunicorn, with a database and a superuser.

mod visitor;

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{copy, made};

pub use visitor::DjangoVisitor;

/// Gunicorn with a fresh copy of the project. It is ended when dropped.
pub struct Django {
    gunicorn: Child,
    addr: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Django {
    /// Starts one.
    ///
    /// # Panics
    /// When its setup has not been run.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one that believes who stands before it, by Django's own `RemoteUserMiddleware`.
    ///
    /// # Panics
    /// When its setup has not been run.
    pub fn told_of_users() -> Self {
        Self::with(Some("mysite.remote_settings"))
    }

    fn with(settings: Option<&str>) -> Self {
        let venv = made("django", ".venv");
        let folder = tempfile::tempdir().expect("a folder");
        let project = folder.path().join("project");
        copy(&venv.join("project"), &project);
        let remote = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/apps/django/remote"
        ));
        for name in ["remote_user.py", "remote_settings.py"] {
            fs::copy(remote.join(name), project.join("mysite").join(name)).expect("a copy");
        }
        let mut gunicorn = Command::new(venv.join("bin/gunicorn"))
            .envs(settings.map(|settings| ("DJANGO_SETTINGS_MODULE", settings)))
            .args(["--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4"])
            .arg("mysite.wsgi")
            .current_dir(project)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gunicorn starts");
        let mut stderr = BufReader::new(gunicorn.stderr.take().expect("stderr"));
        let addr = listening(&mut stderr);
        // Its log is read on, or gunicorn would stop when the pipe is full.
        std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        Self {
            gunicorn,
            addr,
            _folder: folder,
        }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        // A kill would leave its worker behind.
        let pid = self.gunicorn.id().to_string();
        let _ = Command::new("sh")
            .args(["-c", "kill -TERM $0", &pid])
            .status();
        let _ = self.gunicorn.wait();
    }
}

fn listening(log: &mut impl BufRead) -> SocketAddr {
    let mut told = String::new();
    loop {
        let from = told.len();
        let read = log.read_line(&mut told).expect("gunicorn's log");
        assert!(read > 0, "gunicorn did not start:\n{told}");
        if let Some((_, rest)) = told[from..].split_once("Listening at: http://") {
            let addr = rest.split_whitespace().next().expect("an address");
            return addr.parse().expect("an address");
        }
    }
}
