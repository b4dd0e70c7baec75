//! What the browser is given, and what becomes of tickets that nobody gave it.

use crate::support::{App, Browser, Gate, Reply, Setup};

const TICKET: &str = "__Host-session";

/// An app that sets `SID=secret-of-the-app` at `/start` and else says ok.
async fn app_with_a_cookie() -> App {
    App::answering(|seen| match seen.path() {
        "/start" => Reply::ok("started").header("set-cookie", "SID=secret-of-the-app; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await
}

#[tokio::test]
async fn the_ticket_is_hardened_and_the_only_cookie() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = gate.browser().get("/").send().await;

    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let mut parts = lines[0].split("; ");
    let (name, value) = parts.next().unwrap().split_once('=').unwrap();
    assert_eq!(name, TICKET);
    assert!(
        (43..200).contains(&value.len()),
        "{} characters",
        value.len()
    );
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(value.bytes().all(base64url), "{value}");
    let mut attributes: Vec<_> = parts.collect();
    attributes.retain(|attribute| match attribute.strip_prefix("Max-Age=") {
        Some(secs) => !(1..=86_400).contains(&secs.parse::<u32>().unwrap()),
        None => !attribute.starts_with("Expires="),
    });
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
}

#[tokio::test]
async fn no_two_visitors_share_a_ticket_or_an_id() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let (one, two) = (gate.browser(), gate.browser());

    one.get("/").send().await;
    two.get("/").send().await;

    assert_ne!(one.ticket(), two.ticket());
    let ids: Vec<_> = app
        .seen()
        .iter()
        .map(|seen| seen.header("x-session-id"))
        .collect();
    assert!(ids[0].is_some() && ids[1].is_some(), "{ids:?}");
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn the_session_id_stays_while_the_session_lives() {
    let app = app_with_a_cookie().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();

    browser.get("/").send().await;
    browser.get("/start").send().await;
    browser.get("/").send().await;

    let ids: Vec<_> = app
        .seen()
        .iter()
        .map(|seen| seen.header("x-session-id"))
        .collect();
    assert_eq!(ids[0], ids[1], "before and while it is stored");
    assert_eq!(ids[1], ids[2], "while and after it is stored");
}

/// Promise: whatever is brought in place of a ticket, the visitor gets a page and a fresh session.
#[tokio::test]
async fn a_false_ticket_is_a_new_session_and_no_error_page() {
    let app = app_with_a_cookie().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let good = browser.ticket();
    let good_id = app.last().header("x-session-id");

    for (what, value) in false_tickets(&good) {
        let stranger = gate.browser();
        let brought = format!("{TICKET}={value}");
        let answer = stranger.get("/").header("cookie", &brought).send().await;

        assert_eq!(answer.status(), 200, "{what}: {answer:?}");
        let seen = app.last();
        assert_eq!(seen.cookies(), [], "{what}: the app is shown nothing");
        let id = seen.header("x-session-id");
        assert!(
            id.is_some() && id != good_id,
            "{what}: a session of its own"
        );
        let given = stranger.ticket();
        assert!(given != good && given != value, "{what}: never adopted");
    }

    browser.get("/").send().await;
    assert_eq!(
        app.last().cookie("SID").as_deref(),
        Some("secret-of-the-app")
    );
    let reasons = reasons(&gate, 1 + false_tickets(&good).len()).await;
    let flipped = reasons.iter().filter(|reason| *reason == "forged").count();
    assert!(flipped >= 2, "a flipped bit is called forged: {reasons:?}");
}

fn false_tickets(good: &str) -> Vec<(&'static str, String)> {
    let flip = |at: usize| {
        let mut bytes = good.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("a ticket is ASCII")
    };
    vec![
        ("guessed", "A".repeat(good.len())),
        ("truncated", good[..good.len() - 1].to_owned()),
        ("half", good[..good.len() / 2].to_owned()),
        ("longer", format!("{good}A")),
        ("flipped in the tag", flip(good.len() - 2)),
        ("flipped in the random part", flip(good.len() / 3)),
        ("oversized", "A".repeat(8 * 1024)),
        ("empty", String::new()),
        ("padded", format!("{good}=")),
        ("quoted", format!("\"{good}\"")),
        ("percent-encoded", format!("%41{}", &good[1..])),
    ]
}

async fn reasons(gate: &Gate, count: usize) -> Vec<String> {
    let lines = gate.access_log(count).await;
    let reasons = lines
        .iter()
        .map(|line| line["reason"].as_str().unwrap_or_default());
    reasons.map(str::to_owned).collect()
}

#[tokio::test]
async fn garbage_beside_the_ticket_does_not_hide_it() {
    let app = app_with_a_cookie().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let good = browser.ticket_line();

    for brought in [
        format!("{TICKET}=garbage; {good}"),
        format!("{good}; {TICKET}=garbage"),
        format!("{good}; {good}"),
        format!("$Version=1; \u{2000}{TICKET}=EVIL; {good}"),
    ] {
        let line: http::HeaderValue = http::HeaderValue::from_bytes(brought.as_bytes()).unwrap();
        let answer = bring(&browser, line).await;
        assert_eq!(answer, 200, "{brought}");
        let kept = app.last().cookies();
        assert_eq!(kept, [("SID".to_owned(), "secret-of-the-app".to_owned())]);
    }
}

async fn bring(browser: &Browser, line: http::HeaderValue) -> u16 {
    let call = browser.get("/").holding("");
    call.raw_header("cookie", line).send().await.status()
}

#[tokio::test]
async fn two_tickets_that_both_open_count_for_nothing() {
    let app = app_with_a_cookie().await;
    let gate = Gate::in_front_of(&app).await;
    let (victim, planter) = (gate.browser(), gate.browser());
    victim.get("/start").send().await;
    planter.get("/start").send().await;
    let both = format!("{}; {}", planter.ticket_line(), victim.ticket_line());

    let answer = victim.get("/").holding(&both).send().await;

    assert_eq!(answer.status(), 200);
    assert_eq!(app.last().cookies(), [], "neither is used");
    assert!(reasons(&gate, 3).await.contains(&"ambiguous".to_owned()));
}

#[tokio::test]
async fn what_only_looks_like_the_ticket_is_another_cookie() {
    let app = app_with_a_cookie().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let value = browser.ticket();

    for brought in [
        format!("__host-session={value}"),
        format!("__HOST-SESSION={value}"),
        format!("={TICKET}={value}"),
        format!("$Version=1,{TICKET}={value}"),
        format!("theme=\"a; {TICKET}={value}; end=b\""),
    ] {
        browser.get("/").holding(&brought).send().await;
        let seen = app.last();
        let shown = format!("{:?}", seen.headers);
        assert!(!shown.contains(&value), "{brought}: the app saw a ticket");
        let in_the_open = brought.starts_with("theme");
        if !in_the_open {
            assert_eq!(seen.cookies(), [], "{brought}");
        }
    }
}

#[tokio::test]
async fn parallel_first_requests_meet_in_one_session() {
    let app = App::answering(|seen| match seen.target.strip_prefix("/set?") {
        Some(name) => Reply::ok("ok").header("set-cookie", format!("{name}=kept; Path=/")),
        None => Reply::ok("ok"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/").send().await;

    let names: Vec<_> = (0..20).map(|number| format!("first{number}")).collect();
    all(&browser, &names).await;

    browser.get("/").send().await;
    let mut kept: Vec<_> = app
        .last()
        .cookies()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    kept.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(kept, expected);
    let seen = app.seen();
    let first = seen[0].header("x-session-id");
    assert!(
        seen.iter().all(|seen| seen.header("x-session-id") == first),
        "one session"
    );
}

#[tokio::test]
async fn a_hundred_parallel_answers_all_end_in_the_jar() {
    let app = App::answering(|seen| match seen.target.strip_prefix("/set?") {
        Some(name) => Reply::ok("ok").header("set-cookie", format!("{name}=kept; Path=/")),
        None => Reply::ok("ok").header("set-cookie", "start=kept; Path=/"),
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/").send().await;

    let names: Vec<_> = (0..100).map(|number| format!("c{number}")).collect();
    all(&browser, &names).await;

    browser.get("/").send().await;
    let kept = app.last().cookies();
    assert_eq!(kept.len(), 101, "{kept:?}");
    assert!(
        names
            .iter()
            .all(|name| kept.contains(&(name.clone(), "kept".to_owned())))
    );
    assert_eq!(browser.names(), [TICKET], "and none in the browser");
}

/// Asks for `/set?NAME` for all names at once, each with the ticket the browser holds now.
async fn all(browser: &Browser, names: &[String]) {
    let held = browser.ticket_line();
    let calls = names.iter().map(|name| {
        let call = browser.get(&format!("/set?{name}"));
        call.holding(&held).send()
    });
    for answer in crate::support::together(calls).await {
        assert_eq!(answer.status(), 200);
    }
}

#[tokio::test]
async fn a_session_ends_when_it_idles_too_long() {
    let app = app_with_a_cookie().await;
    let setup = Setup {
        session: "idle_timeout = \"1s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let held = browser.ticket_line();

    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    let answer = browser.get("/").holding(&held).send().await;

    assert_eq!(answer.status(), 200);
    assert_eq!(app.last().cookies(), []);
    assert!(reasons(&gate, 2).await.contains(&"idle-expired".to_owned()));
}

#[tokio::test]
async fn a_lazy_site_gives_a_ticket_only_when_there_is_something_to_remember() {
    let app = app_with_a_cookie().await;
    let setup = Setup {
        site: "session = \"lazy\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();

    let nothing = browser.get("/").send().await;
    assert!(
        nothing.set_cookies().is_empty(),
        "{:?}",
        nothing.set_cookies()
    );
    assert_eq!(nothing.header("cache-control"), None);

    browser.get("/start").send().await;
    assert!(!browser.ticket().is_empty());
}

#[tokio::test]
async fn two_tickets_of_one_session_are_a_rotation_under_way() {
    let app = App::answering(|seen| match seen.path() {
        "/start" => Reply::ok("ok").header("set-cookie", "sid=kept; Path=/"),
        "/rotate" => Reply::ok("ok").header("x-session-rotate", "?1"),
        _ => Reply::ok("ok"),
    })
    .await;
    let setup = Setup {
        site: "trust_directives = true",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let old = browser.ticket_line();
    browser.get("/rotate").send().await;
    let new = browser.ticket_line();
    assert_ne!(old, new);

    for both in [format!("{old}; {new}"), format!("{new}; {old}")] {
        let answer = browser.get("/").holding(&both).send().await;
        assert!(
            answer.set_cookies().is_empty(),
            "{:?}",
            answer.set_cookies()
        );
        assert_eq!(app.last().cookie("sid").as_deref(), Some("kept"), "{both}");
    }
}
