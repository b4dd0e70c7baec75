//! Real input: Django's admin, unmodified, served by gunicorn, behind the gateway over HTTPS.
//!
//! A browser logs in, adds an object and logs out, and lies about who it is all the while. The gateway learns who it is
//! from Django's own login. Between gateway and gunicorn stands a forwarder that remembers what Django was sent.

mod support;

use std::time::Duration;

use support::apps::{Django, DjangoVisitor};
use support::{App, Browser, Gate, Setup};

const SITE: &str = r#"
[site.cookies]
rules = [{ name = "csrftoken", mode = "pass", http_only = false }]
[site.login]
method = "watch"
preset = "django"
"#;

#[tokio::test]
async fn the_admin_works_behind_one_ticket_over_http1() {
    let django = Django::start();
    let app = App::forwarding(django.addr()).await;
    let gate = gate(&app).await;
    work_in_the_admin(&gate, &app, gate.browser()).await;
}

#[tokio::test]
async fn the_admin_works_behind_one_ticket_over_http2() {
    let django = Django::start();
    let app = App::forwarding(django.addr()).await;
    let gate = gate(&app).await;
    work_in_the_admin(&gate, &app, gate.browser().http2()).await;
}

async fn gate(app: &App) -> Gate {
    let setup = Setup {
        session: "rotation_grace = \"1s\"",
        site: SITE,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn work_in_the_admin(gate: &Gate, app: &App, browser: Browser) {
    let visitor = DjangoVisitor::new(gate, browser, &["__Host-session", "csrftoken"]);
    let browser = &visitor.browser;

    // The login page.
    let page = visitor.open_login().await;
    assert_eq!(browser.names(), ["__Host-session", "csrftoken"]);
    let before = browser.everything();
    let ticket_before = browser.ticket();

    // Logging in. Django gets its sessionid from the jar.
    visitor.log_in(&page).await;
    assert_ne!(
        browser.ticket(),
        ticket_before,
        "the ticket changed at login"
    );
    let logged_in = browser.everything();
    let ticket_logged_in = browser.ticket();
    let seen = app.last();
    assert!(seen.cookie("sessionid").is_some(), "{seen:?}");
    assert_eq!(seen.header("x-session-user").as_deref(), Some("admin"));

    // The ticket from before the login sees neither the user nor the new sessionid: at once, and after the grace.
    sees_nothing(&visitor, app, &before).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    sees_nothing(&visitor, app, &before).await;

    // Adding an object.
    let list = visitor.add_a_group("Cloakroom attendants").await;
    assert_eq!(
        browser.ticket(),
        ticket_logged_in,
        "one ticket all the while"
    );

    // Logging out.
    visitor.log_out(&list).await;
    assert!(
        !browser.names().contains(&"__Host-session".to_owned()),
        "the ticket is gone"
    );
    for held in [&before, &logged_in] {
        sees_nothing(&visitor, app, held).await;
    }

    // What crossed the TLS side, and what the app was told.
    let crossed = browser.lines().join("\n");
    assert!(!crossed.contains("sessionid"), "{crossed}");
    for seen in app.seen() {
        assert!(!format!("{seen:?}").contains("mallory"), "{seen:?}");
        let ids = seen.folded("x-session-id");
        assert_eq!(ids.len(), 1, "{seen:?}");
        assert!(
            seen.folded("x-session-").len() <= 2,
            "the ID and the user: {seen:?}"
        );
        // Django keeps its one-time messages in a cookie of their own, which the jar holds like the session's.
        for (name, _) in seen.cookies() {
            assert!(
                ["sessionid", "csrftoken", "messages"].contains(&&*name),
                "{name}: {seen:?}"
            );
        }
    }
}

/// Whoever holds just `cookies` is a stranger to Django, and the gateway shows it no cookie from the jar.
async fn sees_nothing(visitor: &DjangoVisitor<'_>, app: &App, cookies: &str) {
    visitor.opens_nothing(cookies).await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user"), None, "{seen:?}");
    assert_eq!(seen.cookie("sessionid"), None, "{seen:?}");
}
