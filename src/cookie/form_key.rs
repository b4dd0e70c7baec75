//! The key to the forms that are kept for a browser while its user logs in: a cookie of ours beside the ticket, which
//! changes at a login, and for this host alone, so that no sibling of the host can plant one.
//!
//! Whoever has the key has the forms, and nobody else: a link to them says only which of them.

use cookie::{Cookie, SameSite};
use data_encoding::BASE64URL_NOPAD;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::name::resembles;
use super::parse::pairs;
use crate::base::secret::{Secret, random_bytes};

/// What it is called, whatever the ticket is called.
const NAME: &str = "__Host-cloakroom-form";
const BYTES: usize = 32;

/// The key.
#[derive(Clone)]
pub struct FormKey(Secret<[u8; BYTES]>);

impl FormKey {
    /// The one that the browser brings. None where it brings several: a browser holds one.
    pub fn brought(headers: &HeaderMap) -> Option<Self> {
        let fields = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        let mut ours = pairs(fields).filter(|pair| pair.name == NAME.as_bytes());
        let (Some(one), None) = (ours.next(), ours.next()) else {
            return None;
        };
        let bytes = BASE64URL_NOPAD.decode(one.value).ok()?;
        Some(Self(Secret::new(bytes.try_into().ok()?)))
    }

    /// A new one.
    pub fn random() -> Self {
        Self(Secret::new(random_bytes()))
    }

    /// Its bytes.
    pub const fn expose(&self) -> &[u8; BYTES] {
        self.0.expose()
    }

    /// The field that gives it to the browser for so long. Lax: a login may come back from another site.
    pub fn set(&self, secs: u32) -> Option<HeaderValue> {
        let value = BASE64URL_NOPAD.encode(self.expose());
        let cookie = Cookie::build((NAME, value))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(cookie::time::Duration::seconds(secs.into()));
        let mut field = HeaderValue::try_from(cookie.build().to_string()).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

/// Whether `name` is that of the key, or would be in the hands of some reader.
#[inline]
pub(super) fn is_form_key_to_somebody(name: &[u8]) -> bool {
    resembles(name, NAME.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brought(fields: &[&str]) -> Option<FormKey> {
        let fields = fields
            .iter()
            .map(|field| (COOKIE, HeaderValue::from_str(field).unwrap()));
        FormKey::brought(&fields.collect())
    }

    #[test]
    fn a_key_comes_back_as_it_was_given() {
        let key = FormKey::random();
        let set = key.set(900).unwrap();
        let set = set.to_str().unwrap();
        let (pair, attributes) = set.split_once("; ").unwrap();
        assert_eq!(
            attributes,
            "HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=900"
        );
        let back = brought(&["a=1", &format!("b=2; {pair}; c=3")]).unwrap();
        assert_eq!(back.expose(), key.expose());
        assert!(brought(&[pair, pair]).is_none());
        assert!(brought(&[]).is_none());
        for odd in ["", "x", "AAAA", &"A".repeat(44), "\"AAAA\""] {
            assert!(brought(&[&format!("{NAME}={odd}")]).is_none(), "{odd}");
        }
        assert!(brought(&[&pair.replace("__Host-", "__host-")]).is_none());
    }
}
