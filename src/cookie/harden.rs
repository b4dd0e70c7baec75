//! What the browser gets of an app's `Set-Cookie`: as safe as a cookie can be that the browser is to have.
//!
//! Edits attribute by attribute on the bytes that came, so that Priority, Partitioned and whatever comes next survive.

use http::HeaderValue;

use super::policy::{CookieDomain, Overrides};
use super::set_cookie::{Ends, PAIR_BYTES_MAX, Refused, SetCookie, same_site};
use crate::base::clock::Time;
use crate::base::domain;
use crate::base::kept::SameSite;

/// How a cookie that the browser gets is to be hardened.
#[derive(Clone, Copy, Debug)]
pub struct Hardening<'a> {
    /// What the rule says of attributes.
    pub overrides: &'a Overrides,
    /// Whether HttpOnly is added when the rule does not say. One that the app wrote always stays.
    pub http_only: bool,
    /// The value, where it is another than the app's own.
    pub value: Option<&'a [u8]>,
    /// When.
    pub now: Time,
    /// The host that the visitor asked, lower case, without port.
    pub visitor_host: &'a str,
    /// Domains that the site serves whole: the name itself and every name beneath it. A `Domain` is kept within them,
    /// and is dropped where there is none.
    pub shared_domains: &'a [String],
}

/// The field that the browser gets: `Secure` always, `HttpOnly` unless scripts may read it, SameSite at least as strict
/// as told, a Domain no wider than the site. Name, value and all other attributes stay as they are.
pub fn harden(set: &SetCookie<'_>, how: &Hardening<'_>) -> Result<HeaderValue, Refused> {
    if set.name.is_empty() {
        return Err(Refused::Nameless);
    }
    let rule = how.overrides;
    let value = how.value.unwrap_or(set.value);
    if set.name.len() + value.len() > PAIR_BYTES_MAX {
        return Err(Refused::TooLarge);
    }
    let floor = rule.same_site.unwrap_or(SameSite::Lax);
    let strict = set.same_site.unwrap_or(floor).stricter_of(floor);
    let max_age = rule.max_age.filter(|_| set.ends(how.now) != Ends::Past);
    // What is still to be written; an attribute is written where the app had it, else at the end.
    let mut same_site_due = true;
    let mut http_only_due = rule.http_only.unwrap_or(how.http_only);
    let mut secure_due = true;
    let mut domain_due = domain(set, how);
    // What the rule writes itself goes, wherever the app had it.
    let is_ours = |name: &[u8]| {
        let is = |ours: &[u8]| name.eq_ignore_ascii_case(ours);
        max_age.is_some() && (is(b"max-age") || is(b"expires"))
            || rule.path.is_some() && is(b"path")
    };

    let mut out = Vec::with_capacity(set.bytes() + value.len() + 48);
    out.extend_from_slice(set.name);
    out.push(b'=');
    out.extend_from_slice(value);
    for attribute in set.attributes() {
        let name = attribute.name;
        if is_ours(name) {
            continue;
        }
        if name.eq_ignore_ascii_case(b"samesite") {
            if !std::mem::take(&mut same_site_due) {
                continue;
            }
            if same_site(attribute.value) != Some(strict) {
                push(&mut out, same_site_text(strict));
                continue;
            }
        } else if name.eq_ignore_ascii_case(b"domain") {
            if let Some(domain) = domain_due.take() {
                push(&mut out, b"Domain=");
                out.extend_from_slice(domain);
            }
            continue;
        } else if name.eq_ignore_ascii_case(b"secure") {
            secure_due = false;
        } else if name.eq_ignore_ascii_case(b"httponly") {
            http_only_due = false;
        }
        push(&mut out, attribute.raw);
    }
    if let Some(age) = max_age {
        push(&mut out, format!("Max-Age={}", age.as_secs()).as_bytes());
    }
    if let Some(path) = &rule.path {
        push(&mut out, b"Path=");
        out.extend_from_slice(path.as_bytes());
    }
    if let Some(domain) = domain_due {
        push(&mut out, b"Domain=");
        out.extend_from_slice(domain);
    }
    if secure_due {
        push(&mut out, b"Secure");
    }
    if http_only_due {
        push(&mut out, b"HttpOnly");
    }
    if same_site_due {
        push(&mut out, same_site_text(strict));
    }
    let mut field = HeaderValue::from_maybe_shared(bytes::Bytes::from(out))
        .map_err(|_| Refused::ControlByte)?;
    field.set_sensitive(true);
    Ok(field)
}

fn push(out: &mut Vec<u8>, attribute: &[u8]) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(attribute);
}

fn same_site_text(same_site: SameSite) -> &'static [u8] {
    match same_site {
        SameSite::None => b"SameSite=None",
        SameSite::Lax => b"SameSite=Lax",
        SameSite::Strict => b"SameSite=Strict",
    }
}

