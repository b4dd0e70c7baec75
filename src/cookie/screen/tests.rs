use proptest::prelude::*;

use http::HeaderValue;

use super::*;
use crate::base::clock::Time;
use crate::base::kept::{CookieIdentity, KeptCookie};
use crate::cookie::jar::{AppRequest, JarAct};
use crate::cookie::name::NamePattern;
use crate::cookie::outgoing::Outgoing;
use crate::cookie::set_cookie::{Refused, SetCookie};

const OURS: &[u8] = b"__Host-session";
const LIMITS: CookieLimits = CookieLimits {
    bytes_max: 16 * 1024,
    pairs_max: 300,
};

fn rule(name: &str, mode: Mode) -> CookieRule {
    CookieRule::plain(NamePattern::parse(name).unwrap(), mode)
}

/// Passes `csrftoken`, `theme` and `wp-*`; strips `_ga*`; keeps the rest.
fn policy() -> CookiePolicy {
    CookiePolicy {
        rules: vec![
            rule("wp-secret", Mode::Keep),
            rule("csrftoken", Mode::Pass),
            rule("theme", Mode::Pass),
            rule("wp-*", Mode::Pass),
            rule("_ga*", Mode::Strip),
        ],
        ..CookiePolicy::plain(Mode::Keep)
    }
}

fn pass_all() -> CookiePolicy {
    CookiePolicy {
        rules: vec![rule("sessionid", Mode::Keep)],
        ..CookiePolicy::plain(Mode::Pass)
    }
}

fn report_only() -> CookiePolicy {
    CookiePolicy {
        enforce: false,
        ..policy()
    }
}

fn screen<'a>(policy: &CookiePolicy, fields: &[&'a [u8]]) -> Incoming<'a> {
    let policy: &'static CookiePolicy = Box::leak(Box::new(policy.clone()));
    policy
        .screen_in(fields.iter().copied(), OURS, &LIMITS)
        .unwrap()
}

/// What goes up, and which values of our name were found.
fn outcome(policy: &CookiePolicy, field: &str) -> (String, Vec<String>, u32) {
    let incoming = screen(policy, &[field.as_bytes()]);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let candidates = incoming.candidates.as_slice();
    (
        text(&incoming.written()),
        candidates.iter().map(|value| text(value)).collect(),
        incoming.dropped,
    )
}

fn request() -> AppRequest<'static> {
    AppRequest {
        host: "shop.example.com",
        visitor_host: "shop.example.com",
        path: "/a/b",
        same_site: true,
        top_level: true,
        top_level_safe: true,
        now: Time::from_secs(1_800_000_000),
    }
}

fn screen_out<'a>(policy: &'a CookiePolicy, field: &[u8]) -> Outgoing<'a> {
    policy.screen_out(&HeaderValue::from_bytes(field).unwrap(), OURS, &request())
}

#[test]
fn passed_cookies_go_up_as_they_came_and_nothing_else_does() {
    let table = [
        ("", "", 0),
        ("csrftoken=abc", "csrftoken=abc", 0),
        (
            "theme=dark;csrftoken=a=b==",
            "theme=dark; csrftoken=a=b==",
            0,
        ),
        (
            "sessionid=S; theme=dark; _ga=1; wp-settings-1=x%3Dy; wp-secret=S",
            "theme=dark; wp-settings-1=x%3Dy",
            3,
        ),
        ("theme=", "theme=", 0),
        ("theme=\"a b\"", "theme=\"a b\"", 0),
        ("theme=a b, c", "theme=a b, c", 0),
        ("theme=a, csrftoken=b", "theme=a, csrftoken=b", 0),
        ("Theme=dark; THEME=dark", "", 2),
        (
            "theme=1; theme=2; csrftoken=x; theme=3",
            "theme=1; csrftoken=x",
            2,
        ),
        // Not written plainly.
        (
            "theme=a\tb; theme=\"a; theme=a\"; theme=a\"b; theme=\\073",
            "",
            5,
        ),
        ("theme=Jörg; thème=x", "", 2),
        ("theme =x; csrftoken\t=x", "", 2),
        ("theme", "", 1),
        ("=theme; =theme=x", "", 2),
        ("$Version=1; $Path=/; theme=x", "theme=x", 2),
        // A cookie in a cookie: Python splits at spaces, old Java at commas.
        ("theme=a sessionid=EVIL", "", 1),
        ("theme=a,sessionid=EVIL", "", 1),
        ("theme= sessionid=EVIL", "", 1),
        ("theme=a sessionid = EVIL", "", 1),
        ("theme=\"a sessionid=EVIL\"", "", 1),
        ("theme=a, $Path=/", "", 1),
    ];
    for (field, passed, dropped) in table {
        let (got, candidates, count) = outcome(&policy(), field);
        assert_eq!((got.as_str(), count), (passed, dropped), "{field}");
        assert!(candidates.is_empty(), "{field}");
    }
}

