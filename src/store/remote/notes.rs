//! Notes on a server.

use super::RemoteStore;
use super::driver::{Driver, NoteSwap, Revision};
use crate::base::clock::Time;
use crate::base::secret::random_bytes;
use crate::store::{Answer, Note, NoteKey, Notes};

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
        let swap = NoteSwap {
            key,
            expected,
            new,
            revision: Revision(u64::from_be_bytes(random_bytes())),
            now,
        };
        self.have(self.shared.timeout, move |shared| async move {
            shared.driver.swap_note(&swap).await
        })
    }
}
