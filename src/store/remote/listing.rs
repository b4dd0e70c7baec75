//! The list of the sessions on a server.

use std::sync::Arc;

use super::RemoteStore;
use super::driver::{Driver, Writing, Written};
use super::plan::rewrite;
use super::shared::{Conflicts, Patience, Shared};
use crate::base::clock::{Clock, Time};
use crate::session::{Session, State, TicketKey, UserKey};
use crate::store::{Answer, Catalogue, Cursor, Node, Page, StoreFault};

impl<D: Driver> Catalogue for RemoteStore<D> {
    fn of_user(&self, user: &UserKey, now: Time) -> Answer<Vec<Session>> {
        let user = *user;
        self.have(self.shared.timeout, move |shared| async move {
            let mut sessions = shared.driver.of_user(&user, now).await?;
            sessions.retain(|session| session.is_of(&user, &shared.terms, now));
            Ok(sessions)
        })
    }

    fn find(&self, key: &TicketKey) -> Answer<Option<Session>> {
        let key = *key;
        let patience = Patience::begin(self.shared.timeout);
        self.have(self.shared.timeout, move |shared| async move {
            // A server that has forgotten everything is born by being asked.
            let latest = shared.nearby.latest_time();
            let now = latest.unwrap_or_else(|| Clock::system().now());
            let found = shared.find(&key, now, patience).await?;
            Ok(found.row.map(|row| Session::clone(&row.session)))
        })
    }

    fn end(&self, key: &TicketKey, now: Time) -> Answer<bool> {
        let key = *key;
        let patience = Patience::begin(self.shared.timeout);
        self.have(self.shared.timeout, move |shared| async move {
            shared.end_session(&key, now, patience).await
        })
    }

    fn page(&self, after: Option<&Cursor>, at_most: usize) -> Answer<Page> {
        let after = after.cloned();
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.page(after.as_ref(), at_most).await
        })
    }

    fn take_over(&self, sessions: Vec<Session>, now: Time) -> Answer<usize> {
        // Each session has the time that any request has.
        let shares = u32::try_from(sessions.len()).unwrap_or(u32::MAX);
        let span = self.shared.timeout.saturating_mul(shares.max(1));
        let sessions = sessions.into_iter().map(Arc::new).collect();
        self.have(span, move |shared| async move {
            shared.take_over(sessions, now).await
        })
    }

    fn announce(&self, node: Node, now: Time) -> Answer<Vec<Node>> {
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.announce(&node, now).await
        })
    }
}

impl<D: Driver> Shared<D> {
    async fn end_session(
        &self,
        key: &TicketKey,
        now: Time,
        patience: Patience,
    ) -> Result<bool, StoreFault> {
        let mut conflicts = Conflicts::default();
        loop {
            let Some(row) = self.find(key, now, patience).await?.row else {
                return Ok(false);
            };
            if matches!(row.session.state, State::Closed { .. }) {
                return Ok(false);
            }
            let mut session = Session::clone(&row.session);
            let effects = session.end(&self.terms, now);
            let mut rows = vec![rewrite(&row, session, &self.terms)];
            self.end_forebears(&effects.end_too, now, &mut rows, patience)
                .await?;
            let writing = Writing {
                now,
                issued: None,
                rows,
            };
            match self.write(&writing, patience).await? {
                Written::Done => return Ok(true),
                Written::Conflict | Written::Lost => conflicts.back_off().await,
                Written::TicketInUse => return Err(StoreFault::TicketInUse),
            }
        }
    }
}
