//! Names of cookies: patterns of rules, the prefixes that browsers know, and names that pretend to be ours.

use super::parse::{is_plain_name, split_once, trim};

/// The name of a rule in `[site.cookies]`: exact bytes, where `*` stands for any run of bytes, also an empty one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    text: Box<str>,
    /// Its first byte, beside the text because it settles nearly every name.
    first: u8,
    /// How many bytes stand before the first star, if there is one.
    star: Option<usize>,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NamePatternFault {
    /// It is empty, and matches no cookie that has a name.
    #[error("is empty; write a cookie name, where * stands for anything")]
    Empty,
    /// It holds what no name that we pass or keep can hold.
    #[error(
        "holds a space, a quote, a comma, a semicolon, an equals sign, a backslash, a control or a non-ASCII letter, \
         or begins with $; cookie names have none of these"
    )]
    NotAName,
}

impl NamePattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Self, NamePatternFault> {
        let first = *text.as_bytes().first().ok_or(NamePatternFault::Empty)?;
        if !is_plain_name(text.as_bytes()) {
            return Err(NamePatternFault::NotAName);
        }
        Ok(Self {
            text: text.into(),
            first,
            star: text.find('*'),
        })
    }

    /// The pattern of every name.
    pub fn any() -> Self {
        Self {
            text: "*".into(),
            first: b'*',
            star: Some(0),
        }
    }

    /// The one name that is meant, if there is no star.
    pub fn exact(&self) -> Option<&str> {
        self.star.is_none().then_some(&*self.text)
    }

    /// Whether `name` is one of those meant. Case counts.
    #[inline]
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.first != b'*' && name.first() != Some(&self.first) {
            return false;
        }
        let pattern = self.text.as_bytes();
        let Some(star) = self.star else {
            return name == pattern;
        };
        // The last byte before the star settles nearly all the others.
        let last = star.saturating_sub(1);
        if star > 0 && name.get(last) != pattern.get(last) {
            return false;
        }
        let Some((first, wild)) = pattern.split_at_checked(star) else {
            return false;
        };
        name.strip_prefix(first)
            .is_some_and(|rest| matches_wild(wild, rest))
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether `rest` is a run that `wild`, which begins with a star, stands for.
fn matches_wild(wild: &[u8], mut rest: &[u8]) -> bool {
    if wild == b"*" {
        return true;
    }
    let mut parts = wild.split(|byte| *byte == b'*').skip(1);
    let Some(mut part) = parts.next() else {
        return rest.is_empty();
    };
    for next in parts {
        // The first place where a part fits leaves the most to the others.
        let Some(at) = find(rest, part) else {
            return false;
        };
        rest = rest.get(at + part.len()..).unwrap_or_default();
        part = next;
    }
    rest.ends_with(part)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    bytes.windows(part.len()).position(|run| run == part)
}

/// A name prefix by which a browser holds a cookie to its attributes (RFC 6265bis 4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prefix {
    /// `__Secure-`: Secure.
    Secure,
    /// `__Host-`: Secure, Path=/, no Domain.
    Host,
    /// `__Http-`: Secure and HttpOnly.
    Http,
    /// `__Host-Http-`: all of it.
    HostHttp,
}

impl Prefix {
    /// The prefix of `name`, in any case: a server that folds case would be fooled by `__HOST-`.
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        // The longer one first.
        [Self::HostHttp, Self::Host, Self::Http, Self::Secure]
            .into_iter()
            .find(|prefix| {
                let text = prefix.as_str().as_bytes();
                name.get(..text.len())
                    .is_some_and(|head| head.eq_ignore_ascii_case(text))
            })
    }

    /// The prefix in its usual case.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Secure => "__Secure-",
            Self::Host => "__Host-",
            Self::Http => "__Http-",
            Self::HostHttp => "__Host-Http-",
        }
    }

    /// Whether the cookie must be for one host and all of its paths.
    pub(super) fn needs_host(self) -> bool {
        matches!(self, Self::Host | Self::HostHttp)
    }

    /// Whether the cookie must be HttpOnly.
    pub(super) fn needs_http_only(self) -> bool {
        matches!(self, Self::Http | Self::HostHttp)
    }
}

/// Whether `name` is our name, or would become it in the hands of a reader that folds case or trims more than SP and
/// HTAB: Unicode spaces, controls, anything that does not print in ASCII.
pub(super) fn resembles(name: &[u8], ours: &[u8]) -> bool {
    resembles_with(name, ours, b"")
}

/// The same of the name that is `ours` with `suffix` behind it.
pub(super) fn resembles_with(name: &[u8], ours: &[u8], suffix: &[u8]) -> bool {
    if name.len() < ours.len() + suffix.len() {
        return false;
    }
    let prints = u8::is_ascii_graphic;
    let (Some(start), Some(end)) = (name.iter().position(prints), name.iter().rposition(prints))
    else {
        return false;
    };
    name.get(start..=end)
        .and_then(|core| core.split_at_checked(ours.len()))
        .is_some_and(|(front, rest)| {
            front.eq_ignore_ascii_case(ours) && rest.eq_ignore_ascii_case(suffix)
        })
}

