use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::base::secret::Secret;
use crate::cookie::name::NamePattern;
use crate::cookie::parse::pairs;
use crate::cookie::screen::CookieLimits;

const NOW: Time = Time::from_secs(1_800_000_000);
const OURS: &[u8] = b"__Host-session";
const BOND: [u8; 32] = [7; 32];
const LIMITS: CookieLimits = CookieLimits {
    bytes_max: 16 * 1024,
    pairs_max: 300,
};

fn keys() -> ValueKeys {
    let secret = Secret::new([1; 32]);
    ValueKeys::new([(&secret, NOW)], Duration::ZERO).unwrap()
}

/// Passes `p*`, seals `s*`, mirrors `m*`, adopts `a*` for a day more, and keeps the rest.
fn policy() -> CookiePolicy {
    let rule = |name, mode| CookieRule::plain(NamePattern::parse(name).unwrap(), mode);
    CookiePolicy {
        rules: vec![
            rule("p*", Mode::Pass),
            rule("s*", Mode::Seal),
            rule("m*", Mode::Mirror),
            CookieRule {
                adopt_until: Some(NOW.plus(Duration::from_secs(86_400))),
                ..rule("a*", Mode::Keep)
            },
        ],
        ..CookiePolicy::plain(Mode::Keep)
    }
}

fn kept(name: &str, value: &str) -> KeptCookie {
    KeptCookie {
        adopted: false,
        ..adopted(
            &pairs([format!("{name}={value}").as_bytes()].into_iter())
                .next()
                .unwrap(),
            "/",
            &policy().default,
            &request(),
        )
    }
}

fn request() -> AppRequest<'static> {
    AppRequest {
        host: "shop.test",
        visitor_host: "shop.test",
        path: "/",
        same_site: true,
        top_level: true,
        top_level_safe: true,
        now: NOW,
    }
}

/// `value` as the cookie `name` of this session has it, sealed.
fn sealed(name: &str, value: &str) -> String {
    let policy = policy();
    let rule = policy.rule_for(name.as_bytes());
    let context = rule.context(Form::Sealed, "shop", name.as_bytes(), &BOND);
    String::from_utf8(keys().close(value.as_bytes(), &context, None, NOW)).unwrap()
}

struct Outcome {
    passed: String,
    adopted: Vec<String>,
    stale: Vec<String>,
    unopened: usize,
    drifted: u32,
    dropped: u32,
}

