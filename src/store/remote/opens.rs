//! Opens that this process cannot answer by itself. Those of one ticket share their round trip, but nobody gets an
//! answer to a question that was sent before they came: it would not know what they may have seen done.

use super::driver::Driver;
use super::lanes::Turns;
use super::shared::{Patience, Reply, Shared};
use crate::base::clock::Time;
use crate::session::{Opening, Ticket, TicketKey};

/// Somebody who asks what a ticket opens.
pub(super) struct Asking {
    ticket: Ticket,
    now: Time,
    patience: Patience,
    reply: Reply<Opening>,
}

impl Asking {
    pub(super) const fn new(
        ticket: Ticket,
        now: Time,
        patience: Patience,
        reply: Reply<Opening>,
    ) -> Self {
        Self {
            ticket,
            now,
            patience,
            reply,
        }
    }
}

impl<D: Driver> Shared<D> {
    /// Sees to those who ask for one ticket: a round trip for all who came before it is sent, and the next one for
    /// those who came meanwhile and cannot be answered with what is known now.
    pub(super) async fn find_for_openers(&self, mut turns: Turns<Asking>) {
        let key = turns.key();
        while let Some(askers) = turns.next(usize::MAX) {
            let askers = askers
                .into_iter()
                .filter_map(|asking| self.still_asking(&key, asking));
            let askers: Vec<_> = askers.collect();
            if !askers.is_empty() {
                self.find_for(&key, askers).await;
            }
        }
    }

    fn still_asking(&self, key: &TicketKey, asking: Asking) -> Option<Asking> {
        if !asking.reply.is_wanted() {
            return None;
        }
        let Asking { ticket, now, .. } = &asking;
        match self.nearby.open(key, ticket, &self.terms, *now) {
            Some(opening) => {
                asking.reply.send(Ok(opening));
                None
            }
            None => Some(asking),
        }
    }

    async fn find_for(&self, key: &TicketKey, askers: Vec<Asking>) {
        let longest = askers.iter().map(|asking| asking.patience);
        let longest = longest.max_by_key(Patience::left);
        let latest = askers.iter().map(|asking| asking.now).max();
        let (Some(patience), Some(now)) = (longest, latest) else {
            return;
        };
        self.nearby.note_time(now);
        match self.find(key, now, patience).await {
            Ok(found) => {
                let is_stored = |asking: &Asking| asking.ticket.is_stored();
                if found.row.is_none() && askers.iter().any(is_stored) {
                    self.nearby.meet_stranger(key);
                }
                for asking in askers {
                    let Asking { ticket, now, .. } = &asking;
                    let opening = match &found.row {
                        Some(row) => row.session.open(key, &self.terms, *now),
                        None => Opening::of_unknown(ticket, found.born, &self.terms, *now),
                    };
                    asking.reply.send(Ok(opening));
                }
            }
            Err(fault) => {
                for asking in askers {
                    asking.reply.send(Err(fault.same()));
                }
            }
        }
    }
}
