//! Promise: the screen costs a request the buffer of its new Cookie field, and a response without Set-Cookie nothing.
//!
//! Allocations are counted for each thread by itself, so that tests may run side by side.

#[allow(dead_code, reason = "the benchmark needs more of it")]
#[path = "support/typical_cookies.rs"]
mod typical_cookies;

use allocation_counter::measure;
use http::{HeaderMap, HeaderValue};

use cloakroom::cookie::screen::OBSOLETE_FIELDS;
use cloakroom::headers::clear_site_data;

use typical_cookies::{COOKIE, policy, screen};

#[test]
fn a_request_with_twenty_cookies_costs_one_buffer() {
    let policy = policy();
    let mut passed = Vec::new();

    let cost = measure(|| passed = screen(&policy, &[COOKIE]).passed);

    assert_eq!(passed.split(|byte| *byte == b';').count(), 6);
    assert_eq!(cost.count_total, 1);
}

#[test]
fn crumbs_of_http2_cost_one_buffer_too() {
    let policy = policy();
    let crumbs: Vec<&[u8]> = COOKIE.split(|byte| *byte == b';').collect();
    assert_eq!(crumbs.len(), 20);

    let cost = measure(|| assert!(!screen(&policy, &crumbs).passed.is_empty()));

    assert_eq!(cost.count_total, 1);
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
        let cost = measure(|| assert!(screen(&policy, &[field]).passed.is_empty()));
        assert_eq!(cost.count_total, 0, "{}", field.escape_ascii());
    }
    let cost = measure(|| drop(screen(&policy, &[])));
    assert_eq!(cost.count_total, 0);
}

#[test]
fn names_that_frameworks_read_in_two_ways_cost_no_more() {
    let policy = policy();
    let field = b"wp-settings-a.b=1; wp-settings-%41=2; intercom-x[1]=3";

    let cost = measure(|| assert_eq!(screen(&policy, &[field]).passed, field));

    assert_eq!(cost.count_total, 1);
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
