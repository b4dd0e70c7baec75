//! Mode `pass`: the app's own `Set-Cookie`, made as safe as a cookie can be that the browser is to have.
//!
//! Edits attribute by attribute on the bytes that came, so that Priority, Partitioned and whatever comes next survive.

use http::HeaderValue;

use super::domain;
use super::set_cookie::{Refused, SetCookie, same_site};
use crate::base::kept::SameSite;

/// How a cookie that the browser gets is to be hardened.
#[derive(Clone, Copy, Debug)]
pub struct Hardening<'a> {
    /// `Some(false)`: scripts may read it, unless the app says HttpOnly itself. Otherwise HttpOnly is added.
    pub http_only: Option<bool>,
    /// The loosest SameSite allowed, and what a cookie without one gets. `None`: Lax.
    pub same_site: Option<SameSite>,
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
    let floor = how.same_site.unwrap_or(SameSite::Lax);
    let strict = set
        .same_site
        .filter(|said| strictness(*said) >= strictness(floor))
        .unwrap_or(floor);
    // What is still to be written; an attribute is written where the app had it, else at the end.
    let mut same_site_due = true;
    let mut http_only_due = how.http_only != Some(false);
    let mut secure_due = true;
    let mut domain_due = narrowed(set, how);

    let mut out = Vec::with_capacity(set.bytes() + 48);
    out.extend_from_slice(set.name);
    out.push(b'=');
    out.extend_from_slice(set.value);
    for attribute in set.attributes() {
        let name = attribute.name;
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

fn strictness(same_site: SameSite) -> u8 {
    match same_site {
        SameSite::None => 0,
        SameSite::Lax => 1,
        SameSite::Strict => 2,
    }
}

fn same_site_text(same_site: SameSite) -> &'static [u8] {
    match same_site {
        SameSite::None => b"SameSite=None",
        SameSite::Lax => b"SameSite=Lax",
        SameSite::Strict => b"SameSite=Strict",
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
    use proptest::prelude::*;

    use super::*;

    fn how<'a>(shared_domains: &'a [String]) -> Hardening<'a> {
        Hardening {
            http_only: None,
            same_site: None,
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
        let readable = Hardening {
            http_only: Some(false),
            ..how(&[])
        };
        assert_eq!(hardened("a=b", &readable), "a=b; Secure; SameSite=Lax");
        assert_eq!(
            hardened("a=b; HttpOnly", &readable),
            "a=b; HttpOnly; Secure; SameSite=Lax"
        );
        let strict = Hardening {
            same_site: Some(SameSite::Strict),
            ..how(&[])
        };
        assert_eq!(
            hardened("a=b; SameSite=Lax", &strict),
            "a=b; SameSite=Strict; Secure; HttpOnly"
        );
        let none = Hardening {
            same_site: Some(SameSite::None),
            ..how(&[])
        };
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
            let how = Hardening { http_only: Some(!readable), ..how(&[]) };
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
