//! The laws of what a browser sends.
//!
//! 1. Our own name, and that of the mark, is found exactly where a browser would have written it, in order, up to four
//!    times.
//! 2. What goes up came so: whole pairs, byte for byte, in their order, each name once.
//! 3. A cookie that is marked `pass` and plainly written goes up.
//! 4. A sealed cookie goes up opened if it is untouched, and else not at all.
//! 5. No reader finds a name in what goes up that is not marked `pass`, none finds ours, and what frameworks make of a
//!    name comes under no rule that says otherwise.
//! 6. Every pair is counted once, and what goes up makes a header field.
//! 7. Where the jar has a name, the app gets the jar's, first.
//!
//! A policy that only reports lets unknown cookies up, and those that were never sealed; then 4 and 5 hold for what was
//! sealed and for our own name alone.

use std::sync::LazyLock;

use cloakroom::base::kept::{CookieIdentity, KeptCookie};
use cloakroom::base::secret::Secret;
use cloakroom::cookie::admission::Bench;
use cloakroom::cookie::jar::AppRequest;
use cloakroom::cookie::owner::Adoption;
use cloakroom::cookie::policy::Mode;
use cloakroom::cookie::screen::{CANDIDATES_MAX, CookieLimits, Incoming};
use cloakroom::cookie::seal::{Context, Form, ValueKeys};

use super::readers::{all_names, browser, php, rack, segments};
use super::{HOST, MARK, NOW, OURS, Stand, is_ours_to_somebody};

const SITE: &str = "shop";
const PLAIN: &[u8] = b"of-the-app";
/// What stands in an input for a cookie that was sealed and comes back untouched.
pub const SEALED: &[u8] = b"{sealed}";

static KEYS: LazyLock<ValueKeys> = LazyLock::new(|| {
    let secret = Secret::new([7; 32]);
    ValueKeys::new([(&secret, NOW)], std::time::Duration::ZERO).expect("a key")
});

static TOKEN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let context = Context {
        form: Form::Sealed,
        site: SITE,
        name: b"cart",
        bond: None,
        max_age: None,
    };
    KEYS.close(PLAIN, &context, None, NOW)
});

/// Holds the laws against `input`: a byte that chooses the policy, then Cookie fields between line ends.
pub fn hold(input: &[u8]) {
    let Some((choice, rest)) = input.split_first() else {
        return;
    };
    let stand = Stand::of(*choice);
    let rest = replaced(rest, SEALED, &TOKEN);
    let fields: Vec<&[u8]> = rest.split(|byte| *byte == b'\n').collect();
    let limits = CookieLimits {
        bytes_max: usize::MAX,
        pairs_max: usize::MAX,
    };
    let screened = stand
        .policy
        .screen_in(fields.iter().copied(), OURS, &limits);
    let incoming = screened.expect("no limit");

    let came: Vec<Vec<u8>> = fields.iter().flat_map(|field| segments(field)).collect();
    our_name_is_found(&incoming, &came);
    every_pair_is_counted(&incoming, &came);

    let request = request();
    let bench = Bench {
        keys: &KEYS,
        site: SITE,
        bond: None,
        jar: &[],
        taken: &[],
        jar_of: &|_| &[],
        may_keep: true,
        adoption: Adoption::Open,
        ticket_name: OURS,
    };
    let admission = stand.policy.admit(incoming, &bench, &request);
    assert!(admission.adopted.is_empty(), "no rule adopts");
    let up = admission.written();
    what_goes_up_came_so(&stand, &up, &came);
    what_is_plain_goes_up(&stand, &up, &came);
    a_sealed_cookie_is_opened_or_gone(&stand, &up, &came);
    nobody_finds_more(&stand, &up);
    the_jar_comes_first(&stand, &up, &request);
}

fn replaced(input: &[u8], mark: &[u8], by: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(input.len());
    let mut rest = input;
    while !rest.is_empty() {
        let (taken, given) = match rest.strip_prefix(mark) {
            Some(_) => (mark.len(), by),
            None => (1, &rest[..1]),
        };
        out.extend_from_slice(given);
        rest = &rest[taken..];
    }
    out
}

fn request() -> AppRequest<'static> {
    AppRequest {
        host: HOST,
        visitor_host: HOST,
        path: "/",
        same_site: true,
        top_level: true,
        top_level_safe: true,
        now: NOW,
    }
}

/// A browser writes the name, a sign and the value, and nothing else is ours.
fn values_of<'p>(name: &[u8], came: &'p [Vec<u8>]) -> Vec<&'p [u8]> {
    let ours = [name, b"="].concat();
    let ours = came.iter().filter_map(|pair| pair.strip_prefix(&*ours));
    ours.collect()
}

fn our_name_is_found(incoming: &Incoming<'_>, came: &[Vec<u8>]) {
    let expected = values_of(OURS, came);
    let looked_at = expected.len().min(CANDIDATES_MAX);
    assert_eq!(incoming.candidates.as_slice(), &expected[..looked_at]);
    assert_eq!(incoming.candidates_surplus, expected.len() > CANDIDATES_MAX);
    let marks = values_of(MARK, came);
    let looked_at = marks.len().min(CANDIDATES_MAX);
    assert_eq!(incoming.marks.as_slice(), &marks[..looked_at]);
}