#[test]
fn our_name_is_found_where_a_browser_wrote_it_and_nowhere_else() {
    let table: [(&str, &[&str]); 17] = [
        ("__Host-session=T", &["T"]),
        ("a=1;__Host-session=T;b=2", &["T"]),
        (" \t__Host-session=T \t", &["T"]),
        ("__Host-session=", &[""]),
        (
            "__Host-session=EVIL; __Host-session=GOOD",
            &["EVIL", "GOOD"],
        ),
        ("\u{2000}__Host-session=EVIL; __Host-session=T", &["T"]),
        ("\u{3000}__Host-session=EVIL", &[]),
        ("\u{feff}__Host-session=EVIL", &[]),
        ("\u{85}__Host-session=EVIL; \u{a0}__Host-session=EVIL", &[]),
        ("\u{1c}__Host-session=EVIL", &[]),
        ("__HOST-SESSION=EVIL; __host-session=EVIL", &[]),
        ("__Host-session =EVIL; __Host-sessionx=1", &[]),
        ("$Version=1,__Host-session=EVIL", &[]),
        ("$Version=1; theme=\"a; __Host-session=S; end=b\"", &["S"]),
        ("theme=\"\\073 __Host-session=EVIL\"", &[]),
        ("=__Host-session=EVIL; __Host-session", &[]),
        (
            "theme=x, __Host-session=EVIL; theme=x __HOST-session=EVIL",
            &[],
        ),
    ];
    for (field, expected) in table {
        for policy in [policy(), pass_all(), report_only()] {
            let (passed, candidates, _) = outcome(&policy, field);
            assert_eq!(candidates, expected, "{field}");
            let passed = passed.to_ascii_lowercase();
            assert!(!passed.contains("__host-session="), "{field}: {passed}");
        }
    }
}

#[test]
fn names_that_pretend_to_be_ours_are_counted() {
    let field =
        "__HOST-session=1; \u{2000}__Host-session=2; =__Host-session=3; __Host-session; other=5";
    let incoming = screen(&pass_all(), &[field.as_bytes()]);
    assert_eq!((incoming.dropped, incoming.lookalikes), (4, 4));
    assert_eq!(incoming.written(), b"other=5");
}

#[test]
fn under_default_pass_everything_plain_goes_up_except_what_a_rule_keeps() {
    let (passed, _, dropped) = outcome(
        &pass_all(),
        "a=1; sessionid=S; user[1]=x; a=2; __Host-app=y",
    );
    assert_eq!(
        (passed.as_str(), dropped),
        ("a=1; user[1]=x; __Host-app=y", 2)
    );
}

#[test]
fn report_only_passes_what_is_unknown_and_counts_it() {
    let (passed, candidates, dropped) = outcome(
        &report_only(),
        "sessionid=S; theme=x; sessionid=T; __Host-session=T; __HOST-session=E; bad=\"",
    );
    assert_eq!(passed, "sessionid=S; theme=x; sessionid=T");
    assert_eq!(candidates, ["T"]);
    assert_eq!(dropped, 4);
}

