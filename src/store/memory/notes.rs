//! Notes in the memory of this process.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::MemoryStore;
use crate::base::clock::Time;
use crate::store::{Answer, Note, NoteKey, Notes, Pour, StoreFault};

/// How much all notes may weigh, keys included.
const BYTES_MAX: usize = 32 << 20;
/// What a note takes besides its value.
const NOTE_COST: usize = 128;
/// How often all are looked through for such as have ended, while there is no room.
const SEARCH_EVERY: Duration = Duration::from_secs(1);

/// All notes. One lock: few requests have anything to do with a note.
#[derive(Default)]
pub(super) struct Board(Mutex<Sheet>);

#[derive(Default)]
struct Sheet {
    notes: HashMap<NoteKey, Note>,
    bytes: usize,
    /// When all were last looked through for room. A flood of notes would have it done for each.
    searched: Option<Time>,
}

impl Board {
    // A change is done in one call, so a panic cannot leave it half done and poisoning says nothing.
    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what has ended, up to so many; tells how many it removed.
    pub(super) fn sweep(&self, now: Time, at_most: usize) -> usize {
        let mut sheet = self.sheet();
        let over = sheet.notes.iter().filter(|(_, note)| note.until <= now);
        let over: Vec<NoteKey> = over.map(|(key, _)| *key).take(at_most).collect();
        over.iter().for_each(|key| sheet.remove(key));
        over.len()
    }
}

impl Sheet {
    fn current(&self, key: &NoteKey, now: Time) -> Option<&[u8]> {
        let note = self.notes.get(key).filter(|note| now < note.until)?;
        Some(&note.value)
    }

    fn remove(&mut self, key: &NoteKey) {
        if let Some(note) = self.notes.remove(key) {
            self.bytes = self.bytes.saturating_sub(weight(&note));
        }
    }

    /// Puts a note in; false when there is no room.
    fn put(&mut self, key: NoteKey, note: Note, now: Time) -> bool {
        let more = weight(&note);
        let fits = |bytes: usize| bytes.saturating_add(more) <= BYTES_MAX;
        self.remove(&key);
        let was_searched = self
            .searched
            .is_some_and(|at| at <= now && now < at.plus(SEARCH_EVERY));
        if !fits(self.bytes) && !was_searched {
            self.searched = Some(now);
            self.notes.retain(|_, note| now < note.until);
            self.bytes = self.notes.values().map(weight).sum();
        }
        let has_room = fits(self.bytes);
        if has_room {
            self.bytes += more;
            self.notes.insert(key, note);
        }
        has_room
    }
}

const fn weight(note: &Note) -> usize {
    note.value.len() + NOTE_COST
}

impl Notes for MemoryStore {
    fn get(&self, key: NoteKey, now: Time) -> Answer<Option<Vec<u8>>> {
        let sheet = self.board().sheet();
        Answer::now(sheet.current(&key, now).map(<[u8]>::to_vec))
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
        let mut sheet = self.board().sheet();
        if sheet.current(&key, now) != expected.as_deref() {
            return Answer::now(false);
        }
        let has_room = match new {
            None => {
                sheet.remove(&key);
                true
            }
            Some(note) => sheet.put(key, note, now),
        };
        if has_room {
            Answer::now(true)
        } else {
            Answer::fault(StoreFault::Overloaded)
        }
    }

    fn pour(&self, key: NoteKey, pour: Pour, now: Time) -> Answer<Option<Duration>> {
        let mut sheet = self.board().sheet();
        let until = sheet.notes.get(&key).map(|note| note.until);
        let until = match pour.after(until, now) {
            Ok(until) => until,
            Err(wait) => return Answer::now(Some(wait)),
        };
        let value = Vec::new();
        if until <= now {
            sheet.remove(&key);
        } else if !sheet.put(key, Note { value, until }, now) {
            return Answer::fault(StoreFault::Overloaded);
        }
        Answer::now(None)
    }
}
