//! What a request asks a store to do, and what came of it.

use std::sync::Arc;

use super::change::Change;
use super::life::Session;
use super::opening::{Closed, Standing};
use super::record::Record;
use super::ticket::{Ticket, TicketKey};
use crate::base::clock::Time;

/// What a request asks a store to do.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The ticket that the request has its session open with.
    pub ticket: Ticket,
    /// A fresh ticket, for a turn that needs one; then it is of the family of `ticket`.
    pub next: Ticket,
    /// What the request did.
    pub change: Change,
    /// When.
    pub now: Time,
}

impl Commit {
    /// What a request that has its session open with `ticket` asks for.
    pub fn new(ticket: Ticket, change: Change, now: Time) -> Self {
        // Drawing a ticket of the family costs some dozen tries, and few turns need one.
        let next = if change.turn.needs_a_ticket() {
            ticket.mint_beside(now)
        } else {
            Ticket::mint(now)
        };
        Self {
            ticket,
            next,
            change,
            now,
        }
    }
}

/// What a store made of a [`Commit`].
#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    /// What happened.
    pub outcome: Outcome,
    /// The ticket that the visitor must be given now, if it is another than the one they brought.
    pub ticket: Option<Ticket>,
    /// How the ticket that they brought stood when the commit was done. It may have been another when the request began.
    pub standing: Standing,
    /// Whether the commit made the session's record.
    pub began: bool,
    /// Names of the cookies that went because a jar was full. Usually empty, and then it costs nothing.
    pub evicted: Vec<Box<[u8]>>,
}

/// What happened to a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The store has it. The record is the session as the visitor's ticket now opens it.
    Applied(Arc<Record>),
    /// The session has ended.
    Ended,
    /// Nothing was done: the session is closed, or closed to this ticket.
    Dropped(Closed),
    /// The session would have passed `max_bytes`, so the change was not done. What adds nothing was all the same: the
    /// idle clock, and what a scheduled rotation needs.
    TooLarge,
}

/// What an engine has to write down after [`Session::commit`].
#[derive(Debug)]
pub struct Effects {
    /// What to tell the request.
    pub committed: Committed,
    /// Whether the session itself changed.
    pub changed: bool,
    /// A new session to file, under its holders.
    pub fork: Option<Session>,
    /// Tickets whose sessions end as well, by [`Session::close`].
    pub end_too: Vec<TicketKey>,
    /// Tickets that no longer belong to the session and may be forgotten.
    pub forgotten: Vec<TicketKey>,
}

impl Effects {
    /// Nothing was done, and this is why.
    pub fn nothing(outcome: Outcome) -> Self {
        Self {
            changed: false,
            ..Self::changed(outcome.into())
        }
    }

    /// The ticket that came into use, if one did, when the request brought the one with this key.
    pub fn fresh_ticket(&self, brought: &TicketKey) -> Option<TicketKey> {
        let given = self.committed.ticket.as_ref()?.key();
        (given != *brought).then_some(given)
    }

    pub(super) fn changed(committed: Committed) -> Self {
        Self {
            committed,
            changed: true,
            fork: None,
            end_too: Vec::new(),
            forgotten: Vec::new(),
        }
    }
}

impl From<Outcome> for Committed {
    fn from(outcome: Outcome) -> Self {
        Self {
            outcome,
            ticket: None,
            // What a ticket is to an empty session. Who knows better says so.
            standing: Standing::Current,
            began: false,
            evicted: Vec::new(),
        }
    }
}