fn every_pair_is_counted(incoming: &Incoming<'_>, came: &[Vec<u8>]) {
    let passed = incoming.passed().count() - incoming.reported.len();
    let counted = passed + incoming.held.len() + incoming.dropped as usize;
    let ours = values_of(OURS, came).len() + values_of(MARK, came).len();
    assert_eq!(counted + ours, came.len());
    assert!(incoming.lookalikes <= incoming.dropped);
}

fn what_goes_up_came_so(stand: &Stand, up: &[u8], came: &[Vec<u8>]) {
    let pairs = segments(up);
    assert_eq!(pairs.join(&b"; "[..]), up, "it is written in one way");
    let opened = [b"cart=", PLAIN].concat();
    let sealed = [b"cart=", &**TOKEN].concat();
    let mut rest = came.iter();
    for pair in &pairs {
        let is_it = |other: &Vec<u8>| other == pair || *pair == opened && *other == sealed;
        assert!(rest.any(is_it), "made up, or out of order");
        assert!(pair.contains(&b'='), "nameless");
    }
    if stand.policy.enforce {
        let mut names: Vec<_> = browser(up).into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count, "one name twice");
    }
}

/// Written as RFC 6265bis 4.1.1 has it: a token, and cookie-octets, perhaps in quotes.
fn is_plain(name: &[u8], value: &[u8]) -> bool {
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$&'*-^_`|~".contains(byte);
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""))
        .unwrap_or(value);
    let octet = |byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(byte);
    !name.is_empty() && name[0] != b'$' && name.iter().all(token) && inner.iter().all(octet)
}

fn what_is_plain_goes_up(stand: &Stand, up: &[u8], came: &[Vec<u8>]) {
    let up = segments(up);
    for (at, pair) in came.iter().enumerate() {
        let (name, value) = super::readers::part(pair);
        let goes_up = stand.mode(&name) == Mode::Pass && !is_ours_to_somebody(&name);
        if goes_up && is_plain(&name, &value) {
            // Of several with one name the first that can goes up: this one, or one before it.
            let is_it = |up: &&Vec<u8>| super::readers::part(up).0 == name;
            let it = up.iter().find(is_it).expect("it goes up");
            assert!(came[..=at].contains(it), "a later one went up");
        }
    }
}

fn a_sealed_cookie_is_opened_or_gone(stand: &Stand, up: &[u8], came: &[Vec<u8>]) {
    // Of several the first that opens counts; what is only reported may stand before it.
    let untouched = came
        .iter()
        .any(|pair| *pair == [b"cart=", &**TOKEN].concat());
    let carts: Vec<_> = browser(up)
        .into_iter()
        .filter(|(name, _)| name == b"cart")
        .map(|(_, value)| value)
        .collect();
    assert!(carts.len() <= 1, "one name twice");
    if stand.policy.enforce {
        let opened: &[&[u8]] = if untouched { &[PLAIN] } else { &[] };
        assert_eq!(carts, opened, "what was never sealed was believed");
    }
}

fn nobody_finds_more(stand: &Stand, up: &[u8]) {
    for name in all_names(up) {
        let shown = name.escape_ascii();
        assert!(!is_ours_to_somebody(&name), "ours: {shown}");
        assert!(!is_ours_to_somebody(&rack(&name)), "ours: {shown}");
        assert!(
            !php(&name).iter().any(|name| is_ours_to_somebody(name)),
            "ours: {shown}"
        );
        // A sealed one was opened, and a reader who splits at gaps may find a sign without a name.
        if !stand.policy.enforce || name == b"cart" || name.is_empty() {
            continue;
        }
        assert!(name.is_ascii() || stand.allows_non_ascii(), "{shown}");
        // Who splits at commas alone finds names with spaces in them, who splits at spaces such with commas. No app can
        // have set a cookie of that name with the same reader's writer.
        if !name.is_ascii() || name.iter().any(|byte| b" ,".contains(byte)) {
            continue;
        }
        assert_eq!(stand.mode(&name), Mode::Pass, "{shown}");
        assert!(name[0] != b'$', "{shown}");
        assert_eq!(stand.mode(&rack(&name)), Mode::Pass, "decoded: {shown}");
        for variable in php(&name) {
            // No rule has another of that name in mind.
            let mode = stand.rule(&variable).unwrap_or(Mode::Pass);
            assert_eq!(mode, Mode::Pass, "a variable of PHP: {shown}");
        }
    }
}

fn the_jar_comes_first(stand: &Stand, up: &[u8], request: &AppRequest<'_>) {
    let kept = |name: &[u8]| KeptCookie {
        identity: CookieIdentity {
            name: name.into(),
            domain: HOST.into(),
            path: "/".into(),
        },
        value: b"of-the-jar"[..].into(),
        host_only: true,
        expires: None,
        created: NOW,
        same_site: None,
        adopted: false,
    };
    let jar = [kept(b"sessionid"), kept(b"wp-secret")];
    let segments = segments(up);
    let pairs = segments.iter().map(Vec::as_slice);
    let field = stand.policy.cookie_field(&jar, request, pairs.clone());
    let field = field.expect("what goes up makes a field");
    let rest = field
        .as_bytes()
        .strip_prefix(b"sessionid=of-the-jar; wp-secret=of-the-jar")
        .expect("the jar comes first");
    for (name, _) in browser(rest) {
        let is_kept = name == b"sessionid" || name == b"wp-secret";
        assert!(!is_kept, "a second value of {}", name.escape_ascii());
    }
    let alone = stand.policy.cookie_field(&[], request, pairs);
    let alone = alone.map_or_else(Vec::new, |field| field.as_bytes().to_vec());
    assert_eq!(alone, up);
}
