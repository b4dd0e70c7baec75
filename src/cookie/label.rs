//! How a sealed or signed cookie value is written, apart from what keeps it safe: the label that stands on it in the
//! open, and where the rest is found.

use aws_lc_rs::aead::NONCE_LEN;
use data_encoding::BASE64URL_NOPAD;

use crate::base::clock::Time;

// Bytes that no text in UTF-8 holds, so that few cookies of apps begin as ours do; and those of tickets are others.
const VERSION_SEALED: u8 = 0xC0;
const VERSION_SIGNED: u8 = 0xC1;

pub(super) const KEY_ID_BYTES: usize = 4;
/// The version, the key id and the two times.
const LABEL_BYTES: usize = 1 + KEY_ID_BYTES + 8 + 8;
const SEAL_TAG_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
const SEALED_BYTES_MIN: usize = LABEL_BYTES + NONCE_LEN + SEAL_TAG_BYTES;
const SIGNATURE_BYTES: usize = LABEL_BYTES + MAC_BYTES;
/// Past the year 10000: with a later time in it, a value is an app's that begins like ours by chance.
pub(super) const MILLIS_MAX: u64 = (1 << 48) - 1;

/// The two ways in which the browser may be given a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nobody but us can read or make it.
    Sealed,
    /// Everybody can read it, nobody but us can make it.
    Signed,
}

/// What stands in the open on a value. Anybody can have written it: only `ValueKeys::open` tells whether it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Sealed or signed.
    pub form: Form,
    /// The id of the key that closed it.
    pub key: [u8; KEY_ID_BYTES],
    /// When it was closed.
    pub issued: Time,
    /// From when on it opens nothing, if that was said.
    pub until: Option<Time>,
}

impl Label {
    /// The label of `value`; `None` for one that is not of ours.
    pub fn read(value: &[u8]) -> Option<Self> {
        let parcel = |form| Parcel::read(value, form);
        let parcel = parcel(Form::Sealed).or_else(|| parcel(Form::Signed));
        parcel.map(|parcel| parcel.label)
    }

    /// As it is written.
    pub(super) fn bytes(&self) -> [u8; LABEL_BYTES] {
        let mut bytes = [0; LABEL_BYTES];
        bytes[0] = version(self.form);
        bytes[1..5].copy_from_slice(&self.key);
        bytes[5..13].copy_from_slice(&self.issued.as_millis().to_be_bytes());
        let until = self.until.map_or(0, Time::as_millis);
        bytes[13..].copy_from_slice(&until.to_be_bytes());
        bytes
    }

    fn parse(bytes: &[u8; LABEL_BYTES], form: Form) -> Option<Self> {
        let (head, times) = bytes.split_first_chunk::<{ 1 + KEY_ID_BYTES }>()?;
        let (issued, until) = times.split_first_chunk::<8>()?;
        let [found, key @ ..] = *head;
        let issued = u64::from_be_bytes(*issued);
        let until = u64::from_be_bytes(until.try_into().ok()?);
        let is_ours = found == version(form) && issued <= MILLIS_MAX && until <= MILLIS_MAX;
        is_ours.then(|| Self {
            form,
            key,
            issued: Time::from_millis(issued),
            until: (until > 0).then(|| Time::from_millis(until)),
        })
    }
}

const fn version(form: Form) -> u8 {
    match form {
        Form::Sealed => VERSION_SEALED,
        Form::Signed => VERSION_SIGNED,
    }
}

/// A value taken apart, and nothing of it believed yet.
pub(super) struct Parcel {
    pub label: Label,
    /// The app's value, if it is a signed one.
    pub plain: Vec<u8>,
    /// What follows the label: nonce, ciphertext and tag, or the tag alone.
    pub rest: Vec<u8>,
}

impl Parcel {
    pub fn read(value: &[u8], form: Form) -> Option<Self> {
        let (plain, text) = match form {
            Form::Sealed => (Vec::new(), value),
            Form::Signed => apart(value)?,
        };
        let bytes = BASE64URL_NOPAD.decode(text).ok()?;
        let fits = match form {
            Form::Sealed => bytes.len() >= SEALED_BYTES_MIN,
            Form::Signed => bytes.len() == SIGNATURE_BYTES,
        };
        let (label, rest) = bytes.split_first_chunk()?;
        let label = Label::parse(label, form).filter(|_| fits)?;
        let rest = rest.to_vec();
        Some(Self { label, plain, rest })
    }
}

/// `value` with `signature` behind it: within its quotes, if it has them.
pub(super) fn together(value: &[u8], signature: &[u8]) -> Vec<u8> {
    let (front, quote) = before_quote(value);
    [front, b".", signature, quote].concat()
}

/// The reverse of [`together`]. There is one way to put two parts together, so no two texts come apart alike.
fn apart(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (front, quote) = before_quote(text);
    // Values have dots of their own; signatures have none.
    let dot = front.iter().rposition(|byte| *byte == b'.')?;
    let value = [&front[..dot], quote].concat();
    let is_quoted_alike = before_quote(&value).1 == quote;
    is_quoted_alike.then_some((value, &front[dot + 1..]))
}

/// `text` before the quote that closes it, and that quote, if it is one of a full pair.
fn before_quote(text: &[u8]) -> (&[u8], &[u8]) {
    match text {
        [b'"', .., b'"'] => text.split_at(text.len() - 1),
        bare => (bare, b""),
    }
}
