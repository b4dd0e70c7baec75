//! Notes on a server.

use std::time::Duration;

use super::RemoteStore;
use super::driver::{Driver, NoteSwap, Pouring, Revision};
use crate::base::clock::Time;
use crate::base::secret::random_bytes;
use crate::store::{Answer, Note, NoteKey, Notes, Pour};

impl<D: Driver> Notes for RemoteStore<D> {
    fn get(&self, key: NoteKey, now: Time) -> Answer<Option<Vec<u8>>> {
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.note(key, now).await
        })
    }

    fn swap(
        &self,
        key: NoteKey,
        expected: Option<Vec<u8>>,
        new: Option<Note>,
        now: Time,
    ) -> Answer<bool> {
        if let Some(fault) = Note::fault_of(new.as_ref()) {
            return Answer::fault(fault);
        }
        let swap = NoteSwap {
            key,
            expected,
            new,
            revision: fresh(),
            now,
        };
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.swap_note(&swap).await
        })
    }

    fn pour(&self, key: NoteKey, pour: Pour, now: Time) -> Answer<Option<Duration>> {
        let pouring = Pouring {
            key,
            pour,
            revision: fresh(),
            now,
        };
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.pour(&pouring).await
        })
    }
}

fn fresh() -> Revision {
    Revision(u64::from_be_bytes(random_bytes()))
}
