//! The tickets that open a session, the oldest first and the newest last.

use super::ticket::TicketKey;
use crate::base::clock::Time;

/// The most tickets that a session has at a time. An app that asks for a rotation with every response would otherwise
/// let the list grow for as long as the grace lasts.
const HOLDERS_MAX: usize = 16;

/// One ticket that opens a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// The key of the ticket.
    pub key: TicketKey,
    /// When it stops to open the session, because a newer one took its place.
    pub retires: Option<Time>,
}

impl Holder {
    /// The current ticket of a session.
    pub const fn current(key: TicketKey) -> Self {
        Self { key, retires: None }
    }

    fn retire_at(&mut self, time: Time) {
        self.retires = Some(self.retires.map_or(time, |earlier| earlier.min(time)));
    }
}

/// Puts `next` in the place of the current ticket; all the others retire at `retires` or when they would have anyway.
pub(super) fn replace(holders: &mut Vec<Holder>, next: TicketKey, retires: Time) {
    for holder in holders.iter_mut() {
        holder.retire_at(retires);
    }
    holders.push(Holder::current(next));
}

/// Drops the tickets that open nothing any more even when nobody remembers them, and tells which. Only the first
/// ticket of a session was ever given out unstored, and could open an empty session by itself until
/// `opens_by_itself_until`; the others were born stored.
pub(super) fn forget_retired(
    holders: &mut Vec<Holder>,
    opens_by_itself_until: Time,
    now: Time,
) -> Vec<TicketKey> {
    let mut forgotten = Vec::new();
    let mut at = 0;
    let mut surplus = holders.len().saturating_sub(HOLDERS_MAX);
    holders.retain(|holder| {
        let is_first = at == 0;
        at += 1;
        let Some(retires) = holder.retires else {
            return true;
        };
        let is_surplus = surplus > 0;
        let is_over = (is_surplus || retires <= now) && (!is_first || opens_by_itself_until <= now);
        if is_over {
            surplus = surplus.saturating_sub(1);
            forgotten.push(holder.key);
        }
        !is_over
    });
    forgotten
}
