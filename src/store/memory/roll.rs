//! Two lists of the slots: all of them, in an order that stays, and those of each user.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{SHARDS, Slot};
use crate::session::{Root, Session, UserKey};

/// Every slot has a place here, from when it is enrolled until it is struck. A slot never moves, so that a walk misses
/// nobody who is there throughout.
pub(super) struct Roll(Vec<Mutex<Places>>);

#[derive(Default)]
struct Places {
    slots: Vec<Option<Arc<Slot>>>,
    free: Vec<u32>,
}

impl Roll {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// Which part of the roll a session belongs to, for good.
    pub(super) fn part_of(root: &Root) -> usize {
        usize::from(root.0[8]) % SHARDS
    }

    pub(super) fn enrol(&self, slot: &Arc<Slot>, root: &Root) {
        let mut places = lock(&self.0[Self::part_of(root)]);
        let free = places.free.pop();
        let place = free.unwrap_or_else(|| {
            places.slots.push(None);
            u32::try_from(places.slots.len() - 1).unwrap_or(u32::MAX)
        });
        slot.place.store(place, Ordering::Relaxed);
        if let Some(taken) = places.slots.get_mut(place as usize) {
            *taken = Some(Arc::clone(slot));
        }
    }

    pub(super) fn strike(&self, slot: &Slot, root: &Root) {
        let place = slot.place.load(Ordering::Relaxed);
        let mut places = lock(&self.0[Self::part_of(root)]);
        let taken = places.slots.get_mut(place as usize);
        if taken.and_then(Option::take).is_some() {
            places.free.push(place);
        }
    }

    /// The slots of one part from `place` on, with their places; at most so many.
    pub(super) fn slots(
        &self,
        part: usize,
        place: usize,
        at_most: usize,
    ) -> Vec<(usize, Arc<Slot>)> {
        let Some(places) = self.0.get(part) else {
            return Vec::new();
        };
        let places = lock(places);
        let slots = places.slots.iter().enumerate().skip(place);
        slots
            .filter_map(|(place, slot)| Some((place, Arc::clone(slot.as_ref()?))))
            .take(at_most)
            .collect()
    }
}

/// The slots of live sessions with a user, whoever holds them. A slot is known by its address, which is its own for as
/// long as an entry keeps it.
pub(super) struct Users(Vec<Mutex<UserShard>>);

type UserShard = BTreeMap<(UserKey, usize), Arc<Slot>>;

impl Users {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Mutex::default()).collect())
    }

    /// The slots that are filed under `user`; their sessions may have changed meanwhile.
    pub(super) fn slots(&self, user: &UserKey) -> Vec<Arc<Slot>> {
        let slots = lock(self.shard(user));
        let own = slots.range((*user, 0)..=(*user, usize::MAX));
        own.map(|(_, slot)| Arc::clone(slot)).collect()
    }

    /// Notes that the session in `slot`, which the caller has locked, is now as `after` and was as `before`.
    pub(super) fn note(&self, slot: &Arc<Slot>, before: Option<&Session>, after: Option<&Session>) {
        let stays = |before: &Session, after: &Session| {
            before.state == after.state && before.record.user == after.record.user
        };
        if before.is_some_and(|before| after.is_some_and(|after| stays(before, after))) {
            return;
        }
        let address = Arc::as_ptr(slot) as usize;
        if let Some(user) = before.and_then(Session::user_key) {
            lock(self.shard(&user)).remove(&(user, address));
        }
        if let Some(user) = after.and_then(Session::user_key) {
            lock(self.shard(&user)).insert((user, address), Arc::clone(slot));
        }
    }

    /// How many entries there are.
    pub(super) fn entries(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, user: &UserKey) -> &Mutex<UserShard> {
        &self.0[usize::from(user.0[8]) % SHARDS]
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
