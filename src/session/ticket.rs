//! The ticket: what the browser holds, and the only thing that opens a session.
//!
//! `version ‖ key id ‖ issue time ‖ stored flag ‖ 256 random bits ‖ tag`, base64url without padding. The tag lets a
//! forged ticket die before any store is asked; the store knows only a one-way hash of the random part, so a stolen
//! store opens nothing. Session IDs for apps and logs are derived with a key of their own and cannot be turned back.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};
use data_encoding::BASE64URL_NOPAD;
use zeroize::Zeroizing;

use crate::base::clock::Time;
use crate::base::secret::{Secret, random_bytes};

const VERSION: u8 = 1;
const KEY_ID_BYTES: usize = 4;
const RANDOM_BYTES: usize = 32;
const TAG_BYTES: usize = 32;
const BODY_BYTES: usize = 1 + KEY_ID_BYTES + 8 + 1 + RANDOM_BYTES;
/// Bytes before encoding. A multiple of three, so that every ticket has exactly one spelling.
const TICKET_BYTES: usize = BODY_BYTES + TAG_BYTES;
/// Characters of an encoded ticket; anything of another length is not one.
pub const TICKET_CHARS: usize = TICKET_BYTES / 3 * 4;
const _: () = assert!(TICKET_BYTES.is_multiple_of(3) && TICKET_CHARS < 200);

const PURPOSE_TAG: &[u8] = b"cloakroom ticket tag v1";
const PURPOSE_STORE_KEY: &[u8] = b"cloakroom store key v1";
const PURPOSE_ROOT: &[u8] = b"cloakroom session root v1";
const PURPOSE_SESSION_ID: &[u8] = b"cloakroom session id v1";

/// The bearer secret of one visitor, verified or freshly minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    random: Secret<[u8; RANDOM_BYTES]>,
    issued: Time,
    stored: bool,
}

impl Ticket {
    /// A new ticket that no store knows of.
    pub fn mint(now: Time) -> Self {
        Self {
            random: Secret::new(random_bytes()),
            issued: now,
            stored: false,
        }
    }

    /// The same ticket, marked as one whose session is in the store.
    #[must_use]
    pub fn marked_stored(&self) -> Self {
        Self {
            stored: true,
            ..self.clone()
        }
    }

    /// The same ticket, issued now. Only for one that nobody has been given yet.
    #[must_use]
    pub fn issued_at(&self, now: Time) -> Self {
        Self {
            issued: now,
            ..self.clone()
        }
    }

    /// When it was issued.
    pub const fn issued(&self) -> Time {
        self.issued
    }

    /// Whether the store must know it. A ticket marked stored that the store does not know opens nothing.
    pub const fn is_stored(&self) -> bool {
        self.stored
    }

    /// Under which key a store files it: a one-way hash, so that a stolen store opens no session.
    pub fn key(&self) -> TicketKey {
        TicketKey(self.hash(PURPOSE_STORE_KEY))
    }

    /// The root of the session that begins with this ticket.
    pub fn root(&self) -> Root {
        Root(self.hash(PURPOSE_ROOT))
    }

    fn hash(&self, purpose: &[u8]) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        for_each_framed(&[purpose, self.random.expose()], |part| {
            context.update(part)
        });
        let mut out = [0; 32];
        out.copy_from_slice(context.finish().as_ref());
        out
    }
}

/// What stores file a ticket under. Not a secret: it opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketKey(pub [u8; 32]);

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "TicketKey({}…)",
            data_encoding::HEXLOWER.encode(&self.0[..4])
        )
    }
}

/// From which the session's IDs are derived. It stays when tickets rotate and is new after a user change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Root(pub [u8; 32]);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(<redacted>)")
    }
}

/// The name of a signing key: short, public, and part of each ticket.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

/// What came of reading a cookie value as a ticket.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Its tag is right.
    Genuine(Ticket),
    /// It has the shape of a ticket and a key id that we do not have (any more).
    UnknownKey,
    /// It is not a ticket of ours.
    Forged,
}

/// The secret keys: the first signs, all of them verify.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<RingKey>,
}

struct RingKey {
    id: KeyId,
    /// Ready for use: the key schedule is worked out once, not per request.
    mac: hmac::Key,
}

impl fmt::Debug for RingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RingKey").field(&self.id).finish()
    }
}

impl KeyRing {
    /// A ring of `keys`, the signing one first. `None` for a ring without keys.
    pub fn new(keys: &[Secret<[u8; 32]>]) -> Option<Self> {
        if keys.is_empty() {
            return None;
        }
        let keys = keys.iter().map(RingKey::new).collect();
        Some(Self { keys })
    }

