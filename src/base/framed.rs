//! Several parts under one hash or tag, each with its length before it.
//!
//! Without that, ("ab", "c") and ("a", "bc") would read the same, which is how Django's signed cookies came to collide
//! (CVE-2026-6873).

use aws_lc_rs::{digest, hmac};

use super::secret::Secret;

/// Feeds each part with its length before it.
pub fn for_each(parts: &[&[u8]], mut feed: impl FnMut(&[u8])) {
    for part in parts {
        feed(&(part.len() as u64).to_be_bytes());
        feed(part);
    }
}

/// SHA-256 of `parts`.
pub fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for_each(parts, |part| context.update(part));
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// The first eight bytes of it as a number, for what is told apart and never proved.
pub fn hash64(parts: &[&[u8]]) -> u64 {
    let hash = hash(parts);
    let (first, _) = hash.split_first_chunk().unwrap_or((&[0; 8], &[]));
    u64::from_be_bytes(*first)
}

/// The tag of `parts` under `key`.
pub fn mac(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for_each(parts, |part| context.update(part));
    context.sign()
}

/// The name of a key: short, public, and part of whatever it signs or seals.
pub fn key_id(secret: &Secret<[u8; 32]>) -> [u8; 4] {
    let fingerprint = digest::digest(&digest::SHA256, secret.expose());
    let mut id = [0; 4];
    id.copy_from_slice(&fingerprint.as_ref()[..4]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_part_ends_and_the_next_begins_makes_a_difference() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let splits: [&[&[u8]]; 5] = [
            &[b"abc"],
            &[b"ab", b"c"],
            &[b"a", b"bc"],
            &[b"", b"abc"],
            &[b"abc", b""],
        ];
        for (at, one) in splits.iter().enumerate() {
            for (other_at, other) in splits.iter().enumerate() {
                assert_eq!(hash(one) == hash(other), at == other_at);
                let same_tag = mac(&key, one).as_ref() == mac(&key, other).as_ref();
                assert_eq!(same_tag, at == other_at);
            }
        }
    }
}
