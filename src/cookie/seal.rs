//! Sealed and signed cookie values: the app's own value, which the browser keeps and nobody but we can make.
//!
//! A *sealed* value is `version ‖ key id ‖ issue time ‖ until ‖ nonce ‖ ciphertext ‖ tag`, base64url without padding. A
//! *signed* one is the app's value as it was, a dot, and `version ‖ key id ‖ issue time ‖ until ‖ tag` in base64url.
//! Either is bound to the site, to the cookie's name and, as the rule asks, to the session: what comes back from
//! elsewhere opens nothing. Which cookies are sealed, and for how long, is the policy's to say.
//!
//! AES-256-GCM-SIV for the same reason as sealed tickets: one key seals for months with nonces drawn at random. Each
//! key of the ring gives one key for sealing and one for signing, and neither is the one that tickets have. Nothing is
//! compressed, since an app may mix what a visitor wrote with what the visitor must not learn.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, hmac};
use data_encoding::BASE64URL_NOPAD;

pub use super::label::{Form, Label};
use super::label::{KEY_ID_BYTES, MILLIS_MAX, Parcel, together};
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::secret::Secret;

/// The first characters of what we made: enough of them to hold the key id.
const MARK_CHARS: usize = 8;
const MARK_BYTES: usize = MARK_CHARS / 4 * 3;
/// How far the clock of the node that issued a value may be ahead of ours.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

const PURPOSE_SEAL_KEY: &[u8] = b"cloakroom cookie value seal key v1";
const PURPOSE_SIGN_KEY: &[u8] = b"cloakroom cookie value sign key v1";
const PURPOSE: &[u8] = b"cloakroom cookie value v1";

/// Where a value is good: what was closed in one context opens in no other.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Sealed or signed.
    pub form: Form,
    /// The name of the site.
    pub site: &'a str,
    /// The name of the cookie.
    pub name: &'a [u8],
    /// What ties it to its session; `None`: it is bound to the site alone.
    pub bond: Option<&'a [u8; 32]>,
    /// How long a value opens from its issue on. Judged when it is opened, so that a shorter one counts at once.
    pub max_age: Option<Duration>,
}

/// A value that opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// As the app set it.
    pub value: Vec<u8>,
    /// When it was closed.
    pub issued: Time,
    /// The id of the key that closed it.
    pub key: [u8; 4],
}

/// Why a value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// It does not look like one of ours at all: a value that the app or a script set.
    #[error("it was never sealed or signed")]
    NotOurs,
    /// It looks like ours, and its key is none of the ring (any more).
    #[error("its key is not in the key ring (any more)")]
    UnknownKey,
    /// It was touched, or closed for another session, site, name or form.
    #[error("it was touched, or is another session's, site's or cookie's")]
    Altered,
    /// It is older than the context allows.
    #[error("it is older than max_age")]
    TooOld,
    /// The moment has passed until which it was good.
    #[error("it has expired")]
    Expired,
    /// It was issued later than now, by more than clocks differ.
    #[error("it is from the future; the clocks of the nodes differ")]
    FromTheFuture,
}

/// The keys that close values and open them: the newest that is old enough closes, all of them open.
pub struct ValueKeys {
    /// The oldest first. Never empty.
    keys: Vec<ValueKey>,
}

