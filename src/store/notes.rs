//! Notes: small values with an end that all nodes of a store share. What may be used once, who does a work that nobody
//! else is to do meanwhile, how often somebody has tried, and forms that wait for a login.

use std::time::Duration;

use super::{Answer, StoreFault};
use crate::base::clock::Time;
use crate::base::framed;

/// The largest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 20 * 1024;

/// Under what a note is kept: a hash, so that a store learns nobody's name from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NoteKey(pub [u8; 32]);

impl NoteKey {
    /// The key of what `parts` name, for this purpose and no other.
    pub fn of(purpose: &str, parts: &[&[u8]]) -> Self {
        let head = [b"cloakroom note v1".as_slice(), purpose.as_bytes()];
        Self(framed::hash(&[&head, parts].concat()))
    }
}

/// A value, and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// At most [`NOTE_BYTES_MAX`].
    pub value: Vec<u8>,
    /// From then on it is as if it had never been.
    pub until: Time,
}

impl Note {
    /// What is to be answered to one that may not be kept.
    pub(super) fn fault_of(new: Option<&Self>) -> Option<StoreFault> {
        let is_too_large = new.is_some_and(|note| note.value.len() > NOTE_BYTES_MAX);
        is_too_large.then_some(StoreFault::NoteTooLarge)
    }
}

/// What is poured into a bucket: a note that empties at an even pace and ends when it is empty, so that its end is all
/// that has to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pour {
    /// How long what is poured takes to run out, in milliseconds; what is negative is taken out again.
    pub by_millis: i64,
    /// How long a full bucket takes to run out. What was poured by a clock that is ahead never counts for more.
    pub whole_millis: u64,
}

impl Pour {
    /// Takes everything out.
    pub const EMPTY: Self = Self {
        by_millis: -(1 << 60),
        whole_millis: 1 << 60,
    };

    /// When a bucket that is empty at `until` will be after it.
    ///
    /// # Errors
    /// How long it takes until there is room for it.
    pub fn after(self, until: Option<Time>, now: Time) -> Result<Time, Duration> {
        let held = until.map_or(Duration::ZERO, |until| until.since(now));
        let held = u64::try_from(held.as_millis()).unwrap_or(u64::MAX);
        let level = held
            .min(self.whole_millis)
            .saturating_add_signed(self.by_millis);
        if self.by_millis > 0 && level > self.whole_millis {
            return Err(Duration::from_millis(level - self.whole_millis));
        }
        Ok(now.plus(Duration::from_millis(level)))
    }
}

/// The notes of a store.
///
/// # Laws
/// - [`Notes::swap`] is atomic over all nodes: of many who expect the same, one succeeds. So is [`Notes::pour`].
/// - A note that has ended is none, whether or not a sweeper ran.
/// - A note survives what the sessions of its engine survive. No cache answers for it.
/// - An engine keeps so many and no more; past that it is [`StoreFault::Overloaded`](super::StoreFault::Overloaded), and
///   no note that counts is lost for a newer one.
pub trait Notes: Send + Sync {
    /// The value that is there.
    fn get(&self, key: NoteKey, now: Time) -> Answer<Option<Vec<u8>>>;

    /// Puts `new` in the place of the value `expected`; `None` stands for no note. False: something else is there, and
    /// nothing was done.
    fn swap(
        &self,
        key: NoteKey,
        expected: Option<Vec<u8>>,
        new: Option<Note>,
        now: Time,
    ) -> Answer<bool>;

    /// Pours into the bucket under `key`. What it answers is how long it takes until there is room; then nothing was
    /// poured. The key is that of no other kind of note.
    fn pour(&self, key: NoteKey, pour: Pour, now: Time) -> Answer<Option<Duration>>;
}

impl dyn Notes + '_ {
    /// Writes a note where there is none; false: there is one.
    pub fn put_new(&self, key: NoteKey, note: Note, now: Time) -> Answer<bool> {
        self.swap(key, None, Some(note), now)
    }

    /// Gives the note and removes it, to one caller alone.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn take(&self, key: NoteKey, now: Time) -> Result<Option<Vec<u8>>, StoreFault> {
        let Some(value) = self.get(key, now).await? else {
            return Ok(None);
        };
        let is_ours = self.swap(key, Some(value.clone()), None, now).await?;
        Ok(is_ours.then_some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_so_much_and_runs_out_evenly() {
        let at = Time::from_millis;
        let pour = |by_millis| Pour {
            by_millis,
            whole_millis: 30,
        };
        assert_eq!(pour(10).after(None, at(100)), Ok(at(110)));
        assert_eq!(pour(10).after(Some(at(120)), at(100)), Ok(at(130)));
        let full = Err(Duration::from_millis(4));
        assert_eq!(pour(10).after(Some(at(124)), at(100)), full);
        assert_eq!(pour(-10).after(Some(at(124)), at(100)), Ok(at(114)));
        assert_eq!(pour(-10).after(Some(at(104)), at(100)), Ok(at(100)));
        assert_eq!(Pour::EMPTY.after(Some(at(124)), at(100)), Ok(at(100)));
        // A clock that was set back waits for one bucket and no longer.
        let full = Err(Duration::from_millis(10));
        assert_eq!(pour(10).after(Some(at(90_000)), at(100)), full);
    }

    #[test]
    fn a_key_is_for_its_purpose_and_its_parts() {
        let keys = [
            NoteKey::of("a", &[b"b", b"c"]),
            NoteKey::of("a", &[b"bc"]),
            NoteKey::of("ab", &[b"c"]),
            NoteKey::of("a", &[]),
        ];
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
        assert_eq!(keys[0], NoteKey::of("a", &[b"b", b"c"]));
    }
}
