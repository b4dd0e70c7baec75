//! What has become of sessions whose streams are open. Mostly answered from what this process knows.

use std::sync::Arc;

use super::{SqliteStore, rows, writer};
use crate::base::clock::Time;
use crate::session::TicketKey;
use crate::store::{Answer, Fate};

impl SqliteStore {
    /// See [`Store::fates`](crate::store::Store::fates). Other processes are heard of by the watch of the database, as
    /// for any other question; it is never rested while streams are open.
    pub(super) fn fates_of(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        if self.cache.wakes_the_watch() {
            // A full queue wakes the writer just as well.
            let _ = self.writes.try_send(writer::Job::Look);
        }
        let known = |key| {
            self.cache.with(key, |entry| match entry {
                Some(session) => Fate::of(session, &self.terms, now),
                None => Fate::Unknown,
            })
        };
        let known: Vec<Option<Fate>> = keys.iter().map(known).collect();
        if let Some(fates) = known.iter().copied().collect() {
            return Answer::now(fates);
        }
        let (cache, terms) = (Arc::clone(&self.cache), Arc::clone(&self.terms));
        self.list(move |connection| {
            let read = |(key, known): (&TicketKey, Option<Fate>)| {
                if let Some(fate) = known {
                    return Ok(fate);
                }
                let generation = cache.generation(key);
                let session = match rows::find(connection, key)? {
                    Some((_, session)) => Some(Arc::new(session?)),
                    None => None,
                };
                let fate = match &session {
                    Some(session) => Fate::of(session, &terms, now),
                    None => Fate::Unknown,
                };
                cache.fill(key, session, generation);
                Ok(fate)
            };
            keys.iter().zip(known).map(read).collect()
        })
    }
}
