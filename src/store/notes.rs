//! Notes: small values with an end that all nodes of a store share. What may be used once, who does a work that nobody
//! else is to do meanwhile, how often somebody has tried, and forms that wait for a login.

use super::Answer;
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

/// The notes of a store.
///
/// # Laws
/// - [`Notes::swap`] is atomic over all nodes: of many who expect the same, one succeeds.
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
    pub async fn take(
        &self,
        key: NoteKey,
        now: Time,
    ) -> Result<Option<Vec<u8>>, super::StoreFault> {
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
