//! Sessions on a server that several nodes share. A [`Driver`] moves rows; what is to be written is worked out here, by
//! [`Session`](crate::session::Session), and written only if nobody else wrote meanwhile (compare and set). So no rule
//! of the consistency contract is told again in Lua or SQL.
//!
//! All that talks to the server runs on one thread with a runtime of its own: a core of the gateway may drop a request
//! at any moment, and what a request began for others must not end with it. What this process knows (`nearby.rs`) is
//! answered on the core itself. Opens of one ticket share their round trip (`opens.rs`), commits of one ticket are
//! written together (`commits.rs`).

pub mod driver;

mod thread;

mod shared;

mod nearby;

mod lanes;

mod opens;

mod plan;

mod commits;

mod fates;

mod listing;

mod take_over;

mod notes;

use std::error::Error;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::commits::Waiting;
pub use self::driver::Driver;
use self::opens::Asking;
use self::shared::{Patience, Reply, Shared};
use self::thread::Thread;
use super::{Answer, Catalogue, Fate, Notes, Store, StoreFault};
use crate::base::clock::Time;
use crate::session::{Commit, Committed, Opening, Terms, Ticket, TicketKey};

/// How long anybody waits for the server, and what may be kept of it here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// How long a request waits; past it the store "did not answer".
    pub timeout: Duration,
    /// How many requests may wait at a time; past it the store is overloaded.
    pub queue_max: usize,
    /// How much memory the sessions that need no asking may take, in bytes; 0: the server is always asked.
    pub near_cache_bytes: usize,
}

impl RemoteSettings {
    /// The usual settings.
    pub const fn new(timeout: Duration, near_cache_bytes: usize) -> Self {
        Self {
            timeout,
            queue_max: 4096,
            near_cache_bytes,
        }
    }

    /// How long a driver should wait for its server: a little less than the work that it is called for. It learns from
    /// its own deadline that a connection is dead; one whose call is dropped learns nothing, and would use that
    /// connection again and again.
    pub fn driver_timeout(&self) -> Duration {
        self.timeout
            .saturating_sub(shared::ahead(self.timeout).saturating_mul(2))
    }
}

/// Why a remote store did not start.
#[derive(Debug, thiserror::Error)]
pub enum RemoteStartFault<E: Error + 'static> {
    /// Its thread did not start.
    #[error("cannot start the thread of the session store")]
    Thread(#[source] io::Error),
    /// The driver did not.
    #[error("cannot start the session store")]
    Driver(#[source] E),
}

/// Sessions on a server. Its answers are futures for a Tokio runtime with a timer.
pub struct RemoteStore<D: Driver> {
    shared: Arc<Shared<D>>,
    runtime: tokio::runtime::Handle,
    /// The thread, until it is stopped. Locked by who stops it, so that whoever else does waits for the end as well.
    thread: Mutex<Option<Thread>>,
}

impl<D: Driver> RemoteStore<D> {
    /// Starts the store's thread and makes the driver there, with `connect`: it may start tasks. Blocks until
    /// `connect` is through, which has to know its own end.
    ///
    /// # Errors
    /// When the thread does not start, or `connect` fails.
    pub fn start<E, F>(
        settings: &RemoteSettings,
        terms: Terms,
        connect: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Self, RemoteStartFault<E>>
    where
        E: Error + Send + 'static,
        F: Future<Output = Result<D, E>>,
    {
        let (thread, runtime, shared) = thread::start(settings.clone(), terms, connect)?;
        Ok(Self {
            shared,
            runtime,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The driver, for what only its engine knows.
    pub fn driver(&self) -> &D {
        &self.shared.driver
    }

    /// Finishes what is under way, if the server answers in time, and ends the thread; later calls get
    /// [`StoreFault::Stopped`]. Blocks, so it is not for a thread that still serves sockets. Dropping the store does
    /// the same.
    pub fn close(&self) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            self.shared.refuse_more();
            thread.stop();
        }
    }
}

impl<D: Driver> Drop for RemoteStore<D> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<D: Driver> Store for RemoteStore<D> {
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening> {
        let shared = &self.shared;
        let key = ticket.key();
        if let Some(opening) = shared.nearby.open(&key, ticket, &shared.terms, now) {
            return Answer::now(opening);
        }
        let patience = Patience::begin(shared.timeout);
        self.ask(patience, |reply| {
            let ticket = ticket.clone();
            let asking = Asking::new(ticket, now, patience, reply);
            if let Some(turns) = shared.opens.join(key, asking) {
                let shared = Arc::clone(shared);
                self.runtime
                    .spawn(async move { shared.find_for_openers(turns).await });
            }
        })
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        let shared = &self.shared;
        let patience = Patience::begin(shared.timeout);
        self.ask(patience, |reply| {
            let key = commit.ticket.key();
            let waiting = Waiting::new(commit, patience, reply);
            if let Some(turns) = shared.commits.join(key, waiting) {
                let shared = Arc::clone(shared);
                self.runtime
                    .spawn(async move { shared.write_for_committers(turns).await });
            }
        })
    }

    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        self.have(self.shared.timeout, move |shared| async move {
            shared.fates(keys, now).await
        })
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.sweep(now, at_most).await
        })
    }

    fn catalogue(&self) -> Option<&dyn Catalogue> {
        Some(self)
    }

    fn notes(&self) -> Option<&dyn Notes> {
        Some(self)
    }
}

impl<D: Driver> RemoteStore<D> {
    /// Takes a place among those who wait, has `begin` see to the reply, and waits for it.
    fn ask<T: Send + 'static>(
        &self,
        patience: Patience,
        begin: impl FnOnce(Reply<T>),
    ) -> Answer<T> {
        let (reply, answered) = match self.shared.reply() {
            Ok(both) => both,
            Err(fault) => return Answer::fault(fault),
        };
        begin(reply);
        Answer::later(async move {
            match tokio::time::timeout(patience.left(), answered).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(_)) => Err(StoreFault::Stopped),
                Err(_) => Err(StoreFault::Timeout),
            }
        })
    }

    /// Has `work` done on the store's thread within `span`.
    fn have<T: Send + 'static, F>(
        &self,
        span: Duration,
        work: impl FnOnce(Arc<Shared<D>>) -> F,
    ) -> Answer<T>
    where
        F: Future<Output = Result<T, StoreFault>> + Send + 'static,
    {
        let patience = Patience::begin(span);
        self.ask(patience, |reply| {
            let work = work(Arc::clone(&self.shared));
            self.runtime.spawn(async move {
                reply.send(patience.limit(work).await);
            });
        })
    }
}