/// The Domain that the browser is told: the rule's, else the app's as far as the site reaches.
fn domain<'a>(set: &SetCookie<'a>, how: &Hardening<'a>) -> Option<&'a [u8]> {
    match &how.overrides.domain {
        Some(CookieDomain::HostOnly) => None,
        Some(CookieDomain::Shared(shared)) if domain::matches(how.visitor_host, shared) => {
            Some(shared.as_bytes())
        }
        Some(CookieDomain::Shared(_)) | None => narrowed(set, how),
    }
}

/// The Domain that the browser is told: the app's own when the site serves all of it, the site's share of it when the
/// app asked for more, and none (this host only) when the site shares nothing there.
fn narrowed<'a>(set: &SetCookie<'a>, how: &Hardening<'a>) -> Option<&'a [u8]> {
    let asked = set.domain?;
    let lower = std::str::from_utf8(asked).ok()?.to_ascii_lowercase();
    if !domain::matches(how.visitor_host, &lower) || domain::is_ip(how.visitor_host) {
        return None;
    }
    let shared = how
        .shared_domains
        .iter()
        .filter(|shared| domain::matches(how.visitor_host, shared))
        .min_by_key(|shared| shared.len())?;
    if domain::matches(&lower, shared) {
        return Some(asked);
    }
    domain::matches(shared, &lower).then_some(shared.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn how<'a>(shared_domains: &'a [String]) -> Hardening<'a> {
        overridden(&PLAIN, shared_domains)
    }

    const PLAIN: Overrides = Overrides {
        http_only: None,
        same_site: None,
        max_age: None,
        domain: None,
        path: None,
    };

    fn overridden<'a>(overrides: &'a Overrides, shared_domains: &'a [String]) -> Hardening<'a> {
        Hardening {
            overrides,
            http_only: true,
            value: None,
            now: Time::from_secs(1_800_000_000),
            visitor_host: "a.shop.example.com",
            shared_domains,
        }
    }

    fn hardened(field: &str, how: &Hardening<'_>) -> String {
        let set = SetCookie::read(field.as_bytes()).unwrap();
        let out = harden(&set, how).unwrap();
        assert!(out.is_sensitive());
        out.to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_missing_is_added_and_the_rest_survives() {
        let table = [
            ("a=b", "a=b; Secure; HttpOnly; SameSite=Lax"),
            (
                "a=b c, d; path=/x;priority=High",
                "a=b c, d; path=/x; priority=High; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                "a=b; SameSite=Strict; secure; HTTPONLY",
                "a=b; SameSite=Strict; secure; HTTPONLY",
            ),
            (
                "a=b; SameSite=None; Secure; Partitioned; New=1; Odd",
                "a=b; SameSite=Lax; Secure; Partitioned; New=1; Odd; HttpOnly",
            ),
            ("a=b; SameSite=Weird", "a=b; SameSite=Lax; Secure; HttpOnly"),
            (
                "a=b; SameSite=None; SameSite=Strict",
                "a=b; SameSite=Strict; Secure; HttpOnly",
            ),
            (
                "a=b; SameSite=Strict; SameSite=Weird",
                "a=b; SameSite=Lax; Secure; HttpOnly",
            ),
            (
                "a=b; Max-Age=oops; Expires=0",
                "a=b; Max-Age=oops; Expires=0; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                "a=\"b\"; Domain=.example.com",
                "a=\"b\"; Secure; HttpOnly; SameSite=Lax",
            ),
        ];
        for (field, expected) in table {
            assert_eq!(hardened(field, &how(&[])), expected, "{field}");
        }
    }

    #[test]
    fn the_rule_decides_over_http_only_and_the_floor_of_same_site() {
        let readable = Overrides {
            http_only: Some(false),
            ..PLAIN
        };
        let readable = overridden(&readable, &[]);
        assert_eq!(hardened("a=b", &readable), "a=b; Secure; SameSite=Lax");
        assert_eq!(
            hardened("a=b; HttpOnly", &readable),
            "a=b; HttpOnly; Secure; SameSite=Lax"
        );
        let strict = Overrides {
            same_site: Some(SameSite::Strict),
            ..PLAIN
        };
        let strict = overridden(&strict, &[]);
        assert_eq!(
            hardened("a=b; SameSite=Lax", &strict),
            "a=b; SameSite=Strict; Secure; HttpOnly"
        );
        let none = Overrides {
            same_site: Some(SameSite::None),
            ..PLAIN
        };
        let none = overridden(&none, &[]);
        assert_eq!(
            hardened("a=b; SameSite=Lax", &none),
            "a=b; SameSite=Lax; Secure; HttpOnly"
        );
        assert_eq!(
            hardened("a=b", &none),
            "a=b; Secure; HttpOnly; SameSite=None"
        );
    }

    #[test]
    fn a_domain_is_no_wider_than_the_site() {
        let table: [(&str, &[&str], Option<&str>); 9] = [
            ("example.com", &[], None),
            ("a.shop.example.com", &[], None),
            (
                "shop.example.com",
                &["shop.example.com"],
                Some("shop.example.com"),
            ),
            (
                "Shop.Example.com",
                &["shop.example.com"],
                Some("Shop.Example.com"),
            ),
            (
                "a.shop.example.com",
                &["shop.example.com"],
                Some("a.shop.example.com"),
            ),
            (
                "example.com",
                &["shop.example.com"],
                Some("shop.example.com"),
            ),
            ("example.com", &["other.example.com"], None),
            ("b.shop.example.com", &["shop.example.com"], None),
            ("evil.net", &["shop.example.com"], None),
        ];
        for (asked, shared, expected) in table {
            let shared: Vec<String> = shared.iter().map(|domain| (*domain).to_owned()).collect();
            let field = format!("a=b; Domain=x.y; Domain=.{asked}");
            let domain = expected.map_or(String::new(), |domain| format!("; Domain={domain}"));
            let expected = format!("a=b{domain}; Secure; HttpOnly; SameSite=Lax");
            assert_eq!(
                hardened(&field, &how(&shared)),
                expected,
                "{asked} {shared:?}"
            );
        }
    }

    #[test]
    fn a_rule_writes_what_it_decides_and_nothing_twice() {
        let rule = Overrides {
            max_age: Some(Duration::from_secs(60)),
            path: Some("/app".into()),
            domain: Some(CookieDomain::Shared("shop.example.com".into())),
            ..PLAIN
        };
        let shared = ["shop.example.com".to_owned()];
        let table = [
            (
                "a=b",
                "a=b; Max-Age=60; Path=/app; Domain=shop.example.com; Secure; HttpOnly; SameSite=Lax",
            ),
            (
                "a=b; path=/x; EXPIRES=Fri, 01 Jan 2100 00:00:00 GMT; Path=/y; Max-Age=9; Domain=example.com; New",
                "a=b; Domain=shop.example.com; New; Max-Age=60; Path=/app; Secure; HttpOnly; SameSite=Lax",
            ),
            // What deletes a cookie goes on deleting it, where the rule has put it.
            (
                "a=; Max-Age=0; Path=/x",
                "a=; Max-Age=0; Path=/app; Domain=shop.example.com; Secure; HttpOnly; SameSite=Lax",
            ),
        ];
        for (field, expected) in table {
            assert_eq!(
                hardened(field, &overridden(&rule, &shared)),
                expected,
                "{field}"
            );
        }
        let host_only = Overrides {
            domain: Some(CookieDomain::HostOnly),
            ..PLAIN
        };
        assert_eq!(
            hardened(
                "a=b; Domain=shop.example.com",
                &overridden(&host_only, &shared)
            ),
            "a=b; Secure; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn another_value_takes_the_place_of_the_apps_unless_it_is_too_large() {
        let how = |value| Hardening {
            value: Some(value),
            ..how(&[])
        };
        assert_eq!(
            hardened("a=b; Path=/", &how(b"SEALED")),
            "a=SEALED; Path=/; Secure; HttpOnly; SameSite=Lax"
        );
        let set = SetCookie::read(b"a=b").unwrap();
        assert!(harden(&set, &how(&[b'x'; 4095])).is_ok());
        assert_eq!(harden(&set, &how(&[b'x'; 4096])), Err(Refused::TooLarge));
    }

    #[test]
    fn a_nameless_cookie_is_not_passed() {
        let set = SetCookie::read(b"=csrftoken=x").unwrap();
        assert_eq!(harden(&set, &how(&[])), Err(Refused::Nameless));
    }

    proptest! {
        #[test]
        fn a_hardened_cookie_is_hard_whatever_came(
            field in prop::collection::vec(
                prop::sample::select(vec![
                    &b"; "[..], b";", b"=", b"a", b" ", b"\t", b"Secure", b"httponly", b"SameSite=None", b"SameSite",
                    b"Strict", b"Domain=", b"example.com", b"Path=/", b",", b"\"", b"\xc3", b"\x01",
                ]),
                0..24,
            ).prop_map(|parts| parts.concat()),
            readable in any::<bool>(),
        ) {
            let overrides = Overrides { http_only: Some(!readable), ..PLAIN };
            let how = overridden(&overrides, &[]);
            let Ok(set) = SetCookie::read(&field) else { return Ok(()) };
            let Ok(out) = harden(&set, &how) else {
                prop_assert!(set.name.is_empty());
                return Ok(());
            };
            let again = SetCookie::read(out.as_bytes()).unwrap();
            prop_assert_eq!((again.name, again.value), (set.name, set.value));
            prop_assert_eq!((again.path, again.domain), (set.path, None));
            prop_assert!(again.secure && again.http_only == (set.http_only || !readable));
            prop_assert!(matches!(again.same_site, Some(SameSite::Lax | SameSite::Strict)));
            prop_assert_eq!(&harden(&again, &how).unwrap(), &out);
        }
    }
}
