//! The list of the sessions in a database.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::writer::{self, Asked, LOOK_EVERY};
use super::{SqliteStore, reader, rows};
use crate::base::clock::Time;
use crate::session::{Session, TicketKey, UserKey};
use crate::store::known::VOUCHED_FOR;
use crate::store::{Answer, Catalogue, Cursor, Node, Page, StoreFault};

impl Catalogue for SqliteStore {
    fn of_user(&self, user: &UserKey, now: Time) -> Answer<Vec<Session>> {
        let (user, terms) = (*user, Arc::clone(&self.terms));
        self.list(move |connection| {
            let rows = rows::of_user(connection, &user)?.into_iter();
            // One that cannot be read opens nothing.
            let sessions = rows.filter_map(|(_, session)| session.ok());
            Ok(sessions
                .filter(|session| session.is_of(&user, &terms, now))
                .collect())
        })
    }

    fn find(&self, key: &TicketKey) -> Answer<Option<Session>> {
        let key = *key;
        self.list(move |connection| {
            let row = rows::find(connection, &key)?;
            row.map(|(_, session)| session).transpose()
        })
    }

    fn end(&self, key: &TicketKey, now: Time) -> Answer<bool> {
        let key = *key;
        let job = |reply| writer::Job::End(key, now, Asked::from(reply));
        self.ask(&self.writes, job, None)
    }

    /// The order is that of the rows' ids; a cursor is the last one that was met.
    fn page(&self, after: Option<&Cursor>, at_most: usize) -> Answer<Page> {
        // Not one of ours: nothing comes after it.
        let after = after.map_or(0, |cursor| cursor.0.parse().unwrap_or(i64::MAX));
        self.list(move |connection| {
            let rows = rows::page(connection, after, at_most)?;
            let last = rows.last().filter(|_| rows.len() == at_most);
            let mut page = Page {
                next: last.map(|(id, _)| Cursor(id.to_string())),
                ..Page::default()
            };
            for (_, session) in rows {
                match session {
                    Ok(session) => page.sessions.push(session),
                    Err(_) => page.unreadable += 1,
                }
            }
            Ok(page)
        })
    }

    fn take_over(&self, sessions: Vec<Session>, _: Time) -> Answer<usize> {
        let job = |reply| writer::Job::TakeOver(sessions, Asked::from(reply));
        self.ask(&self.writes, job, None)
    }

    fn announce(&self, node: Node, now: Time) -> Answer<Vec<Node>> {
        let node = Box::new(Node { seen: now, ..node });
        let job = |reply| writer::Job::Announce(node, now, Asked::from(reply));
        self.ask(&self.writes, job, None)
    }

    /// What another process remembers without a look counts for so long, and for a look more.
    fn acquaintance(&self) -> Duration {
        VOUCHED_FOR + 2 * LOOK_EVERY
    }
}

impl SqliteStore {
    /// Has a reader make a list.
    pub(super) fn list<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Connection) -> Result<T, StoreFault> + Send + 'static,
    ) -> Answer<T> {
        let job = |reply: tokio::sync::oneshot::Sender<Result<T, StoreFault>>| {
            reader::Job::List(Box::new(move |connection| {
                // Nobody waits any more: then nobody minds.
                if !reply.is_closed() {
                    let _ = reply.send(connection.and_then(make));
                }
            }))
        };
        self.ask(&self.reads, job, None)
    }
}
