//! Sessions in a SQLite file: durable without a server, and readable with tools that everybody has.
//!
//! Opening a session costs no thread hop while this process knows it (`cache.rs` says why that is never stale); what
//! it does not know is read on reader threads, and what is written goes through one writer thread with group commit.
//! Nothing of SQLite runs on a thread that serves sockets. Several processes may have the file open at once: the old
//! and the new gateway during an upgrade, the command line beside the server.

mod cache;
mod claim;
mod reader;
mod rows;
mod schema;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use self::cache::Cache;
use self::claim::Claim;
pub use self::schema::StoreOpenFault;
use self::writer::{Sweep, Writer};
use super::{Answer, Store, StoreFault};
use crate::base::clock::Time;
use crate::session::expiry::Terms;
use crate::session::life::{Commit, Committed, Opening};
use crate::session::ticket::TicketKey;

/// Reads are short; two threads keep one slow read from holding up the rest.
const READERS: usize = 2;

/// Where the sessions are and how long anybody waits for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteSettings {
    /// The database. The file is made with mode 0600, a missing folder with 0700.
    pub path: PathBuf,
    /// How long a request waits; past it the store "did not answer". Also how long a write waits for another process
    /// that has the database locked.
    pub timeout: Duration,
    /// How many jobs may wait for the writer, and as many for the readers; past it the store is overloaded.
    pub queue_max: usize,
    /// How much memory the sessions that need no reading may take, in bytes.
    pub cache_bytes: usize,
}

impl SqliteSettings {
    /// The usual settings for the database at `path`.
    pub fn new(path: impl Into<PathBuf>, timeout: Duration) -> Self {
        Self {
            path: path.into(),
            timeout,
            queue_max: 4096,
            cache_bytes: 64 << 20,
        }
    }
}

/// Sessions in a SQLite file. Its answers are futures for a Tokio runtime with a timer.
pub struct SqliteStore {
    terms: Arc<Terms>,
    timeout: Duration,
    cache: Arc<Cache>,
    reads: SyncSender<reader::Job>,
    writes: SyncSender<writer::Job>,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    readers: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the database and starts its threads. Blocks: it reads the whole file once to see that it is not damaged.
    ///
    /// # Errors
    /// When the file cannot be made, opened or trusted; each fault names the file and the way out.
    pub fn open(settings: &SqliteSettings, terms: Terms) -> Result<Self, StoreOpenFault> {
        // Absolute, because SQLite reads a meaning into names such as ":memory:".
        let path = std::path::absolute(&settings.path).map_err(|source| StoreOpenFault::File {
            path: settings.path.clone(),
            source: source.into(),
        })?;
        let terms = Arc::new(terms);
        let cache = Arc::new(Cache::new(settings.cache_bytes));
        let connection = schema::open_writer(&path, settings.timeout)?;
        let writer =
            Writer::new(connection, Arc::clone(&cache), Arc::clone(&terms)).map_err(|source| {
                StoreOpenFault::Sqlite {
                    path: path.clone(),
                    source,
                }
            })?;
        let (reads, queue) = reader::queue(settings.queue_max);
        let (writes, jobs) = sync_channel(settings.queue_max);
        let mut threads = Threads::default();
        for _ in 0..READERS {
            let connection = schema::open_reader(&path, settings.timeout)?;
            let (queue, cache, terms) =
                (Arc::clone(&queue), Arc::clone(&cache), Arc::clone(&terms));
            let read = move || reader::run(&connection, &queue, &cache, &terms);
            threads.readers.push(start("sessions-read", read)?);
        }
        threads.writer = Some(start("sessions-write", move || writer.run(&jobs))?);
        Ok(Self {
            terms,
            timeout: settings.timeout,
            cache,
            reads,
            writes,
            threads: Mutex::new(threads),
        })
    }

    /// Does what is waiting, ends the threads and closes the file; later calls get [`StoreFault::Stopped`]. Blocks, so
    /// it is not for a thread that still serves sockets. Dropping the store does the same.
    pub fn close(&self) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // The writer goes last: the last connection folds the write-ahead log into the database, which a reader's
        // cannot. A failed send or join means that the thread is gone already.
        for _ in &threads.readers {
            let _ = self.reads.send(reader::Job::Stop);
        }
        for reader in threads.readers.drain(..) {
            let _ = reader.join();
        }
        if let Some(writer) = threads.writer.take() {
            let _ = self.writes.send(writer::Job::Stop);
            let _ = writer.join();
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl Store for SqliteStore {
    fn open(&self, key: &TicketKey, now: Time) -> Answer<Opening> {
        if self.cache.wakes_the_watch() {
            // A full queue wakes the writer just as well.
            let _ = self.writes.try_send(writer::Job::Look);
        }
        let known = self.cache.with(key, |entry| match entry {
            Some(session) => session.open(key, &self.terms, now),
            None => Opening::Vacant,
        });
        if let Some(opening) = known {
            return Answer::now(opening);
        }
        let key = *key;
        self.ask(
            &self.reads,
            |reply| reader::Job::Open { key, now, reply },
            None,
        )
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        let claim = Claim::default();
        let job = |reply| writer::Job::Commit(Box::new(commit), claim.clone(), reply);
        self.ask(&self.writes, job, Some(claim.clone()))
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        let job = |reply| writer::Job::Sweep(Sweep { now, at_most }, reply);
        self.ask(&self.writes, job, None)
    }
}

impl SqliteStore {
    /// Has a thread do a job. With a `claim`, a job that was begun in time is waited for once more, because what it
    /// does will stand.
    fn ask<T: Send + 'static, J>(
        &self,
        queue: &SyncSender<J>,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreFault>>) -> J,
        claim: Option<Claim>,
    ) -> Answer<T> {
        let (reply, mut answer) = oneshot::channel();
        match queue.try_send(job(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Answer::fault(StoreFault::Overloaded),
            Err(TrySendError::Disconnected(_)) => return Answer::fault(StoreFault::Stopped),
        }
        let timeout = self.timeout;
        Answer::later(async move {
            let mut waited = tokio::time::timeout(timeout, &mut answer).await;
            if waited.is_err() && claim.is_some_and(|claim| !claim.give_up()) {
                waited = tokio::time::timeout(timeout, &mut answer).await;
            }
            match waited {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreFault::Stopped),
                Err(_) => Err(StoreFault::Timeout),
            }
        })
    }
}

fn start(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, StoreOpenFault> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(work)
        .map_err(|source: io::Error| StoreOpenFault::Thread(source))
}
