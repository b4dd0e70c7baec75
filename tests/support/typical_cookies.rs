//! What a browser sends to a shop with the usual trackers: twenty cookies, and five rules for them.

use cloakroom::base::clock::Time;
use cloakroom::cookie::jar::AppRequest;
use cloakroom::cookie::name::NamePattern;
use cloakroom::cookie::policy::{CookiePolicy, CookieRule, Mode};
use cloakroom::cookie::screen::{CookieLimits, Incoming};

pub const OURS: &[u8] = b"__Host-session";

/// Twenty pairs, 1.4 KB.
pub const COOKIE: &[u8] = b"__Host-session=AR3kq0uJmGQf8b1vYw2c5T7oZxN9dLhS4iPeCgVtKaXyWjMnBrFzUpQsDlEhRkOmTbGcNvIaJwYx\
HfZ6u1LqK0sEoPdTgRjCnVbMxWzAyQ; csrftoken=qV0ZbEJwVtnRkGmTz3cYx8UoPdL1sHfA; sessionid=8m2q1v0gkq3n6b1k0c5t4r7d2a; \
theme=dark; lang=en-GB; _ga=GA1.1.1234567890.1700000000; _ga_7XJ0QK2L5M=GS1.1.1700000000.3.1.1700000300.60.0.0; \
_gid=GA1.2.987654321.1700000000; _gcl_au=1.1.1122334455.1700000000; _fbp=fb.1.1700000000000.1234567890; \
OptanonConsent=isGpcEnabled=0&datestamp=Tue+Nov+14+2023+22%3A13%3A20+GMT%2B0000&version=202310.2.0&browserGpcFlag=0&\
isIABGlobal=false&hosts=&consentId=7c1f0a52-2c8e-4a7b-9a39-4c6e1f0b2d11&interactionCount=1&landingPath=NotLandingPage&\
groups=C0001%3A1%2CC0002%3A0%2CC0003%3A0%2CC0004%3A0; OptanonAlertBoxClosed=2023-11-14T22:13:20.000Z; \
wp-settings-1=libraryContent%3Dbrowse%26editor%3Dtinymce; wp-settings-time-1=1700000000; \
intercom-id-abc123=4b6f2c1e-7d3a-4c58-8f0e-1a2b3c4d5e6f; intercom-session-abc123=; \
ajs_anonymous_id=%22b0c1d2e3-f4a5-4b6c-8d7e-9f0a1b2c3d4e%22; _hjSessionUser_123456=eyJpZCI6ImFiYyIsImNyZWF0ZWQiOjE3M\
DAwMDAwMDAwMDAsImV4aXN0aW5nIjp0cnVlfQ==; _hjSession_123456=eyJpZCI6ImRlZiJ9; tz=Europe%2FBerlin";

pub fn policy() -> CookiePolicy {
    let rule = |name, mode| CookieRule::plain(NamePattern::parse(name).expect("a name"), mode);
    CookiePolicy {
        rules: vec![
            rule("csrftoken", Mode::Pass),
            rule("theme", Mode::Pass),
            rule("wp-settings-*", Mode::Pass),
            rule("intercom-*", Mode::Pass),
            rule("_ga*", Mode::Strip),
        ],
        ..CookiePolicy::plain(Mode::Keep)
    }
}

pub fn screen<'a>(policy: &'a CookiePolicy, fields: &[&'a [u8]]) -> Incoming<'a> {
    let limits = CookieLimits {
        bytes_max: 16 << 10,
        pairs_max: 300,
    };
    let screened = policy.screen_in(fields.iter().copied(), OURS, &limits);
    screened.expect("within the limits")
}

pub fn request() -> AppRequest<'static> {
    AppRequest {
        host: "shop.example.com",
        visitor_host: "shop.example.com",
        path: "/cart/checkout",
        same_site: true,
        top_level: true,
        top_level_safe: true,
        now: Time::from_secs(1_800_000_000),
    }
}
