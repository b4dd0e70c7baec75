//! Those who want the same thing of one ticket wait together: the first to come has somebody see to it, and whoever
//! comes while that is under way is in the next turn.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::by_key::ByKey;
use crate::session::TicketKey;

/// Who waits, by ticket. A ticket has a lane while somebody sees to it.
pub(super) struct Lanes<T> {
    /// Of std: held for a push or a take, never across an await.
    by_ticket: Mutex<ByKey<Vec<T>>>,
}

/// The duty to see to a lane. Given up, also by a panic, it sends away who waits there.
pub(super) struct Turns<T> {
    lanes: Arc<Lanes<T>>,
    key: TicketKey,
    is_over: bool,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self {
            by_ticket: Mutex::default(),
        }
    }
}

impl<T> Lanes<T> {
    /// Lets `one` wait. Whoever gets turns has to see to them.
    pub(super) fn join(self: &Arc<Self>, key: TicketKey, one: T) -> Option<Turns<T>> {
        let mut by_ticket = self.lock();
        if let Some(lane) = by_ticket.get_mut(&key) {
            lane.push(one);
            return None;
        }
        by_ticket.insert(key, vec![one]);
        Some(Turns {
            lanes: Arc::clone(self),
            key,
            is_over: false,
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ByKey<Vec<T>>> {
        self.by_ticket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Turns<T> {
    pub(super) const fn key(&self) -> TicketKey {
        self.key
    }

    /// Up to `at_most` of those who wait, in the order in which they came. `None`: nobody does, and the lane is gone.
    pub(super) fn next(&mut self, at_most: usize) -> Option<Vec<T>> {
        let mut by_ticket = self.lanes.lock();
        let lane = by_ticket.get_mut(&self.key)?;
        if lane.is_empty() {
            by_ticket.remove(&self.key);
            self.is_over = true;
            return None;
        }
        let many = lane.len().min(at_most);
        Some(lane.drain(..many).collect())
    }
}

impl<T> Drop for Turns<T> {
    fn drop(&mut self) {
        if !self.is_over {
            let lane = self.lanes.lock().remove(&self.key);
            // Only now, with the lock let go: this wakes them.
            drop(lane);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_sees_to_a_lane_until_nobody_waits_there() {
        let lanes = Arc::new(Lanes::default());
        let key = TicketKey([1; 32]);
        let mut turns = lanes.join(key, 1).unwrap();
        assert!(lanes.join(key, 2).is_none());
        assert!(lanes.join(TicketKey([2; 32]), 9).is_some());
        assert_eq!(turns.next(1), Some(vec![1]));
        assert!(lanes.join(key, 3).is_none());
        assert_eq!(turns.next(9), Some(vec![2, 3]));
        assert_eq!(turns.next(9), None);
        // The old duty is over, and does not touch the new lane.
        let _next = lanes.join(key, 4).unwrap();
        drop(turns);
        assert!(lanes.join(key, 5).is_none());
    }

    #[test]
    fn a_duty_that_is_given_up_sends_everybody_away() {
        let lanes = Arc::new(Lanes::default());
        let key = TicketKey([1; 32]);
        let waiting = Arc::new(());
        let turns = lanes.join(key, Arc::clone(&waiting)).unwrap();
        drop(turns);
        assert_eq!(Arc::strong_count(&waiting), 1);
        assert!(lanes.join(key, waiting).is_some());
    }
}
