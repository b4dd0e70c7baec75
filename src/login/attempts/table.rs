//! A table of a fixed size: what is kept under a key, until something pushes it out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::KNOWN;
use crate::base::clock::Time;

const WAYS: usize = 8;

/// Buckets, and times, by key.
pub(super) struct Table {
    /// A lock guards eight places. It is of std: it is held for a look-up and never across an await.
    sets: Vec<Mutex<[Slot; WAYS]>>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    /// Zero: nobody's.
    key: u64,
    /// When the bucket will be empty, in milliseconds; or until when the address is known.
    until: u64,
    was_told: bool,
}

impl Table {
    pub(super) fn new(sets: usize) -> Self {
        let sets = (0..sets.max(1)).map(|_| Mutex::default()).collect();
        Self { sets }
    }

    /// Does `work` with the slot of `key`; without one, with what it finds in the place that a newcomer may take.
    fn with<T>(&self, key: u64, work: impl FnOnce(&mut Slot) -> T) -> T {
        let sets = u64::try_from(self.sets.len()).unwrap_or(u64::MAX);
        // Less than their number, which fits.
        let set = &self.sets[(key % sets) as usize];
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let own = set.iter().position(|slot| slot.key == key);
        let least = || {
            (0..WAYS)
                .min_by_key(|at| set[*at].until)
                .unwrap_or_default()
        };
        let at = own.unwrap_or_else(least);
        work(&mut set[at])
    }

    pub(super) fn charge(
        &self,
        key: u64,
        interval: u64,
        most: u32,
        now: Time,
    ) -> Result<(), (Duration, bool)> {
        let now = now.as_millis();
        self.with(key, |slot| {
            if slot.key != key {
                *slot = Slot {
                    key,
                    ..Slot::default()
                };
            }
            // A clock that was set back must lock nobody out.
            let whole = interval.saturating_mul(u64::from(most));
            let held = slot.until.saturating_sub(now).min(whole);
            let room = whole.saturating_sub(interval);
            slot.until = now.saturating_add(held);
            if held > room {
                let is_first = !std::mem::replace(&mut slot.was_told, true);
                return Err((Duration::from_millis(held - room), is_first));
            }
            slot.was_told = false;
            slot.until = slot.until.saturating_add(interval);
            Ok(())
        })
    }

    pub(super) fn give_back(&self, key: u64, interval: u64) {
        self.with(key, |slot| {
            if slot.key == key {
                slot.until = slot.until.saturating_sub(interval);
            }
        });
    }

    pub(super) fn raise(&self, key: u64, until: u64) {
        self.with(key, |slot| {
            if slot.key != key {
                *slot = Slot {
                    key,
                    ..Slot::default()
                };
            }
            slot.until = slot.until.max(until);
        });
    }

    pub(super) fn empty(&self, key: u64) {
        self.with(key, |slot| {
            if slot.key == key {
                slot.until = 0;
            }
        });
    }

    pub(super) fn is_known(&self, key: u64, now: Time) -> bool {
        let now = now.as_millis();
        self.with(key, |slot| slot.key == key && slot.until > now)
    }

    pub(super) fn remember(&self, key: u64, now: Time) {
        let until = now.plus(KNOWN).as_millis();
        self.with(key, |slot| {
            *slot = Slot {
                key,
                until,
                was_told: false,
            };
        });
    }
}
