//! Takes over the sessions of another store.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::driver::{Driver, Row, RowChange, Writing, Written};
use super::plan::row_change;
use super::shared::{Conflicts, Patience, Shared};
use crate::base::clock::Time;
use crate::session::{Session, TicketKey};
use crate::store::StoreFault;

/// How many sessions are looked up at a time, and written together.
const TOGETHER: usize = 32;

/// How often a session that cannot be found is tried to be made. If it is here all the same, none of its tickets leads
/// to it any more, so what is here is further along.
const TRIES_MAX: usize = 2;

impl<D: Driver> Shared<D> {
    /// Takes over `sessions`, and tells how many were not here as they are.
    pub(super) async fn take_over(
        self: Arc<Self>,
        mut sessions: Vec<Arc<Session>>,
        now: Time,
    ) -> Result<usize, StoreFault> {
        self.nearby.note_time(now);
        // What is written together is of one family. What has no ticket opens nothing anywhere.
        let family = |session: &Arc<Session>| session.holders.first().map(|one| one.key.family());
        sessions.retain(|session| !session.holders.is_empty());
        sessions.sort_by_key(family);
        let mut taken = 0;
        for kin in sessions.chunk_by(|one, other| family(one) == family(other)) {
            for some in kin.chunks(TOGETHER) {
                taken += self.take_over_together(some, now).await?;
            }
        }
        Ok(taken)
    }

    async fn take_over_together(
        self: &Arc<Self>,
        sessions: &[Arc<Session>],
        now: Time,
    ) -> Result<usize, StoreFault> {
        let patience = Patience::begin(self.timeout);
        let mut compared = JoinSet::new();
        for session in sessions {
            let (shared, session) = (Arc::clone(self), Arc::clone(session));
            compared.spawn(async move { shared.compare(&session, now, patience).await });
        }
        let mut rows: Vec<RowChange> = Vec::new();
        while let Some(change) = compared.join_next().await {
            let Some(change) = change.map_err(StoreFault::remote)?? else {
                continue;
            };
            // A walk may meet a session twice; the second has to see what the first left.
            let root = change.session.record.root;
            if rows.iter().any(|row| row.session.record.root == root) {
                return self.take_over_apart(sessions, now).await;
            }
            rows.push(change);
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let taken = rows.len();
        let writing = Writing {
            now,
            issued: None,
            rows,
        };
        match self.write(&writing, patience).await? {
            Written::Done => Ok(taken),
            // One of them stands in the way of all.
            Written::Conflict | Written::Lost | Written::TicketInUse => {
                self.take_over_apart(sessions, now).await
            }
        }
    }

    async fn take_over_apart(
        &self,
        sessions: &[Arc<Session>],
        now: Time,
    ) -> Result<usize, StoreFault> {
        let mut taken = 0;
        for session in sessions {
            taken += usize::from(self.take_over_one(session, now).await?);
        }
        Ok(taken)
    }

    async fn take_over_one(&self, session: &Session, now: Time) -> Result<bool, StoreFault> {
        let patience = Patience::begin(self.timeout);
        let mut conflicts = Conflicts::default();
        let mut tries = 0;
        loop {
            let Some(change) = self.compare(session, now, patience).await? else {
                return Ok(false);
            };
            tries += usize::from(change.expected.is_none());
            if tries > TRIES_MAX {
                return Ok(false);
            }
            let writing = Writing {
                now,
                issued: None,
                rows: vec![change],
            };
            match self.write(&writing, patience).await? {
                Written::Done => return Ok(true),
                Written::Conflict | Written::Lost => conflicts.back_off().await,
                Written::TicketInUse => return Err(StoreFault::TicketInUse),
            }
        }
    }

    /// What to write so that `session` is here as it is, unless what is here is as far along.
    async fn compare(
        &self,
        session: &Session,
        now: Time,
        patience: Patience,
    ) -> Result<Option<RowChange>, StoreFault> {
        let theirs = || session.holders.iter().map(|holder| holder.key);
        let Some(row) = self.find_by_any(theirs(), now, patience).await? else {
            return Ok(Some(RowChange {
                file: theirs().collect(),
                ..row_change(session.clone(), None, &self.terms)
            }));
        };
        let here = &row.session;
        if here.record.root != session.record.root {
            return Err(StoreFault::TicketInUse);
        }
        if !here.is_behind(session) {
            return Ok(None);
        }
        let ours = || here.holders.iter().map(|holder| holder.key);
        Ok(Some(RowChange {
            file: theirs()
                .filter(|key| ours().all(|our| our != *key))
                .collect(),
            // What they have forgotten leads nowhere here either, as it would to a session that does not know it.
            unfile: ours()
                .filter(|key| theirs().all(|their| their != *key))
                .collect(),
            ..row_change(session.clone(), Some(row.revision), &self.terms)
        }))
    }

    async fn find_by_any(
        &self,
        keys: impl Iterator<Item = TicketKey>,
        now: Time,
        patience: Patience,
    ) -> Result<Option<Row>, StoreFault> {
        for key in keys {
            let found = self.find(&key, now, patience).await?;
            if found.row.is_some() {
                return Ok(found.row);
            }
        }
        Ok(None)
    }
}
