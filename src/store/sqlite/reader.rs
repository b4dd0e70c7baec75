//! Reads what the cache does not know, on threads of its own.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::cache::{Cache, Entry};
use super::rows::find;
use crate::base::clock::Time;
use crate::session::expiry::Terms;
use crate::session::life::Opening;
use crate::session::ticket::TicketKey;
use crate::store::StoreFault;

/// Something for a reader to do.
pub(super) enum Job {
    Open {
        key: TicketKey,
        now: Time,
        reply: oneshot::Sender<Result<Opening, StoreFault>>,
    },
    /// The reader that takes it ends.
    Stop,
}

/// One queue for all readers: whoever is free takes the next job.
pub(super) type Queue = Arc<Mutex<Receiver<Job>>>;

pub(super) fn queue(jobs_max: usize) -> (SyncSender<Job>, Queue) {
    let (sender, receiver) = sync_channel(jobs_max);
    (sender, Arc::new(Mutex::new(receiver)))
}

/// Reads until it is stopped. A fault is the answer to the one who asked.
pub(super) fn run(connection: &Connection, queue: &Queue, cache: &Cache, terms: &Terms) {
    loop {
        // The lock is the waiting line: one reader waits for a job, the others for the lock.
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job::Open { key, now, reply }) = job else {
            return;
        };
        if reply.is_closed() {
            continue;
        }
        let answer = look_up(connection, cache, &key).map(|entry| match entry {
            Some(session) => session.open(&key, terms, now),
            None => Opening::Vacant,
        });
        // Nobody waits any more: then nobody minds.
        let _ = reply.send(answer);
    }
}

fn look_up(connection: &Connection, cache: &Cache, key: &TicketKey) -> Result<Entry, StoreFault> {
    let generation = cache.generation(key);
    let entry = find(connection, key)?
        .map(|(_, session)| session.map(Arc::new))
        .transpose()?;
    cache.fill(key, entry.clone(), generation);
    Ok(entry)
}
