//! What a ticket opens, and what it is to the session.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::expiry::{Expired, Terms};
use super::record::Record;
use super::ticket::Ticket;
use crate::base::clock::Time;

/// What a ticket opens.
#[derive(Clone, Debug)]
pub enum Opening {
    /// A session.
    Open {
        /// What the session knows.
        record: Arc<Record>,
        /// How the ticket stands to it.
        standing: Standing,
        /// What the session needs besides.
        upkeep: Upkeep,
    },
    /// An empty session, which the unstored ticket opens by itself: the store knows nothing of it.
    Vacant,
    /// Nothing.
    Closed(Closed),
}

/// Why a ticket of ours opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Closed {
    /// The store does not know it.
    Unknown,
    /// Somebody ended the session.
    Ended,
    /// A newer ticket took its place.
    Superseded,
    /// Nobody used the session for the idle timeout.
    IdleExpired,
    /// The session reached the absolute timeout.
    AbsoluteExpired,
}

/// How a ticket stands to the session that it opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It is the session's ticket.
    Current,
    /// It is, but a scheduled rotation has given out a newer one, which has not come back yet: the browser may hold
    /// either.
    Yielding,
    /// A rotation replaced it; it still opens the same session for a moment, and never touches the newer cookie.
    Retiring,
    /// A user change replaced it: it shows the state from before, and nothing it asks for is done.
    Frozen,
}

/// What a session needs from the request that has it open, besides what the request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Nothing.
    Nothing,
    /// A commit, because the ticket of a scheduled rotation came for the first time.
    Settle,
    /// [`Turn::RotateOnSchedule`].
    Rotate,
}

impl Opening {
    /// What `ticket` opens at a store that does not know it and remembers what happened since `born`. An unstored
    /// ticket from before that may have been stored, ended or superseded in a store that is lost, so it opens nothing.
    pub fn of_unknown(ticket: &Ticket, born: Time, terms: &Terms, now: Time) -> Self {
        if ticket.is_stored() || ticket.issued() < born {
            Self::Closed(Closed::Unknown)
        } else if now.since(ticket.issued()) >= terms.idle {
            Self::Closed(Closed::IdleExpired)
        } else {
            Self::Vacant
        }
    }
}

impl From<Expired> for Closed {
    fn from(expired: Expired) -> Self {
        match expired {
            Expired::Idle => Self::IdleExpired,
            Expired::Absolute => Self::AbsoluteExpired,
        }
    }
}