#[test]
fn several_fields_and_crumbs_are_one_list() {
    let fields: [&[u8]; 5] = [
        b"theme=\"a",
        b"b\"",
        b"__Host-session=T",
        b"theme=x; csrftoken=y",
        b"",
    ];
    let incoming = screen(&policy(), &fields);
    assert_eq!(incoming.candidates.as_slice(), [b"T"]);
    assert_eq!(incoming.written(), b"theme=x; csrftoken=y");
    assert_eq!(incoming.dropped, 2);
}

#[test]
fn four_candidates_are_looked_at_and_more_are_reported() {
    let four = "__Host-session=1; __Host-session=2; __Host-session=3; __Host-session=4";
    let incoming = screen(&policy(), &[four.as_bytes()]);
    assert_eq!(incoming.candidates.as_slice().len(), 4);
    assert!(!incoming.candidates_surplus);
    let incoming = screen(&policy(), &[four.as_bytes(), b"__Host-session=5"]);
    assert_eq!(incoming.candidates.as_slice().last(), Some(&&b"4"[..]));
    assert!(incoming.candidates_surplus);
}

#[test]
fn cookies_past_a_limit_are_too_much() {
    let policy = policy();
    let limits = CookieLimits {
        bytes_max: 20,
        pairs_max: 3,
    };
    let judge = |fields: &[&'static [u8]]| {
        let outcome = policy.screen_in(fields.iter().copied(), OURS, &limits);
        outcome.map(|incoming| incoming.dropped)
    };
    assert_eq!(judge(&[b"a=1;b=2;c=3"]), Ok(3));
    assert_eq!(judge(&[b"a=1;b=2", b"c=3;d=4"]), Err(TooMuch::Pairs));
    assert_eq!(judge(&[b"a=1;;;;;;;;;;;;;;;;;"]), Ok(1));
    assert_eq!(judge(&[b"a=1;;;;;;;", b";;;;;;;;;;;"]), Err(TooMuch::Bytes));
}

#[test]
fn a_crowd_of_300_passes_whole_and_without_doubles() {
    let field: Vec<String> = (0..150).map(|n| format!("wp-{n}=x; wp-{n}=y")).collect();
    let incoming = screen(&policy(), &[field.join("; ").as_bytes().to_vec().leak()]);
    let passed: Vec<String> = (0..150).map(|n| format!("wp-{n}=x")).collect();
    assert_eq!(
        String::from_utf8(incoming.written()).unwrap(),
        passed.join("; ")
    );
    assert_eq!(incoming.dropped, 150);
}

#[test]
fn what_passes_is_written_once_without_room_to_spare() {
    for fields in [
        &[&b"sessionid=1; __Host-session=T; _ga=2"[..]][..],
        &[b"theme=1"],
        &[b"theme=1", b"csrftoken=2", b"wp-1=3"],
    ] {
        let written = screen(&policy(), fields).written();
        assert_eq!(written.capacity(), written.len());
    }
}

#[test]
fn no_secret_is_printed() {
    let incoming = screen(&policy(), &[b"__Host-session=TICKET; theme=SECRET"]);
    let text = format!("{incoming:?}{:?}", incoming.candidates);
    assert!(
        !text.contains("TICKET") && !text.contains("SECRET"),
        "{text}"
    );
}

#[test]
fn the_apps_cookies_are_kept_passed_or_stripped() {
    assert!(matches!(
        screen_out(&policy(), b"sessionid=S; HttpOnly; Path=/"),
        Outgoing::Keep(JarAct::Put(cookie)) if *cookie.value == *b"S"
    ));
    assert!(matches!(
        screen_out(&policy(), b"sessionid=\"\"; Max-Age=0; Path=/"),
        Outgoing::Keep(JarAct::Remove { identity, .. }) if *identity.name == *b"sessionid"
    ));
    assert!(matches!(
        screen_out(&policy(), b"csrftoken=x; Path=/; Priority=High; Domain=example.com"),
        Outgoing::Pass(field)
            if field == "csrftoken=x; Path=/; Priority=High; Secure; HttpOnly; SameSite=Lax"
    ));
    assert!(matches!(screen_out(&policy(), b"_ga=1"), Outgoing::Strip));
    assert!(matches!(
        screen_out(&policy(), b"a=b; Domain=com"),
        Outgoing::Refused(Refused::PublicSuffix)
    ));
    assert!(matches!(
        screen_out(&pass_all(), b"=a=b"),
        Outgoing::Refused(Refused::Nameless)
    ));
}

