//! The one thread that writes. It takes what is waiting into one transaction (group commit), because reaching the disk
//! is what costs, and answers everybody when the transaction is durable.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::claim::Claim;
use super::company::Company;
use super::nodes::announce;
use super::notes::{self, Room, Swap};
use super::place::Place;
use super::rows::{data_version, index_the_unindexed, remove_over};
use super::work::{Work, Written};
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::session::{Commit, Committed, Session, Terms, TicketKey};
use crate::store::known::Known;
use crate::store::{Node, NoteKey, Pour, StoreFault};

/// How often the writer looks for the writes of other processes while sessions are opened.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The most jobs in one transaction.
const BATCH_MAX: usize = 256;

/// Something for the writer to do.
pub(super) enum Job {
    Commit(Box<Commit>, Claim, Asked<Committed>),
    Swap(Box<Swap>, Claim, Asked<bool>),
    Pour((NoteKey, Pour), Time, Claim, Asked<Option<Duration>>),
    /// Removes up to so many sessions and notes that are over.
    Sweep(Time, usize, Asked<usize>),
    End(TicketKey, Time, Asked<bool>),
    TakeOver(Vec<Session>, Asked<usize>),
    Announce(Box<Node>, Time, Asked<Vec<Node>>),
    /// Somebody asks again after the watch rested.
    Look,
    /// The writer does what came before and ends.
    Stop,
}

/// Somebody who waits for an answer, and the answer until the transaction is durable.
pub(super) struct Asked<T> {
    reply: oneshot::Sender<Result<T, StoreFault>>,
    answer: Option<Result<T, StoreFault>>,
}

/// The writer's connection, and what it answers for.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) place: Arc<Place>,
    pub(super) cache: Arc<Known>,
    pub(super) terms: Arc<Terms>,
    /// Since when the database remembers.
    pub(super) born: Time,
    /// What `PRAGMA data_version` said at the last look. On one connection it moves only when another one wrote.
    pub(super) data_version: i64,
    pub(super) company: Arc<Company>,
    /// For how many notes there is room.
    pub(super) room: Room,
    /// This node, as it announced itself last.
    pub(super) own: Option<Node>,
}

/// Why a transaction failed. Everybody who was in it is told.
enum Failure {
    Sqlite(Arc<rusqlite::Error>),
    Moved,
}

impl Writer {
    /// Writes until it is stopped or nobody is left to send it anything.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let next = if self.cache.lets_the_watch_rest() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(LOOK_EVERY)
            };
            match next {
                Ok(first) => {
                    let (batch, is_last) = gather(first, jobs);
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
        if !self.place.has_its_files() {
            // What is known of it counts no more, and readers refuse by themselves.
            return self.cache.clear();
        }
        match data_version(&self.connection) {
            Ok(found) => {
                if found != self.data_version {
                    self.company.look(&self.connection, self.own.as_ref());
                }
                note_others(&self.cache, &mut self.data_version, found, moment);
            }
            // Without a look the cache stops to count by itself, so nothing stale is served.
            Err(error) => tracing::warn!(
                error = %Causes(&error),
                "cannot look for the session changes of other processes"
            ),
        }
    }

    fn work(&mut self, mut batch: Vec<Job>) {
        if batch.is_empty() {
            return self.look();
        }
        match self.transact(&mut batch) {
            Ok(written) => {
                self.note_own(&batch);
                for (key, session) in written {
                    self.cache.publish(&key, Some(session));
                }
                batch.into_iter().for_each(|job| job.answer(None));
            }
            Err(failure) => {
                // A transaction that failed while it reached the disk may be found there all the same.
                self.cache.clear();
                batch.into_iter().for_each(|job| job.answer(Some(&failure)));
            }
        }
    }

    /// Does the batch in one transaction, or nothing of it.
    fn transact(&mut self, batch: &mut [Job]) -> Result<Written, Failure> {
        let moment = self.cache.moment_millis();
        self.check_place()?;
        // Immediate: from here to the end nobody else writes, so what is read below is what will be replaced.
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let found = data_version(&transaction)?;
        if found != self.data_version {
            self.company.look(&transaction, self.own.as_ref());
        }
        if note_others(&self.cache, &mut self.data_version, found, moment) {
            index_the_unindexed(&transaction)?;
        }
        let mut work = Work {
            transaction: &transaction,
            terms: &self.terms,
            born: self.born,
            written: Written::new(),
            room: &mut self.room,
        };
        for job in batch {
            job.is_done_in(&mut work)?;
        }
        let written = work.written;
        transaction.commit()?;
        // Nobody is told of what went into a file that was taken away meanwhile.
        self.check_place()?;
        Ok(written)
    }

    /// Takes note of what this node announced, and of who else is there.
    fn note_own(&mut self, batch: &[Job]) {
        for job in batch {
            if let Job::Announce(own, _, asked) = job
                && let Some(Ok(register)) = &asked.answer
            {
                self.company.judge(own, register);
                self.own = Some(Node::clone(own));
            }
        }
    }

    fn check_place(&self) -> Result<(), Failure> {
        if self.place.has_its_files() {
            Ok(())
        } else {
            Err(Failure::Moved)
        }
    }
}

