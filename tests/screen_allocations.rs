//! Promise: the screen costs a request the buffer of its new Cookie field, jar or not, and a response without Set-Cookie nothing.
//!
//! Allocations are counted for each thread by itself, so that tests may run side by side.

#[allow(dead_code, reason = "the benchmark needs more of it")]
#[path = "support/typical_cookies.rs"]
mod typical_cookies;

use allocation_counter::measure;
use http::{HeaderMap, HeaderValue};

use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::cookie::name::NamePattern;
use cloakroom::cookie::policy::{CookiePolicy, CookieRule, Mode};
use cloakroom::cookie::screen::OBSOLETE_FIELDS;
use cloakroom::headers::clear_site_data;

use typical_cookies::{COOKIE, policy, request, screen};

/// The field that the app gets: what the whole screen is for.
fn field(policy: &CookiePolicy, jar: &[KeptCookie], fields: &[&[u8]]) -> Option<HeaderValue> {
    let incoming = screen(policy, fields);
    policy.cookie_field(jar, &request(), incoming.passed())
}

/// How many pairs the app gets, and how often memory was asked for on the way there.
fn cost(policy: &CookiePolicy, jar: &[KeptCookie], fields: &[&[u8]]) -> (usize, u64) {
    let mut written = None;
    let cost = measure(|| written = field(policy, jar, fields));
    let pairs = written.map_or(0, |field| {
        field.as_bytes().split(|byte| *byte == b';').count()
    });
    (pairs, cost.count_total)
}

fn jar(names: &[&str]) -> Vec<KeptCookie> {
    let kept = |name: &&str| KeptCookie {
        identity: CookieIdentity {
            name: name.as_bytes().into(),
            domain: "shop.example.com".into(),
            path: "/".into(),
        },
        value: b"8m2q1v0gkq3n6b1k0c5t4r7d2a"[..].into(),
        host_only: true,
        expires: None,
        created: request().now,
        same_site: None,
        adopted: false,
    };
    names.iter().map(kept).collect()
}

#[test]
fn a_request_with_twenty_cookies_costs_the_field_that_the_app_gets() {
    let policy = policy();
    let mut passing = policy.clone();
    passing.default.mode = Mode::Pass;

    assert_eq!(cost(&policy, &[], &[COOKIE]), (6, 1));
    assert_eq!(cost(&passing, &[], &[COOKIE]), (17, 1));
}

#[test]
fn crumbs_of_http2_cost_no_more() {
    let crumbs: Vec<&[u8]> = COOKIE.split(|byte| *byte == b';').collect();
    assert_eq!(crumbs.len(), 20);

    assert_eq!(cost(&policy(), &[], &crumbs), (6, 1));
}

#[test]
fn a_jar_and_placeholders_go_into_the_same_field() {
    let mut policy = policy();
    let jar = jar(&["sessionid", "cart", "lang", "theme", "a", "b", "c", "d"]);
    // One of them is passed by a rule of today, and no longer the jar's to answer.
    assert_eq!(cost(&policy, &jar, &[COOKIE]), (13, 1));
    assert_eq!(cost(&policy, &jar[..3], &[COOKIE]), (9, 1));
    assert_eq!(cost(&policy, &jar, &[]), (7, 1));

    let name = NamePattern::parse("JSESSIONID").unwrap();
    let placeholder = CookieRule {
        placeholder: true,
        ..CookieRule::plain(name, Mode::Keep)
    };
    policy.rules.push(placeholder);
    assert_eq!(cost(&policy, &[], &[COOKIE]), (7, 1));
    assert_eq!(cost(&policy, &jar, &[COOKIE]), (14, 1));
}

#[test]
fn a_request_of_which_nothing_passes_costs_nothing() {
    let policy = policy();
    let fields: [&[u8]; 5] = [
        b"",
        b"sessionid=S; _ga=1; lang=en",
        b"__Host-session=T",
        b"__HOST-SESSION=EVIL; \xe2\x80\x80__Host-session=EVIL; =__Host-session=EVIL",
        b"theme=a sessionid=EVIL; theme=\"; csrftoken; $Version=1; theme=\\; wp-settings-%00=x",
    ];
    for field in fields {
        let cost = measure(|| assert!(self::field(&policy, &[], &[field]).is_none()));
        assert_eq!(cost.count_total, 0, "{}", field.escape_ascii());
    }
    let cost = measure(|| drop(screen(&policy, &[])));
    assert_eq!(cost.count_total, 0);
}

#[test]
fn names_that_frameworks_read_in_two_ways_cost_no_more() {
    let policy = policy();
    let field = b"wp-settings-a.b=1; wp-settings-%41=2; intercom-x[1]=3";

    assert_eq!(cost(&policy, &[], &[field]), (3, 1));
}

/// The steps that the gateway takes with every response head before it looks for cookies.
#[test]
fn a_response_without_set_cookie_costs_nothing() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "5120"),
        ("cache-control", "max-age=60"),
        ("etag", "\"abc\""),
        ("vary", "Accept-Encoding"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }

    let cost = measure(|| {
        for name in OBSOLETE_FIELDS {
            assert!(headers.remove(name).is_none());
        }
        assert!(!clear_site_data::names_cookies(&headers));
        assert!(!headers.contains_key(http::header::SET_COOKIE));
    });

    assert_eq!(cost.count_total, 0);
}