#[test]
fn the_app_cannot_set_clear_or_shadow_our_cookie() {
    for policy in [policy(), pass_all(), report_only()] {
        for field in [
            "__Host-session=EVIL; Path=/; Secure",
            " __HOST-SESSION =EVIL",
            "__host-session=; Max-Age=0; Path=/; Secure",
            "=__Host-session=EVIL",
            "__Host-session",
            "theme=1, __Host-session=EVIL; Path=/",
            "theme=1; __Host-session=EVIL",
            "\u{2000}__Host-session=EVIL",
        ] {
            let outgoing = screen_out(&policy, field.as_bytes());
            let is_refused = matches!(outgoing, Outgoing::Refused(Refused::OurName));
            assert!(is_refused, "{field}: {outgoing:?}");
        }
    }
}

#[test]
fn the_app_gets_the_jar_first_and_never_one_name_from_both() {
    let kept = |name: &str, value: &str, path: &str| KeptCookie {
        identity: CookieIdentity {
            name: name.as_bytes().into(),
            domain: "shop.example.com".into(),
            path: path.into(),
        },
        value: value.as_bytes().into(),
        host_only: true,
        expires: None,
        created: Time::from_secs(1),
        same_site: None,
        adopted: false,
    };
    let jar = [
        kept("sessionid", "root", "/"),
        kept("sessionid", "deep", "/a"),
        kept("csrftoken", "stale", "/"),
        kept("_ga", "stale", "/"),
        kept("", "bare", "/"),
        kept("elsewhere", "x", "/z"),
    ];
    let field = |jar: &[KeptCookie], passed: &[u8]| {
        let passed = pairs(std::iter::once(passed)).map(|pair| pair.whole);
        let passed: Vec<&[u8]> = passed.collect();
        let field = report_only().cookie_field(jar, &request(), passed.iter().copied());
        field.map(|field| field.to_str().unwrap().to_owned())
    };
    assert_eq!(
        field(&jar, b"theme=x; sessionid=EVIL; csrftoken=fresh").unwrap(),
        "sessionid=deep; sessionid=root; bare; theme=x; csrftoken=fresh"
    );
    assert_eq!(field(&[], b"theme=x").unwrap(), "theme=x");
    assert_eq!(field(&jar[5..], b""), None);
}

// What the screen promises, said again in the plainest way, as a model to compare with.

fn model_pairs(fields: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let is_gap = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let mut found = Vec::new();
    for segment in fields.join(&b';').split(|byte| *byte == b';') {
        let start = segment.iter().position(|byte| !is_gap(byte));
        let end = segment.iter().rposition(|byte| !is_gap(byte));
        if let (Some(start), Some(end)) = (start, end) {
            found.push(segment[start..=end].to_vec());
        }
    }
    found
}

fn model_candidates(fields: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let ours = [OURS, b"="].concat();
    let pairs = model_pairs(fields).into_iter();
    pairs
        .filter_map(|pair| pair.strip_prefix(&ours[..]).map(<[u8]>::to_vec))
        .collect()
}

/// Cookie headers, of which every byte may be odd, but most are not.
fn fields() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            "; ", ";", "=", " ", "\t", ",", "\"", "__Host-session=", "__HOST-session", "__Host-session", "theme=",
            "theme", "csrftoken=", "wp-1=", "sessionid=", "$Version=1", "\u{2000}", "\u{a0}", "\\", "dark", "a", "b=",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let field = prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat());
    prop::collection::vec(field, 0..4)
}