impl ValueKeys {
    /// From the keys of the ring, in any order: the secret of each, and when it was made. `None` if there are none. A
    /// key closes when it is `activate_after` old, as it then signs tickets; the oldest always may.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = (&'a Secret<[u8; 32]>, Time)>,
        activate_after: Duration,
    ) -> Option<Self> {
        let keys = keys.into_iter();
        let mut keys: Vec<_> = keys
            .map(|(secret, created)| ValueKey::derive(secret, created.plus(activate_after)))
            .collect();
        keys.sort_by_key(|key| key.closes_from);
        keys.first_mut()?.closes_from = Time::from_secs(0);
        Some(Self { keys })
    }

    /// `value` as the browser gets it; it opens nothing from `until` on. To a signed value, cookie-octets alone are
    /// added, within its quotes if it has them, so that it is as good a cookie as it was.
    pub fn close(
        &self,
        value: &[u8],
        context: &Context<'_>,
        until: Option<Time>,
        now: Time,
    ) -> Vec<u8> {
        let key = &self.keys[self.closing(now)];
        let label = Label {
            form: context.form,
            key: key.id,
            issued: now,
            until: until.map(|until| Time::from_millis(until.as_millis().clamp(1, MILLIS_MAX))),
        };
        match context.form {
            Form::Sealed => key.seal(value, context, &label),
            Form::Signed => key.sign(value, context, &label),
        }
    }

    /// The app's value in `value`, which came from a browser. Nothing of it is believed before its tag is right.
    ///
    /// # Errors
    /// Why there is none. What we have made is not [`Unopened::NotOurs`] even when it was touched, wherever that can be
    /// told: such a value must not pass for one of an app that is only about to have its cookies sealed.
    pub fn open(&self, value: &[u8], context: &Context<'_>, now: Time) -> Result<Opened, Unopened> {
        let Some(parcel) = Parcel::read(value, context.form) else {
            return Err(self.why_unread(value));
        };
        let key = self.keys.iter().find(|key| key.id == parcel.label.key);
        let key = key.ok_or(Unopened::UnknownKey)?;
        let label = parcel.label;
        let opened = key.open(parcel, context).ok_or(Unopened::Altered)?;
        label.judge(context.max_age, now)?;
        Ok(Opened {
            value: opened,
            issued: label.issued,
            key: label.key,
        })
    }

    /// Whether a newer key closes by now than that one, or that one is gone.
    pub fn is_outdated(&self, key: [u8; 4], now: Time) -> bool {
        let closing = self.closing(now);
        let found = self.keys.iter().position(|known| known.id == key);
        found.is_none_or(|at| at < closing)
    }

    /// Which key closes.
    fn closing(&self, now: Time) -> usize {
        let is_active = |key: &ValueKey| key.closes_from <= now;
        self.keys.iter().rposition(is_active).unwrap_or(0)
    }

    /// Why `value` has not the form that it should have.
    fn why_unread(&self, value: &[u8]) -> Unopened {
        // The rule may have said `seal` when it was made and say `sign` now.
        let other_form = Label::read(value).map(|label| label.key);
        if self.names_a_key(value) {
            Unopened::Altered
        } else if other_form.is_some() {
            Unopened::UnknownKey
        } else {
            Unopened::NotOurs
        }
    }

    /// Whether something in `value` begins as what we make does, with the id of one of our keys: a value of ours that
    /// was cut, lengthened or put together anew. No app writes those 32 bits there by chance.
    fn names_a_key(&self, value: &[u8]) -> bool {
        let mut segments = value.split(|byte| *byte == b'.');
        segments.any(|segment| {
            let mut mark = [0; MARK_BYTES];
            let chars = segment.get(..MARK_CHARS);
            let read = chars.and_then(|chars| BASE64URL_NOPAD.decode_mut(chars, &mut mark).ok());
            read.is_some() && self.keys.iter().any(|key| mark[1..=KEY_ID_BYTES] == key.id)
        })
    }
}

impl Label {
    /// Whether it is of an age at which it opens.
    ///
    /// # Errors
    /// Why it is not.
    pub fn judge(&self, max_age: Option<Duration>, now: Time) -> Result<(), Unopened> {
        if self.issued > now.plus(CLOCK_SKEW_MAX) {
            return Err(Unopened::FromTheFuture);
        }
        if self.until.is_some_and(|until| until <= now) {
            return Err(Unopened::Expired);
        }
        if max_age.is_some_and(|max_age| now.since(self.issued) >= max_age) {
            return Err(Unopened::TooOld);
        }
        Ok(())
    }
}

/// What one key of the ring gives for values.
struct ValueKey {
    id: [u8; KEY_ID_BYTES],
    seal: RandomizedNonceKey,
    sign: hmac::Key,
    /// From when on it closes. Until then every node has time to learn of it.
    closes_from: Time,
}

