//! A `Set-Cookie` of the app, read as a browser reads it (RFC 6265bis 5.6), on the bytes as they came.
//!
//! Nothing is lost in reading: [`SetCookie::attributes`] gives every attribute back, also those that nobody knows yet.

use std::time::Duration;

use super::date;
use super::name::Prefix;
use super::parse::{split_once, trim};
use crate::base::clock::Time;
use crate::base::kept::SameSite;

/// The longest name and value together that a browser takes, in bytes.
pub const PAIR_BYTES_MAX: usize = 4096;
/// An attribute with a longer value is as good as absent.
const ATTRIBUTE_BYTES_MAX: usize = 1024;
/// No cookie lives longer (RFC 6265bis 5.5).
pub const LIFE_MAX: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// Why a `Set-Cookie` of an app goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refused {
    /// It holds a control byte.
    #[error("a control byte in Set-Cookie")]
    ControlByte,
    /// It has neither name nor value.
    #[error("neither name nor value")]
    Empty,
    /// Name and value are more than 4096 bytes together.
    #[error("name and value are more than {PAIR_BYTES_MAX} bytes")]
    TooLarge,
    /// It is, or pretends to be, our own cookie.
    #[error("it collides with the gateway's own cookie")]
    OurName,
    /// It is one of a login service's, which go to that service alone.
    #[error("cookies of this name are those of the login service (site.login.cookies)")]
    OfAService,
    /// A login service sets it, and it is none of its own.
    #[error("it is none of the login service's cookies (site.login.cookies)")]
    NotTheServices,
    /// It has no name, but a value that reads like a cookie with a `__Host-` or `__Secure-` name.
    #[error("a nameless cookie that pretends to a name prefix")]
    DisguisedPrefix,
    /// It has no name and should go to the browser, who would send the value as if it were a pair.
    #[error("a nameless cookie is not passed")]
    Nameless,
    /// Its name prefix promises attributes that it does not have.
    #[error("the attributes do not keep what the name prefix promises")]
    Prefix,
    /// Its Domain is not the host's.
    #[error("Domain does not cover the host")]
    Domain,
    /// Its Domain is a public suffix.
    #[error("Domain is a public suffix")]
    PublicSuffix,
    /// Its Path is not text.
    #[error("Path is not UTF-8")]
    Path,
    /// It is for a session, and this request has none that could hold it, or comes from another site's page.
    #[error("no session on this request can hold it")]
    NoSession,
    /// A cross-site request may not set a cookie that is not `SameSite=None`.
    #[error("set across sites without SameSite=None")]
    CrossSite,
}

/// A `Set-Cookie` field, read. Where an attribute comes twice the last one counts.
#[derive(Clone, Copy)]
pub struct SetCookie<'a> {
    /// The name; may be empty.
    pub name: &'a [u8],
    /// The value; may be empty when there is a name.
    pub value: &'a [u8],
    /// `Domain` without a leading dot, as written otherwise. `None` when absent or empty.
    pub domain: Option<&'a [u8]>,
    /// `Path`. `None` when absent or not beginning with `/`: the default path holds.
    pub path: Option<&'a [u8]>,
    /// Whether `Secure` is there.
    pub secure: bool,
    /// Whether `HttpOnly` is there.
    pub http_only: bool,
    /// `SameSite`. `None` when absent or unknown.
    pub same_site: Option<SameSite>,
    expires: Option<Time>,
    max_age: Option<Duration>,
    rest: &'a [u8],
}

/// When a cookie ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// With the browser, or with the session that keeps it.
    WithSession,
    /// By itself, at that time, at most 400 days from now.
    At(Time),
    /// It has ended: the app deletes it.
    Past,
}

/// One attribute as it came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Attribute<'a> {
    /// All of it, trimmed.
    pub(super) raw: &'a [u8],
    /// Before the first `=`, trimmed.
    pub(super) name: &'a [u8],
    /// After it, trimmed; empty without one.
    pub(super) value: &'a [u8],
}

impl<'a> SetCookie<'a> {
    /// Reads one field, or says why a browser would not take it.
    pub fn read(field: &'a [u8]) -> Result<Self, Refused> {
        if field
            .iter()
            .any(|byte| byte.is_ascii_control() && *byte != b'\t')
        {
            return Err(Refused::ControlByte);
        }
        let (pair, rest) = split_once(field, b';').unwrap_or((field, b""));
        let (name, value) = split_once(pair, b'=').unwrap_or((b"", pair));
        let (name, value) = (trim(name), trim(value));
        if name.is_empty() && value.is_empty() {
            return Err(Refused::Empty);
        }
        if name.len() + value.len() > PAIR_BYTES_MAX {
            return Err(Refused::TooLarge);
        }
        if name.is_empty() && Prefix::of(value).is_some() {
            return Err(Refused::DisguisedPrefix);
        }
        let mut set = Self {
            name,
            value,
            domain: None,
            path: None,
            secure: false,
            http_only: false,
            same_site: None,
            expires: None,
            max_age: None,
            rest,
        };
        for attribute in attributes(rest) {
            set.apply(attribute);
        }
        Ok(set)
    }