fn admit(policy: &CookiePolicy, jar: &[KeptCookie], may_keep: bool, field: &str) -> Outcome {
    let fields = std::iter::once(field.as_bytes());
    let incoming = policy.screen_in(fields, OURS, &LIMITS).unwrap();
    let keys = keys();
    let bench = Bench {
        keys: &keys,
        site: "shop",
        bond: Some(&BOND),
        jar,
        taken: &[],
        jar_of: &|_| &[],
        may_keep,
        adoption: Adoption::Open,
        ticket_name: OURS,
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let admission = policy.admit(incoming, &bench, &request());
    let names = |names: Vec<&[u8]>| names.into_iter().map(text).collect();
    Outcome {
        passed: text(&admission.written()),
        adopted: names(
            admission
                .adopted
                .iter()
                .map(|kept| &*kept.identity.name)
                .collect(),
        ),
        stale: names(admission.stale),
        unopened: admission.unopened.len(),
        drifted: admission.drifted,
        dropped: admission.dropped,
    }
}

#[test]
fn what_was_opened_and_what_is_passed_go_up_in_the_order_in_which_they_came() {
    let (s1, s2) = (sealed("s1", "one"), sealed("s2", "two, 2"));
    let table = [
        (format!("s1={s1}"), "s1=one"),
        (format!("s1={s1}; p1=x"), "s1=one; p1=x"),
        (format!("p1=x; s1={s1}"), "p1=x; s1=one"),
        (format!("s1={s1}; s2={s2}"), "s1=one; s2=two, 2"),
        (
            format!("p1=x; s1={s1}; p2=y; s2={s2}; p3=z; k=no"),
            "p1=x; s1=one; p2=y; s2=two, 2; p3=z",
        ),
        (
            format!("s1={s2}; p1=x; s2={s2}; p2=y"),
            "p1=x; s2=two, 2; p2=y",
        ),
        (format!("s1={s1}; s1={s1}; p1=x; m=1"), "s1=one; p1=x"),
        // A planted one hides none that opens.
        (format!("s1=bad; p1=x; s1={s1}; s1={s2}"), "p1=x; s1=one"),
        ("s1=bad; p1=x; m=1; p2=y".to_owned(), "p1=x; p2=y"),
        ("p1=x; p2=y".to_owned(), "p1=x; p2=y"),
        ("s1=bad".to_owned(), ""),
    ];
    for (field, passed) in table {
        let outcome = admit(&policy(), &[], true, &field);
        assert_eq!(outcome.passed, passed, "{field}");
    }
}

#[test]
fn every_pair_that_stays_outside_is_counted_once() {
    let outcome = admit(&policy(), &[], true, "s1=bad; m=1; k=2; s1=bad; p=\"; x");
    assert_eq!((outcome.dropped, outcome.unopened), (6, 2));
}

#[test]
fn a_copy_moves_into_a_jar_that_lacks_it_and_goes_up_meanwhile() {
    let outcome = admit(&policy(), &[], true, "a1=x; p=y; a2=\"");
    assert_eq!(outcome.passed, "a1=x; p=y");
    assert_eq!(outcome.adopted, ["a1"]);
    assert!(outcome.stale.is_empty(), "until the jar has it");

    let jar = [kept("a1", "mine")];
    let outcome = admit(&policy(), &jar, true, "a1=x");
    assert_eq!((outcome.passed.as_str(), outcome.adopted.len()), ("", 0));
    assert_eq!(outcome.stale, ["a1"]);

    // What is left of a rule that sealed it is no value of the app's.
    let outcome = admit(&policy(), &[], true, &format!("a1={}", sealed("a1", "x")));
    assert_eq!((outcome.passed.as_str(), outcome.adopted.len()), ("", 0));
    assert_eq!(outcome.stale, ["a1"]);

    let outcome = admit(&policy(), &[], false, "a1=x");
    assert_eq!(
        (outcome.passed.as_str(), outcome.adopted.len()),
        ("a1=x", 0)
    );
    assert!(outcome.stale.is_empty());
}

#[test]
fn a_mirrored_copy_is_compared_with_every_cookie_of_its_name() {
    let deep = KeptCookie {
        identity: CookieIdentity {
            path: "/deep".into(),
            ..kept("m", "x").identity
        },
        ..kept("m", "deep")
    };
    let jar = [kept("m", "wide"), deep];
    for (field, drifted) in [
        ("m=wide", 0),
        ("m=deep", 0),
        ("m=other", 1),
        ("m=", 1),
        ("p=x", 0),
    ] {
        let outcome = admit(&policy(), &jar, true, field);
        assert_eq!(outcome.drifted, drifted, "{field}");
        assert!(!outcome.passed.contains("m="), "{field}");
    }
}

#[test]
fn no_value_is_printed() {
    let policy = policy();
    let fields = std::iter::once(&b"a1=SECRET; s1=SECRET"[..]);
    let incoming = policy.screen_in(fields, OURS, &LIMITS).unwrap();
    assert!(!format!("{incoming:?}").contains("SECRET"));
}

proptest! {
    #[test]
    fn passed_pairs_keep_their_bytes_and_order_whatever_stands_between(
        pieces in prop::collection::vec(
            prop_oneof![
                (0_usize..9).prop_map(|nth| format!("p{nth}=value-{nth}")),
                (0_usize..9).prop_map(|nth| format!("s{nth}={}", sealed(&format!("s{nth}"), &format!("value-{nth}")))),
                (0_usize..9).prop_map(|nth| format!("s{nth}=bad")),
                (0_usize..9).prop_map(|nth| format!("m{nth}=x")),
                (0_usize..9).prop_map(|nth| format!("a{nth}=value-{nth}")),
                Just("k=no".to_owned()),
            ],
            0..16,
        ),
    ) {
        let outcome = admit(&policy(), &[], true, &pieces.join("; "));
        // The model: the first of each name counts, of sealed ones the first that opens.
        let mut seen = std::collections::BTreeSet::new();
        let mut expected = Vec::new();
        for piece in &pieces {
            let (name, value) = piece.split_once('=').unwrap();
            let goes_up = match &name[..1] {
                "p" | "a" => true,
                "s" => value != "bad",
                _ => false,
            };
            if !goes_up || !seen.insert(name) {
                continue;
            }
            expected.push(format!("{name}=value-{}", &name[1..]));
        }
        prop_assert_eq!(outcome.passed, expected.join("; "));
    }
}
