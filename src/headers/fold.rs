//! Names as the laxest app reads them, and the one list of names that a visitor may not bring.
//!
//! A CGI-like app turns `X-Session-User`, `X_Session_User` and `X.Session.User` into one variable. A gateway that
//! strips only the spelling it writes can be talked past (CVE-2025-64484, CVE-2026-88011). So names are compared
//! *folded*: lower case, every run of characters other than letters and digits read as one `-`, none at either end.

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

/// What a header claims that only we may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Whose session it is: `X-Session-*` and `X-Cloakroom-*`.
    Identity,
    /// How the request came here, or who some other proxy says the user is.
    Forwarding,
}

/// What every name under our own prefixes, and the bare prefixes themselves, claim.
const IDENTITY: NameList = NameList::new(&[], &["x-session", "x-cloakroom"]);

/// What proxies and login gateways write for the apps behind them, so no visitor may.
const FORWARDING: NameList = NameList::new(
    &[
        "forwarded",
        "proxy", // becomes HTTP_PROXY in a CGI app ("httpoxy", CVE-2016-5385)
        "true-client-ip",
        "x-client-ip",
        "x-original-method",
        "x-original-uri",
        "x-original-url",
        "x-real-ip",
        "x-request-id",
        "x-rewrite-url",
        "x-scheme",
        "x-script-name",
    ],
    &["remote", "x-auth-request", "x-forwarded", "x-remote"],
);

/// What `name` claims, in whatever spelling; `None` for a header that anybody may send.
pub fn claim(name: &str) -> Option<Claim> {
    let initial = initial_bit(name);
    if FORWARDING.holds_with(initial, name) {
        Some(Claim::Forwarding)
    } else if IDENTITY.holds_with(initial, name) {
        Some(Claim::Identity)
    } else {
        None
    }
}

/// `name` folded.
pub fn fold(name: &str) -> String {
    folded(name).map(char::from).collect()
}

/// Whether `name` folds to `folded_name`.
pub fn is_folded(name: &str, folded_name: &str) -> bool {
    folded(name).eq(folded_name.bytes())
}

/// Whether `name` folds to `family`, or to something that begins with `family-`.
pub fn is_under(name: &str, family: &str) -> bool {
    let mut bytes = folded(name);
    family.bytes().all(|byte| bytes.next() == Some(byte))
        && matches!(bytes.next(), None | Some(b'-'))
}

/// Removes every header whose name is `doomed`, and tells how many names went.
///
/// One pass over the names; it allocates only when there is something to remove.
pub fn remove_where(headers: &mut HeaderMap, mut doomed: impl FnMut(&str) -> bool) -> usize {
    let found: SmallVec<[HeaderName; 4]> = headers
        .keys()
        .filter(|name| doomed(name.as_str()))
        .cloned()
        .collect();
    for name in &found {
        headers.remove(name);
    }
    found.len()
}

/// Folded names, and families of them, that can say no to most names after one letter.
#[derive(Debug)]
pub struct NameList {
    exact: &'static [&'static str],
    families: &'static [&'static str],
    initials: u64,
}

impl NameList {
    /// A list of `exact` names, and of `families`: the name itself and everything that begins with it and a `-`. All
    /// are written folded.
    pub const fn new(exact: &'static [&'static str], families: &'static [&'static str]) -> Self {
        Self {
            exact,
            families,
            initials: initials(exact) | initials(families),
        }
    }

    /// Whether `name` is in the list, in whatever spelling.
    pub fn holds(&self, name: &str) -> bool {
        self.holds_with(initial_bit(name), name)
    }

    fn holds_with(&self, initial: u64, name: &str) -> bool {
        self.initials & initial != 0
            && (self.exact.iter().any(|exact| is_folded(name, exact))
                || self.families.iter().any(|family| is_under(name, family)))
    }
}

const fn initials(names: &[&str]) -> u64 {
    let mut set = 0;
    let mut at = 0;
    while at < names.len() {
        set |= initial_bit(names[at]);
        at += 1;
    }
    set
}

