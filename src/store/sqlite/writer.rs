//! The one thread that writes. It takes what is waiting into one transaction (group commit), because reaching the disk
//! is what costs, and answers everybody when the transaction is durable.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::cache::Cache;
use super::claim::Claim;
use super::rows::{data_version, file, find, insert, is_filed, remove_over, unfile, update};
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::session::expiry::Terms;
use crate::session::life::{Closed, Commit, Committed, Session};
use crate::session::ticket::TicketKey;
use crate::store::StoreFault;

/// How often the writer looks for the writes of other processes while sessions are opened.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The most jobs in one transaction.
const BATCH_MAX: usize = 256;

/// Something for the writer to do.
pub(super) enum Job {
    Commit(Box<Commit>, Claim, Reply<Committed>),
    Sweep(Sweep, Reply<usize>),
    /// Somebody asks again after the watch rested.
    Look,
    /// The writer does what came before and ends.
    Stop,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, StoreFault>>;

/// Removes up to `at_most` sessions that are over at `now`.
pub(super) struct Sweep {
    pub(super) now: Time,
    pub(super) at_most: usize,
}

pub(super) struct Writer {
    connection: Connection,
    cache: Arc<Cache>,
    terms: Arc<Terms>,
    /// What `PRAGMA data_version` said at the last look. On one connection it moves only when another one wrote.
    data_version: i64,
}

#[derive(Default)]
struct Batch {
    commits: Vec<(Box<Commit>, Claim, Reply<Committed>)>,
    sweeps: Vec<(Sweep, Reply<usize>)>,
    is_last: bool,
}

/// What came of a batch, in its order.
struct Done {
    commits: Vec<Result<Committed, StoreFault>>,
    sweeps: Vec<usize>,
    written: Written,
}

/// What is to be published under which tickets.
type Written = Vec<(TicketKey, Arc<Session>)>;

impl Writer {
    pub(super) fn new(
        connection: Connection,
        cache: Arc<Cache>,
        terms: Arc<Terms>,
    ) -> rusqlite::Result<Self> {
        let data_version = data_version(&connection)?;
        Ok(Self {
            connection,
            cache,
            terms,
            data_version,
        })
    }