/// The same of a name that begins with `ours` and `mark`.
pub(super) fn resembles_beginning(name: &[u8], ours: &[u8], mark: &[u8]) -> bool {
    let Some(start) = name.iter().position(u8::is_ascii_graphic) else {
        return false;
    };
    let core = name.get(start..).unwrap_or_default();
    core.get(..ours.len() + mark.len()).is_some_and(|begin| {
        let (front, rest) = begin.split_at(ours.len());
        front.eq_ignore_ascii_case(ours) && rest.eq_ignore_ascii_case(mark)
    })
}

/// Whether some reader of this `Set-Cookie` could find a cookie in it whose name `is_ours`: as its name, as the value of
/// a nameless one, folded in after a comma, or in the place of an attribute.
pub(super) fn mentions(field: &[u8], is_ours: impl Fn(&[u8]) -> bool) -> bool {
    field
        .split(|byte| matches!(byte, b',' | b';'))
        .any(|segment| {
            let mut named = trim(segment);
            while let [b'=', rest @ ..] = named {
                named = trim(rest);
            }
            let name = split_once(named, b'=').map_or(named, |(name, _)| name);
            is_ours(trim(name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run() {
        let table = [
            ("csrftoken", "csrftoken", true),
            ("csrftoken", "csrftoken2", false),
            ("csrftoken", "CSRFTOKEN", false),
            ("csrftoken", "", false),
            ("_ga*", "_ga", true),
            ("_ga*", "_ga_X1", true),
            ("_ga*", "x_ga", false),
            ("*", "anything", true),
            ("**", "anything", true),
            ("wp-*-1", "wp-settings-1", true),
            ("wp-*-1", "wp-1", false),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "acb", false),
            ("a*bc*bc", "abcbc", true),
            ("*.sig", "_session.sig", true),
        ];
        for (pattern, name, expected) in table {
            let pattern = NamePattern::parse(pattern).unwrap();
            assert_eq!(
                pattern.matches(name.as_bytes()),
                expected,
                "{pattern:?} {name}"
            );
        }
    }

    #[test]
    fn a_pattern_that_no_cookie_can_match_is_refused() {
        assert_eq!(NamePattern::parse(""), Err(NamePatternFault::Empty));
        for text in ["a b", "a;b", "a=b", "\"a\"", "ä*", "$Version", "a,b"] {
            assert_eq!(
                NamePattern::parse(text),
                Err(NamePatternFault::NotAName),
                "{text}"
            );
        }
    }

    #[test]
    fn prefixes_are_found_in_any_case() {
        let table = [
            ("__Host-a", Some(Prefix::Host)),
            ("__hOST-a", Some(Prefix::Host)),
            ("__HOST-HTTP-a", Some(Prefix::HostHttp)),
            ("__Http-a", Some(Prefix::Http)),
            ("__secure-", Some(Prefix::Secure)),
            ("__Host", None),
            (" __Host-a", None),
            ("a__Host-", None),
        ];
        for (name, expected) in table {
            assert_eq!(Prefix::of(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_a_lenient_reader_takes_for_ours_resembles_it() {
        let ours = b"__Host-session";
        for name in [
            "__Host-session",
            "__HOST-SESSION",
            "\u{2000}__Host-session",
            "\u{3000}__host-session\u{feff}",
            "\u{85}__Host-session",
            "\u{1c}__Host-session ",
        ] {
            assert!(resembles(name.as_bytes(), ours), "{name:?}");
        }
        assert!(resembles(b"\x85\xa0__Host-session\xa0", ours));
        for name in [
            "__Host-sessions",
            "x__Host-session",
            "session",
            "",
            "__Host-sessio",
        ] {
            assert!(!resembles(name.as_bytes(), ours), "{name:?}");
        }
    }

    #[test]
    fn a_set_cookie_that_mentions_ours_anywhere_is_found_out() {
        let is_ours = |name: &[u8]| resembles(name, b"__Host-session");
        for field in [
            "__Host-session=EVIL",
            " __HOST-SESSION = x; Path=/",
            "=__Host-session=EVIL",
            " = = __Host-session=EVIL",
            "__Host-session",
            "a=1, __Host-session=EVIL; Path=/",
            "a=1; __Host-session=EVIL",
            "\u{2000}__Host-session=EVIL",
        ] {
            assert!(mentions(field.as_bytes(), is_ours), "{field:?}");
        }
        for field in [
            "a=__Host-session",
            "__Host-sessionid=1",
            "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "",
        ] {
            assert!(!mentions(field.as_bytes(), is_ours), "{field:?}");
        }
    }
}