    fn apply(&mut self, attribute: Attribute<'a>) {
        let Attribute { name, value, .. } = attribute;
        if name.eq_ignore_ascii_case(b"expires") {
            // What cannot be read is as good as absent: it does not undo a readable one before it.
            self.expires = date::parse(value).or(self.expires);
        } else if name.eq_ignore_ascii_case(b"max-age") {
            self.max_age = max_age(value).or(self.max_age);
        } else if name.eq_ignore_ascii_case(b"domain") {
            let bare = value.strip_prefix(b".").unwrap_or(value);
            self.domain = (!bare.is_empty()).then_some(bare);
        } else if name.eq_ignore_ascii_case(b"path") {
            self.path = value.starts_with(b"/").then_some(value);
        } else if name.eq_ignore_ascii_case(b"secure") {
            self.secure = true;
        } else if name.eq_ignore_ascii_case(b"httponly") {
            self.http_only = true;
        } else if name.eq_ignore_ascii_case(b"samesite") {
            self.same_site = same_site(value);
        }
    }

    /// When the cookie ends, if it came at `now`. Max-Age beats Expires.
    pub fn ends(&self, now: Time) -> Ends {
        let latest = now.plus(LIFE_MAX);
        let end = match (self.max_age, self.expires) {
            (Some(age), _) => now.plus(age),
            (None, Some(end)) => end,
            (None, None) => return Ends::WithSession,
        };
        if end <= now {
            return Ends::Past;
        }
        Ends::At(end.min(latest))
    }

    /// As if Max-Age said so.
    pub(super) fn live_for(&mut self, age: Duration) {
        self.max_age = Some(age.min(LIFE_MAX));
    }

    /// Every attribute that counts, in order.
    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        attributes(self.rest)
    }

    /// About how many bytes it took.
    pub(super) fn bytes(&self) -> usize {
        self.name.len() + self.value.len() + self.rest.len() + 2
    }
}

impl std::fmt::Debug for SetCookie<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SetCookie")
            .field("name", &self.name.escape_ascii().to_string())
            .field("value", &"<redacted>")
            .finish()
    }
}

/// The meaning of a `SameSite` value; `None` for one that nobody knows.
pub(super) fn same_site(value: &[u8]) -> Option<SameSite> {
    [
        ("Strict", SameSite::Strict),
        ("Lax", SameSite::Lax),
        ("None", SameSite::None),
    ]
    .into_iter()
    .find_map(|(text, meaning)| {
        value
            .eq_ignore_ascii_case(text.as_bytes())
            .then_some(meaning)
    })
}

fn attributes(rest: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    rest.split(|byte| *byte == b';')
        .map(trim)
        .filter(|raw| !raw.is_empty())
        .map(|raw| {
            let (name, value) = split_once(raw, b'=').unwrap_or((raw, b""));
            Attribute {
                raw,
                name: trim(name),
                value: trim(value),
            }
        })
        .filter(|attribute| attribute.value.len() <= ATTRIBUTE_BYTES_MAX)
}

