//! Sessions in a SQLite file: durable without a server, and readable with tools that everybody has.
//!
//! Opening a session costs no thread hop while this process knows it (`known.rs` says why that is never stale); what
//! it does not know is read on reader threads, and what is written goes through one writer thread with group commit.
//! Nothing of SQLite runs on a thread that serves sockets. Several processes may have the file open at once: the old
//! and the new gateway during an upgrade, the command line beside the server.

mod claim;
mod company;
mod fates;
mod fault;
mod list;
mod nodes;
mod notes;
mod open;
mod place;
mod reader;
mod rows;
mod schema;
mod work;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use self::claim::Claim;
use self::company::Company;
pub use self::fault::StoreOpenFault;
pub use self::open::Trust;
use self::place::Place;
use self::reader::Reader;
pub use self::schema::SCHEMA_VERSION;
use self::writer::{Asked, Writer};
use super::known::{Entry, Known};
use super::{Answer, Catalogue, Fate, Notes, Store, StoreFault};
use crate::base::clock::Time;
use crate::session::{Commit, Committed, Opening, Terms, Ticket, TicketKey};

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
    /// How far the file is trusted.
    pub trust: Trust,
}

impl SqliteSettings {
    /// The usual settings for the database at `path`.
    pub fn new(path: impl Into<PathBuf>, timeout: Duration) -> Self {
        Self {
            path: path.into(),
            timeout,
            queue_max: 4096,
            cache_bytes: 64 << 20,
            trust: Trust::AfterACheck,
        }
    }

    /// The settings of a command that works on the database at `path` beside the server: it neither reads the whole
    /// file first nor keeps much of it in memory.
    pub fn of_a_command(path: impl Into<PathBuf>, timeout: Duration) -> Self {
        Self {
            cache_bytes: 1 << 20,
            trust: Trust::AtOnce,
            ..Self::new(path, timeout)
        }
    }
}

/// Sessions in a SQLite file. Its answers are futures for a Tokio runtime with a timer.
pub struct SqliteStore {
    terms: Arc<Terms>,
    /// Since when the database remembers.
    born: Time,
    timeout: Duration,
    cache: Arc<Known>,
    company: Arc<Company>,
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
    /// Opens the database and starts its threads. Blocks: it reads the whole file once to see that it is not damaged,
    /// unless it is trusted at once. A database that is new remembers from `now` on.
    ///
    /// # Errors
    /// When the file cannot be made, opened or trusted; each fault names the file and the way out.
    pub fn open(
        settings: &SqliteSettings,
        terms: Terms,
        now: Time,
    ) -> Result<Self, StoreOpenFault> {
        // Absolute, because SQLite reads a meaning into names such as ":memory:".
        let path = std::path::absolute(&settings.path)
            .map_err(|source| StoreOpenFault::file(&settings.path, source))?;
        open::make_file(&path)?;
        let no_file = |source| StoreOpenFault::file(&path, source);
        let mut place = Place::of(&path).map_err(no_file)?;
        let terms = Arc::new(terms);
        let cache = Arc::new(Known::new(settings.cache_bytes));
        let connection = open::open_writer(&path, settings.timeout, settings.trust, now)?;
        place.note_log().map_err(no_file)?;
        let place = Arc::new(place);
        let facts = || Ok((schema::born(&connection)?, rows::data_version(&connection)?));
        let (born, data_version) = facts().map_err(|source| fault::explain(&path, source))?;
        let (reads, queue) = reader::queue(settings.queue_max);
        let (writes, jobs) = sync_channel(settings.queue_max);
        let mut threads = Threads::default();
        for _ in 0..READERS {
            let reader = Reader {
                connection: open::open_reader(&path, settings.timeout)?,
                place: Arc::clone(&place),
                cache: Arc::clone(&cache),
                terms: Arc::clone(&terms),
                born,
            };
            let queue = Arc::clone(&queue);
            threads
                .readers
                .push(start("sessions-read", move || reader.run(&queue))?);
        }
        let company = Arc::new(Company::default());
        let writer = Writer {
            company: Arc::clone(&company),
            own: None,
            room: notes::Room::default(),
            connection,
            place,
            cache: Arc::clone(&cache),
            terms: Arc::clone(&terms),
            born,
            data_version,
        };
        threads.writer = Some(start("sessions-write", move || writer.run(&jobs))?);
        Ok(Self {
            terms,
            born,
            timeout: settings.timeout,
            cache,
            company,
            reads,
            writes,
            threads: Mutex::new(threads),
        })
    }

    /// Since when the database remembers; 0 where a version wrote it that did not note that.
    pub const fn born(&self) -> Time {
        self.born
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
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening> {
        let key = ticket.key();
        if self.cache.wakes_the_watch() {
            // A full queue wakes the writer just as well.
            let _ = self.writes.try_send(writer::Job::Look);
        }
        let known = |entry: &Entry| match entry {
            Some(session) => session.open(&key, &self.terms, now),
            None => Opening::of_unknown(ticket, self.born, &self.terms, now),
        };
        if !self.company.is_there()
            && let Some(opening) = self.cache.with(&key, known)
        {
            return Answer::now(opening);
        }
        let ticket = ticket.clone();
        self.ask(
            &self.reads,
            |reply| reader::Job::Open { ticket, now, reply },
            None,
        )
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        let claim = Claim::default();
        let job = |reply| writer::Job::Commit(Box::new(commit), claim.clone(), Asked::from(reply));
        self.ask(&self.writes, job, Some(claim.clone()))
    }

    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        self.fates_of(keys, now)
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        let job = |reply| writer::Job::Sweep(now, at_most, Asked::from(reply));
        self.ask(&self.writes, job, None)
    }

    fn catalogue(&self) -> Option<&dyn Catalogue> {
        Some(self)
    }

    fn notes(&self) -> Option<&dyn Notes> {
        Some(self)
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
