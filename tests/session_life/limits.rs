//! How long the cookie lives, and how large a session gets.

use crate::support::{Gate, Setup, eventually};
use crate::{SITE, app, count, rows, setup, shown, user_of};

/// The Max-Age of the one Set-Cookie line, if it has one.
fn max_age(lines: &[String]) -> Option<u64> {
    let [line] = lines else {
        panic!("one cookie: {lines:?}")
    };
    let (_, rest) = line.split_once("Max-Age=")?;
    rest.split(';').next()?.parse().ok()
}

#[tokio::test]
async fn the_cookie_lives_as_long_as_the_settings_or_the_app_say() {
    let app = app().await;
    for (session, at_close) in [
        ("expire_at_browser_close = false", false),
        ("expire_at_browser_close = true", true),
    ] {
        let gate = Gate::with(&app, setup(session)).await;
        let browser = gate.browser();
        for (target, lives) in [
            ("/", !at_close),
            ("/keep?a", !at_close),
            // Seconds of its own: the cookie lives as long as the session can.
            ("/expiry?300", true),
            ("/expiry?0", false),
            ("/rotate", false),
            ("/login?alice", false),
            ("/expiry?7200", true),
        ] {
            let lines = browser.get(target).send().await.set_cookies();
            let left = max_age(&lines);
            assert_eq!(left.is_some(), lives, "{session} {target}: {lines:?}");
            let of_a_day = left.is_none_or(|secs| (86_000..=86_400).contains(&secs));
            assert!(of_a_day, "{session} {target}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn an_expiry_of_the_sessions_own_ends_it() {
    let app = app().await;
    let site = format!(
        "{}[[site.rule]]\npath = \"/poll\"\nsession = \"observe\"\n",
        SITE
    );
    let setup = Setup {
        site: &site,
        ..setup("")
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/login?alice").send().await;
    browser.get("/expiry?1").send().await;
    let ticket = browser.ticket_line();
    eventually("a second without use", async || {
        browser.get("/poll").holding(&ticket).send().await;
        let user = shown(&app, "/poll").header("x-session-user");
        user.is_none().then_some(())
    })
    .await;
    assert_eq!(user_of(&app, &browser, &ticket).await, None);
}

/// Promise (contract 12): the change that would pass `max_bytes` is refused whole, the page comes, and what was there
/// stays.
#[tokio::test]
async fn a_full_session_refuses_what_does_not_fit_and_keeps_the_rest() {
    let app = app().await;
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        ..setup("max_bytes = \"4KiB\"")
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/set?small").send().await;
    let ticket = browser.ticket_line();

    let answer = browser.get("/big").send().await;

    assert_eq!((answer.status(), answer.text().as_str()), (200, "ok"));
    assert_eq!(browser.ticket_line(), ticket);
    browser.get("/set?more").send().await;
    browser.get("/look").send().await;
    let data = shown(&app, "/look").header("x-session-data").expect("data");
    assert!(data.contains("small") && data.contains("more"), "{data}");
    assert!(!data.contains("big"), "{data}");
    assert_eq!(count(&gate, "sessions_too_large").await, 1);
    gate.says("session.max_bytes").await;

    // A first change that does not fit begins nothing.
    let stranger = gate.browser();
    stranger.get("/big").send().await;
    assert_eq!(rows(&gate), 1);
}
