//! The key ring: how a ticket is written and verified, and which of the keys does it.
//!
//! A ticket is `version ‖ key id ‖ issue time ‖ stored flag ‖ 256 random bits ‖ tag`, base64url without padding. The
//! tag lets a forged ticket die before any store is asked. A ticket that carries its session is another (`sealed.rs`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::assertion::AssertionKey;
use super::sealed::{self, Place, SealKey};
use super::ticket::{KEY_ID_BYTES, KeyId, RANDOM_BYTES, Ticket};
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::secret::Secret;

pub(super) const VERSION: u8 = 1;
const TAG_BYTES: usize = 32;
const BODY_BYTES: usize = 1 + KEY_ID_BYTES + 8 + 1 + RANDOM_BYTES;
/// Bytes before encoding. A multiple of three, so that every ticket has exactly one spelling.
const TICKET_BYTES: usize = BODY_BYTES + TAG_BYTES;
/// Characters of an encoded ticket; anything of another length is not one.
pub const TICKET_CHARS: usize = TICKET_BYTES / 3 * 4;
const _: () = assert!(TICKET_BYTES.is_multiple_of(3) && TICKET_CHARS < 200);
// The length tells which of the two a value can be.
const _: () = assert!(TICKET_CHARS < *sealed::CHARS.start());

const PURPOSE_TAG: &[u8] = b"cloakroom ticket tag v1";

/// What came of reading a cookie value as a ticket.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its tag is right.
    Genuine {
        /// The ticket.
        ticket: Ticket,
        /// Whether a newer key signs by now: the visitor should be given the ticket again.
        outdated: bool,
    },
    /// It has the shape of a ticket and a key id that we do not have (any more).
    UnknownKey,
    /// It is not a ticket of ours.
    Forged,
}

/// A key as the key ring file holds it.
#[derive(Clone, Debug)]
pub struct RingKey {
    /// The key.
    pub secret: Secret<[u8; 32]>,
    /// When it was made.
    pub created: Time,
}

/// The secret keys: the newest that is old enough signs, all of them verify.
#[derive(Debug)]
pub struct KeyRing {
    /// The oldest first. Never empty.
    keys: Vec<ReadyKey>,
}

struct ReadyKey {
    id: KeyId,
    /// Ready for use: the key schedule is worked out once, not per request.
    mac: hmac::Key,
    /// Seals tickets that carry their session, in a ring that opens such.
    seal: Option<SealKey>,
    /// Signs assertions. Derived when the first is asked for.
    assertion: OnceLock<Option<AssertionKey>>,
    /// From when on it signs. Until then every node has time to learn of it.
    signs_from: Time,
    /// How many tickets came that it had signed. Outlives a reload.
    uses: Arc<AtomicU64>,
}

impl fmt::Debug for ReadyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadyKey").field(&self.id).finish()
    }
}

/// One key of the ring, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// Its name.
    pub id: KeyId,
    /// From when on it signs, if no newer one does.
    pub signs_from: Time,
    /// Whether it signs now.
    pub signs: bool,
    /// How many tickets came that it had signed, since this process started.
    pub uses: u64,
}

impl KeyRing {
    /// A ring of `keys`, in any order. `None` for a ring without keys. A key signs when it is `activate_after` old,
    /// except that the oldest always may.
    pub fn new(keys: &[RingKey], activate_after: Duration) -> Option<Self> {
        let mut keys: Vec<_> = keys
            .iter()
            .map(|key| ReadyKey::new(key, activate_after))
            .collect();
        keys.sort_by_key(|key| key.signs_from);
        keys.first_mut()?.signs_from = Time::from_secs(0);
        Some(Self { keys })
    }

    /// The same ring, which opens tickets that carry their session too, and seals them.
    #[must_use]
    pub fn opening_sealed(mut self) -> Self {
        for key in &mut self.keys {
            key.seal = Some(SealKey::derive(&key.mac));
        }
        self
    }

    /// The same ring, which opens what `before` opened and goes on counting the uses of the keys that `before` had as well.
    #[must_use]
    pub fn counting_on(mut self, before: &Self) -> Self {
        for key in &mut self.keys {
            if let Some(same) = before.keys.iter().find(|same| same.id == key.id) {
                key.uses = Arc::clone(&same.uses);
            }
        }
        if before.keys.iter().any(|key| key.seal.is_some()) {
            self = self.opening_sealed();
        }
        self
    }

    /// The keys, the oldest first.
    pub fn uses(&self, now: Time) -> Vec<KeyUse> {
        let signs = self.signing_at(now);
        let each = self.keys.iter().enumerate().map(|(at, key)| KeyUse {
            id: key.id,
            signs_from: key.signs_from,
            signs: at == signs,
            uses: key.uses.load(Ordering::Relaxed),
        });
        each.collect()
    }

    /// The key that signs assertions at `now`.
    pub fn assertion_key(&self, now: Time) -> Option<&AssertionKey> {
        self.keys[self.signing_at(now)].assertion()
    }