impl ValueKey {
    fn derive(secret: &Secret<[u8; 32]>, closes_from: Time) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let seal = framed::mac(&root, &[PURPOSE_SEAL_KEY]);
        let sign = framed::mac(&root, &[PURPOSE_SIGN_KEY]);
        let seal = RandomizedNonceKey::new(&AES_256_GCM_SIV, seal.as_ref());
        Self {
            id: framed::key_id(secret),
            seal: seal.expect("AES-256-GCM-SIV takes the 32 bytes of HMAC-SHA-256"),
            sign: hmac::Key::new(hmac::HMAC_SHA256, sign.as_ref()),
            closes_from,
        }
    }

    fn seal(&self, value: &[u8], context: &Context<'_>, label: &Label) -> Vec<u8> {
        let mut text = value.to_vec();
        let bound = bound_with(context, label);
        let sealed = self.seal.seal_in_place_separate_tag(bound, &mut text);
        let (nonce, tag) = sealed.expect("the system has randomness, and AES takes some kilobytes");
        let bytes = [&label.bytes()[..], nonce.as_ref(), &text, tag.as_ref()].concat();
        BASE64URL_NOPAD.encode(&bytes).into_bytes()
    }

    fn sign(&self, value: &[u8], context: &Context<'_>, label: &Label) -> Vec<u8> {
        let tag = self.tag(value, context, label);
        let bytes = [&label.bytes()[..], tag.as_ref()].concat();
        together(value, BASE64URL_NOPAD.encode(&bytes).as_bytes())
    }

    fn open(&self, mut parcel: Parcel, context: &Context<'_>) -> Option<Vec<u8>> {
        let Label { form, .. } = parcel.label;
        match form {
            Form::Sealed => {
                let (nonce, text) = parcel.rest.split_at_mut_checked(NONCE_LEN)?;
                let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
                let bound = bound_with(context, &parcel.label);
                let text = self.seal.open_in_place(nonce, bound, text);
                text.ok().map(|text| text.to_vec())
            }
            Form::Signed => {
                let tag = self.tag(&parcel.plain, context, &parcel.label);
                let same = constant_time::verify_slices_are_equal(tag.as_ref(), &parcel.rest);
                same.ok().map(|()| parcel.plain)
            }
        }
    }

    fn tag(&self, value: &[u8], context: &Context<'_>, label: &Label) -> hmac::Tag {
        framed::mac(&self.sign, &[bound_with(context, label).as_ref(), value])
    }
}

/// What is authenticated beside the value. Each part has its length before it, so that no two contexts read alike.
fn bound_with(context: &Context<'_>, label: &Label) -> Aad<Vec<u8>> {
    let form: &[u8] = match context.form {
        Form::Sealed => b"sealed",
        Form::Signed => b"signed",
    };
    // What is bound to the site alone is not what is bound to some session, whatever that session is.
    let (bound_to, bond): (&[u8], &[u8]) = match context.bond {
        Some(bond) => (b"session", bond),
        None => (b"site", b""),
    };
    let site = context.site.as_bytes();
    let label = label.bytes();
    let parts = [PURPOSE, form, site, bound_to, bond, context.name, &label];
    let mut bound = Vec::new();
    framed::for_each(&parts, |part| bound.extend_from_slice(part));
    Aad::from(bound)
}

// === what may be printed ===

impl fmt::Debug for ValueKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.keys).finish()
    }
}

impl fmt::Debug for ValueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueKey({})", data_encoding::HEXLOWER.encode(&self.id))
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("form", &self.form)
            .field("site", &self.site)
            .field("name", &self.name.escape_ascii().to_string())
            .field("bond", &self.bond.map(|_| "<redacted>"))
            .field("max_age", &self.max_age)
            .finish()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("value", &"<redacted>")
            .field("issued", &self.issued)
            .field("key", &data_encoding::HEXLOWER.encode(&self.key))
            .finish()
    }
}

#[cfg(test)]
mod tests;
