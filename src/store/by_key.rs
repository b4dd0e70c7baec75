//! A map under the keys of tickets. They are hashes already, of random parts that the gateway drew itself, so that
//! nobody can aim at a bucket and nothing is gained by hashing them again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::session::TicketKey;

/// What is filed under the keys of tickets.
pub(super) type ByKey<V> = HashMap<TicketKey, V, BuildHasherDefault<KeyHasher>>;

/// Takes eight bytes of a key for its hash. Not the first ones: a key's family and its shard are read from those, so
/// that they are alike within a map.
#[derive(Default)]
pub(super) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(taken) = bytes.last_chunk::<8>() {
            self.0 = u64::from_le_bytes(*taken);
        }
    }

    /// The length of a key, which is always the same.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn keys_of_one_family_and_shard_have_hashes_of_their_own() {
        let hash = |last: u8| {
            let mut key = [7; 32];
            key[31] = last;
            BuildHasherDefault::<KeyHasher>::default().hash_one(TicketKey(key))
        };
        assert_eq!(hash(1), hash(1));
        assert_ne!(hash(1), hash(2));
    }
}
