//! The ticket: what the browser holds, and the only thing that opens a session.
//!
//! How it is written and verified is in `ring.rs`. The store knows only a one-way hash of its random part, so a stolen
//! store opens nothing. Session IDs for apps and logs are derived with a key of their own and cannot be turned back.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;

use super::recent::Recent;
use super::sealed::Carried;
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::secret::{Secret, random_bytes};

pub(super) const KEY_ID_BYTES: usize = 4;
pub(super) const RANDOM_BYTES: usize = 32;

const SESSION_ID_BYTES: usize = 16;
const SESSION_ID_CHARS: usize = (SESSION_ID_BYTES * 8).div_ceil(5);

const PURPOSE_STORE_KEY: &[u8] = b"cloakroom store key v1";
const PURPOSE_ROOT: &[u8] = b"cloakroom session root v1";
const PURPOSE_SESSION_ID: &[u8] = b"cloakroom session id v1";
const PURPOSE_NAME: &[u8] = b"cloakroom name v1";
const PURPOSE_FINGERPRINT: &[u8] = b"cloakroom session id key fingerprint v1";

/// The bearer secret of one visitor, verified or freshly minted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) random: Secret<[u8; RANDOM_BYTES]>,
    pub(super) issued: Time,
    pub(super) stored: bool,
    /// The session itself, if the ticket is a sealed one.
    pub(super) carried: Option<Arc<Carried>>,
}

impl Ticket {
    /// A new ticket that no store knows of.
    pub fn mint(now: Time) -> Self {
        Self {
            random: Secret::new(random_bytes()),
            issued: now,
            stored: false,
            carried: None,
        }
    }

    /// A new ticket of the same [family](TicketKey::family), for the session that this one opens or for a fork of it.
    /// It is drawn until it fits, about [`FAMILIES`] times, so that it is as hard to guess as any but for the family.
    #[must_use]
    pub fn mint_beside(&self, now: Time) -> Self {
        let family = self.key().family();
        loop {
            let drawn = Self::mint(now);
            if drawn.key().family() == family {
                return drawn;
            }
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

    /// The same ticket, with its session in it.
    #[must_use]
    pub fn carrying(&self, carried: Carried) -> Self {
        Self {
            stored: true,
            carried: Some(Arc::new(carried)),
            ..self.clone()
        }
    }

    /// The same ticket as it was before its session was stored or sealed.
    #[must_use]
    pub fn bare(&self) -> Self {
        Self {
            stored: false,
            carried: None,
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

    /// What it carries, if it is a sealed one.
    pub fn carried(&self) -> Option<&Carried> {
        self.carried.as_deref()
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
        framed::hash(&[purpose, self.random.expose()])
    }
}

/// What stores file a ticket under. Not a secret: it opens nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketKey(pub [u8; 32]);

/// How many families of tickets there are.
pub const FAMILIES: u8 = 64;

impl TicketKey {
    /// The family of the ticket, below [`FAMILIES`].
    ///
    /// Law: a ticket that takes the place of another, by a rotation or a fork, is of the same family. So whatever one
    /// change touches (a session, its tickets, its fork, its forebears) is of one family, and a store that keeps
    /// families apart, on several servers perhaps, still makes each change at one place.
    pub const fn family(&self) -> u8 {
        self.0[0] / (u8::MAX / FAMILIES + 1)
    }
}

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; KEY_ID_BYTES]);

impl KeyId {
    /// Reads what its `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        bytes.ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The public name of a session at one site.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionId(Arc<str>);

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
    recent: Recent,
}

impl SessionIds {
    /// Derives with `key`.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self {
            mac: hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
            recent: Recent::new(),
        }
    }

    /// A name for its key, by which two nodes see whether they have the same one. It gives nothing of the key away.
    pub fn fingerprint(&self) -> KeyId {
        let tag = framed::mac(&self.mac, &[PURPOSE_FINGERPRINT]);
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&tag.as_ref()[..KEY_ID_BYTES]);
        KeyId(id)
    }

    /// A name for what `parts` tell, the same on all nodes, for a store that is not to learn of them.
    pub fn name(&self, purpose: &str, parts: &[Vec<u8>]) -> [u8; 32] {
        let head = [PURPOSE_NAME, purpose.as_bytes()];
        let parts: Vec<&[u8]> = head
            .into_iter()
            .chain(parts.iter().map(Vec::as_slice))
            .collect();
        let mut name = [0; 32];
        name.copy_from_slice(framed::mac(&self.mac, &parts).as_ref());
        name
    }

    /// The ID that the session with this root has at `site`.
    pub fn derive(&self, root: &Root, site: &str) -> SessionId {
        self.recent
            .or_derive(root, site, || self.derive_anew(root, site))
    }

    fn derive_anew(&self, root: &Root, site: &str) -> SessionId {
        let tag = framed::mac(&self.mac, &[PURPOSE_SESSION_ID, site.as_bytes(), &root.0]);
        let mut text = [0; SESSION_ID_CHARS];
        data_encoding::BASE32_NOPAD.encode_mut(&tag.as_ref()[..SESSION_ID_BYTES], &mut text);
        text.make_ascii_lowercase();
        // Letters and digits are text.
        SessionId(String::from_utf8_lossy(&text).into())
    }
}

impl fmt::Debug for SessionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionIds(<redacted>)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_reads_back_and_nothing_else_does() {
        let id = KeyId([0, 1, 0xab, 0xff]);
        assert_eq!(KeyId::parse(&id.to_string()), Some(id));
        assert_eq!(KeyId::parse("0001ABFF"), Some(id));
        for text in ["", "0001abf", "0001abff00", "0001abfg", " 0001abff"] {
            assert_eq!(KeyId::parse(text), None, "{text}");
        }
    }

    #[test]
    fn two_keys_of_session_ids_have_two_fingerprints() {
        let print = |byte| SessionIds::new(&Secret::new([byte; 32])).fingerprint();
        assert_eq!(print(1), print(1));
        assert_ne!(print(1), print(2));
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
    fn a_remembered_session_id_is_the_one_that_would_be_derived() {
        let ids = SessionIds::new(&Secret::new([9; 32]));
        // Roots that fall into one slot, in turn at two sites.
        let root = |last: u8| Root(std::array::from_fn(|at| if at == 31 { last } else { 7 }));
        for _ in 0..3 {
            for (last, site) in [(1, "a"), (1, "a"), (1, "b"), (2, "b"), (2, "a")] {
                let root = root(last);
                assert_eq!(ids.derive(&root, site), ids.derive_anew(&root, site));
            }
        }
    }

    #[test]
    fn every_ticket_has_a_family_and_one_minted_beside_it_is_of_the_same() {
        assert_eq!(TicketKey([0; 32]).family(), 0);
        assert_eq!(TicketKey([0xff; 32]).family(), FAMILIES - 1);
        for _ in 0..20 {
            let ticket = Ticket::mint(Time::from_secs(7));
            let next = ticket.mint_beside(Time::from_secs(8));
            assert_eq!(next.key().family(), ticket.key().family());
            assert_ne!(next.key(), ticket.key());
            assert_eq!(next.issued(), Time::from_secs(8));
            assert!(!next.is_stored());
        }
    }
}
