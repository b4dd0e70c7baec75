//! What has become of sessions whose streams are open, with or without a near cache: the server says which rows were
//! written since they were last seen, and only those are read.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::driver::{Driver, Row};
use super::shared::{Patience, Shared};
use crate::base::clock::Time;
use crate::session::TicketKey;
use crate::store::{Fate, StoreFault};

/// How many rows are read at a time.
const AT_ONCE: usize = 32;

impl<D: Driver> Shared<D> {
    /// See [`Store::fates`](crate::store::Store::fates).
    pub(super) async fn fates(
        self: Arc<Self>,
        keys: Vec<TicketKey>,
        now: Time,
    ) -> Result<Vec<Fate>, StoreFault> {
        let mut fates: Vec<Option<Fate>> = keys
            .iter()
            .map(|key| self.nearby.fate(key, &self.terms, now))
            .collect();
        let unknown = |fates: &[Option<Fate>]| -> Vec<usize> {
            let all = fates.iter().enumerate();
            all.filter(|(_, fate)| fate.is_none())
                .map(|(at, _)| at)
                .collect()
        };
        let asked = unknown(&fates);
        if !asked.is_empty() {
            let asked_for: Vec<_> = asked.iter().map(|at| keys[*at]).collect();
            let revisions = self.driver.glance(&asked_for, now).await?;
            for (at, revision) in asked.into_iter().zip(revisions) {
                let seen = |row: &Row| Some(row.revision) == revision;
                fates[at] = match (revision, self.nearby.guess(&keys[at])) {
                    (None, _) => Some(Fate::Unknown),
                    (Some(_), Some(row)) if seen(&row) => {
                        Some(Fate::of(&row.session, &self.terms, now))
                    }
                    (Some(_), _) => None,
                };
            }
        }
        for some in unknown(&fates).chunks(AT_ONCE) {
            let mut reading = JoinSet::new();
            for at in some {
                let (shared, at, key) = (Arc::clone(&self), *at, keys[*at]);
                reading.spawn(async move { (at, shared.fate(&key, now).await) });
            }
            while let Some(read) = reading.join_next().await {
                // A task ends before its time when the runtime does.
                let (at, fate) = read.map_err(|_| StoreFault::Stopped)?;
                fates[at] = Some(fate?);
            }
        }
        Ok(fates
            .into_iter()
            .map(|fate| fate.unwrap_or(Fate::Unknown))
            .collect())
    }

    async fn fate(&self, key: &TicketKey, now: Time) -> Result<Fate, StoreFault> {
        let found = self.find(key, now, Patience::begin(self.timeout)).await?;
        Ok(match found.row {
            Some(row) => Fate::of(&row.session, &self.terms, now),
            None => Fate::Unknown,
        })
    }
}
