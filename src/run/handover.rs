//! The upgrade of a running gateway: on SIGUSR2 it starts its program anew, as it is on disk by then, and passes on its
//! listening sockets. When the new process says that it serves, this one drains.
//!
//! The sockets never close, so that nobody is refused, and who is in their queues is served by whoever comes first. A
//! new process that does not come up, because its configuration is bad or its program, changes nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::inherited::{PREDECESSOR, passed_name, tell};
use super::listen::Kept;
use super::notify;
use crate::base::causes::Causes;
use crate::base::socket_file::SocketFile;
use crate::config::settings::Engine;
use crate::server::drain::Drain;

/// How long a new process has to say that it serves.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one that gave up has to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// The first of the passed descriptors (sd_listen_fds(3)).
const FIRST: i32 = 3;

/// Why this process goes on.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("the new process cannot be started")]
    Start(#[source] io::Error),
    #[error("the new process ended before it served: {0}")]
    Ended(String),
    #[error("the new process did not serve within {PATIENCE:?} and was stopped")]
    TimedOut,
    #[error("this process was told to stop meanwhile, and so was the new one")]
    Stopping,
}

/// SIGUSR2. From now on it does not end this process.
///
/// # Errors
/// There is no handler of signals to be had.
pub(super) fn asked() -> io::Result<Signal> {
    signal(SignalKind::user_defined2())
}

/// What a successor needs.
pub(super) struct Handover {
    /// Second handles of the listening sockets, and what the configuration calls them. They keep the sockets open, so
    /// they go when the drain begins.
    listeners: Mutex<Vec<(String, OwnedFd)>>,
    /// Names of sockets that a successor goes on with.
    files: Vec<Weak<SocketFile>>,
    /// Who waits for us to serve.
    predecessor: Mutex<Option<StdUnixStream>>,
    /// Whether sessions are in the memory of this process alone.
    loses_sessions: bool,
}

impl Handover {
    pub fn new(kept: Kept, predecessor: Option<StdUnixStream>, engine: &Engine) -> Self {
        Self {
            loses_sessions: matches!(engine, Engine::Memory),
            listeners: Mutex::new(kept.sockets),
            files: kept.files,
            predecessor: Mutex::new(predecessor),
        }
    }

    /// Says that this process serves: to the service manager and to the process that it takes over from.
    pub fn ready(&self) {
        let predecessor = locked(&self.predecessor).take();
        predecessor.into_iter().for_each(tell);
        notify::ready();
    }

    /// Hands over whenever it is asked to, until it is dropped.
    pub async fn serve(&self, mut asked: Signal, drain: &Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => break,
                _ = asked.recv() => {}
            }
            match self.hand_over(&mut asked, drain).await {
                Ok(pid) => {
                    tracing::info!(pid, "another process has taken over");
                    let files = self.files.iter().filter_map(Weak::upgrade);
                    files.for_each(|file| file.leave());
                    notify::taken_over_by(pid);
                    drain.begin();
                }
                Err(fault) => {
                    let error = Causes(&fault);
                    tracing::error!(%error, "no other process takes over, this one goes on");
                }
            }
        }
        locked(&self.listeners).clear();
        std::future::pending().await
    }

    /// Starts a successor; tells its process once it serves.
    async fn hand_over(&self, asked: &mut Signal, drain: &Drain) -> Result<u32, Fault> {
        let (mut line, mut child) = self.start().map_err(Fault::Start)?;
        tracing::info!(pid = child.id(), "handing over to another process");
        if self.loses_sessions {
            tracing::warn!(
                "all sessions end with this process: session.store.engine = \"memory\" hands none over"
            );
        }
        let mut word = [0; 1];
        let hears = tokio::time::timeout(PATIENCE, line.read_exact(&mut word));
        tokio::pin!(hears);
        let heard = loop {
            tokio::select! {
                heard = &mut hears => break heard,
                () = drain.begun() => {
                    end(&mut child);
                    return Err(Fault::Stopping);
                }
                _ = asked.recv() => tracing::warn!(
                    pid = child.id(),
                    "SIGUSR2 is ignored: another process is taking over already"
                ),
            }
        };
        match heard {
            Ok(Ok(_)) => Ok(child.id()),
            Ok(Err(_)) => {
                // It closes the line when it gives up, and may have more to say.
                let _ = tokio::time::timeout(LAST_WORDS, ended(&mut child)).await;
                Err(Fault::Ended(end(&mut child)))
            }
            Err(_elapsed) => {
                end(&mut child);
                Err(Fault::TimedOut)
            }
        }
    }

    fn start(&self) -> io::Result<(UnixStream, Child)> {
        let (ours, theirs) = StdUnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let ours = UnixStream::from_std(ours)?;

        let mut names = Vec::new();
        let mut sockets = Vec::new();
        for (name, socket) in locked(&self.listeners).iter() {
            names.push(passed_name(name));
            sockets.push(socket.try_clone()?);
        }
        names.push(PREDECESSOR.to_owned());
        sockets.push(theirs.into());
        let count = sockets.len().to_string();
        let numbered = sockets.into_iter().zip(FIRST..);
        let mappings = numbered.map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });

        let mut arguments = std::env::args_os();
        let program = arguments.next().ok_or(io::ErrorKind::NotFound)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .env("LISTEN_FDS", count)
            .env("LISTEN_FDNAMES", names.join(":"))
            // Its number is not known before it is there; without one, everybody is meant.
            .env_remove("LISTEN_PID")
            .env_remove("LISTEN_FDS_FIRST_FD")
            .env_remove("WATCHDOG_PID")
            .fd_mappings(mappings.collect())
            .map_err(io::Error::other)?;
        Ok((ours, command.spawn()?))
    }
}

async fn ended(child: &mut Child) {
    while let Ok(None) = child.try_wait() {
        tokio::time::sleep(LAST_WORDS / 100).await;
    }
}

/// Ends a process that does not serve; tells how it ended.
fn end(child: &mut Child) -> String {
    let _ = child.kill();
    match child.wait() {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