/// `first` and what is waiting behind it, and whether it is the last that is done.
fn gather(first: Job, jobs: &Receiver<Job>) -> (Vec<Job>, bool) {
    let mut batch = Vec::new();
    let waiting = std::iter::from_fn(|| jobs.try_recv().ok());
    for job in std::iter::once(first).chain(waiting).take(BATCH_MAX) {
        match job {
            // Every transaction looks, and so does a batch of nothing but this.
            Job::Look => {}
            Job::Stop => return (batch, true),
            job => batch.push(job),
        }
    }
    (batch, false)
}

/// Takes note of the writes of others, if there were any, and tells so.
fn note_others(cache: &Known, known: &mut i64, found: i64, moment_millis: u64) -> bool {
    let have_written = *known != found;
    if have_written {
        *known = found;
        cache.clear();
    }
    cache.vouch(moment_millis);
    have_written
}

impl Job {
    fn is_done_in(&mut self, work: &mut Work<'_>) -> rusqlite::Result<()> {
        match self {
            // The transaction may have waited long for another process. What nobody waits for any more is not done.
            Self::Commit(commit, claim, asked) => {
                asked.answer = Some(if asked.reply.is_closed() || !claim.take() {
                    Err(StoreFault::Timeout)
                } else {
                    work.commit(commit)?
                });
            }
            Self::Swap(swap, claim, asked) => {
                asked.answer = Some(if asked.reply.is_closed() || !claim.take() {
                    Err(StoreFault::Timeout)
                } else {
                    swap.is_done_in(work.transaction, work.room)?
                });
            }
            Self::Pour(pour, now, claim, asked) => {
                asked.answer = Some(if asked.reply.is_closed() || !claim.take() {
                    Err(StoreFault::Timeout)
                } else {
                    notes::pour_in(work.transaction, work.room, *pour, *now)?
                });
            }
            Self::Sweep(now, at_most, asked) => {
                let (now, at_most) = (*now, *at_most);
                let sessions = remove_over(work.transaction, now, at_most)?;
                let notes = notes::remove_over(work.transaction, now, at_most - sessions)?;
                asked.answer = Some(Ok(sessions + notes));
            }
            Self::End(key, now, asked) => asked.answer = Some(work.end(key, *now)?),
            Self::TakeOver(sessions, asked) => {
                let mut taken = 0;
                for session in sessions.drain(..) {
                    taken += usize::from(work.take_over(session)?);
                }
                asked.answer = Some(Ok(taken));
            }
            Self::Announce(node, now, asked) => {
                asked.answer = Some(Ok(announce(work.transaction, node, *now)?));
            }
            Self::Look | Self::Stop => {}
        }
        Ok(())
    }

    fn answer(self, failure: Option<&Failure>) {
        match self {
            Self::Commit(_, _, asked) => asked.answer(failure),
            Self::Sweep(_, _, asked) | Self::TakeOver(_, asked) => asked.answer(failure),
            Self::Swap(_, _, asked) | Self::End(_, _, asked) => asked.answer(failure),
            Self::Pour(_, _, _, asked) => asked.answer(failure),
            Self::Announce(_, _, asked) => asked.answer(failure),
            Self::Look | Self::Stop => {}
        }
    }
}

impl<T> Asked<T> {
    /// A visitor who does not wait any more is no fault of ours, so a failed send is ignored.
    fn answer(self, failure: Option<&Failure>) {
        let answer = match failure {
            Some(failure) => Err(failure.to_fault()),
            None => self.answer.unwrap_or(Err(StoreFault::Stopped)),
        };
        let _ = self.reply.send(answer);
    }
}

impl<T> From<oneshot::Sender<Result<T, StoreFault>>> for Asked<T> {
    fn from(reply: oneshot::Sender<Result<T, StoreFault>>) -> Self {
        Self {
            reply,
            answer: None,
        }
    }
}

impl Failure {
    fn to_fault(&self) -> StoreFault {
        match self {
            Self::Sqlite(error) => StoreFault::Sqlite(Arc::clone(error)),
            Self::Moved => StoreFault::Moved,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(Arc::new(error))
    }
}
