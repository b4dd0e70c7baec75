//! Whom an app's own cookie names.
//!
//! Some apps write who has logged in into the cookie that they set then. What was typed is held against it: a visitor who is
//! logged in already may have such a cookie set again by a request in which the app never reads the user's field, and may
//! name anybody there.

use data_encoding::{BASE64, BASE64_NOPAD};
use percent_encoding::percent_decode;

/// How a cookie names somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// `name|expiry|token|tag`, percent-encoded: WordPress.
    WordPress,
    /// The name, percent-encoded: MediaWiki.
    MediaWiki,
    /// `name|sticky|secret`, the name in Base64, percent-encoded: DokuWiki.
    DokuWiki,
}

impl Told {
    /// Whom the value names; `None` where it has another form.
    pub fn who(self, value: &[u8]) -> Option<String> {
        let plain = value.iter().map(|byte| match byte {
            b'+' if self != Self::DokuWiki => b' ',
            byte => *byte,
        });
        let plain: Vec<u8> = plain.collect();
        let text = percent_decode(&plain).decode_utf8().ok()?;
        match self {
            Self::MediaWiki => Some(text.into_owned()),
            Self::WordPress => {
                let [name, _, _, _] = text.split('|').collect::<Vec<_>>()[..] else {
                    return None;
                };
                Some(name.to_owned())
            }
            Self::DokuWiki => {
                let [name, _, _] = text.split('|').collect::<Vec<_>>()[..] else {
                    return None;
                };
                let name = name.as_bytes();
                let name = BASE64.decode(name).or_else(|_| BASE64_NOPAD.decode(name));
                String::from_utf8(name.ok()?).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_of_an_app_names_its_user() {
        for (form, value, who) in [
            (
                Told::WordPress,
                "al+ice%7C1799%7CtoKen%7C0a1b",
                Some("al ice"),
            ),
            (Told::WordPress, "1", None),
            (Told::WordPress, "a%7Cb", None),
            (Told::WordPress, "%ff%7C1%7C2%7C3", None),
            (Told::MediaWiki, "Al_ice%C3%A9", Some("Al_iceé")),
            (Told::DokuWiki, "YWxpY2U%3D%7C1%7Cc2VjcmV0", Some("alice")),
            (Told::DokuWiki, "YWxpY2U|0|c2VjcmV0", Some("alice")),
            (Told::DokuWiki, "%20|0|x", None),
            (Told::DokuWiki, "1", None),
        ] {
            assert_eq!(form.who(value.as_bytes()).as_deref(), who, "{value}");
        }
    }
}