/// Seconds, or zero for a negative number. `None` for what is no number.
fn max_age(value: &[u8]) -> Option<Duration> {
    let (negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if negative {
        return Some(Duration::ZERO);
    }
    let secs = digits.iter().fold(0_u64, |secs, digit| {
        secs.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_secs(secs).min(LIFE_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn read(field: &str) -> SetCookie<'_> {
        SetCookie::read(field.as_bytes()).unwrap()
    }

    #[test]
    fn name_and_value_are_read_as_browsers_read_them() {
        let table = [
            ("a=b", "a", "b"),
            (" a\t=  b c ; Path=/", "a", "b c"),
            ("a=b=c", "a", "b=c"),
            ("a=", "a", ""),
            ("=b", "", "b"),
            ("b", "", "b"),
            ("a=\"x\"", "a", "\"x\""),
            ("a=1, b=2; HttpOnly", "a", "1, b=2"),
        ];
        for (field, name, value) in table {
            let set = read(field);
            assert_eq!(
                (set.name, set.value),
                (name.as_bytes(), value.as_bytes()),
                "{field}"
            );
        }
    }

    #[test]
    fn what_browsers_do_not_take_is_refused() {
        let long = format!("a={}", "b".repeat(PAIR_BYTES_MAX));
        let table: [(&[u8], Refused); 11] = [
            (b"", Refused::Empty),
            (b"=; Path=/", Refused::Empty),
            (b" ; Path=/", Refused::Empty),
            (b"a=b\r\nSet-Cookie: c=d", Refused::ControlByte),
            (b"a=b; Path=/\0", Refused::ControlByte),
            (b"a=\x7f", Refused::ControlByte),
            (b"a=\x1b[2J", Refused::ControlByte),
            (b"=__Host-x=1", Refused::DisguisedPrefix),
            (b"__SECURE-x", Refused::DisguisedPrefix),
            (b"=__host-http-x=1", Refused::DisguisedPrefix),
            (long.as_bytes(), Refused::TooLarge),
        ];
        for (field, expected) in table {
            assert_eq!(
                SetCookie::read(field).unwrap_err(),
                expected,
                "{}",
                field.escape_ascii()
            );
        }
        let fits = format!("a={}", "b".repeat(PAIR_BYTES_MAX - 1));
        assert!(SetCookie::read(fits.as_bytes()).is_ok());
    }

    #[test]
    fn the_last_attribute_of_a_name_counts() {
        let set = read(
            "a=b; Path=/x; PATH=/y; Domain=a.com; domain=.B.com; SameSite=Lax; samesite = strict; secure=no; httponly",
        );
        assert_eq!(set.path, Some(&b"/y"[..]));
        assert_eq!(set.domain, Some(&b"B.com"[..]));
        assert_eq!(set.same_site, Some(SameSite::Strict));
        assert!(set.secure && set.http_only);

        let set = read("a=b; Path=/x; Path=y; Domain=a.com; Domain=; SameSite=Lax; SameSite=Weird");
        assert_eq!((set.path, set.domain, set.same_site), (None, None, None));
    }

    #[test]
    fn an_attribute_past_1024_bytes_is_absent() {
        let long = "x".repeat(ATTRIBUTE_BYTES_MAX + 1);
        let set = SetCookie::read(
            format!("a=b; Domain=a.com; Domain={long}; Secure={long}")
                .leak()
                .as_bytes(),
        )
        .unwrap();
        assert_eq!(set.domain, Some(&b"a.com"[..]));
        assert!(!set.secure);
    }

    #[test]
    fn max_age_beats_expires_and_400_days_beat_both() {
        let latest = Ends::At(NOW.plus(LIFE_MAX));
        let hour = Ends::At(NOW.plus(Duration::from_secs(3600)));
        let table = [
            ("a=b", Ends::WithSession),
            ("a=b; Max-Age=3600", hour),
            (
                "a=b; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
                hour,
            ),
            (
                "a=b; Max-Age=0; Expires=Fri, 31 Dec 2100 00:00:00 GMT",
                Ends::Past,
            ),
            ("a=b; Max-Age=-1", Ends::Past),
            ("a=b; Max-Age=-99999999999999999999", Ends::Past),
            ("a=b; Max-Age=99999999999999999999", latest),
            ("a=b; Max-Age=60; Max-Age=3600", hour),
            ("a=b; Max-Age=3600; Max-Age=x", hour),
            ("a=b; Max-Age=+1", Ends::WithSession),
            ("a=b; Max-Age=1.5", Ends::WithSession),
            ("a=b; Max-Age=-", Ends::WithSession),
            ("a=b; Max-Age=", Ends::WithSession),
            ("a=b; Max-Age=\"60\"", Ends::WithSession),
            ("a=b; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Ends::Past),
            ("a=b; Expires=Thu, 01-Jan-1970 00:00:01 GMT", Ends::Past),
            ("a=b; Expires=Fri, 31 Dec 2100 00:00:00 GMT", latest),
            ("a=b; Expires=0", Ends::WithSession),
        ];
        for (field, expected) in table {
            assert_eq!(read(field).ends(NOW), expected, "{field}");
        }
    }

    #[test]
    fn debug_output_holds_no_value() {
        assert!(!format!("{:?}", read("sid=secret; Path=/secret")).contains("secret"));
    }

    proptest! {
        #[test]
        fn nothing_panics(field in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(set) = SetCookie::read(&field) {
                set.ends(NOW);
                prop_assert!(set.attributes().count() <= field.len());
            }
        }
    }
}
