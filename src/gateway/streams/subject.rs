//! Which session a stream is opened with, and what a request does to the streams of its session.

use super::super::Gateway;
use super::super::news::TicketNews;
use super::super::settle::Settlement;
use super::super::visit::Held;
use crate::base::clock::Time;
use crate::session::{Closed, Record, Root, Terms, Ticket};

/// The session of a stream.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its root, which stays when its tickets rotate.
    pub root: Root,
    /// A ticket of it.
    pub ticket: Ticket,
    /// When the absolute timeout ends it.
    pub ends: Time,
    /// When the idle timeout does, if nobody uses it.
    pub idle_until: Time,
    /// Whether the store has a record of it.
    pub is_known: bool,
}

impl Subject {
    /// The session that `ticket` opens, with what is known of it.
    pub fn of(ticket: &Ticket, record: Option<&Record>, terms: &Terms, is_known: bool) -> Self {
        let (begun, idle_until) = match record {
            Some(record) => (record.created, record.touched.plus(terms.idle_of(record))),
            None => (ticket.issued(), ticket.issued().plus(terms.idle)),
        };
        Self {
            root: record.map_or_else(|| ticket.root(), |record| record.root),
            ticket: ticket.clone(),
            ends: begun.plus(terms.absolute),
            idle_until,
            // A sealed ticket is its own record; the store may know nothing of it.
            is_known: is_known && ticket.carried().is_none(),
        }
    }
}

impl Gateway {
    /// The session after a request that had `held` open; none where it has ended, or none was begun. The streams of what
    /// is over with this request end at once, those of what goes on are renewed.
    pub(in super::super) fn follow(
        &self,
        held: Option<&Held>,
        settled: &Settlement,
    ) -> Option<Subject> {
        let terms = &self.desk.terms;
        let before = held.map(|held| {
            let record = held.record.as_deref();
            Subject::of(&held.ticket, record, terms, record.is_some())
        });
        let after = match (&settled.news, held) {
            (TicketNews::Give(ticket, record) | TicketNews::Renew(ticket, record), _) => {
                let record = record.as_deref().or(settled.record.as_deref());
                Some(Subject::of(ticket, record, terms, ticket.is_stored()))
            }
            (TicketNews::Offer(ticket), _) => Some(Subject::of(ticket, None, terms, false)),
            (TicketNews::Keep, Some(held)) => {
                let record = settled.record.as_deref().or(held.record.as_deref());
                let is_known = held.record.is_some();
                Some(Subject::of(&held.ticket, record, terms, is_known))
            }
            (TicketNews::Keep, None) | (TicketNews::Delete, _) => None,
        };
        if let Some(before) = before {
            match &after {
                None => self.streams.end(&before.root, Closed::Ended),
                Some(after) if after.root != before.root => {
                    self.streams.end(&before.root, Closed::Superseded);
                }
                Some(after) => self.streams.renew(after),
            }
        }
        after
    }
}
