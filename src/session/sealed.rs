//! The sealed ticket: it holds the session itself, so that opening one needs no store (`engine = "cookie"`).
//!
//! It is `version ‖ key id ‖ nonce ‖ ciphertext ‖ tag`, base64url without padding. AES-256-GCM-SIV, because nonces are
//! drawn at random and one key seals for months: one that came twice would show no more than that two texts are equal.
//! The key is derived from a key of the ring, so that none is used for two things. Inside are the issue time, the last
//! moment at which it may open, the random part, and the session as durable engines write it. Nothing is compressed:
//! apps and visitors both write into a session, and its length would tell one what the other wrote.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use super::holders::Holders;
use super::life::{Session, State};
use super::record::Record;
use super::stored;
use super::ticket::{KEY_ID_BYTES, KeyId, RANDOM_BYTES, Ticket};
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::secret::Secret;

/// The first byte; the version before it is the plain ticket's.
pub(super) const VERSION: u8 = 2;
const TAG_BYTES: usize = 16;
/// The version and the key id.
pub(super) const HEAD_BYTES: usize = 1 + KEY_ID_BYTES;
/// The two times and the random part, before the session.
const INNER_HEAD_BYTES: usize = 8 + 8 + RANDOM_BYTES;
const FRAME_BYTES: usize = HEAD_BYTES + NONCE_LEN + INNER_HEAD_BYTES + TAG_BYTES;
/// How many characters a sealed ticket can have: more than an empty session, no more than a browser keeps.
pub(super) const CHARS: RangeInclusive<usize> = chars_of(FRAME_BYTES + 2)..=4096;

const PURPOSE_KEY: &[u8] = b"cloakroom ticket seal key v1";
const PURPOSE_SEAL: &[u8] = b"cloakroom sealed ticket v1";

/// Where a sealed ticket is good: what was sealed for one place does not open at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The name of the cookie.
    pub cookie: &'a str,
    /// To whom browsers send it.
    pub scope: Scope<'a>,
}

/// To whom browsers send a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope<'a> {
    /// To this host alone; lower case, without a port.
    Host(&'a str),
    /// To this domain and all beneath it.
    Domain(&'a str),
}

impl<'a> Place<'a> {
    /// The host-only cookie of this name at `host`.
    pub const fn at(cookie: &'a str, host: &'a str) -> Self {
        let scope = Scope::Host(host);
        Self { cookie, scope }
    }

    /// What is authenticated with the text. Each part has its length before it, so that no two places read alike.
    fn bound_with(&self, id: KeyId) -> Aad<Vec<u8>> {
        let (kind, name) = match self.scope {
            Scope::Host(host) => (&b"host"[..], host),
            Scope::Domain(domain) => (&b"domain"[..], domain),
        };
        let parts = [
            PURPOSE_SEAL,
            self.cookie.as_bytes(),
            kind,
            name.as_bytes(),
            &[VERSION],
            &id.0,
        ];
        let mut bound = Vec::new();
        framed::for_each(&parts, |part| bound.extend_from_slice(part));
        Aad::from(bound)
    }
}

/// What a sealed ticket holds besides its random part.
pub struct Carried {
    record: Arc<Record>,
    until: Time,
    /// The session, as it is sealed.
    text: Zeroizing<Vec<u8>>,
}

impl Carried {
    /// A session to be sealed into a ticket that opens nothing from `until` on, whatever the settings say by then.
    ///
    /// # Errors
    /// None in practice: everything in a session has a JSON form.
    pub fn new(record: Arc<Record>, until: Time) -> Result<Self, serde_json::Error> {
        // Which tickets open it is not written: this one does, and of others a cookie can know nothing.
        let session = Session {
            record,
            holders: Holders::new(),
            state: State::Live,
            forebears: Vec::new(),
        };
        let text = Zeroizing::new(stored::write(&session)?.into_bytes());
        let Session { record, .. } = session;
        Ok(Self {
            record,
            until,
            text,
        })
    }

    /// What the session knows.
    pub const fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// From when on the ticket opens nothing.
    pub const fn until(&self) -> Time {
        self.until
    }

    /// How many characters the ticket has that carries it.
    pub fn chars(&self) -> usize {
        chars_of(FRAME_BYTES + self.text.len())
    }
}

impl PartialEq for Carried {
    fn eq(&self, other: &Self) -> bool {
        (&self.record, self.until) == (&other.record, other.until)
    }
}

impl Eq for Carried {}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carried(<redacted>)")
    }
}