    /// Every key whose assertions count, the oldest first. One that does not sign yet is among them, so that apps know
    /// it when it does.
    pub fn assertion_keys(&self) -> impl Iterator<Item = &AssertionKey> {
        self.keys.iter().filter_map(ReadyKey::assertion)
    }

    /// Where the key stands that signs at `now`: the newest that is old enough.
    fn signing_at(&self, now: Time) -> usize {
        let is_active = |key: &ReadyKey| key.signs_from <= now;
        self.keys.iter().rposition(is_active).unwrap_or(0)
    }

    /// The ticket as the browser gets it, for `place`.
    pub fn encode(&self, ticket: &Ticket, place: &Place<'_>, now: Time) -> Zeroizing<String> {
        let key = &self.keys[self.signing_at(now)];
        if let (Some(seal), Some(carried)) = (&key.seal, ticket.carried()) {
            return seal.seal(key.id, ticket, carried, place);
        }
        let mut bytes = Zeroizing::new([0_u8; TICKET_BYTES]);
        bytes[0] = VERSION;
        bytes[1..5].copy_from_slice(&key.id.0);
        bytes[5..13].copy_from_slice(&ticket.issued.as_millis().to_be_bytes());
        bytes[13] = u8::from(ticket.stored);
        bytes[14..BODY_BYTES].copy_from_slice(ticket.random.expose());
        let tag = key.tag(&bytes[..BODY_BYTES]);
        bytes[BODY_BYTES..].copy_from_slice(tag.as_ref());
        Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes))
    }

    /// Reads a cookie value that came at `place`. The tag is compared in constant time, and nothing of a value is
    /// believed before.
    pub fn read(&self, value: &[u8], place: &Place<'_>, now: Time) -> Reading {
        if value.len() != TICKET_CHARS {
            return self.read_sealed(value, place, now);
        }
        let mut bytes = Zeroizing::new([0_u8; TICKET_BYTES]);
        if BASE64URL_NOPAD.decode_mut(value, &mut *bytes).is_err() {
            return Reading::Forged;
        }
        let (body, tag) = bytes.split_at(BODY_BYTES);
        let ([VERSION, ..], Some(id)) = (body, body.get(1..5)) else {
            return Reading::Forged;
        };
        let Some(at) = self.keys.iter().position(|key| key.id.0 == *id) else {
            return Reading::UnknownKey;
        };
        let key = &self.keys[at];
        if constant_time::verify_slices_are_equal(key.tag(body).as_ref(), tag).is_err() {
            return Reading::Forged;
        }
        let mut issued = [0; 8];
        issued.copy_from_slice(&body[5..13]);
        let mut random = [0; RANDOM_BYTES];
        random.copy_from_slice(&body[14..]);
        key.uses.fetch_add(1, Ordering::Relaxed);
        Reading::Genuine {
            ticket: Ticket {
                random: Secret::new(random),
                issued: Time::from_millis(u64::from_be_bytes(issued)),
                stored: body[13] != 0,
                carried: None,
            },
            outdated: at < self.signing_at(now),
        }
    }

    fn read_sealed(&self, value: &[u8], place: &Place<'_>, now: Time) -> Reading {
        let opens_sealed = self.keys.iter().any(|key| key.seal.is_some());
        if !opens_sealed || !sealed::CHARS.contains(&value.len()) {
            return Reading::Forged;
        }
        let Ok(mut bytes) = BASE64URL_NOPAD.decode(value).map(Zeroizing::new) else {
            return Reading::Forged;
        };
        let Some(([sealed::VERSION, id @ ..], text)) =
            bytes.split_first_chunk_mut::<{ sealed::HEAD_BYTES }>()
        else {
            return Reading::Forged;
        };
        let id: [u8; KEY_ID_BYTES] = *id;
        let Some(at) = self.keys.iter().position(|key| key.id.0 == id) else {
            return Reading::UnknownKey;
        };
        let key = &self.keys[at];
        let seal = key.seal.as_ref();
        let Some(ticket) = seal.and_then(|seal| seal.open(key.id, text, place)) else {
            return Reading::Forged;
        };
        key.uses.fetch_add(1, Ordering::Relaxed);
        Reading::Genuine {
            ticket,
            outdated: at < self.signing_at(now),
        }
    }
}

impl RingKey {
    /// The key's name: short, public, and part of each ticket that it signs.
    pub fn id(&self) -> KeyId {
        KeyId(framed::key_id(&self.secret))
    }
}

impl ReadyKey {
    fn new(key: &RingKey, activate_after: Duration) -> Self {
        Self {
            id: key.id(),
            mac: hmac::Key::new(hmac::HMAC_SHA256, key.secret.expose()),
            seal: None,
            assertion: OnceLock::new(),
            signs_from: key.created.plus(activate_after),
            uses: Arc::default(),
        }
    }

