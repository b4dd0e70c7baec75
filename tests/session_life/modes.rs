//! Who gets a session, and what keeps it alive: `attach`, `lazy`, `observe`, `off`, `save_every_request`.

use crate::support::{App, Gate, Setup, eventually};
use crate::{SITE, app, rows, setup, shown, user_of};

const RULES: &str = r#"
[[site.rule]]
path = "/lazy/*"
session = "lazy"
[[site.rule]]
path = "/observe/*"
session = "observe"
[[site.rule]]
path = "/off/*"
session = "off"
"#;

async fn gate(app: &App, session: &str) -> Gate {
    let site = format!("{SITE}{RULES}");
    let setup = Setup {
        site: &site,
        ..setup(session)
    };
    Gate::with(app, setup).await
}

#[tokio::test]
async fn each_mode_gives_a_ticket_when_it_says() {
    let app = app().await;
    let gate = gate(&app, "").await;
    for (target, ticket, id) in [
        ("/", true, true),
        ("/lazy/x", false, true),
        ("/observe/x", false, false),
        ("/off/x", false, false),
    ] {
        let browser = gate.browser();
        let answer = browser.get(target).send().await;
        assert_eq!(answer.set_cookies().len(), usize::from(ticket), "{target}");
        let shown_id = shown(&app, target).header("x-session-id");
        assert_eq!(shown_id.is_some(), id, "{target}");
    }
    assert_eq!(rows(&gate), 0, "none of them costs the store anything");
}

#[tokio::test]
async fn a_session_that_is_there_is_used_unless_it_is_off() {
    let app = app().await;
    let gate = gate(&app, "").await;
    let browser = gate.browser();
    browser.get("/login?alice").send().await;
    for (target, seen) in [
        ("/", true),
        ("/lazy/x", true),
        ("/observe/x", true),
        ("/off/x", false),
    ] {
        let answer = browser.get(target).send().await;
        assert_eq!(answer.set_cookies(), [""; 0], "{target}");
        let user = shown(&app, target).header("x-session-user");
        assert_eq!(user.is_some(), seen, "{target}");
    }
}

/// Promise: background polls do not keep a session alive; everything else does.
#[tokio::test]
async fn observing_does_not_renew() {
    let app = app().await;
    let gate = gate(&app, "idle_timeout = \"2s\"").await;
    let (used, polled) = (gate.browser(), gate.browser());
    used.get("/login?alice").send().await;
    polled.get("/login?bob").send().await;
    let (kept, lost) = (used.ticket_line(), polled.ticket_line());
    eventually("who is only polled is idle", async || {
        let user = user_of(&app, &used, &kept).await;
        assert_eq!(user.as_deref(), Some("alice"), "who is there is not");
        polled.get("/observe/x").holding(&lost).send().await;
        let user = shown(&app, "/observe/x").header("x-session-user");
        user.is_none().then_some(())
    })
    .await;
    let log = gate.access_log(app.seen().len()).await;
    assert_eq!(
        log.last().map(|line| &line["reason"]),
        Some(&"idle-expired".into())
    );
}

/// Promise (Django's SESSION_SAVE_EVERY_REQUEST): every request writes the idle clock, and otherwise one in a tenth.
#[tokio::test]
async fn the_idle_clock_is_written_with_every_request_if_asked_for() {
    let app = app().await;
    for (session, expected) in [
        ("save_every_request = true", ["renewed", "renewed"]),
        ("save_every_request = false", ["live", "live"]),
    ] {
        let gate = gate(&app, session).await;
        let browser = gate.browser();
        browser.get("/keep?a").send().await;
        browser.get("/").send().await;
        browser.get("/").send().await;
        let log = gate.access_log(3).await;
        let reasons: Vec<_> = log[1..].iter().map(|line| &line["reason"]).collect();
        assert_eq!(reasons, expected, "{session}");
        // An empty session is not stored for it (CVE-2015-5963).
        let stranger = gate.browser();
        stranger.get("/").send().await;
        stranger.get("/").send().await;
        assert_eq!(rows(&gate), 1, "{session}");
    }
}
