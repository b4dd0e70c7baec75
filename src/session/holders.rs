//! The tickets that open a session, the oldest first and the newest last.

use std::time::Duration;

use smallvec::SmallVec;

use super::ticket::TicketKey;
use crate::base::clock::Time;

/// The most tickets that a session has at a time. An app that asks for a rotation with every response would otherwise
/// let the list grow for as long as the grace lasts.
const HOLDERS_MAX: usize = 16;

/// The most tickets of scheduled rotations that nobody has used yet. A client that never takes a cookie up would
/// otherwise be given one after the other.
const UNTRIED_MAX: usize = 4;

/// How long a ticket of a scheduled rotation has at least to come back before another is given out, whatever the grace:
/// parallel requests must not all get one.
const PATIENCE_MIN: Duration = Duration::from_secs(5);

/// The tickets of one session. Nearly all have one, and that lies beside the state that is read with it.
pub type Holders = SmallVec<[Holder; 1]>;

/// One ticket that opens a session.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Holder {
    /// The key of the ticket.
    pub key: TicketKey,
    /// When the ticket was issued.
    pub issued: Time,
    /// When it stops to open the session, because a newer one took its place.
    pub retires: Option<Time>,
    /// Whether a scheduled rotation gave it out and it has not come back yet. Those before it do not retire until it
    /// does: the response that brought it may have been lost.
    pub untried: bool,
}

impl Holder {
    /// The current ticket of a session.
    pub const fn current(key: TicketKey, issued: Time) -> Self {
        Self {
            key,
            issued,
            retires: None,
            untried: false,
        }
    }

    fn retire_at(&mut self, time: Time) {
        self.retires = Some(self.retires.map_or(time, |earlier| earlier.min(time)));
    }
}

/// Puts `next` in the place of the current ticket; all the others retire at `retires` or when they would have anyway.
pub(super) fn replace(holders: &mut Holders, next: Holder, retires: Time) {
    for holder in holders.iter_mut() {
        holder.retire_at(retires);
    }
    holders.push(next);
}

/// Adds the ticket of a scheduled rotation. Tells which untried one had to make room for it.
pub(super) fn add_untried(
    holders: &mut Holders,
    key: TicketKey,
    issued: Time,
) -> Option<TicketKey> {
    let waiting = holders.iter().filter(|holder| holder.is_waiting()).count();
    let oldest = holders.iter().position(Holder::is_waiting);
    let dropped = oldest.filter(|_| waiting >= UNTRIED_MAX);
    let dropped = dropped.map(|at| holders.remove(at).key);
    holders.push(Holder {
        untried: true,
        ..Holder::current(key, issued)
    });
    dropped
}

/// The ticket with this key came. If it is the first time, it takes the place of those before it, which retire then. One
/// that was given out later goes on: the browser keeps what comes last, and that may be either of the two. Tells whether
/// it was the first time.
pub(super) fn settle(holders: &mut [Holder], key: &TicketKey, retires: Time) -> bool {
    let Some(at) = waiting_at(holders, key) else {
        return false;
    };
    let (before, from) = holders.split_at_mut(at);
    before
        .iter_mut()
        .for_each(|holder| holder.retire_at(retires));
    if let [settled, ..] = from {
        settled.untried = false;
    }
    true
}

/// Where the holder of `key` stands, if its ticket is one of those that wait for their first use.
pub(super) fn waiting_at(holders: &[Holder], key: &TicketKey) -> Option<usize> {
    let is_it = |holder: &Holder| holder.key == *key && holder.is_waiting();
    holders.iter().position(is_it)
}

/// Whether a scheduled rotation is due for the holder of `key`: its ticket is old enough, and what was given out in its
/// place, if anything was, has had `patience` to come back.
pub(super) fn rotation_is_due(
    holders: &[Holder],
    key: &TicketKey,
    every: Duration,
    patience: Duration,
    now: Time,
) -> bool {
    let own = holders.iter().find(|holder| holder.key == *key);
    let is_old = |holder: &Holder| {
        holder.retires.is_none() && !holder.untried && now.since(holder.issued) >= every
    };
    let newest = holders.iter().rfind(|holder| holder.is_waiting());
    let patience = patience.max(PATIENCE_MIN);
    own.is_some_and(is_old) && newest.is_none_or(|newest| now.since(newest.issued) >= patience)
}

impl Holder {
    /// Whether it was given out and may still come for the first time.
    pub(super) const fn is_waiting(&self) -> bool {
        self.untried && self.retires.is_none()
    }
}

/// Drops the tickets that open nothing any more even when nobody remembers them, and tells which. Only the first
/// ticket of a session was ever given out unstored, and could open an empty session by itself until
/// `opens_by_itself_until`; the others were born stored.
pub(super) fn forget_retired(
    holders: &mut Holders,
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
