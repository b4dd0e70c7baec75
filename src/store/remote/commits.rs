//! Commits. While a write for a ticket is under way, further commits of the ticket wait; then they are applied one
//! after the other and written together. A hundred parallel responses of one visitor cost a few round trips, and do
//! not compete with each other; those of another node, or under another ticket of the session, are found out by
//! compare-and-set, and what was worked out is then worked out anew.

use std::collections::VecDeque;

use super::driver::{Driver, Found, Row, RowChange, Writing, Written};
use super::lanes::Turns;
use super::plan::{Plan, rewrite};
use super::shared::{Conflicts, Patience, Reply, Shared};
use crate::base::clock::Time;
use crate::session::{Closed, Commit, Committed, Session, State, TicketKey};
use crate::store::StoreFault;

/// The most commits in one write.
const BATCH_MAX: usize = 64;

/// Somebody who waits for a commit.
pub(super) struct Waiting {
    commit: Box<Commit>,
    patience: Patience,
    reply: Reply<Committed>,
}

impl Waiting {
    pub(super) fn new(commit: Commit, patience: Patience, reply: Reply<Committed>) -> Self {
        Self {
            commit: Box::new(commit),
            patience,
            reply,
        }
    }

    /// Itself, if somebody still waits. A commit that was given up before it was sent is never done.
    fn still_wanted(self) -> Option<Self> {
        if self.patience.left_to_work().is_zero() {
            self.reply.send(Err(StoreFault::Timeout));
            return None;
        }
        self.reply.is_wanted().then_some(self)
    }
}

/// What came of trying to write a batch.
enum Attempt {
    /// It is done.
    Answered(Vec<Result<Committed, StoreFault>>),
    /// Somebody else was faster, or the server forgot everything: nothing was done.
    Again,
    /// A fresh ticket of one of the batch is in use: nothing was done.
    TicketInUse,
}

impl<D: Driver> Shared<D> {
    /// Sees to the commits of one ticket.
    pub(super) async fn write_for_committers(&self, mut turns: Turns<Waiting>) {
        let key = turns.key();
        while let Some(batch) = turns.next(BATCH_MAX) {
            self.settle(&key, batch).await;
        }
    }

    async fn settle(&self, key: &TicketKey, batch: Vec<Waiting>) {
        let mut parts = VecDeque::from([batch]);
        while let Some(part) = parts.pop_front() {
            // Whose ticket it is comes out when each goes alone; the others are not held to account for it.
            parts.extend(
                self.settle_together(key, part)
                    .await
                    .into_iter()
                    .map(|one| vec![one]),
            );
        }
    }

    /// Writes a batch as one. Gives it back when that cannot be, because of one of several.
    async fn settle_together(&self, key: &TicketKey, mut batch: Vec<Waiting>) -> Vec<Waiting> {
        let mut conflicts = Conflicts::default();
        loop {
            // Those who gave up drop out before anything is sent, every time.
            batch = batch
                .into_iter()
                .filter_map(Waiting::still_wanted)
                .collect();
            let longest = batch.iter().map(|waiting| waiting.patience);
            let Some(patience) = longest.max_by_key(Patience::left) else {
                return Vec::new();
            };
            match self.attempt(key, &batch, patience).await {
                Ok(Attempt::Answered(answers)) => {
                    for (waiting, answer) in batch.into_iter().zip(answers) {
                        waiting.reply.send(answer);
                    }
                    return Vec::new();
                }
                Ok(Attempt::Again) => conflicts.back_off().await,
                Ok(Attempt::TicketInUse) if batch.len() > 1 => return batch,
                Ok(Attempt::TicketInUse) => return refuse(batch, &StoreFault::TicketInUse),
                Err(fault) => return refuse(batch, &fault),
            }
        }
    }

    async fn attempt(
        &self,
        key: &TicketKey,
        batch: &[Waiting],
        patience: Patience,
    ) -> Result<Attempt, StoreFault> {
        let commits = || batch.iter().map(|waiting| &*waiting.commit);
        let now = commits().map(|commit| commit.now).max().unwrap_or_default();
        self.nearby.note_time(now);
        let guessed = self.nearby.guess(key).map(|row| {
            let found = Found {
                born: self.nearby.born(key),
                row: Some(row),
            };
            Plan::of(found, commits(), &self.terms)
        });
        let plan = match guessed {
            // What is written proves the guess. What is not, is answered to nobody on a guess alone.
            Some(plan) if plan.is_changed() => plan,
            _ => Plan::of(self.find(key, now, patience).await?, commits(), &self.terms),
        };
        let Some(mut writing) = plan.writing() else {
            return Ok(Attempt::Answered(plan.answers()));
        };
        self.end_forebears(plan.end_too(), writing.now, &mut writing.rows, patience)
            .await?;
        Ok(match self.write(&writing, patience).await? {
            Written::Done => Attempt::Answered(plan.answers()),
            Written::Conflict if self.is_fork_taken(&writing, patience).await? => {
                Attempt::TicketInUse
            }
            Written::Conflict | Written::Lost => Attempt::Again,
            Written::TicketInUse => Attempt::TicketInUse,
        })
    }

    /// Whether the row that a fork was to make is somebody else's: then no other attempt makes it either.
    async fn is_fork_taken(
        &self,
        writing: &Writing,
        patience: Patience,
    ) -> Result<bool, StoreFault> {
        let forks = writing.rows.iter().skip(1);
        let forks = forks.filter(|row| row.expected.is_none());
        for key in forks.flat_map(|row| &row.file) {
            if self.find(key, writing.now, patience).await?.row.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Adds to `rows` what ends the sessions that these tickets lead to, as far as they go on.
    pub(super) async fn end_forebears(
        &self,
        keys: &[TicketKey],
        now: Time,
        rows: &mut Vec<RowChange>,
        patience: Patience,
    ) -> Result<(), StoreFault> {
        for key in keys {
            let Some(row) = self.guess_or_find(key, now, patience).await? else {
                continue;
            };
            let is_closed = matches!(row.session.state, State::Closed { .. });
            let root = row.session.record.root;
            if is_closed || rows.iter().any(|row| row.session.record.root == root) {
                continue;
            }
            let mut session = Session::clone(&row.session);
            session.close(Closed::Ended, &self.terms, now);
            rows.push(rewrite(&row, session, &self.terms));
        }
        Ok(())
    }

    async fn guess_or_find(
        &self,
        key: &TicketKey,
        now: Time,
        patience: Patience,
    ) -> Result<Option<Row>, StoreFault> {
        if let Some(row) = self.nearby.guess(key) {
            return Ok(Some(row));
        }
        match self.find(key, now, patience).await {
            Ok(found) => Ok(found.row),
            // It opens nothing anyway, and is not to be destroyed.
            Err(StoreFault::Unreadable(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }
}

/// Tells everybody of the fault.
fn refuse(batch: Vec<Waiting>, fault: &StoreFault) -> Vec<Waiting> {
    for waiting in batch {
        waiting.reply.send(Err(fault.same()));
    }
    Vec::new()
}
