//! Reads what the cache does not know, on threads of its own.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::place::Place;
use super::rows::find;
use crate::base::clock::Time;
use crate::session::{Opening, Terms, Ticket, TicketKey};
use crate::store::StoreFault;
use crate::store::known::{Entry, Known};

/// Something for a reader to do.
pub(super) enum Job {
    Open {
        ticket: Ticket,
        now: Time,
        reply: oneshot::Sender<Result<Opening, StoreFault>>,
    },
    /// A list that somebody asked for, who is answered in it. It is given the fault where the database is not to be read.
    List(List),
    /// The reader that takes it ends.
    Stop,
}

/// Reads what it wants, and answers.
pub(super) type List = Box<dyn FnOnce(Result<&Connection, StoreFault>) + Send>;

/// One queue for all readers: whoever is free takes the next job.
pub(super) type Queue = Arc<Mutex<Receiver<Job>>>;

pub(super) fn queue(jobs_max: usize) -> (SyncSender<Job>, Queue) {
    let (sender, receiver) = sync_channel(jobs_max);
    (sender, Arc::new(Mutex::new(receiver)))
}

/// A reader's connection, and what it answers for.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) place: Arc<Place>,
    pub(super) cache: Arc<Known>,
    pub(super) terms: Arc<Terms>,
    /// Since when the database remembers.
    pub(super) born: Time,
}

impl Reader {
    /// Reads until it is stopped. A fault is the answer to the one who asked.
    pub(super) fn run(&self, queue: &Queue) {
        loop {
            // The lock is the waiting line: one reader waits for a job, the others for the lock.
            let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
            match job {
                Ok(Job::Open { ticket, now, reply }) if !reply.is_closed() => {
                    // Nobody waits any more: then nobody minds.
                    let _ = reply.send(self.open(&ticket, now));
                }
                Ok(Job::Open { .. }) => {}
                Ok(Job::List(list)) => list(self.connection()),
                Ok(Job::Stop) | Err(_) => return,
            }
        }
    }

    fn open(&self, ticket: &Ticket, now: Time) -> Result<Opening, StoreFault> {
        let key = ticket.key();
        Ok(match self.look_up(&key)? {
            Some(session) => session.open(&key, &self.terms, now),
            None => Opening::of_unknown(ticket, self.born, &self.terms, now),
        })
    }

    fn look_up(&self, key: &TicketKey) -> Result<Entry, StoreFault> {
        let generation = self.cache.generation(key);
        let entry = find(self.connection()?, key)?
            .map(|(_, session)| session.map(Arc::new))
            .transpose()?;
        self.cache.fill(key, entry.clone(), generation);
        Ok(entry)
    }

    fn connection(&self) -> Result<&Connection, StoreFault> {
        if self.place.has_its_files() {
            Ok(&self.connection)
        } else {
            Err(StoreFault::Moved)
        }
    }
}
