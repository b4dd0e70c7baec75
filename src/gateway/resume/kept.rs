//! A form as it is kept: sealed with a key that its browser alone has, so that a stolen store holds nothing that anybody
//! could read.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use http::HeaderValue;

use crate::base::framed;
use crate::cookie::form_key::FormKey;
use crate::session::UserKey;
use crate::store::NoteKey;

/// So many forms are kept for one browser.
pub(super) const SLOTS: u8 = 4;
/// The longest address that a form goes to, path and query, in bytes.
pub(super) const TARGET_BYTES_MAX: usize = 2048;

/// A form of a visitor who has to log in first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeptForm {
    /// Where it goes: path and query.
    pub target: String,
    /// The form as it came.
    pub body: Vec<u8>,
    /// Who sent it, if somebody was logged in then.
    pub user: Option<UserKey>,
}

/// What a visitor gets whose form is kept.
#[derive(Debug)]
pub struct KeptFor {
    /// Where they log in, with the way to their form.
    pub login: String,
    /// The field that gives the browser the key to it.
    pub cookie: HeaderValue,
}

/// Where one is kept.
pub(super) struct Slot<'a> {
    pub key: &'a FormKey,
    pub site: &'a str,
    /// Below [`SLOTS`].
    pub number: u8,
}

impl KeptForm {
    /// As it is kept in `slot`.
    pub fn seal(&self, slot: &Slot<'_>) -> Option<Vec<u8>> {
        let target = u16::try_from(self.target.len()).ok()?;
        let mut inner = vec![u8::from(self.user.is_some())];
        inner.extend(self.user.map_or([0; 32], |user| user.0));
        inner.extend(target.to_be_bytes());
        inner.extend(self.target.as_bytes());
        inner.extend(&self.body);
        let (key, bound) = slot.sealing()?;
        let nonce = key.seal_in_place_append_tag(bound, &mut inner).ok()?;
        let nonce: &[u8] = nonce.as_ref();
        Some([nonce, &inner].concat())
    }

    /// What was kept in `slot`; `None` for anything else.
    pub fn open(sealed: &[u8], slot: &Slot<'_>) -> Option<Self> {
        let (nonce, inner) = sealed.split_first_chunk::<NONCE_LEN>()?;
        let mut inner = inner.to_vec();
        let (key, bound) = slot.sealing()?;
        let nonce = Nonce::from(nonce);
        let inner = &*key.open_in_place(nonce, bound, &mut inner).ok()?;
        let ([has_user, user @ ..], rest) = inner.split_first_chunk::<33>()?;
        let (target, rest) = rest.split_first_chunk()?;
        let (target, body) = rest.split_at_checked(u16::from_be_bytes(*target).into())?;
        let user: [u8; 32] = *user;
        Some(Self {
            target: String::from_utf8(target.to_vec()).ok()?,
            body: body.to_vec(),
            user: (*has_user == 1).then_some(UserKey(user)),
        })
    }
}

impl Slot<'_> {
    /// Under what it is kept.
    pub fn note(&self) -> NoteKey {
        let parts = [self.site.as_bytes(), self.key.expose(), &[self.number]];
        NoteKey::of("kept form", &parts)
    }

    /// The key is another for each place, and another than the name of the note, which the store knows.
    fn sealing(&self) -> Option<(RandomizedNonceKey, Aad<[u8; 1]>)> {
        let key = framed::hash(&[
            b"cloakroom kept form key v1",
            self.key.expose(),
            self.site.as_bytes(),
        ]);
        let key = RandomizedNonceKey::new(&AES_256_GCM_SIV, &key).ok()?;
        Some((key, Aad::from([self.number])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_opens_for_its_browser_at_its_place_alone() {
        let (key, other) = (FormKey::random(), FormKey::random());
        let slot = |key, site, number| Slot { key, site, number };
        let form = KeptForm {
            target: "/x?y=1".to_owned(),
            body: b"a=1&b=\xff".to_vec(),
            user: Some(UserKey([7; 32])),
        };
        let here = slot(&key, "shop", 1);
        let sealed = form.seal(&here).unwrap();
        assert!(!sealed.windows(4).any(|window| window == b"/x?y"));
        assert_eq!(KeptForm::open(&sealed, &here), Some(form));
        for elsewhere in [
            slot(&other, "shop", 1),
            slot(&key, "wiki", 1),
            slot(&key, "shop", 2),
        ] {
            assert_eq!(KeptForm::open(&sealed, &elsewhere), None);
            assert_ne!(elsewhere.note(), here.note());
        }
        for cut in 0..sealed.len() {
            assert_eq!(KeptForm::open(&sealed[..cut], &here), None);
        }
        let empty = KeptForm {
            target: "/".to_owned(),
            body: Vec::new(),
            user: None,
        };
        let sealed = empty.seal(&here).unwrap();
        assert_eq!(KeptForm::open(&sealed, &here), Some(empty));
    }
}
