//! What a visitor must be told about tickets.

use std::sync::Arc;

use crate::session::{Committed, Outcome, Record, Standing, Ticket};

/// What the visitor must be told about tickets.
#[derive(Debug)]
pub enum TicketNews {
    /// Nothing.
    Keep,
    /// A fresh ticket of a session with nothing in it. It may be left out: the next response brings
    /// another.
    Offer(Ticket),
    /// The same ticket under a newer key, or with a newer state of the session in it. It may be left out for a response
    /// that is the same for everybody.
    Renew(Ticket, Option<Arc<Record>>),
    /// The session is under this ticket now.
    Give(Ticket, Option<Arc<Record>>),
    /// The session has ended.
    Delete,
}

/// What a commit was asked for with, as far as it matters for what to tell the visitor.
pub(super) struct Brought {
    pub(super) ticket: Ticket,
    /// The session as it was opened, if it was there.
    pub(super) record: Option<Arc<Record>>,
    /// Whether the ticket is fresh and may be given out with nothing behind it.
    pub(super) offers: bool,
    /// Whether a newer key signs by now.
    pub(super) outdated: bool,
    /// Whether the session's own expiry was set, and with it how long the cookie lives.
    pub(super) sets_expiry: bool,
    /// Whether the response promises the visitor anything.
    pub(super) promises: bool,
}

impl Brought {
    pub(super) fn after(self, committed: &Committed) -> TicketNews {
        let Self {
            ticket,
            record,
            offers,
            outdated,
            sets_expiry,
            promises,
        } = self;
        // As the commit found it: a slow request may have brought what a parallel one has replaced since.
        let is_current = committed.standing == Standing::Current;
        match (&committed.outcome, &committed.ticket) {
            // The next response can bring it as well.
            (Outcome::Applied(record), Some(same)) if !promises && same.key() == ticket.key() => {
                TicketNews::Renew(same.clone(), Some(Arc::clone(record)))
            }
            (Outcome::Applied(record), Some(next)) => {
                TicketNews::Give(next.clone(), Some(Arc::clone(record)))
            }
            // A rotation on schedule is done although the change is not.
            (Outcome::TooLarge, Some(next)) => TicketNews::Give(next.clone(), record),
            // How long the cookie lives has changed, so it is sent again.
            (Outcome::Applied(record), None) if sets_expiry && is_current => {
                TicketNews::Give(ticket.marked_stored(), Some(Arc::clone(record)))
            }
            (Outcome::Applied(record), None) if outdated && is_current => {
                TicketNews::Renew(ticket.marked_stored(), Some(Arc::clone(record)))
            }
            (Outcome::Applied(_), None) => TicketNews::Keep,
            // A request that brings the old ticket must not delete the newer cookie, once that has come back.
            (Outcome::Ended, _) => match committed.standing {
                Standing::Current | Standing::Yielding => TicketNews::Delete,
                Standing::Retiring | Standing::Frozen => TicketNews::Keep,
            },
            (Outcome::Dropped(_) | Outcome::TooLarge, _) if offers => TicketNews::Offer(ticket),
            (Outcome::Dropped(_) | Outcome::TooLarge, _) => TicketNews::Keep,
        }
    }
}