/// One bit for the first letter or digit of `name`, none when it has none.
pub(super) const fn initial_bit(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at].to_ascii_lowercase() {
            letter @ b'a'..=b'z' => return 1 << (letter - b'a'),
            digit @ b'0'..=b'9' => return 1 << (26 + digit - b'0'),
            _ => at += 1,
        }
    }
    0
}

/// The bytes of `name`, folded.
fn folded(name: &str) -> Folded<'_> {
    Folded {
        rest: name.as_bytes(),
        begun: false,
    }
}

struct Folded<'a> {
    rest: &'a [u8],
    begun: bool,
}

impl Iterator for Folded<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let mut gap = false;
        while let Some((byte, rest)) = self.rest.split_first() {
            if byte.is_ascii_alphanumeric() {
                if gap && self.begun {
                    return Some(b'-');
                }
                self.begun = true;
                self.rest = rest;
                return Some(byte.to_ascii_lowercase());
            }
            gap = true;
            self.rest = rest;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_folds_to_one_name() {
        for spelling in [
            "X-Session-User",
            "x_session_user",
            "X-Session_User",
            "X.Session.User",
            "X~Session-User",
            "x--session__user",
            "-x-session-user-",
            "_X!Session|User.",
            "X-#$%&'*+-.^_`|~Session-User",
        ] {
            assert_eq!(fold(spelling), "x-session-user", "{spelling}");
            assert!(is_folded(spelling, "x-session-user"), "{spelling}");
            assert!(is_under(spelling, "x-session"), "{spelling}");
        }
        for other in [
            "XSession-User",
            "x-sessions-user",
            "x-session-users",
            "",
            "-",
        ] {
            assert!(!is_folded(other, "x-session-user"), "{other}");
        }
        assert!(!is_under("x-sessions-user", "x-session"));
        assert!(!is_under("x-sess", "x-session"));
        assert!(!is_under("", "x-session"));
    }

    #[test]
    fn the_list_knows_what_only_we_may_say() {
        use Claim::{Forwarding, Identity};
        for (name, claims) in [
            ("x-session", Some(Identity)),
            ("x_session_", Some(Identity)),
            ("x-session-roles", Some(Identity)),
            ("x.cloakroom.anything", Some(Identity)),
            ("x-cloakroom", Some(Identity)),
            ("x-forwarded", Some(Forwarding)),
            ("x_forwarded_for", Some(Forwarding)),
            ("x-forwarded-uri", Some(Forwarding)),
            ("forwarded", Some(Forwarding)),
            ("x-real_ip", Some(Forwarding)),
            ("x-client-ip", Some(Forwarding)),
            ("true_client_ip", Some(Forwarding)),
            ("x-original-url", Some(Forwarding)),
            ("x_original_uri", Some(Forwarding)),
            ("x-original-method", Some(Forwarding)),
            ("x-rewrite-url", Some(Forwarding)),
            ("x-script-name", Some(Forwarding)),
            ("x-scheme", Some(Forwarding)),
            ("remote-user", Some(Forwarding)),
            ("remote_groups", Some(Forwarding)),
            ("x-remote-user", Some(Forwarding)),
            ("x-auth-request-email", Some(Forwarding)),
            ("proxy", Some(Forwarding)),
            ("x-request-id", Some(Forwarding)),
            ("forwarded-by", None),
            ("proxy-authorization", None),
            ("x-requested-with", None),
            ("x-sessionid", None),
            ("x-csrftoken", None),
            ("referer", None),
            ("host", None),
            ("cookie", None),
        ] {
            assert_eq!(claim(name), claims, "{name}");
        }
    }

    #[test]
    fn only_what_is_doomed_goes() {
        let mut headers = HeaderMap::new();
        for name in ["accept", "x_session_id", "x-session-id", "x-theme"] {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name.clone(), "1".parse().unwrap());
            headers.append(name, "2".parse().unwrap());
        }
        assert_eq!(remove_where(&mut headers, |name| claim(name).is_some()), 2);
        assert_eq!(headers.keys_len(), 2);
        assert_eq!(headers.len(), 4);
    }
}