    /// The ticket as the browser gets it.
    pub fn encode(&self, ticket: &Ticket) -> Zeroizing<String> {
        let key = &self.keys[0];
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

    /// Reads a cookie value. The tag is compared in constant time, and nothing of a value is believed before.
    pub fn read(&self, value: &[u8]) -> Reading {
        let mut bytes = Zeroizing::new([0_u8; TICKET_BYTES]);
        if value.len() != TICKET_CHARS || BASE64URL_NOPAD.decode_mut(value, &mut *bytes).is_err() {
            return Reading::Forged;
        }
        let (body, tag) = bytes.split_at(BODY_BYTES);
        let ([VERSION, ..], Some(id)) = (body, body.get(1..5)) else {
            return Reading::Forged;
        };
        let Some(key) = self.keys.iter().find(|key| key.id.0 == *id) else {
            return Reading::UnknownKey;
        };
        if constant_time::verify_slices_are_equal(key.tag(body).as_ref(), tag).is_err() {
            return Reading::Forged;
        }
        let mut issued = [0; 8];
        issued.copy_from_slice(&body[5..13]);
        let mut random = [0; RANDOM_BYTES];
        random.copy_from_slice(&body[14..]);
        Reading::Genuine(Ticket {
            random: Secret::new(random),
            issued: Time::from_millis(u64::from_be_bytes(issued)),
            stored: body[13] != 0,
        })
    }
}

impl RingKey {
    fn new(key: &Secret<[u8; 32]>) -> Self {
        let fingerprint = digest::digest(&digest::SHA256, key.expose());
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&fingerprint.as_ref()[..KEY_ID_BYTES]);
        Self {
            id: KeyId(id),
            mac: hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
        }
    }

    fn tag(&self, body: &[u8]) -> hmac::Tag {
        mac_framed(&self.mac, &[PURPOSE_TAG, body])
    }
}

/// The public name of a session at one site.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(String);

impl SessionId {
    /// The ID, as apps and logs see it: 26 characters of `a-z2-7`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({})", self.0)
    }
}

/// Derives session IDs. Its key is not part of the rotating ring, so that IDs outlive key rotation.
pub struct SessionIds {
    mac: hmac::Key,
}

impl SessionIds {
    /// Derives with `key`.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
        }
    }

    /// The ID that the session with this root has at `site`.
    pub fn derive(&self, root: &Root, site: &str) -> SessionId {
        let tag = mac_framed(&self.mac, &[PURPOSE_SESSION_ID, site.as_bytes(), &root.0]);
        SessionId(
            data_encoding::BASE32_NOPAD
                .encode(&tag.as_ref()[..16])
                .to_ascii_lowercase(),
        )
    }
}

impl fmt::Debug for SessionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionIds(<redacted>)")
    }
}

fn mac_framed(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for_each_framed(parts, |part| context.update(part));
    context.sign()
}

/// Feeds each part with its length before it: without that, ("ab", "c") and ("a", "bc") would read the same, which is
/// how Django's signed cookies came to collide (CVE-2026-6873).
fn for_each_framed(parts: &[&[u8]], mut feed: impl FnMut(&[u8])) {
    for part in parts {
        feed(&(part.len() as u64).to_be_bytes());
        feed(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(keys: &[[u8; 32]]) -> KeyRing {
        let keys: Vec<_> = keys.iter().map(|key| Secret::new(*key)).collect();
        KeyRing::new(&keys).expect("keys were given")
    }

    #[test]
    fn what_was_issued_reads_back() {
        let ring = ring(&[[1; 32]]);
        for ticket in [
            Ticket::mint(Time::from_secs(7)),
            Ticket::mint(Time::from_secs(8)).marked_stored(),
        ] {
            assert_eq!(
                ring.read(ring.encode(&ticket).as_bytes()),
                Reading::Genuine(ticket)
            );
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let ring = ring(&[[1; 32]]);
        let text = ring.encode(&Ticket::mint(Time::from_secs(7)));
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut forged = text.as_bytes().to_vec();
                forged[at] ^= 1 << bit;
                assert!(
                    !matches!(ring.read(&forged), Reading::Genuine(_)),
                    "byte {at}, bit {bit}"
                );
            }
            assert_eq!(ring.read(&text.as_bytes()[..at]), Reading::Forged);
        }
        assert_eq!(ring.read(format!("{}A", *text).as_bytes()), Reading::Forged);
        assert_eq!(ring.read(&vec![b'A'; 1 << 20]), Reading::Forged);
    }

    #[test]
    fn the_newest_key_signs_and_all_verify() {
        let old = ring(&[[1; 32]]);
        let both = ring(&[[2; 32], [1; 32]]);
        let new = ring(&[[2; 32]]);
        let ticket = Ticket::mint(Time::from_secs(7));
        assert_eq!(
            both.read(old.encode(&ticket).as_bytes()),
            Reading::Genuine(ticket.clone())
        );
        assert_eq!(
            new.read(both.encode(&ticket).as_bytes()),
            Reading::Genuine(ticket.clone())
        );
        assert_eq!(
            new.read(old.encode(&ticket).as_bytes()),
            Reading::UnknownKey
        );
    }

    #[test]
    fn session_ids_differ_by_site_and_say_nothing_of_the_ticket() {
        let ids = SessionIds::new(&Secret::new([9; 32]));
        let ticket = Ticket::mint(Time::from_secs(7));
        let root = ticket.root();
        assert_eq!(ids.derive(&root, "a"), ids.derive(&root, "a"));
        assert_ne!(ids.derive(&root, "a"), ids.derive(&root, "b"));
        assert_ne!(ticket.root().0, ticket.key().0);
        assert_eq!(ids.derive(&root, "a").as_str().len(), 26);
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = ring(&[[1; 32]]);
        let ticket = Ticket::mint(Time::from_secs(7));
        let printed = format!("{ticket:?} {ring:?}");
        assert!(
            !printed.contains(ring.encode(&ticket).as_str()) && printed.contains("<redacted>"),
            "{printed}"
        );
    }
}
