//! Where passwords are compared with hashes: a few threads with a short waiting line, so that a flood of logins takes
//! neither the cores that serve sockets nor the memory.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::setpriority_process;
use tokio::sync::oneshot;

use super::password::PasswordHash;
use crate::base::secret::Secret;

/// How much hashing there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashingSettings {
    /// How many passwords are compared at one time.
    pub threads: usize,
    /// How many more wait.
    pub waiting_max: usize,
    /// How long each of them waits for its answer.
    pub patience: Duration,
}

impl Default for HashingSettings {
    fn default() -> Self {
        Self {
            threads: 2,
            waiting_max: 64,
            patience: Duration::from_secs(10),
        }
    }
}

/// Too many log in at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords wait to be checked")]
pub struct Busy;

struct Job {
    hash: Arc<PasswordHash>,
    password: Secret<String>,
    reply: oneshot::Sender<bool>,
}

/// The threads, and the line before them. They start with the first password, and end when it is dropped.
#[derive(Debug, Default)]
pub struct Hashing {
    settings: HashingSettings,
    /// A lock of the standard library: it is held to start the threads and to take the line, never while waiting.
    line: Mutex<Option<SyncSender<Job>>>,
}

impl Hashing {
    /// A pool by `settings`.
    pub const fn new(settings: HashingSettings) -> Self {
        Self {
            settings,
            line: Mutex::new(None),
        }
    }

    fn line(&self) -> io::Result<SyncSender<Job>> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = &*line {
            return Ok(line.clone());
        }
        let (sender, jobs) = sync_channel(self.settings.waiting_max);
        let jobs = Arc::new(Mutex::new(jobs));
        for nth in 0..self.settings.threads {
            let jobs = Arc::clone(&jobs);
            let named = std::thread::Builder::new().name(format!("hashing-{nth}"));
            named.spawn(move || work(&jobs))?;
        }
        *line = Some(sender.clone());
        Ok(sender)
    }

    /// Whether `password` is the one that `hash` is of.
    ///
    /// # Errors
    /// When too many wait already, or it takes too long.
    pub async fn is_of(
        &self,
        hash: Arc<PasswordHash>,
        password: Secret<String>,
    ) -> Result<bool, Busy> {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            hash,
            password,
            reply,
        };
        let line = self.line().map_err(|error| {
            tracing::error!(%error, "no threads could be started to check passwords");
            Busy
        })?;
        match line.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(Busy),
        }
        match tokio::time::timeout(self.settings.patience, answer).await {
            Ok(Ok(verdict)) => Ok(verdict),
            Ok(Err(_)) | Err(_) => Err(Busy),
        }
    }
}

/// How far the threads stand back: where a core has to choose, it gives them a tenth of what it gives those that serve
/// sockets, so that a flood of guesses slows nobody's pages down. It keeps a login from waiting for more than a second or so
/// on a machine that is busy all over.
const NICENESS: i32 = 10;

fn work(jobs: &Mutex<Receiver<Job>>) {
    // On Linux this is about the calling thread alone. Where it is not allowed, passwords are checked all the same.
    if let Err(error) = setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "the threads that check passwords stay as important as all others");
    }
    loop {
        // The lock is the waiting line: one thread waits for a job, the others for the lock.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else {
            return;
        };
        // Whoever has gone away meanwhile costs nothing more.
        if !job.reply.is_closed() {
            let verdict = job.hash.is_of(job.password.expose().as_bytes());
            let _ = job.reply.send(verdict);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::password::{Cost, hash};
    use super::*;

    fn hash_of(password: &str) -> Arc<PasswordHash> {
        let cost = Cost {
            memory_kib: 64,
            passes: 1,
            lanes: 1,
        };
        let text = hash(password, cost).unwrap();
        Arc::new(PasswordHash::parse(&text).unwrap())
    }

    #[tokio::test]
    async fn passwords_are_compared_elsewhere() {
        let hashing = Hashing::default();
        let hash = hash_of("correct horse");
        let typed = |text: &str| Secret::new(text.to_owned());
        let right = hashing.is_of(Arc::clone(&hash), typed("correct horse"));
        assert_eq!(right.await, Ok(true));
        assert_eq!(hashing.is_of(hash, typed("wrong")).await, Ok(false));
    }

    /// Nobody works, so that the line is full when its place is taken, and whoever has it waits in vain.
    #[tokio::test]
    async fn a_full_line_and_a_long_wait_are_busy() {
        let hashing = Hashing::new(HashingSettings {
            threads: 0,
            waiting_max: 1,
            patience: Duration::from_millis(20),
        });
        // Without threads the line would be closed; this end is held here.
        let (line, _jobs) = sync_channel(1);
        *hashing.line.lock().unwrap() = Some(line);
        let hash = hash_of("x");
        let first = hashing.is_of(Arc::clone(&hash), Secret::new(String::new()));
        let second = hashing.is_of(hash, Secret::new(String::new()));
        let (first, second) = tokio::join!(first, second);
        assert_eq!((first, second), (Err(Busy), Err(Busy)));
    }
}
