//! A user's sessions: which there are beside the one that asks, how they are named to their user, and how they end.

use std::sync::Arc;

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::site::Site;
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::session::{Closed, Root, Session, User};
use crate::store::StoreFault;

/// The sessions of a user beside the one that asks, the one that was used last first.
pub(super) struct Others {
    /// `None`: the engine keeps no list.
    list: Option<Vec<Session>>,
}

impl Others {
    /// `None`: nobody knows which there are.
    pub(super) fn list(&self) -> Option<&[Session]> {
        self.list.as_deref()
    }

    /// How many count for `session.max_per_user`.
    pub(super) fn count(&self) -> usize {
        let list = self.list.iter().flatten();
        list.filter(|session| !session.record.waits()).count()
    }
}

impl Gateway {
    /// The sessions of `user` but for the one with the root `own`.
    pub(super) async fn others(
        &self,
        user: &User,
        own: Option<Root>,
        now: Time,
    ) -> Result<Others, StoreFault> {
        let Some(catalogue) = self.store.catalogue() else {
            return Ok(Others { list: None });
        };
        let mut list = catalogue.of_user(&user.key(), now).await?;
        let terms = &self.desk.terms;
        list.retain(|session| {
            session.belongs_to(user, terms, now) && Some(session.record.root) != own
        });
        list.sort_by_key(|session| {
            (
                std::cmp::Reverse(session.record.touched),
                session.record.root.0,
            )
        });
        Ok(Others { list: Some(list) })
    }

    /// What a session is called on this page. It opens nothing, and no other site calls it so.
    pub(super) fn name_of(&self, site: &Site, root: &Root) -> String {
        // No site is called so.
        let purpose = format!("{}/session page", site.name);
        self.ids.derive(root, &purpose).as_str().to_owned()
    }

    /// Ends those of `others` that are `meant`, as a logout would, and tells how many had not ended meanwhile.
    pub(super) async fn end_others(
        &self,
        site: &Site,
        others: &mut Others,
        meant: impl Fn(&Session) -> bool,
        (line, now): (&Line, Time),
    ) -> Result<usize, StoreFault> {
        let (Some(catalogue), Some(list)) = (self.store.catalogue(), &mut others.list) else {
            return Ok(0);
        };
        let (end, stay) = std::mem::take(list).into_iter().partition(meant);
        let end: Vec<Session> = end;
        *list = stay;
        let mut ended = 0;
        for session in &end {
            let Some(holder) = session.holders.last() else {
                continue;
            };
            if !catalogue.end(&holder.key, now).await? {
                continue;
            }
            ended += 1;
            let root = &session.record.root;
            // On other nodes the watch sees it within a second.
            self.streams.end(root, Closed::Ended);
            self.meter.count(Count::SessionsEndedByUser);
            let id = self.ids.derive(root, &site.name);
            let request_id = Arc::clone(&line.request_id);
            tracing::info!(
                %request_id,
                site = %site.name,
                client_ip = %line.client_ip,
                user = line.user.as_deref(),
                session = id.as_str(),
                "a user ended another session of theirs"
            );
        }
        Ok(ended)
    }
}
