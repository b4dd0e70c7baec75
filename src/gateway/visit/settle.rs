//! What the store makes of a request's change, and what the visitor is told of it.

use super::super::news::{Brought, TicketNews};
use super::{Hold, Visit};
use crate::base::clock::Time;
use crate::session::{Change, Commit, Opening, Outcome, Standing, Ticket, Turn};
use crate::store::{Store, StoreFault};

/// What became of a request's change.
#[derive(Debug)]
pub struct Settled {
    /// What to tell the visitor.
    pub news: TicketNews,
    /// Whether the session got its record now.
    pub began: bool,
    /// Whether the session goes on under another ticket.
    pub rotated: bool,
    /// What the store said, if it was asked.
    pub outcome: Option<Outcome>,
    /// Names of kept cookies that went because the jar was full.
    pub evicted: Vec<Box<[u8]>>,
}

impl Settled {
    /// Without a commit.
    pub(in super::super) const fn unasked(news: TicketNews) -> Self {
        Self {
            news,
            began: false,
            rotated: false,
            outcome: None,
            evicted: Vec::new(),
        }
    }
}

impl Visit {
    /// Whether `change` would have a record made, as far as can be told before the store is asked.
    pub fn may_begin(&self, change: &Change) -> bool {
        self.may_set
            && change.needs_a_record()
            && match self.hold {
                Hold::Fresh(_) => change.turn != Turn::End,
                Hold::Empty { .. } => true,
                Hold::Nothing | Hold::Open { .. } => false,
            }
    }

    /// Whether a parallel request of this visitor has had the record made meanwhile.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn has_begun(&self, store: &dyn Store, now: Time) -> Result<bool, StoreFault> {
        let Hold::Empty { ticket, .. } = &self.hold else {
            return Ok(false);
        };
        let opening = store.open(ticket, now).await?;
        Ok(matches!(opening, Opening::Open { .. }))
    }

    /// Leaves a change undone that would have made a record ([`Visit::may_begin`]). A visitor who is to be logged out
    /// has nothing in the session, so that it is enough to forget the ticket.
    pub fn turn_away(self, change: &Change) -> TicketNews {
        match self.hold {
            Hold::Fresh(ticket) if self.offers => TicketNews::Offer(ticket),
            Hold::Empty { .. } if change.turn == Turn::End => TicketNews::Delete,
            Hold::Fresh(_) | Hold::Empty { .. } | Hold::Nothing | Hold::Open { .. } => {
                TicketNews::Keep
            }
        }
    }

    /// Whether a request that made `change` leaves the session as it is, and the visitor with what they have: nobody needs to
    /// be asked.
    pub fn stays_as_it_is(&self, change: &Change) -> bool {
        change.is_nothing()
            && match &self.hold {
                Hold::Nothing => true,
                Hold::Fresh(_) | Hold::Empty { .. } => false,
                // The browser may still hold the spelling from before the session was stored.
                Hold::Open {
                    ticket, standing, ..
                } => !self.may_set || *standing != Standing::Current || ticket.is_stored(),
            }
    }

    /// Has the store accept `change`, before the response head goes out.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn settle(
        self,
        change: Change,
        store: &dyn Store,
        now: Time,
    ) -> Result<Settled, StoreFault> {
        if !self.may_set {
            return Ok(Settled::unasked(TicketNews::Keep));
        }
        let (ticket, record, fresh, outdated) = match self.hold {
            Hold::Nothing => return Ok(Settled::unasked(TicketNews::Keep)),
            // Nothing is left behind by a session that ends with the request that began it.
            Hold::Fresh(_) if change.turn == Turn::End => {
                return Ok(Settled::unasked(TicketNews::Keep));
            }
            Hold::Fresh(ticket) if !change.needs_a_record() => {
                let offer = self.offers.then_some(TicketNews::Offer(ticket));
                return Ok(Settled::unasked(offer.unwrap_or(TicketNews::Keep)));
            }
            Hold::Fresh(ticket) => (ticket.issued_at(now), None, true, false),
            Hold::Empty { ticket, outdated } if !change.needs_a_record() => {
                let news = again_if(outdated, ticket, store, now).await?;
                return Ok(Settled::unasked(news));
            }
            Hold::Empty { ticket, outdated } => (ticket, None, false, outdated),
            Hold::Open {
                standing: Standing::Frozen,
                ..
            } => return Ok(Settled::unasked(TicketNews::Keep)),
            Hold::Open {
                ticket, standing, ..
            } if change.is_nothing() => {
                // The browser may still hold the spelling from before the session was stored.
                let is_early = standing == Standing::Current && !ticket.is_stored();
                let news = again_if(is_early, ticket, store, now).await?;
                return Ok(Settled::unasked(news));
            }
            Hold::Open {
                ticket,
                outdated,
                record,
                ..
            } => (ticket, Some(record), false, outdated),
        };
        let forks = matches!(change.turn, Turn::LogIn { .. });
        let brought = Brought {
            ticket: ticket.clone(),
            record,
            offers: fresh && self.offers,
            outdated,
            sets_expiry: change.sets_expiry(),
            promises: change.promises(),
        };
        let key = ticket.key();
        let commit = Commit::new(ticket, change, now);
        let committed = store.commit(commit).await?;
        let is_another = |given: &Ticket| !forks && given.key() != key;
        Ok(Settled {
            news: brought.after(&committed),
            began: committed.began,
            rotated: committed.ticket.as_ref().is_some_and(is_another),
            outcome: Some(committed.outcome),
            evicted: committed.evicted,
        })
    }
}

/// Sends the same ticket again, if that is `wanted`: in the spelling and under the key of today. The store is asked once
/// more, because a slow request may have brought what a parallel one has replaced or stored since, and the browser must
/// not go back to it.
async fn again_if(
    wanted: bool,
    ticket: Ticket,
    store: &dyn Store,
    now: Time,
) -> Result<TicketNews, StoreFault> {
    if !wanted {
        return Ok(TicketNews::Keep);
    }
    Ok(match store.open(&ticket, now).await? {
        Opening::Open {
            record,
            standing: Standing::Current,
            ..
        } => TicketNews::Give(ticket.marked_stored(), Some(record)),
        Opening::Vacant => TicketNews::Renew(ticket, None),
        Opening::Open { .. } | Opening::Closed(_) => TicketNews::Keep,
    })
}
