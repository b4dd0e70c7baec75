//! Promise: whatever a watch has seen, the block that is proposed is taken by the configuration as it is printed, and
//! says one thing of every cookie that was seen.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use cloakroom::config;
use cloakroom::config::settings::{CookieMode, CookieRule};
use cloakroom::cookie::name::NamePattern;
use cloakroom::cookie::proposal::{Proposal, propose};
use cloakroom::cookie::tally::{Sightings, Tally};
use proptest::prelude::*;

const LEAST: &str = r#"[[tls.certificate]]
cert_file = "c.pem"
key_file = "k.pem"
[[site]]
name = "shop"
hosts = ["localhost"]
upstream = ["http://127.0.0.1:3000"]
"#;

/// What names are made of, when they are.
const PIECES: &[&str] = &[
    "wp-settings",
    "wp-settings-time",
    "sess",
    "sid",
    "csrftoken",
    "_xsrf",
    "_ga",
    "_pk_id",
    "auth",
    "token",
    "theme",
    "JSESSIONID",
    "__Host-",
    "__Secure-",
    "__Host-session",
    "__host-session",
    "-",
    "-",
    "_",
    ".",
    "1",
    "22",
    "0123456789abcdef",
    "-localhost-8888",
    "-127-0-0-1-80",
    "*",
    "$",
    " ",
    "\"",
    "\"\"\"",
    "'",
    "\\",
    "\\xff",
    "\n",
    "\r",
    "\u{7f}",
    "\u{85}",
    "#",
    "]",
    "}",
    "=",
    ";",
    "ö",
    "\u{2028}",
];

fn name() -> impl Strategy<Value = String> {
    let made =
        prop::collection::vec(prop::sample::select(PIECES), 1..4).prop_map(|all| all.concat());
    prop_oneof![8 => made, 1 => any::<String>()]
}

fn sightings() -> impl Strategy<Value = Sightings> {
    let few = || prop_oneof![3 => Just(0_u64), 3 => 1..4_u64, 1 => Just(u64::MAX)];
    let places = || prop::collection::btree_set(name(), 0..4);
    let said = (few(), few(), few(), few(), few(), few());
    let came = (few(), few(), few(), few());
    let by = (few(), few(), few());
    let all = (said, came, by, places(), places());
    all.prop_map(|(said, came, by, set_by, echoed_in)| Sightings {
        set: said.0,
        deleted: said.1,
        http_only: said.2,
        secure: said.3,
        same_site: said.4,
        same_site_none: said.5,
        sent: came.0,
        unknown: came.1,
        changed: came.2,
        echoed_in_query: came.3,
        sent_by: by.0,
        changed_by: by.1,
        echoed_by: by.2,
        set_by,
        // Most values are not repeated.
        echoed_in: if came.3 == 0 {
            Default::default()
        } else {
            echoed_in
        },
        ..Sightings::default()
    })
}

fn tally() -> impl Strategy<Value = Tally> {
    let cookies = prop::collection::btree_map(name(), sightings(), 0..12);
    let counts = (any::<u64>(), 0..9_u64, any::<u64>());
    (counts, cookies).prop_map(|((requests, visitors, untold), cookies)| Tally {
        requests,
        visitors,
        cookies,
        untold,
        logins: Vec::new(),
    })
}

/// The rules that the configuration reads from the block. It has to take it without a word.
fn read(proposal: &Proposal) -> Result<Vec<CookieRule>, TestCaseError> {
    let text = format!("{LEAST}{proposal}");
    let loaded = config::read(Path::new("x.toml"), text.clone(), &[]);
    let loaded = loaded.map_err(|faults| TestCaseError::fail(format!("{text}\n{faults:?}")))?;
    prop_assert_eq!(&loaded.warnings, &[], "{}", text);
    let cookies = &loaded.settings.sites[0].cookies;
    prop_assert_eq!(cookies.default, CookieMode::Keep);
    prop_assert!(cookies.enforce);
    Ok(cookies.rules.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_block_is_taken_and_says_one_thing_of_every_cookie(tally in tally()) {
        let proposal = propose(&tally);
        let rules = read(&proposal)?;
        prop_assert_eq!(rules.len(), proposal.rules.len());
        for (read, meant) in rules.iter().zip(&proposal.rules) {
            prop_assert_eq!(&read.name, meant.name.as_str());
            prop_assert_eq!(format!("{:?}", read.mode), format!("{:?}", meant.mode));
            prop_assert_eq!(read.http_only, meant.http_only);
            prop_assert_eq!(read.placeholder, meant.placeholder);
        }
        let shown = proposal.to_string();
        prop_assert!(shown.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{}", shown);

        for (name, seen) in &tally.cookies {
            let covers = |rule: &&CookieRule| NamePattern::parse(&rule.name).unwrap().matches(name.as_bytes());
            let mine: Vec<_> = rules.iter().filter(covers).collect();
            let mut said: Vec<_> = mine.iter().map(|rule| (rule.mode, rule.http_only, rule.placeholder)).collect();
            said.dedup();
            prop_assert!(said.len() <= 1, "{}: {:?}", name, mine);
            // What scripts cannot see is never opened to them, nor handed to the browser.
            if seen.set > 0 && seen.http_only >= seen.set {
                prop_assert!(said.iter().all(|(mode, ..)| *mode == CookieMode::Keep), "{}: {:?}", name, mine);
            }
            // Whoever has no rule is spoken of.
            if mine.is_empty() {
                prop_assert!(proposal.notes.len() > 1, "{}: {:?}", name, proposal.notes);
            }
        }
    }
}