    /// Writes until it is stopped or nobody is left to send it anything.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let next = if self.cache.lets_the_watch_rest() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(LOOK_EVERY)
            };
            match next {
                Ok(Job::Look) => self.look(),
                Ok(first) => {
                    let batch = Batch::gather(first, jobs);
                    let is_last = batch.is_last;
                    self.work(batch);
                    if is_last {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => self.look(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn look(&mut self) {
        let moment = self.cache.moment_millis();
        match data_version(&self.connection) {
            Ok(found) => note_others(&self.cache, &mut self.data_version, found, moment),
            // Without a look the cache stops to count by itself, so nothing stale is served.
            Err(error) => tracing::warn!(
                error = %Causes(&error),
                "cannot look for the session changes of other processes"
            ),
        }
    }

    fn work(&mut self, batch: Batch) {
        if batch.commits.is_empty() && batch.sweeps.is_empty() {
            return self.look();
        }
        // A visitor who does not wait any more is no fault of ours, so failed sends are ignored.
        match self.transact(&batch) {
            Ok(done) => {
                for (key, session) in done.written {
                    self.cache.publish(&key, Some(session));
                }
                for ((_, _, reply), answer) in batch.commits.into_iter().zip(done.commits) {
                    let _ = reply.send(answer);
                }
                for ((_, reply), removed) in batch.sweeps.into_iter().zip(done.sweeps) {
                    let _ = reply.send(Ok(removed));
                }
            }
            Err(error) => {
                // A transaction that failed while it reached the disk may be found there all the same.
                self.cache.clear();
                let error = Arc::new(error);
                for (_, _, reply) in batch.commits {
                    let _ = reply.send(Err(StoreFault::Sqlite(Arc::clone(&error))));
                }
                for (_, reply) in batch.sweeps {
                    let _ = reply.send(Err(StoreFault::Sqlite(Arc::clone(&error))));
                }
            }
        }
    }

    /// Does the batch in one transaction, or nothing of it.
    fn transact(&mut self, batch: &Batch) -> rusqlite::Result<Done> {
        let moment = self.cache.moment_millis();
        // Immediate: from here to the end nobody else writes, so what is read below is what will be replaced.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = data_version(&transaction)?;
        note_others(&self.cache, &mut self.data_version, found, moment);

        let mut written = Written::new();
        let mut commits = Vec::with_capacity(batch.commits.len());
        for (commit, claim, reply) in &batch.commits {
            // The transaction may have waited long for another process. What nobody waits for any more is not done.
            if reply.is_closed() || !claim.take() {
                commits.push(Err(StoreFault::Timeout));
                continue;
            }
            commits.push(apply(&transaction, commit, &self.terms, &mut written)?);
        }
        let mut sweeps = Vec::with_capacity(batch.sweeps.len());
        for (sweep, _) in &batch.sweeps {
            sweeps.push(remove_over(&transaction, sweep.now, sweep.at_most)?);
        }
        transaction.commit()?;
        Ok(Done {
            commits,
            sweeps,
            written,
        })
    }
}

impl Batch {
    /// `first` and what is waiting behind it.
    fn gather(first: Job, jobs: &Receiver<Job>) -> Self {
        let mut batch = Self::default();
        let waiting = std::iter::from_fn(|| jobs.try_recv().ok());
        for job in std::iter::once(first).chain(waiting).take(BATCH_MAX) {
            match job {
                Job::Commit(commit, claim, reply) => batch.commits.push((commit, claim, reply)),
                Job::Sweep(sweep, reply) => batch.sweeps.push((sweep, reply)),
                // Every transaction looks, and so does a batch of nothing but this.
                Job::Look => {}
                Job::Stop => {
                    batch.is_last = true;
                    break;
                }
            }
        }
        batch
    }
}

fn note_others(cache: &Cache, known: &mut i64, found: i64, moment_millis: u64) {
    if *known != found {
        *known = found;
        cache.clear();
    }
    cache.vouch(moment_millis);
}

/// Does one commit. The outer error ends the whole transaction; the inner one is this commit's own, and is found
/// before anything is written.
fn apply(
    transaction: &Transaction<'_>,
    commit: &Commit,
    terms: &Terms,
    written: &mut Written,
) -> rusqlite::Result<Result<Committed, StoreFault>> {
    let key = commit.ticket.key();
    let (known, mut session) = match find(transaction, &key)? {
        Some((id, Ok(session))) => (Some(id), session),
        Some((_, Err(fault))) => return Ok(Err(fault)),
        None => match Session::begin_for(commit, terms) {
            Ok(session) => (None, session),
            Err(committed) => return Ok(Ok(committed)),
        },
    };
    let effects = session.commit(commit, terms);
    if !effects.changed {
        return Ok(Ok(effects.committed));
    }
    let fresh = effects.fresh_ticket(&key);
    if let Some(fresh) = &fresh
        && is_filed(transaction, fresh)?
    {
        return Ok(Err(StoreFault::TicketInUse));
    }

    let id = match known {
        Some(id) => update(transaction, id, &session, terms)?,
        None => {
            let id = insert(transaction, &session, terms)?;
            file(transaction, &key, id)?;
            id
        }
    };
    let session_of_fresh = match effects.fork {
        Some(fork) => {
            let id = insert(transaction, &fork, terms)?;
            note(written, fork, &[]);
            id
        }
        None => id,
    };
    if let Some(fresh) = &fresh {
        file(transaction, fresh, session_of_fresh)?;
    }
    for key in &effects.forgotten {
        unfile(transaction, key)?;
    }
    note(written, session, &effects.forgotten);
    for key in &effects.end_too {
        end(transaction, key, terms, commit.now, written)?;
    }
    Ok(Ok(effects.committed))
}

/// Ends a session that a flush ends as well. One that cannot be read opens nothing anyway.
fn end(
    transaction: &Transaction<'_>,
    key: &TicketKey,
    terms: &Terms,
    now: Time,
    written: &mut Written,
) -> rusqlite::Result<()> {
    if let Some((id, Ok(mut session))) = find(transaction, key)? {
        session.close(Closed::Ended, terms, now);
        update(transaction, id, &session, terms)?;
        note(written, session, &[]);
    }
    Ok(())
}

fn note(written: &mut Written, session: Session, forgotten: &[TicketKey]) {
    let session = Arc::new(session);
    let holders = session.holders.iter().map(|holder| holder.key);
    for key in holders.chain(forgotten.iter().copied()) {
        written.push((key, Arc::clone(&session)));
    }
}
