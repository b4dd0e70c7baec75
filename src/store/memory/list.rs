//! The list of the sessions in memory.

use std::sync::Arc;

use super::roll::Roll;
use super::{MemoryStore, SHARDS, Shelf, Slot, lock};
use crate::base::clock::Time;
use crate::session::{Closed, Session, State, TicketKey, UserKey};
use crate::store::{Answer, Catalogue, Cursor, Node, Page};

impl Catalogue for MemoryStore {
    fn of_user(&self, user: &UserKey, now: Time) -> Answer<Vec<Session>> {
        let slots = self.0.users.slots(user);
        let sessions = slots.iter().map(|slot| lock(slot).clone());
        let own = sessions.filter(|session| session.is_of(user, &self.0.terms, now));
        Answer::now(own.collect())
    }

    fn find(&self, key: &TicketKey) -> Answer<Option<Session>> {
        let session = self.0.find(key).map(|slot| lock(&slot).clone());
        Answer::now(session.filter(|session| !session.holders.is_empty()))
    }

    fn end(&self, key: &TicketKey, now: Time) -> Answer<bool> {
        let slot = self.0.find(key);
        Answer::now(slot.is_some_and(|slot| self.0.end(&slot, now)))
    }

    /// The order is that of the roll; a cursor is the last place that was met.
    fn page(&self, after: Option<&Cursor>, at_most: usize) -> Answer<Page> {
        let (mut part, mut place) = match after {
            Some(cursor) => parse(cursor).unwrap_or((SHARDS, 0)),
            None => (0, 0),
        };
        let mut page = Page::default();
        while part < SHARDS {
            let wanted = at_most - page.sessions.len();
            let slots = self.0.roll.slots(part, place, wanted);
            let is_whole = slots.len() < wanted;
            for (at, slot) in slots {
                place = at + 1;
                let session = lock(&slot).clone();
                if !session.holders.is_empty() {
                    page.sessions.push(session);
                }
            }
            if is_whole {
                (part, place) = (part + 1, 0);
            }
            if page.sessions.len() >= at_most {
                break;
            }
        }
        page.next = (part < SHARDS).then(|| Cursor(format!("{part}.{place}")));
        Answer::now(page)
    }

    fn take_over(&self, sessions: Vec<Session>, _: Time) -> Answer<usize> {
        let shelf = Arc::clone(&self.0);
        Answer::later(async move {
            let mut taken = 0;
            for session in sessions {
                taken += usize::from(shelf.take_over(session));
                // This runs on a thread that serves sockets.
                tokio::task::yield_now().await;
            }
            Ok(taken)
        })
    }

    /// Nobody else has this memory.
    fn announce(&self, node: Node, now: Time) -> Answer<Vec<Node>> {
        Answer::now(vec![Node { seen: now, ..node }])
    }
}

fn parse(cursor: &Cursor) -> Option<(usize, usize)> {
    let (part, place) = cursor.0.split_once('.')?;
    Some((part.parse().ok()?, place.parse().ok()?))
}

impl Shelf {
    /// Ends the session, with those that it was forked from; tells whether it had not ended yet.
    fn end(&self, slot: &Arc<Slot>, now: Time) -> bool {
        let mut session = lock(slot);
        if matches!(session.state, State::Closed { .. }) {
            return false;
        }
        let mut after = session.clone();
        let effects = after.end(&self.terms, now);
        self.replace(slot, &mut session, after);
        drop(session);
        for key in &effects.end_too {
            self.close(key, Closed::Ended, now);
        }
        true
    }

    /// Takes over a session of another store, unless what is here is as far; tells whether it did. Looks through a whole
    /// part of the roll for it, because nothing else here asks for a root.
    fn take_over(&self, mut arrival: Session) -> bool {
        let root = arrival.record.root;
        let slots = self.roll.slots(Roll::part_of(&root), 0, usize::MAX);
        let here = slots.into_iter().map(|(_, slot)| slot).find(|slot| {
            let session = lock(slot);
            session.record.root == root && !session.holders.is_empty()
        });
        let is_new = here.is_none();
        let slot = here.unwrap_or_else(|| Arc::new(Slot::new(arrival.clone())));
        let mut session = lock(&slot);
        if !is_new && (session.holders.is_empty() || !session.is_behind(&arrival)) {
            return false;
        }
        // A ticket that leads to another session goes on to do so.
        arrival.holders.retain(|holder| {
            let leads_here = |slot_of_key| Arc::ptr_eq(&slot_of_key, &slot);
            self.file(holder.key, &slot) || self.find(&holder.key).is_some_and(leads_here)
        });
        if arrival.holders.is_empty() {
            return false;
        }
        for holder in &session.holders {
            let is_kept = |kept: &crate::session::Holder| kept.key == holder.key;
            if !is_new && !arrival.holders.iter().any(is_kept) {
                self.forget(&holder.key);
            }
        }
        self.replace(&slot, &mut session, arrival);
        if is_new {
            self.enrol(&slot, &session);
        }
        true
    }
}
