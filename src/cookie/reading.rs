//! Names as some frameworks make them into others.
//!
//! PHP before 7.4.11 and Rack before 2.2.3 decoded a name before they looked at it (CVE-2020-7070, CVE-2020-8184), and
//! PHP still makes dots, spaces and brackets into underscores, or cuts the name off at a bracket. A name that a wildcard
//! lets through must not become one that another rule keeps back.

use smallvec::SmallVec;

use super::parse::NameBytes;
use super::policy::{CookiePolicy, CookieRule};

/// Names longer than that cost an allocation.
type Name = SmallVec<[u8; 64]>;

impl CookiePolicy {
    /// Whether what frameworks make of `name` may go where `rule`, which it comes under, sends it.
    pub(super) fn reads_alike(&self, name: &[u8], rule: &CookieRule, ticket_name: &[u8]) -> bool {
        !NameBytes::of(name).may_fold() || self.folds_alike(name, rule, ticket_name)
    }

    /// The same of a name that some framework may make into another.
    pub(super) fn folds_alike(&self, name: &[u8], rule: &CookieRule, ticket_name: &[u8]) -> bool {
        let decoded = decoded(name);
        let is_decoded = decoded.as_slice() != name;
        let made = variables(name, &decoded);
        let is_ours = |name: &[u8]| self.is_ours_to_somebody(name, ticket_name);
        if is_ours(&decoded) || made.iter().any(|name| is_ours(name)) {
            return false;
        }
        // The operator has this very cookie in mind; and what is only reported goes up anyway.
        if rule.name.exact().is_some() || !self.enforce {
            return true;
        }
        let is_elsewhere = |name: &[u8]| self.rule_for(name).mode != rule.mode;
        if is_decoded && (decoded.iter().any(u8::is_ascii_control) || is_elsewhere(&decoded)) {
            return false;
        }
        // Most sites are not PHP, so that a dot may stand for itself where no rule says otherwise.
        !made
            .iter()
            .any(|name| self.rule_at(name).is_some() && is_elsewhere(name))
    }
}

/// The other names that frameworks make of `name`.
pub(super) fn other_readings(name: &[u8]) -> Vec<Vec<u8>> {
    if !NameBytes::of(name).may_fold() {
        return Vec::new();
    }
    let decoded = decoded(name);
    let mut all: Vec<Vec<u8>> = Vec::new();
    for reading in variables(name, &decoded).iter().chain([&decoded]) {
        if reading.as_slice() != name && !all.iter().any(|known| known == reading.as_slice()) {
            all.push(reading.to_vec());
        }
    }
    all
}

/// What PHP names the variables for a cookie of that name, which is `decoded` where it is decoded first.
fn variables(name: &[u8], decoded: &[u8]) -> SmallVec<[Name; 4]> {
    let mut made: SmallVec<[Name; 4]> = SmallVec::new();
    for name in [name, decoded] {
        // To PHP a name ends at NUL.
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let array = name.split(|byte| *byte == b'[').next().unwrap_or_default();
        made.extend([variable(name), variable(array)]);
    }
    made
}

/// As in the query of a URL.
fn decoded(name: &[u8]) -> Name {
    let mut out = Name::new();
    let mut rest = name;
    while let [first, after @ ..] = rest {
        (rest, _) = match (first, escaped(after)) {
            (b'%', Some((byte, after))) => (after, out.push(byte)),
            (b'+', _) => (after, out.push(b' ')),
            _ => (after, out.push(*first)),
        };
    }
    out
}

fn escaped(after: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = after.split_at_checked(2)?;
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(16));
    let byte = digits.next()?? << 4 | digits.next()??;
    Some((u8::try_from(byte).ok()?, rest))
}

/// As PHP names its variables.
fn variable(name: &[u8]) -> Name {
    let bare = name.trim_ascii_start();
    let letters = bare.iter().map(|byte| match byte {
        b' ' | b'.' | b'[' => b'_',
        other => *other,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::name::NamePattern;
    use crate::cookie::policy::Mode;

    const OURS: &[u8] = b"__Host-session";

    fn policy() -> CookiePolicy {
        let rule = |name, mode| CookieRule::plain(NamePattern::parse(name).unwrap(), mode);
        CookiePolicy {
            rules: vec![
                rule("wp_secret", Mode::Keep),
                rule("exact%41", Mode::Pass),
                rule(".AspNetCore.*", Mode::Pass),
                rule("wp*", Mode::Pass),
                rule("prefs[*", Mode::Pass),
                rule("*_pref", Mode::Pass),
            ],
            ..CookiePolicy::plain(Mode::Keep)
        }
    }

    #[test]
    fn no_name_becomes_ours_where_it_is_decoded_and_cut() {
        let policy = CookiePolicy::plain(Mode::Pass);
        for name in [
            "__Host-session%00x",
            "%5F_Host-session",
            "__Host-session[x]",
            "+__Host-session",
            "__Host-session%5Bx",
        ] {
            let alike = policy.reads_alike(name.as_bytes(), &policy.default, OURS);
            assert!(!alike, "{name}");
        }
    }

    #[test]
    fn a_name_goes_nowhere_that_another_reading_of_it_may_not() {
        let table = [
            ("wp_x", true),
            ("wp.x", true),
            ("wp_100%", true),
            ("wp%5Fx", true),
            ("prefs[a][b]", true),
            (".AspNetCore.Antiforgery.x", true),
            ("exact%41", true),
            ("wp%5Fsecret", false),
            ("wp%5fsecret", false),
            ("wp_secre%74", false),
            ("wp.secret", false),
            ("wp_secret[x]", false),
            ("wp%5Fsecret%5Bx%5D", false),
            ("wp+secret", false),
            // Of these the default is meant once they are decoded.
            ("%77x%5fprefx_pref%", true),
            ("sessionid%00_pref", false),
            ("sessionid%3D_pref", true),
        ];
        for (name, alike) in table {
            let policy = policy();
            let rule = policy.rule_for(name.as_bytes());
            assert_eq!(
                policy.reads_alike(name.as_bytes(), rule, OURS),
                alike,
                "{name}"
            );
        }
    }

    #[test]
    fn no_reading_becomes_ours() {
        let mut policy = CookiePolicy::plain(Mode::Pass);
        for enforce in [true, false] {
            policy.enforce = enforce;
            for name in [
                "__Host-sessio%6e",
                "__Host-session%20",
                "__Host-session[x]",
                "%5f_host-session",
            ] {
                let rule = policy.rule_for(name.as_bytes());
                assert!(!policy.reads_alike(name.as_bytes(), rule, OURS), "{name}");
            }
        }
    }
}