    fn assertion(&self) -> Option<&AssertionKey> {
        let derive = || AssertionKey::derive(&self.mac);
        self.assertion.get_or_init(derive).as_ref()
    }

    fn tag(&self, body: &[u8]) -> hmac::Tag {
        framed::mac(&self.mac, &[PURPOSE_TAG, body])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);
    const PLACE: Place<'_> = Place::at("__Host-session", "shop.example");

    /// A ring of keys, the newest first, all of them old enough to sign.
    fn ring(keys: &[[u8; 32]]) -> KeyRing {
        let keys = (0..).zip(keys).map(|(age, key)| RingKey {
            secret: Secret::new(*key),
            created: Time::from_secs(1000 - age),
        });
        KeyRing::new(&keys.collect::<Vec<_>>(), Duration::from_secs(600)).expect("keys were given")
    }

    fn genuine(ticket: Ticket) -> Reading {
        Reading::Genuine {
            ticket,
            outdated: false,
        }
    }

    #[test]
    fn what_was_issued_reads_back() {
        let ring = ring(&[[1; 32]]);
        for ticket in [
            Ticket::mint(Time::from_secs(7)),
            Ticket::mint(Time::from_secs(8)).marked_stored(),
        ] {
            assert_eq!(
                ring.read(ring.encode(&ticket, &PLACE, NOW).as_bytes(), &PLACE, NOW),
                genuine(ticket)
            );
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let ring = ring(&[[1; 32]]);
        let text = ring.encode(&Ticket::mint(Time::from_secs(7)), &PLACE, NOW);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut forged = text.as_bytes().to_vec();
                forged[at] ^= 1 << bit;
                assert!(
                    !matches!(ring.read(&forged, &PLACE, NOW), Reading::Genuine { .. }),
                    "byte {at}, bit {bit}"
                );
            }
            assert_eq!(
                ring.read(&text.as_bytes()[..at], &PLACE, NOW),
                Reading::Forged
            );
        }
        assert_eq!(
            ring.read(format!("{}A", *text).as_bytes(), &PLACE, NOW),
            Reading::Forged
        );
        assert_eq!(
            ring.read(&vec![b'A'; 1 << 20], &PLACE, NOW),
            Reading::Forged
        );
    }

    #[test]
    fn the_newest_key_signs_and_all_verify() {
        let old = ring(&[[1; 32]]);
        let both = ring(&[[2; 32], [1; 32]]);
        let new = ring(&[[2; 32]]);
        let ticket = Ticket::mint(Time::from_secs(7));
        let by_old = old.encode(&ticket, &PLACE, NOW);
        assert_eq!(
            both.read(by_old.as_bytes(), &PLACE, NOW),
            Reading::Genuine {
                ticket: ticket.clone(),
                outdated: true
            }
        );
        let by_both = both.encode(&ticket, &PLACE, NOW);
        assert_eq!(new.read(by_both.as_bytes(), &PLACE, NOW), genuine(ticket));
        assert_eq!(
            new.read(by_old.as_bytes(), &PLACE, NOW),
            Reading::UnknownKey
        );
        let uses: Vec<_> = both
            .uses(NOW)
            .iter()
            .map(|key| (key.signs, key.uses))
            .collect();
        assert_eq!(uses, [(false, 1), (true, 0)]);
    }

    #[test]
    fn a_new_key_verifies_before_it_signs() {
        let made = |secs| Time::from_secs(secs);
        let key = |byte, secs| RingKey {
            secret: Secret::new([byte; 32]),
            created: made(secs),
        };
        let patience = Duration::from_secs(600);
        let ring = KeyRing::new(&[key(2, 5000), key(1, 1000)], patience).unwrap();
        let signs_at = |secs| {
            let uses = ring.uses(made(secs));
            uses.iter().position(|key| key.signs).unwrap()
        };
        // The oldest signs from the start: without it nothing could.
        assert_eq!([0, 5000, 5599, 5600].map(signs_at), [0, 0, 0, 1]);
        let ticket = Ticket::mint(made(7));
        let early = ring.encode(&ticket, &PLACE, made(5599));
        let late = ring.encode(&ticket, &PLACE, made(5600));
        assert_eq!(
            ring.read(early.as_bytes(), &PLACE, made(5599)),
            genuine(ticket.clone())
        );
        let Reading::Genuine { outdated, .. } = ring.read(early.as_bytes(), &PLACE, made(5600))
        else {
            panic!("it verifies");
        };
        assert!(outdated);
        // Of another node, whose clock is ahead: nothing to send again.
        assert_eq!(
            ring.read(late.as_bytes(), &PLACE, made(5599)),
            genuine(ticket)
        );
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = ring(&[[1; 32]]);
        let ticket = Ticket::mint(Time::from_secs(7));
        let printed = format!("{ticket:?} {ring:?}");
        assert!(
            !printed.contains(ring.encode(&ticket, &PLACE, NOW).as_str())
                && printed.contains("<redacted>"),
            "{printed}"
        );
    }
}
