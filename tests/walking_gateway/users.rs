//! What a login and a logout do to the ticket.

use crate::support::{App, Gate, Reply, Setup, eventually};

const TRUSTING: &str = "trust_directives = true";

/// An app that chooses to speak: it says in its answers who has logged in, and sets cookies of its own.
async fn speaking_app() -> App {
    App::answering(|seen| match seen.path() {
        "/visit" => Reply::ok("ok").header("set-cookie", "sid=before-login; Path=/"),
        "/login" => Reply::ok("welcome")
            .header("x-session-login", "\"alice\"; name=\"Alice\"")
            .header("set-cookie", "sid=after-login; Path=/"),
        "/theme" => Reply::ok("ok").header("x-session-set", "theme=\"dark\""),
        "/logout" => Reply::ok("bye")
            .header("x-session-logout", "?1")
            .header("set-cookie", "sid=of-nobody; Path=/"),
        "/broken" => Reply::ok("sorry")
            .status(500)
            .header("x-session-login", "\"mallory\""),
        _ => Reply::ok("ok"),
    })
    .await
}

fn setup(session: &str) -> Setup<'_> {
    Setup {
        session,
        site: TRUSTING,
        ..Setup::default()
    }
}

#[tokio::test]
async fn a_login_forks_and_the_old_ticket_sees_nothing_of_it() {
    let app = speaking_app().await;
    let gate = Gate::with(&app, setup("rotation_grace = \"1s\"")).await;
    let browser = gate.browser();
    browser.get("/visit").send().await;
    let before = browser.ticket_line();
    let id_before = app.last().header("x-session-id");

    let answer = browser.post("/login", "").send().await;

    assert_eq!(answer.status(), 200);
    let told = format!("{:?}", answer.headers);
    assert!(
        !told.contains("alice") && !told.contains("x-session"),
        "{told}"
    );
    assert_ne!(browser.ticket_line(), before, "a new ticket");
    browser.get("/").send().await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user").as_deref(), Some("alice"));
    assert_eq!(seen.cookie("sid").as_deref(), Some("after-login"));
    assert_ne!(seen.header("x-session-id"), id_before, "a new session ID");

    // The old ticket, at once: the state from before the fork at most, and no cookie that touches the newer one.
    let answer = browser.get("/").holding(&before).send().await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user"), None);
    assert_ne!(seen.cookie("sid").as_deref(), Some("after-login"));
    if seen.cookie("sid").is_some() {
        assert_eq!(answer.set_cookies(), [""; 0], "within the grace");
    }

    // And after the grace: nothing at all.
    eventually("the old ticket opens nothing", async || {
        browser.get("/").holding(&before).send().await;
        let seen = app.last();
        assert_eq!(seen.header("x-session-user"), None);
        assert_ne!(seen.cookie("sid").as_deref(), Some("after-login"));
        seen.cookies().is_empty().then_some(())
    })
    .await;
    browser.get("/").send().await;
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("alice")
    );
}

#[tokio::test]
async fn a_logout_makes_everything_held_before_worthless() {
    let app = speaking_app().await;
    let gate = Gate::with(&app, setup("")).await;
    let browser = gate.browser();
    browser.get("/visit").send().await;
    let before_login = browser.ticket_line();
    browser.post("/login", "").send().await;
    let logged_in = browser.ticket_line();

    let answer = browser.post("/logout", "").send().await;

    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "the deletion and nothing else: {lines:?}");
    assert!(
        lines[0].starts_with("__Host-session=;") && lines[0].contains("Max-Age=0"),
        "{lines:?}"
    );
    assert!(
        lines[0].contains("Secure") && lines[0].contains("Path=/"),
        "{lines:?}"
    );
    assert_eq!(browser.names(), [""; 0]);
    for held in [&before_login, &logged_in] {
        browser.get("/").holding(held).send().await;
        let seen = app.last();
        assert_eq!(seen.header("x-session-user"), None);
        assert_eq!(seen.cookies(), []);
    }
}

#[tokio::test]
async fn data_that_the_app_sets_comes_back_as_a_header() {
    let app = speaking_app().await;
    let site = "trust_directives = true\n[site.headers]\n\"X-Theme\" = \"{session.data.theme}\"";
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();

    let answer = browser.get("/theme").send().await;
    assert_eq!(answer.header("x-session-set"), None);
    browser.get("/").header("x-theme", "forged").send().await;

    assert_eq!(app.last().header("x-theme").as_deref(), Some("dark"));
}

#[tokio::test]
async fn an_app_that_is_not_trusted_changes_nobody() {
    let app = speaking_app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/visit").send().await;

    let answer = browser.post("/login", "").send().await;

    assert_eq!(
        answer.header("x-session-login"),
        None,
        "removed all the same"
    );
    browser.get("/").send().await;
    assert_eq!(app.last().header("x-session-user"), None);
}

#[tokio::test]
async fn a_failed_answer_asks_nothing_of_the_session() {
    let app = speaking_app().await;
    let gate = Gate::with(&app, setup("")).await;
    let browser = gate.browser();
    browser.get("/visit").send().await;

    let answer = browser.post("/broken", "").send().await;

    assert_eq!(answer.status(), 500);
    assert_eq!(answer.header("x-session-login"), None);
    browser.get("/").send().await;
    assert_eq!(app.last().header("x-session-user"), None);
}

#[tokio::test]
async fn a_foreign_page_cannot_act_with_a_session() {
    let app = speaking_app().await;
    let gate = Gate::with(&app, setup("")).await;
    let browser = gate.browser();
    browser.get("/visit").send().await;
    let asked = app.seen().len();

    let by_metadata = browser
        .post("/pay", "")
        .header("sec-fetch-site", "cross-site");
    let by_origin = browser
        .post("/pay", "")
        .header("origin", "https://evil.test");
    let from_nowhere = browser.post("/pay", "").header("origin", "null");

    for call in [by_metadata, by_origin, from_nowhere] {
        let answer = call.send().await;
        assert_eq!(answer.status(), 403, "{answer:?}");
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        assert_eq!(answer.set_cookies(), [""; 0]);
    }
    assert_eq!(app.seen().len(), asked, "the app was not asked");
    let own = browser.post("/pay", "").header("origin", gate.origin());
    assert_eq!(
        own.header("sec-fetch-site", "same-origin")
            .send()
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_foreign_page_leaves_no_cookie_and_takes_none_away() {
    let app = speaking_app().await;
    let gate = Gate::with(&app, setup("")).await;

    for (dest, mode) in [
        ("image", "no-cors"),
        ("empty", "cors"),
        ("iframe", "navigate"),
    ] {
        let browser = gate.browser();
        let call = browser.get("/visit").header("sec-fetch-site", "cross-site");
        let answer = call
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest)
            .send()
            .await;
        assert_eq!(answer.set_cookies(), [""; 0], "{dest}");
    }
    let browser = gate.browser();
    let call = browser
        .call(http::Method::OPTIONS, "/visit")
        .header("origin", gate.origin());
    let answer = call
        .header("access-control-request-method", "PUT")
        .send()
        .await;
    assert_eq!(answer.set_cookies(), [""; 0], "a preflight");

    // A link on a foreign page is a navigation, and Lax lets the ticket come along.
    let call = browser.get("/visit").header("sec-fetch-site", "cross-site");
    let call = call
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    call.send().await;
    assert_eq!(browser.names(), ["__Host-session"]);
}
