//! What goes wrong around the gateway, and what its logs tell of it.

use crate::support::{App, Gate, Raw, Reply, eventually};

async fn app() -> App {
    App::answering(with_a_cookie).await
}

fn with_a_cookie(seen: &crate::support::Seen) -> Reply {
    match seen.path() {
        "/start" => Reply::ok("ok").header("set-cookie", "SID=secret-of-the-app; Path=/"),
        _ => Reply::ok("ok"),
    }
}

#[tokio::test]
async fn an_app_that_is_down_is_a_502_and_no_logout() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let ticket = browser.ticket();

    let addr = app.stop().await;
    let answer = browser.get("/").send().await;

    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    assert!(
        !answer.text().contains(&addr.port().to_string()),
        "no address of the app"
    );
    assert_eq!(answer.set_cookies(), [""; 0]);

    let app = App::answering_at(addr, with_a_cookie).await;
    assert_eq!(browser.get("/").send().await.status(), 200);
    assert_eq!(
        app.last().cookie("SID").as_deref(),
        Some("secret-of-the-app")
    );
    assert_eq!(browser.ticket(), ticket, "the same ticket");
}

#[tokio::test]
async fn kill_9_and_a_restart_keep_every_session() {
    let app = app().await;
    let mut gate = Gate::in_front_of(&app).await;
    let browsers: Vec<_> = (0..20).map(|_| gate.browser()).collect();
    for browser in &browsers {
        browser.get("/start").send().await;
    }
    let unstored = gate.browser();
    unstored.get("/").send().await;
    let id = app.last().header("x-session-id");

    gate.kill9();
    gate.restart().await;

    for browser in &browsers {
        browser.get("/").send().await;
        assert_eq!(
            app.last().cookie("SID").as_deref(),
            Some("secret-of-the-app")
        );
    }
    unstored.get("/").send().await;
    assert_eq!(
        app.last().header("x-session-id"),
        id,
        "the keys are kept as well"
    );
}

#[tokio::test]
async fn sigterm_ends_it_with_0_and_keeps_every_session() {
    let app = app().await;
    let mut gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;

    let status = gate.stop().await;

    assert_eq!(status.code(), Some(0));
    gate.restart().await;
    browser.get("/").send().await;
    assert_eq!(
        app.last().cookie("SID").as_deref(),
        Some("secret-of-the-app")
    );
}

#[tokio::test]
async fn the_log_tells_the_reason_and_no_secret() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start?code=query-secret").send().await;
    browser
        .get("/")
        .header("authorization", "Bearer header-secret")
        .send()
        .await;
    let held = format!("{}; theirs=cookie-secret", browser.ticket_line());
    browser
        .post("/form", "body-secret")
        .holding(&held)
        .send()
        .await;

    let lines = gate.access_log(3).await;
    assert!(
        !gate.printed().contains("query-secret"),
        "queries carry tokens"
    );

    assert_eq!(lines.len(), 3, "one line for each request");
    // Each core writes its own lines, so their order is not that of the requests.
    let reason = |path: &str| {
        let line = lines.iter().find(|line| line["path"] == path);
        let line = line.expect("a line with this path");
        assert_eq!(line["status"], 200, "{line}");
        line["reason"].as_str().unwrap_or_default().to_owned()
    };
    assert!(["none", "new"].contains(&&*reason("/start")), "{lines:?}");
    assert_eq!((&*reason("/"), &*reason("/form")), ("live", "live"));
    let printed = gate.printed();
    for secret in [
        "secret-of-the-app",
        "header-secret",
        "cookie-secret",
        "body-secret",
    ] {
        assert!(!printed.contains(secret), "{secret} is in the log");
    }
    assert!(
        !printed.contains(&browser.ticket()),
        "the ticket is in the log"
    );
}

#[tokio::test]
async fn stored_secrets_open_nothing() {
    let app = app().await;
    let mut gate = Gate::in_front_of(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let ticket = browser.ticket();
    gate.stop().await;

    let data = gate.folder().join("data");
    for entry in std::fs::read_dir(data).unwrap() {
        let path = entry.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(ticket.len())
            .any(|window| window == ticket.as_bytes());
        assert!(!found, "the ticket is in {}", path.display());
    }
    let keys = std::fs::metadata(gate.folder().join("data/session.keys")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&keys.permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_visitor_who_hangs_up_is_logged_too() {
    let app =
        App::serving(|_| std::future::pending::<http::Response<crate::support::body::Body>>())
            .await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send("GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    eventually("the app is asked", async || {
        (!app.seen().is_empty()).then_some(())
    })
    .await;

    drop(raw);

    let lines = gate.access_log(1).await;
    assert_eq!(lines[0]["path"], "/gone");
    assert_eq!(lines[0]["refusal"], "visitor-gone");
}

#[tokio::test]
async fn the_log_tells_the_whole_cause_of_a_502() {
    let app = app().await;
    let gate = Gate::in_front_of(&app).await;
    app.stop().await;
    gate.browser().get("/").send().await;
    eventually("the cause is logged", async || {
        gate.printed().contains("onnection refused").then_some(())
    })
    .await;
}