proptest! {
    #[test]
    fn our_name_is_found_exactly_when_a_browser_sent_it(fields in fields(), report in any::<bool>()) {
        let policy = if report { report_only() } else { policy() };
        let incoming = policy.screen_in(fields.iter().map(Vec::as_slice), OURS, &LIMITS).unwrap();
        let expected = model_candidates(&fields);
        prop_assert_eq!(incoming.candidates_surplus, expected.len() > CANDIDATES_MAX);
        let found: Vec<Vec<u8>> = incoming.candidates.as_slice().iter().map(|value| value.to_vec()).collect();
        prop_assert_eq!(&found[..], &expected[..expected.len().min(CANDIDATES_MAX)]);
    }

    #[test]
    fn what_passes_came_so_in_that_order_and_is_marked_pass(fields in fields()) {
        let policy = policy();
        let incoming = policy.screen_in(fields.iter().map(Vec::as_slice), OURS, &LIMITS).unwrap();
        let came = model_pairs(&fields);
        let written = incoming.written();
        let passed = model_pairs(std::slice::from_ref(&written));
        let mut rest = came.iter();
        for pair in &passed {
            prop_assert!(rest.any(|other| other == pair), "made up or out of order");
            let name = pair.split(|byte| *byte == b'=').next().unwrap();
            prop_assert!([&b"theme"[..], b"csrftoken", b"wp-1"].contains(&name));
            prop_assert!(pair.iter().all(|byte| matches!(byte, 0x20..=0x7E) && *byte != b'\\'));
        }
        prop_assert_eq!(&written, &passed.join(&b"; "[..]));
        let names: std::collections::BTreeSet<_> = passed.iter().map(|pair| pair.split(|byte| *byte == b'=').next()).collect();
        prop_assert_eq!(names.len(), passed.len());
        let total = passed.len() + incoming.dropped as usize + model_candidates(&fields).len();
        prop_assert_eq!(total, came.len(), "every pair is counted once");
    }

    #[test]
    fn plain_passed_cookies_all_go_up_byte_for_byte(
        pairs in prop::collection::btree_map("(wp-[a-zA-Z0-9_.]{0,6}|theme|csrftoken)", "[!#-+.-:<-\\[\\]-~]{0,12}", 0..12),
        noise in "(__Host-session=T; |x=\"; |sessionid=a; |;;|\u{2000}theme=; ){0,3}",
    ) {
        let written: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let field = format!("{noise}{}", written.join(&format!("; {noise}")));
        let policy = policy();
        let incoming = policy.screen_in(std::iter::once(field.as_bytes()), OURS, &LIMITS).unwrap();
        prop_assert_eq!(String::from_utf8(incoming.written()).unwrap(), written.join("; "));
    }

    #[test]
    fn no_set_cookie_panics_or_brings_our_name_to_the_browser(
        pieces in prop::collection::vec(
            prop_oneof![
                6 => prop::sample::select(vec![
                    "__Host-session", "__HOST-SESSION", "=", ";", " ", ",", "\t", "theme", "Path=/", "Max-Age=0",
                    "Domain=example.com", "\u{2000}", "\u{a0}",
                ]).prop_map(|text| text.as_bytes().to_vec()),
                1 => any::<u8>().prop_map(|byte| vec![byte]),
            ],
            0..12,
        ),
        pass in any::<bool>(),
    ) {
        let Ok(field) = HeaderValue::from_bytes(&pieces.concat()) else { return Ok(()) };
        let policy = if pass { pass_all() } else { policy() };
        if let Outgoing::Pass(out) = policy.screen_out(&field, OURS, &request()) {
            let set = SetCookie::read(out.as_bytes()).unwrap();
            let name = String::from_utf8_lossy(set.name).to_lowercase();
            prop_assert!(name.trim() != "__host-session" && !name.is_empty());
            prop_assert!(set.secure && set.domain.is_none());
            // What a browser would send back of it is not found under our name.
            let sent = [set.name, b"=", set.value].concat();
            let incoming = policy.screen_in(std::iter::once(&sent[..]), OURS, &LIMITS).unwrap();
            prop_assert!(incoming.candidates.as_slice().is_empty());
        }
    }
}