/// Seals tickets and opens them: one for each key of the ring.
pub(super) struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// Derived from the key that `mac` was made of. HMAC is a PRF, and tags of tickets have another purpose.
    pub fn derive(mac: &hmac::Key) -> Self {
        let key = framed::mac(mac, &[PURPOSE_KEY]);
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref());
        Self(key.expect("AES-256-GCM-SIV takes the 32 bytes of HMAC-SHA-256"))
    }

    /// The ticket as the browser gets it, carrying its session.
    pub fn seal(
        &self,
        id: KeyId,
        ticket: &Ticket,
        carried: &Carried,
        place: &Place<'_>,
    ) -> Zeroizing<String> {
        let mut inner = Zeroizing::new(Vec::with_capacity(INNER_HEAD_BYTES + carried.text.len()));
        inner.extend_from_slice(&ticket.issued.as_millis().to_be_bytes());
        inner.extend_from_slice(&carried.until.as_millis().to_be_bytes());
        inner.extend_from_slice(ticket.random.expose());
        inner.extend_from_slice(&carried.text);
        let bound = place.bound_with(id);
        let sealed = self.0.seal_in_place_separate_tag(bound, &mut inner);
        let (nonce, tag) = sealed.expect("the system has randomness, and AES takes some kilobytes");
        let bytes = [&[VERSION][..], &id.0, nonce.as_ref(), &inner, tag.as_ref()].concat();
        Zeroizing::new(BASE64URL_NOPAD.encode(&bytes))
    }

    /// The ticket in `bytes`, which is all that comes behind the key id; `None`: it was not sealed with this key, or
    /// not for this place, or it holds a session of a version that is not known here.
    pub fn open(&self, id: KeyId, bytes: &mut [u8], place: &Place<'_>) -> Option<Ticket> {
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, place.bound_with(id), text);
        let (issued, rest) = text.ok()?.split_first_chunk()?;
        let (until, rest) = rest.split_first_chunk()?;
        let (random, text) = rest.split_first_chunk()?;
        let carried = Carried {
            record: stored::read(text).ok()?.record,
            until: Time::from_millis(u64::from_be_bytes(*until)),
            text: Zeroizing::new(text.to_vec()),
        };
        Some(Ticket {
            random: Secret::new(*random),
            issued: Time::from_millis(u64::from_be_bytes(*issued)),
            stored: true,
            carried: Some(Arc::new(carried)),
        })
    }
}

