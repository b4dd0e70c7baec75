//! `engine = "cookie"`: the ticket holds the session, sealed (`session/sealed.rs`), and this engine holds nothing.
//!
//! What a cookie cannot know is whether its session was ended, forked or rotated by another response. That is what
//! `session.store.revocations` is for: an ordinary engine that runs the same turns on *shadows*, sessions without user,
//! data and jar, under the same tickets. A session has a shadow from its first login, rotation or end on; a request
//! asks whether there is one, and what is there about the ticket counts. So standing, grace and tombstones follow the one
//! state machine here too, and an outage of the revocations is an outage of the store. A shadow lives as long as any
//! state of its session could open by itself: idle timeouts do not count, because an app may have set a longer one in an
//! earlier state.
//!
//! # What holds of the consistency contract
//!
//! | point | with revocations | without |
//! |---|---|---|
//! | 1 no lost update | no: the response that arrives last wins | no |
//! | 2 no resurrection | yes | no: an earlier ticket opens until it expires |
//! | 3 a user change forks | yes; two logins at once: the first one counts | no: the old ticket opens the old state until it expires |
//! | 4 rotation with grace | in part: the old ticket reads its own state during the grace; what it asks for is dropped, an end excepted | no: the old ticket goes on, and a late response can bring it back |
//! | 5 logout is flush | yes | no: the browser's cookie is deleted, no more |
//! | 6 never adopt | yes | yes |
//! | 7 durable before visible | yes: the state is in the response that promises it, turns are noted before it goes out | yes, but nothing is noted |
//! | 8 outage is not logout | yes | yes: there is no store that could fail |
//! | 9 expiry on read | in part: by the times in the presented state, and an earlier one may have later ones | the same |
//! | 10 revocation beats every cache | yes, as the engine of the revocations does | no: nothing can be revoked |
//! | 11 read your writes | in part: for the browser that took the response's cookie | the same |
//! | 12 limits | yes; and no more than 4096 bytes as a cookie | the same |
//!
//! In short it stands in `docs/STORES.md`, and `tests/sealed_engine.rs` holds that table to what this engine does.
//!
//! In both cases a visitor can bring back an earlier state of the own session, as long as its ticket is not revoked.

mod own;

mod shadow;

use std::sync::Arc;

use self::own::{Own, open_by_itself};
use self::shadow::{as_noted, as_shadowed};
use super::{Answer, Catalogue, Fate, Notes, Store};
use crate::base::clock::Time;
use crate::cookie::attributes::TicketCookie;
use crate::session::{Commit, Committed, Opening, Terms, Ticket, TicketKey};

/// Sessions in sealed tickets.
pub struct SealedStore {
    terms: Arc<Terms>,
    cookie: TicketCookie,
    revocations: Option<Arc<dyn Store>>,
}

impl SealedStore {
    /// An engine for tickets that travel in `cookie`. `revocations` must have been opened with [`shadow_terms`].
    pub fn new(terms: Terms, cookie: TicketCookie, revocations: Option<Arc<dyn Store>>) -> Self {
        Self {
            terms: Arc::new(terms),
            cookie,
            revocations,
        }
    }
}

/// The terms of an engine that keeps the shadows of sessions with `terms`: a shadow is never idle.
pub fn shadow_terms(terms: &Terms) -> Terms {
    Terms {
        idle: terms.absolute,
        ..terms.clone()
    }
}

impl Store for SealedStore {
    fn open(&self, ticket: &Ticket, now: Time) -> Answer<Opening> {
        let own = open_by_itself(ticket, &self.terms, now);
        match &self.revocations {
            Some(revocations) if !matches!(own, Opening::Closed(_)) => {
                let ticket = as_noted(ticket);
                let shadow = revocations.open(&ticket, now);
                shadow.map(move |shadow| as_shadowed(own, shadow, &ticket, now))
            }
            _ => Answer::now(own),
        }
    }

    fn commit(&self, commit: Commit) -> Answer<Committed> {
        let own = match self.own(&commit) {
            Ok(own) => own,
            Err(fault) => return Answer::fault(fault),
        };
        match (own, &self.revocations) {
            (Own::Settled(committed), _) => Answer::now(committed),
            (own, None) => Answer::now(own.into()),
            (own, Some(revocations)) => self.with_shadow(own, revocations, commit),
        }
    }

    fn fates(&self, keys: Vec<TicketKey>, now: Time) -> Answer<Vec<Fate>> {
        let Some(revocations) = &self.revocations else {
            return Answer::now(vec![Fate::Unknown; keys.len()]);
        };
        let untimed = |fate| match fate {
            // A shadow is never idle, and is not what a visitor would renew.
            Fate::Live { next, .. } => Fate::Live {
                next,
                timed: false,
                touch_is_due: false,
            },
            Fate::Unknown | Fate::Over(_) => fate,
        };
        let fates = revocations.fates(keys, now);
        fates.map(move |fates| fates.into_iter().map(untimed).collect())
    }

    fn sweep(&self, now: Time, at_most: usize) -> Answer<usize> {
        match &self.revocations {
            Some(revocations) => revocations.sweep(now, at_most),
            None => Answer::now(0),
        }
    }

    /// None: the list of its sessions is in the browsers.
    fn catalogue(&self) -> Option<&dyn Catalogue> {
        None
    }

    fn notes(&self) -> Option<&dyn Notes> {
        self.revocations.as_ref()?.notes()
    }
}
