use super::super::policy::CookiePolicy;
use super::super::set_cookie::SetCookie;
use super::super::tally::{Asked, Watch};
use super::*;
use crate::base::clock::Time;

const NOW: Time = Time::from_secs(1_800_000_000);
const ALICE: &[u8; 32] = &[1; 32];

/// What a watch sees.
enum Event {
    /// The answer to a request for this path sets these cookies.
    Set(&'static str, &'static [&'static str]),
    /// The browser sends back what it was given.
    Back(&'static str),
    /// A script has a hand in what it sends: these cookies, with this field.
    Script(&'static str, (&'static str, &'static str)),
}

use Event::{Back, Script, Set};

const NO_FIELD: (&str, &str) = ("accept", "*/*");

const DJANGO: &[Event] = &[
    Set(
        "/admin/login/",
        &[
            "csrftoken=a1b2c3d4; expires=Sat, 13 Nov 2027 00:00:00 GMT; Max-Age=31449600; Path=/; SameSite=Lax",
        ],
    ),
    Back("csrftoken=a1b2c3d4"),
    Set(
        "/admin/login/",
        &[
            "csrftoken=e5f6a7b8; Max-Age=31449600; Path=/; SameSite=Lax",
            "sessionid=s1; HttpOnly; Max-Age=1209600; Path=/; SameSite=Lax",
        ],
    ),
    Back("csrftoken=e5f6a7b8; sessionid=s1"),
    Set(
        "/admin/auth/group/add/",
        &["messages=m1; HttpOnly; Path=/; SameSite=Lax"],
    ),
    Back("csrftoken=e5f6a7b8; sessionid=s1; messages=m1"),
    Set(
        "/admin/auth/group/",
        &["messages=\"\"; Max-Age=0; Path=/; SameSite=Lax"],
    ),
    Set(
        "/admin/logout/",
        &["sessionid=\"\"; Max-Age=0; Path=/; SameSite=Lax"],
    ),
];

const WORDPRESS: &[Event] = &[
    Set(
        "/wp-login.php",
        &["wordpress_test_cookie=WP%20Cookie%20check; path=/; secure"],
    ),
    Back("wordpress_test_cookie=WP%20Cookie%20check"),
    Set(
        "/wp-login.php",
        &[
            "wordpress_sec_5c016e8f0f95f039102cbe8366c5c7f3=s; path=/wp-content/plugins; secure; HttpOnly",
            "wordpress_sec_5c016e8f0f95f039102cbe8366c5c7f3=s; path=/wp-admin; secure; HttpOnly",
            "wordpress_logged_in_5c016e8f0f95f039102cbe8366c5c7f3=l; path=/; HttpOnly",
        ],
    ),
    Set(
        "/wp-admin/",
        &[
            "wp-settings-1=deleted; Max-Age=31536000; path=/",
            "wp-settings-time-1=1800000000; Max-Age=31536000; path=/",
        ],
    ),
    Back(
        "wordpress_test_cookie=WP%20Cookie%20check; wordpress_sec_5c016e8f0f95f039102cbe8366c5c7f3=s; wp-settings-1=deleted",
    ),
    Script(
        "wp-settings-1=editor%3Dhtml; wp-settings-time-1=1800000060",
        NO_FIELD,
    ),
    Set(
        "/wp-login.php",
        &[
            "wordpress_logged_in_5c016e8f0f95f039102cbe8366c5c7f3=%20; Max-Age=0; path=/",
            "wordpresspass_5c016e8f0f95f039102cbe8366c5c7f3=%20; Max-Age=0; path=/",
            "wp-settings-1=%20; Max-Age=0; path=/",
        ],
    ),
];

const TOMCAT: &[Event] = &[
    Set(
        "/examples/servlets",
        &["JSESSIONID=0123; Path=/examples; HttpOnly; SameSite=Strict"],
    ),
    Back("JSESSIONID=0123"),
    Set(
        "/examples/jsp",
        &["JSESSIONID=4567; Path=/examples; HttpOnly; SameSite=Strict"],
    ),
    Back("JSESSIONID=4567"),
];

const JUPYTER: &[Event] = &[
    Set("/login", &["_xsrf=2|a1b2c3d4|e5f6|1800000000; Path=/"]),
    Back("_xsrf=2|a1b2c3d4|e5f6|1800000000"),
    Set(
        "/login",
        &[
            "username-localhost-8888=\"2|1:0|10:18\"; expires=Sat, 13 Nov 2027 00:00:00 GMT; HttpOnly; Path=/",
        ],
    ),
    Script(
        "_xsrf=2|a1b2c3d4|e5f6|1800000000; username-localhost-8888=\"2|1:0|10:18\"",
        ("x-xsrftoken", "2|a1b2c3d4|e5f6|1800000000"),
    ),
    Set(
        "/logout",
        &["username-localhost-8888=\"\"; expires=Fri, 27 Nov 2020 00:00:00 GMT; Path=/"],
    ),
];

/// A script is as much a script after a login as before it.
#[test]
fn a_login_makes_no_other_visitor() {
    let [before, after] = [[1; 32], [2; 32]];
    let mut watch = Watch::default();
    let came = |watch: &mut Watch, visitor: &[u8; 32], cookie: &[u8]| {
        watch.request(&Asked {
            visitor: Some(visitor),
            cookies: &[cookie],
            ticket_name: b"__Host-session",
            fields: &[],
            query: "",
            jar: &[],
            policy: &CookiePolicy::plain(Mode::Pass),
        });
    };
    let set = SetCookie::read(b"theme=light; Path=/").unwrap();
    watch.answer(Some(&before), "/", &set, b"__Host-session", NOW);
    came(&mut watch, &before, b"theme=light");
    watch.goes_on(&before, &after);
    came(&mut watch, &after, b"theme=dark");
    let tally = watch.tally();
    assert_eq!(tally.visitors, 1);
    assert_eq!(tally.cookies["theme"].changed, 1);
    assert_eq!(
        rules(&propose(tally)),
        [r#"{ name = "theme", mode = "pass", http_only = false }"#]
    );
}

/// What nothing moves into the jar must be told.
#[test]
fn whoever_is_logged_in_by_a_mirrored_cookie_is_told_of() {
    let seen = Sightings {
        echoed_in: ["authorization".to_owned()].into(),
        echoed_by: 1,
        sent: 3,
        sent_by: 1,
        ..readable()
    };
    let told = propose(&tally(&[("access_token", seen)])).to_string();
    assert!(told.contains("mode = \"mirror\""), "{told}");
    let note = "Browsers hold these themselves: access_token. Mirrored cookies are not moved";
    assert!(told.replace("\n# ", " ").contains(note), "{told}");
}

/// What a watch tells after these, while browsers got everything (`Mode::Pass`) or nothing (`Mode::Keep`).
fn watched(events: &[Event], default: Mode) -> Tally {
    let mut watch = Watch::default();
    let browsers_get_it = default == Mode::Pass;
    for event in events {
        let (cookies, field) = match event {
            Set(path, lines) => {
                for line in *lines {
                    let set = SetCookie::read(line.as_bytes()).unwrap();
                    watch.answer(Some(ALICE), path, &set, b"__Host-session", NOW);
                }
                continue;
            }
            Back(cookies) if browsers_get_it => (*cookies, NO_FIELD),
            Back(_) => ("", NO_FIELD),
            // Without the cookie in the browser, a script has nothing to repeat, but it writes all the same.
            Script(cookies, NO_FIELD) => (*cookies, NO_FIELD),
            Script(cookies, field) if browsers_get_it => (*cookies, *field),
            Script(..) => ("", NO_FIELD),
        };
        watch.request(&Asked {
            visitor: Some(ALICE),
            cookies: &[cookies.as_bytes()],
            ticket_name: b"__Host-session",
            fields: &[(field.0, field.1.as_bytes())],
            query: "",
            jar: &[],
            policy: &CookiePolicy::plain(default),
        });
    }
    watch.tally().clone()
}

/// A tally of cookies with these sightings.
fn tally(cookies: &[(&str, Sightings)]) -> Tally {
    let cookies = cookies.iter().cloned();
    Tally {
        requests: 10,
        visitors: 3,
        cookies: cookies
            .map(|(name, seen)| (name.to_owned(), seen))
            .collect(),
        untold: 0,
        logins: Vec::new(),
    }
}

/// A cookie that the app sets so that scripts may use it, and that comes back as it was.
fn readable() -> Sightings {
    Sightings {
        set: 2,
        sent: 5,
        set_by: ["/".to_owned()].into(),
        ..Sightings::default()
    }
}

fn hidden() -> Sightings {
    Sightings {
        http_only: 2,
        ..readable()
    }
}

/// The rules without their reasons.
fn rules(proposal: &Proposal) -> Vec<String> {
    let lines = proposal.rules.iter().map(Proposed::to_string);
    lines
        .map(|line| line.split(",  #").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_four_apps_get_what_they_need_however_they_were_watched() {
    let csrf = r#"{ name = "csrftoken", mode = "pass", http_only = false }"#;
    let xsrf = r#"{ name = "_xsrf", mode = "pass", http_only = false }"#;
    let settings = r#"{ name = "wp-settings-*", mode = "pass", http_only = false }"#;
    let test_cookie = r#"{ name = "wordpress_test_cookie", mode = "keep" }"#;
    let container = r#"{ name = "JSESSIONID", mode = "keep", placeholder = true }"#;
    let table: [(&[Event], &[&str], &str); 4] = [
        (DJANGO, &[csrf], "messages, sessionid."),
        (
            WORDPRESS,
            &[settings, test_cookie],
            "wordpress_logged_in_*, wordpress_sec_*.",
        ),
        (TOMCAT, &[container], ""),
        (JUPYTER, &[xsrf], "username-*."),
    ];
    for (events, wanted, kept) in table {
        for default in [Mode::Pass, Mode::Keep] {
            let proposal = propose(&watched(events, default));
            assert_eq!(rules(&proposal), wanted, "{default:?}");
            assert!(proposal.to_string().contains(kept), "{proposal}");
        }
    }
}

#[test]
fn what_is_seen_of_a_cookie_decides_its_rule() {
    let pass = ", mode = \"pass\", http_only = false }";
    let keep = ", mode = \"keep\" }";
    let changed = Sightings {
        changed: 1,
        ..readable()
    };
    let echoed = Sightings {
        echoed_in: ["x-token".to_owned()].into(),
        ..readable()
    };
    let in_query = Sightings {
        echoed_in_query: 1,
        ..readable()
    };
    let made = Sightings {
        sent: 3,
        unknown: 3,
        ..Sightings::default()
    };
    let deleted = Sightings {
        deleted: 1,
        ..Sightings::default()
    };
    let sometimes = Sightings {
        http_only: 1,
        ..readable()
    };
    let table = [
        ("sid", hidden(), None),
        ("csrftoken", hidden(), None),
        ("_ga", hidden(), None),
        (
            "theme",
            Sightings {
                changed: 3,
                ..hidden()
            },
            None,
        ),
        ("gone", deleted, None),
        (
            "JSESSIONID",
            hidden(),
            Some(", mode = \"keep\", placeholder = true }"),
        ),
        (
            "JSESSIONID",
            readable(),
            Some(", mode = \"keep\", placeholder = true }"),
        ),
        ("_fbp", readable(), Some(", mode = \"strip\" }")),
        ("_gid", made.clone(), Some(", mode = \"strip\" }")),
        ("XSRF-TOKEN", readable(), Some(pass)),
        ("my.CsrfKey", sometimes.clone(), Some(pass)),
        ("_xsrf", made.clone(), Some(pass)),
        ("nonce", echoed.clone(), Some(pass)),
        ("access_token", echoed, Some(", mode = \"mirror\" }")),
        ("view", in_query, Some(pass)),
        // Answers that cross look like this too, and a login that scripts may write is one that they may plant.
        ("PHPSESSID", changed.clone(), Some(keep)),
        ("theme", changed, Some(pass)),
        ("tz", made.clone(), Some(pass)),
        // As likely an older login as something of a script's: it goes on, and is not opened to scripts.
        ("PHPSESSID", made.clone(), Some(keep)),
        ("connect.sid", made, Some(keep)),
        ("PHPSESSID", readable(), Some(keep)),
        ("connect.sid", sometimes, Some(keep)),
        ("X-Auth", readable(), Some(keep)),
        ("access_token", readable(), Some(keep)),
        ("theme", readable(), Some(keep)),
    ];
    for (name, seen, wanted) in table {
        let proposal = propose(&tally(&[(name, seen.clone())]));
        let wanted = wanted.map(|rest| format!("{{ name = \"{name}\"{rest}"));
        let wanted: Vec<_> = wanted.into_iter().collect();
        assert_eq!(rules(&proposal), wanted, "{name} {seen:?}");
        if wanted.is_empty() {
            let told = proposal
                .notes
                .iter()
                .any(|note| note.contains(name) || note.contains("_ga*"));
            assert!(told, "{proposal}");
        }
    }
}

#[test]
fn a_family_shares_a_rule_and_no_rule_takes_what_was_judged_otherwise() {
    let changed = || Sightings {
        changed: 1,
        ..readable()
    };
    // One user's script tells of the others'.
    let proposal = propose(&tally(&[
        ("wp-settings-1", changed()),
        ("wp-settings-22", readable()),
    ]));
    let wide = r#"{ name = "wp-settings-*", mode = "pass", http_only = false }"#;
    assert_eq!(rules(&proposal), [wide]);
    // What scripts cannot see stays so, and then the rule is for the one name.
    let proposal = propose(&tally(&[("view-1", changed()), ("view-2", hidden())]));
    let one = r#"{ name = "view-1", mode = "pass", http_only = false }"#;
    assert_eq!(rules(&proposal), [one]);
    let proposal = propose(&tally(&[("_ga", readable()), ("_gauge", hidden())]));
    assert_eq!(rules(&proposal), [r#"{ name = "_ga", mode = "strip" }"#]);
    // A wider rule takes the narrower ones that say the same.
    let proposal = propose(&tally(&[
        ("a-1", readable()),
        ("a-b-1", readable()),
        ("a-b", readable()),
    ]));
    assert_eq!(rules(&proposal), [r#"{ name = "a-*", mode = "keep" }"#]);
    assert!(
        proposal.rules[0]
            .reason
            .ends_with("; takes along a-b, a-b-*"),
        "{proposal}"
    );
}

#[test]
fn what_no_rule_can_name_is_a_note() {
    for name in [
        "a\\xffb",
        "a*b",
        "*",
        "$Version",
        "a b",
        "",
        "__host-SESSION",
        "a*-1",
    ] {
        let proposal = propose(&tally(&[(name, readable())]));
        assert_eq!(rules(&proposal), [""; 0], "{name}");
        let note = format!("No rule can name {name}:");
        assert!(
            proposal.notes.iter().any(|told| told.starts_with(&note)),
            "{proposal}"
        );
    }
    let lines = propose(&tally(&[("a\nb = 1\u{7f}ö", hidden())])).to_string();
    assert!(
        lines.contains("# Kept by default, since no script can see them (HttpOnly): a\\u{a}b = 1"),
        "{lines}"
    );
}

#[test]
fn what_was_not_seen_is_said() {
    let told = |cookies: &[(&str, Sightings)], part: &str| {
        let notes = propose(&tally(cookies)).notes;
        notes.iter().any(|note| note.contains(part))
    };
    let unsent = || Sightings {
        sent: 0,
        ..readable()
    };
    let deleted = || Sightings {
        deleted: 1,
        ..hidden()
    };
    assert!(told(&[], "No cookie was seen"));
    assert!(told(&[("a", readable())], "did nobody log in"));
    assert!(!told(
        &[("a", readable()), ("b", hidden())],
        "did nobody log in"
    ));
    assert!(told(&[("a", hidden())], "did nobody log out"));
    assert!(!told(&[("a", deleted())], "did nobody log out"));
    let unsent_and = |other| [("a", unsent()), ("b", other)];
    let used = Sightings {
        changed: 1,
        ..readable()
    };
    let [nobody, no_script] = ["No browser sent a cookie", "No script was seen to use"];
    assert!(told(&unsent_and(hidden()), nobody));
    assert!(!told(&unsent_and(readable()), nobody));
    assert!(told(&unsent_and(readable()), no_script));
    assert!(told(
        &unsent_and(readable()),
        "name = \"*\", mode = \"pass\", http_only = false"
    ));
    assert!(!told(&unsent_and(used), no_script));
    assert!(!told(&[("b", hidden())], "No browser") && !told(&[("b", hidden())], "No script"));
    let earlier = Sightings {
        unknown: 1,
        ..hidden()
    };
    assert!(told(&[("sid", earlier)], "adopt_until"));
    let foreign = Sightings {
        same_site_none: 2,
        changed: 1,
        ..readable()
    };
    assert!(told(
        &[("theme", foreign)],
        "SameSite=None, and browsers will get Lax: theme"
    ));
    assert!(told(&[("JSESSIONID", hidden())], "strip_path_params"));
    let crowded = Tally {
        untold: 7,
        ..Tally::default()
    };
    assert!(
        propose(&crowded)
            .to_string()
            .contains("Cookies were not told apart 7 times")
    );
}

#[test]
fn the_block_says_for_each_line_why() {
    let lacking = Sightings {
        secure: 2,
        set_by: ["/a", "/b", "/c"].map(str::to_owned).into(),
        changed: 2,
        changed_by: 2,
        sent_by: 3,
        ..readable()
    };
    let block = propose(&tally(&[("theme", lacking), ("sid", hidden())])).to_string();
    let wanted = r#"[site.cookies]
default = "keep"
rules = [
  { name = "theme", mode = "pass", http_only = false },  # scripts write it: changed 2 of the 5 times it came, from 2 of 3 visitors; set by /a, /b and 1 more without HttpOnly, SameSite
]
# Seen in 10 requests from 3 visitors.
# Kept by default, since no script can see them (HttpOnly): sid.
# Browsers hold these themselves: sid. A rule with mode = "keep" and adopt_until = DATE moves them into the jar; without it, whoever is logged in by them now is logged out.
# No cookie was deleted: did nobody log out while this watched?
"#;
    assert_eq!(block, wanted);
}

/// Anybody can send anything once. Where few came, the one who did is likely the operator.
#[test]
fn one_visitor_of_many_opens_nothing() {
    let by = |who: u64, of: u64, seen: &Sightings| {
        let seen = Sightings {
            sent: 9,
            sent_by: of,
            changed_by: who,
            echoed_by: who,
            ..seen.clone()
        };
        let proposal = propose(&Tally {
            visitors: 9,
            ..tally(&[("theme", seen)])
        });
        (rules(&proposal), proposal.to_string())
    };
    let pass = r#"{ name = "theme", mode = "pass", http_only = false }"#;
    let keep = r#"{ name = "theme", mode = "keep" }"#;
    let changed = Sightings {
        changed: 1,
        ..readable()
    };
    let echoed = Sightings {
        echoed_in: ["x-theme".to_owned()].into(),
        ..readable()
    };
    for seen in [changed, echoed] {
        for (who, of, wanted) in [
            (1, 3, pass),
            (1, 4, keep),
            (2, 9, pass),
            (2, 29, pass),
            (2, 30, keep),
        ] {
            let (rules, told) = by(who, of, &seen);
            assert_eq!(rules, [wanted], "{who} of {of}: {told}");
        }
        assert!(by(2, 9, &seen).1.contains("from 2 of 9 visitors"));
        assert!(by(1, 4, &seen).1.contains("only 1 of 4 visitors wrote"));
        assert!(by(1, 1, &seen).1.contains("from one visitor"));
    }
    let made = Sightings {
        unknown: 9,
        ..Sightings::default()
    };
    let (rules, told) = by(0, 2, &made);
    assert_eq!(rules, [pass]);
    assert!(told.contains("it came 9 times from 2 of 9 visitors"));
    let (rules, told) = by(0, 1, &made);
    assert_eq!(rules, [""; 0]);
    assert!(
        told.contains("hardly a visitor brought them: theme"),
        "{told}"
    );
    // Nor by a crowd of names, nor by one that goes by the name of a guard.
    let lone = || Sightings {
        sent: 1,
        sent_by: 1,
        unknown: 1,
        ..Sightings::default()
    };
    let crowd = Tally {
        visitors: 9,
        ..tally(&[("a-1", lone()), ("a-2", lone()), ("x-csrf", lone())])
    };
    assert!(propose(&crowd).rules.is_empty(), "{}", propose(&crowd));
}

#[test]
fn how_often_is_said_in_words() {
    for (count, wanted) in [
        (1, "it came once from"),
        (2, "it came twice from"),
        (3, "it came 3 times"),
    ] {
        let made = Sightings {
            sent: count,
            sent_by: 1,
            unknown: count,
            ..Sightings::default()
        };
        let told = propose(&tally(&[("tz", made)])).to_string();
        assert!(told.contains(wanted), "{told}");
    }
    let once = Sightings {
        sent: 1,
        changed: 1,
        changed_by: 1,
        sent_by: 1,
        ..readable()
    };
    let told = propose(&tally(&[("tz", once)])).to_string();
    assert!(
        told.contains("changed the one time it came, from one visitor"),
        "{told}"
    );
    let one = Tally {
        requests: 1,
        visitors: 1,
        ..tally(&[])
    };
    assert!(
        propose(&one)
            .to_string()
            .contains("Seen in 1 request from 1 visitor.")
    );
}

/// A rule with an exact name says that its reader has looked, so that the screen does not ask what PHP makes of it.
#[test]
fn what_a_framework_reads_as_a_kept_cookie_is_not_passed_by_name() {
    let changed = || Sightings {
        changed: 1,
        changed_by: 1,
        sent_by: 1,
        ..readable()
    };
    let keep = |name: &str| format!("{{ name = \"{name}\", mode = \"keep\" }}");
    for name in [
        "PHPSESSID[]",
        "app.session",
        "prefs%5Ftoken",
        "%50HPSESSID",
        "a.sid",
    ] {
        assert_eq!(
            rules(&propose(&tally(&[(name, changed())]))),
            [keep(name)],
            "{name}"
        );
    }
    // What is kept of those that were seen counts, whatever its name is.
    for (name, kept) in [
        ("cart.x", "cart_x"),
        ("cart[x]", "cart"),
        ("c%61rt", "cart"),
    ] {
        let proposal = propose(&tally(&[(name, changed()), (kept, hidden())]));
        assert_eq!(rules(&proposal), [keep(name)], "{name}");
        assert!(
            proposal.rules[0].reason.contains("frameworks read it as"),
            "{proposal}"
        );
    }
    for name in ["prefs.view", "csrf.token", "prefs[a]"] {
        let pass = format!("{{ name = \"{name}\", mode = \"pass\", http_only = false }}");
        assert_eq!(
            rules(&propose(&tally(&[(name, changed())]))),
            [pass],
            "{name}"
        );
    }
}

#[test]
fn names_by_which_logins_go_are_never_opened() {
    let changed = Sightings {
        changed: 1,
        changed_by: 1,
        sent_by: 1,
        ..readable()
    };
    for name in [
        "remember_me",
        "rememberMe",
        "wordpress_logged_in_x",
        "login",
        "sso",
        "company-sso",
        ".AspNet.Identity",
        "jwt",
        "saml_state",
        "user_credentials",
        "signed_in",
        "PHPSESSID",
    ] {
        let keep = format!("{{ name = \"{name}\", mode = \"keep\" }}");
        assert_eq!(
            rules(&propose(&tally(&[(name, changed.clone())]))),
            [keep],
            "{name}"
        );
    }
    for name in ["lesson", "processor", "sidebar", "consent", "lang"] {
        let pass = format!("{{ name = \"{name}\", mode = \"pass\", http_only = false }}");
        assert_eq!(
            rules(&propose(&tally(&[(name, changed.clone())]))),
            [pass],
            "{name}"
        );
    }
}