const fn chars_of(bytes: usize) -> usize {
    (bytes * 8).div_ceil(6)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::session::ring::{KeyRing, Reading, RingKey};

    const NOW: Time = Time::from_secs(1_000_000);
    const END: Time = Time::from_secs(1_086_400);
    const PLACE: Place<'_> = Place::at("__Host-session", "shop.example");

    /// A ring of keys, the oldest first, all of them old enough to sign.
    fn plain_ring(keys: &[u8]) -> KeyRing {
        let keys = (0..).zip(keys).map(|(age, key)| RingKey {
            secret: Secret::new([*key; 32]),
            created: Time::from_secs(age),
        });
        KeyRing::new(&keys.collect::<Vec<_>>(), Duration::ZERO).unwrap()
    }

    fn ring(keys: &[u8]) -> KeyRing {
        plain_ring(keys).opening_sealed()
    }

    fn carrying(theme: &str) -> Ticket {
        let ticket = Ticket::mint(NOW);
        let mut record = Record::empty(ticket.root(), NOW, NOW);
        record.data.insert("theme", json!(theme));
        ticket.carrying(Carried::new(Arc::new(record), END).unwrap())
    }

    fn outdated(reading: &Reading) -> bool {
        matches!(reading, Reading::Genuine { outdated: true, .. })
    }

    #[test]
    fn what_was_sealed_opens_with_all_that_it_carries() {
        let ring = ring(&[1]);
        for theme in ["", "dark", &"x".repeat(2500)] {
            let ticket = carrying(theme);
            let text = ring.encode(&ticket, &PLACE, NOW);
            assert_eq!(text.len(), ticket.carried().unwrap().chars());
            let reading = ring.read(text.as_bytes(), &PLACE, NOW);
            let Reading::Genuine { ticket: read, .. } = reading else {
                panic!("{reading:?}");
            };
            assert_eq!(read, ticket);
            assert_eq!((read.key(), read.root()), (ticket.key(), ticket.root()));
            let carried = read.carried().unwrap();
            assert_eq!(
                (carried.until(), carried.record().data.get("theme")),
                (END, Some(&json!(theme)))
            );
            assert!(read.is_stored() && !read.bare().is_stored());
            // Sealed again as it was read, and never in the same bytes.
            let again = ring.encode(&read, &PLACE, NOW);
            assert_eq!(again.len(), text.len());
            assert_ne!(again, text);
        }
    }

    /// What the first version sealed. It is never edited: another form gets another version.
    const GOLDEN: &str = "AnLNboTUvBOId2ecm3Xv5n6rx9mO4hBGJBnmp1cgVQU4f50qAz1oxn1i7EfnXBj-ykZxwlP7lqzZzEpLj_kv-C_bHHdeGLYJO7e-ep3Lr-7qk4JB7kLiebMjwaoQEcYubP2tMcLFGvx0KhIdW4br4No0JrPgcyIiDdZ75ZSN804eaukRYWHCERVMTAO3AYoIJDSsoPEXgOL9Xwn5X-gyi-x4-LoD28Axmx_mqPRZqLN_cn4lOxcbUfFIeNy0ZrGH1URENTR2qBr2eswb5UZFbk41jt6zNskd4shtvC54IETGGQwwheP1rNlhHBXfNKRtkRoptXI3";

    fn golden() -> Ticket {
        let ticket = Ticket {
            random: Secret::new([9; RANDOM_BYTES]),
            ..Ticket::mint(NOW)
        };
        let mut record = Record::empty(ticket.root(), NOW, NOW);
        record.data.insert("theme", json!("dark"));
        ticket.carrying(Carried::new(Arc::new(record), END).unwrap())
    }

    #[test]
    fn what_was_sealed_once_still_opens() {
        let reading = ring(&[1]).read(GOLDEN.as_bytes(), &PLACE, NOW);
        let ticket = golden();
        let outdated = false;
        assert_eq!(reading, Reading::Genuine { ticket, outdated });
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let ring = ring(&[1]);
        let text = ring.encode(&carrying("dark"), &PLACE, NOW);
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut forged = text.as_bytes().to_vec();
                forged[at] ^= 1 << bit;
                let reading = ring.read(&forged, &PLACE, NOW);
                assert!(
                    matches!(reading, Reading::Forged | Reading::UnknownKey),
                    "byte {at}, bit {bit}"
                );
            }
            let cut = ring.read(&text.as_bytes()[..at], &PLACE, NOW);
            assert_eq!(cut, Reading::Forged, "cut at {at}");
        }
        for extended in [format!("{}A", *text), format!("A{}", *text)] {
            let reading = ring.read(extended.as_bytes(), &PLACE, NOW);
            assert!(matches!(reading, Reading::Forged | Reading::UnknownKey));
        }
        for junk in [200, 4096, 4097, 1 << 20] {
            let junk = ring.read(&vec![b'A'; junk], &PLACE, NOW);
            assert_eq!(junk, Reading::Forged);
        }
    }

    #[test]
    fn what_was_sealed_for_one_place_opens_at_no_other() {
        let ring = ring(&[1]);
        let domain = |cookie, domain| Place {
            cookie,
            scope: Scope::Domain(domain),
        };
        let places = [
            PLACE,
            Place::at("__Host-sessio", "nshop.example"),
            Place::at("__Host-session", "other.example"),
            Place::at("__Host-session", "www.shop.example"),
            Place::at("__Host-session", ""),
            Place::at("sid", "shop.example"),
            domain("__Host-session", "shop.example"),
            domain("__Host-session", "example"),
            domain("sid", "shop.example"),
        ];
        for (number, sealed_for) in places.iter().enumerate() {
            let text = ring.encode(&carrying("dark"), sealed_for, NOW);
            for (other, opened_at) in places.iter().enumerate() {
                let reading = ring.read(text.as_bytes(), opened_at, NOW);
                let opens = matches!(reading, Reading::Genuine { .. });
                assert_eq!(opens, number == other, "{sealed_for:?} at {opened_at:?}");
            }
        }
    }

    #[test]
    fn the_newest_key_seals_and_all_open() {
        let (old, both, new) = (ring(&[1]), ring(&[1, 2]), ring(&[2]));
        let ticket = carrying("dark");
        let by_old = old.encode(&ticket, &PLACE, NOW);
        let reading = both.read(by_old.as_bytes(), &PLACE, NOW);
        assert!(outdated(&reading), "{reading:?}");
        assert_eq!(
            new.read(by_old.as_bytes(), &PLACE, NOW),
            Reading::UnknownKey
        );
        let by_both = both.encode(&ticket, &PLACE, NOW);
        let reading = new.read(by_both.as_bytes(), &PLACE, NOW);
        assert!(matches!(reading, Reading::Genuine { .. }) && !outdated(&reading));
        let uses: Vec<_> = both.uses(NOW).iter().map(|key| key.uses).collect();
        assert_eq!(uses, [1, 0]);
    }

    /// Its key id is authenticated too: the same secret under another name does not open it.
    #[test]
    fn a_key_opens_only_what_was_sealed_under_its_name() {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let key = SealKey::derive(&mac);
        let ticket = carrying("dark");
        let text = key.seal(KeyId([1; 4]), &ticket, ticket.carried().unwrap(), &PLACE);
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let open = |id| key.open(id, &mut bytes[HEAD_BYTES..].to_vec(), &PLACE);
        assert!(open(KeyId([1; 4])).is_some());
        assert!(open(KeyId([2; 4])).is_none());
    }

    #[test]
    fn no_key_does_two_things() {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let of_the_ring = RandomizedNonceKey::new(&AES_256_GCM_SIV, &[1; 32]).unwrap();
        let ticket = carrying("dark");
        let id = KeyId([1; 4]);
        let by_the_ring = SealKey(of_the_ring).seal(id, &ticket, ticket.carried().unwrap(), &PLACE);
        let bytes = BASE64URL_NOPAD.decode(by_the_ring.as_bytes()).unwrap();
        let opened = SealKey::derive(&mac).open(id, &mut bytes[HEAD_BYTES..].to_vec(), &PLACE);
        assert_eq!(opened, None);
    }

    #[test]
    fn a_plain_ticket_and_a_sealed_one_are_never_taken_for_each_other() {
        let (sealing, plain) = (ring(&[1]), plain_ring(&[1]));
        let ticket = Ticket::mint(NOW);
        let text = plain.encode(&ticket, &PLACE, NOW);
        let reading = sealing.read(text.as_bytes(), &PLACE, NOW);
        let outdated = false;
        assert_eq!(reading, Reading::Genuine { ticket, outdated });

        let sealed = carrying("dark");
        let text = sealing.encode(&sealed, &PLACE, NOW);
        assert_eq!(plain.read(text.as_bytes(), &PLACE, NOW), Reading::Forged);
        // A ring that does not seal gives out the ticket alone, never its session in the open.
        let text = plain.encode(&sealed, &PLACE, NOW);
        assert_eq!(text.len(), crate::session::ring::TICKET_CHARS);
        let spliced = format!("{}{}", *text, *plain.encode(&sealed, &PLACE, NOW));
        assert_eq!(
            sealing.read(spliced.as_bytes(), &PLACE, NOW),
            Reading::Forged
        );
    }

    #[test]
    fn a_ring_that_is_read_again_opens_what_it_opened() {
        let before = ring(&[1]);
        let text = before.encode(&carrying("dark"), &PLACE, NOW);
        let reading = |ring: &KeyRing| ring.read(text.as_bytes(), &PLACE, NOW);
        assert!(outdated(&reading(
            &plain_ring(&[1, 2]).counting_on(&before)
        )));
        assert_eq!(
            reading(&plain_ring(&[1]).counting_on(&plain_ring(&[1]))),
            Reading::Forged
        );
    }

    #[test]
    fn nothing_that_is_carried_is_printed_or_readable() {
        let ticket = carrying("hunter2");
        let text = ring(&[1]).encode(&ticket, &PLACE, NOW);
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"theme"));
        let random = ticket.random.expose();
        assert!(!bytes.windows(8).any(|window| window == &random[..8]));
        let printed = format!("{ticket:?}");
        assert!(printed.contains("Carried(<redacted>)") && !printed.contains("hunter2"));
    }
}
