//! Names that are one cookie to the app: a user's number, a hash of the site or the address of the server is a part of
//! them. And the names by which trackers are known.

use super::super::name::{NamePattern, Prefix};

/// Cookies that measure visitors and that no app needs.
const TRACKERS: &[&str] = &[
    // Google's Analytics, Tag Manager and Ads
    "_ga*",
    "_gid",
    "_gcl_*",
    "_dc_gtm_*",
    "__utm*",
    "__gads",
    "__gpi",
    // Meta
    "_fbp",
    "_fbc",
    // Hotjar
    "_hj*",
    // Matomo
    "_pk_*",
    // Microsoft's Clarity and Advertising
    "_clck",
    "_clsk",
    "_uetsid",
    "_uetvid",
    // HubSpot
    "__hstc",
    "__hssc",
    "__hssrc",
    "hubspotutk",
    // Mixpanel, TikTok, Reddit, Snap, Pinterest
    "mp_*_mixpanel",
    "_ttp",
    "_rdt_uuid",
    "_scid",
    "_pin_unauth",
];
/// A shorter run of hexadecimal digits may be a word.
const HASH_MIN: usize = 8;

/// The pattern of the trackers' cookies that `name` is one of.
pub(super) fn tracker(name: &str) -> Option<&'static str> {
    let is_it = |text: &&&str| {
        NamePattern::parse(text).is_ok_and(|pattern| pattern.matches(name.as_bytes()))
    };
    TRACKERS.iter().find(is_it).copied()
}

/// The pattern for all cookies that `name` is one of, or the name itself.
pub(in crate::cookie) fn pattern_of(name: &str) -> String {
    if let Some(pattern) = tracker(name) {
        return pattern.to_owned();
    }
    match stem(name) {
        Some(stem) => format!("{stem}*"),
        None => name.to_owned(),
    }
}

/// What `name` begins with, up to a last part that differs from case to case.
fn stem(name: &str) -> Option<&str> {
    let is_separator = |letter: char| matches!(letter, '-' | '_' | '.');
    let end = name.rfind(is_separator)? + 1;
    let (stem, last) = name.split_at_checked(end)?;
    let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    let is_hash = last.len() >= HASH_MIN && last.bytes().all(|byte| byte.is_ascii_hexdigit());
    let before_host = || before_host(stem.strip_suffix('-')?);
    let stem = match (is_number, is_hash) {
        (true, _) => before_host().unwrap_or(stem),
        (false, true) => stem,
        (false, false) => return None,
    };
    says_something(stem).then_some(stem)
}

/// What stands before the host in `NAME-HOST`, where dots have become dashes. Only hosts of loopback and bare addresses
/// can be told from a part of the name.
fn before_host(text: &str) -> Option<&str> {
    let before = text.strip_suffix("localhost").or_else(|| {
        let digits_and_dashes = |letter: char| letter.is_ascii_digit() || letter == '-';
        let before = text.trim_end_matches(digits_and_dashes).len();
        // The first dash is the name's.
        let (_, host) = text.split_at_checked(before + 1)?;
        let parts: Vec<&str> = host.split('-').collect();
        let is_address = parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok());
        is_address.then(|| text.strip_suffix(host)).flatten()
    })?;
    before.ends_with('-').then_some(before)
}

/// A pattern of separators, or of a prefix that browsers know, would be for the cookies of everybody.
fn says_something(stem: &str) -> bool {
    let prefix = Prefix::of(stem.as_bytes()).map_or("", Prefix::as_str);
    let own = stem.get(prefix.len()..).unwrap_or_default();
    own.bytes().any(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_a_family_when_their_last_part_says_nothing() {
        let table = [
            ("wp-settings-1", "wp-settings-*"),
            ("wp-settings-time-12", "wp-settings-time-*"),
            (
                "wordpress_logged_in_0123456789abcdef",
                "wordpress_logged_in_*",
            ),
            ("username-localhost-8888", "username-*"),
            ("username-127-0-0-1-8888", "username-*"),
            ("_xsrf", "_xsrf"),
            ("appSession.0", "appSession.*"),
            (
                "__Secure-next-auth.session-token.1",
                "__Secure-next-auth.session-token.*",
            ),
            ("_ga", "_ga*"),
            ("_ga_AB12CD34", "_ga*"),
            ("_pk_id.1.1fff", "_pk_*"),
            ("mp_abc_mixpanel", "mp_*_mixpanel"),
            // Not a family.
            ("theme", "theme"),
            ("theme-dark", "theme-dark"),
            ("consent_v2", "consent_v2"),
            ("oauth2", "oauth2"),
            ("base-feed", "base-feed"),
            ("__Host-1", "__Host-1"),
            ("__Secure-0123456789", "__Secure-0123456789"),
            ("_-1", "_-1"),
            ("1-2", "1-2"),
            ("0123456789abcdef", "0123456789abcdef"),
            ("a-", "a-"),
            ("-1", "-1"),
            ("", ""),
            ("gid", "gid"),
        ];
        for (name, pattern) in table {
            assert_eq!(pattern_of(name), pattern, "{name}");
        }
    }

    #[test]
    fn the_patterns_of_trackers_are_patterns() {
        for pattern in TRACKERS {
            assert!(NamePattern::parse(pattern).is_ok(), "{pattern}");
        }
    }
}
