//! What becomes of who is not logged in.

use http::Method;
use serde_json::Value;

use super::support::servers::Redis;
use super::support::{Answer, App, Browser, Call, Setup, WebSocket};
use super::{ADMIN, gate, gate_with};

/// Sends it as somebody who holds nothing, and sees that the app was not asked, and that nobody may keep the answer.
async fn refused(app: &App, call: Call<'_>) -> Answer {
    let asked = app.seen().len();
    let answer = call.send().await;
    assert_eq!(app.seen().len(), asked, "the app was not asked: {answer:?}");
    assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    for name in [
        "cookie",
        "sec-fetch-mode",
        "sec-fetch-dest",
        "accept",
        "x-requested-with",
    ] {
        assert!(answer.lists("vary", name), "{name}: {answer:?}");
    }
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert!(answer.header("x-request-id").is_some(), "{answer:?}");
    answer
}

/// What a program reads of it.
fn problem(answer: &Answer) -> Value {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    let problem: Value = serde_json::from_str(&answer.text()).expect("JSON");
    assert_eq!(
        problem["request_id"].as_str(),
        answer.header("x-request-id")
    );
    assert_eq!(problem["status"], answer.status());
    problem
}

fn navigating<'a>(browser: &'a Browser, method: Method, target: &str) -> Call<'a> {
    browser.call(method, target).navigating()
}

#[tokio::test]
async fn a_navigation_is_sent_to_the_login_page_and_knows_its_way_back() {
    let (app, gate) = gate(ADMIN).await;
    for http2 in [false, true] {
        let browser = gate.browser();
        let browser = if http2 { browser.http2() } else { browser };
        let html = "text/html,application/xhtml+xml,*/*;q=0.8";
        for call in [
            browser.get("/admin/x?y=1&z=2").navigating(),
            browser.get("/admin/x?y=1&z=2").header("accept", html),
        ] {
            let answer = refused(&app, call).await;
            assert_eq!(answer.status(), 302);
            let location = "/login?next=%2Fadmin%2Fx%3Fy%3D1%26z%3D2";
            assert_eq!(answer.header("location"), Some(location));
            assert!(answer.text().contains("href=\"/login?next="), "{answer:?}");
        }
        let answer = refused(&app, navigating(&browser, Method::HEAD, "/admin")).await;
        assert_eq!(answer.header("location"), Some("/login?next=%2Fadmin"));
        assert_eq!(answer.text(), "");
    }
}

#[tokio::test]
async fn nobody_is_led_to_another_host_by_the_way_back() {
    let everywhere = ADMIN.replace("/admin/*", "/*");
    let (app, gate) = gate(&format!("[[site.rule]]\npath = \"/login\"\n{everywhere}")).await;
    let browser = gate.browser();
    for target in [
        "//evil.test/x",
        "/.//evil.test",
        "/%09/evil.test",
        "/x/..//evil.test",
    ] {
        let answer = browser.get(target).navigating().send().await;
        match answer.status() {
            302 => assert_eq!(answer.header("location"), Some("/login"), "{target}"),
            status => assert_eq!(status, 400, "{target}"),
        }
    }
    let answer = refused(&app, browser.get("//evil.test/x").navigating()).await;
    assert_eq!(answer.header("location"), Some("/login"));
}

#[tokio::test]
async fn a_program_is_told_in_a_form_that_it_reads() {
    let (app, gate) = gate(ADMIN).await;
    let browser = gate.browser();
    let calls = [
        browser.get("/admin/x").fetching(),
        browser.post("/admin/x", "a=1").fetching(),
        browser.call(Method::DELETE, "/admin/x"),
        browser
            .get("/admin/x")
            .header("accept", "text/event-stream"),
        browser.get("/admin/x").header("accept", "*/*"),
        browser
            .get("/admin/x")
            .header("accept", "text/html")
            .header("x-requested-with", "XMLHttpRequest"),
        browser
            .get("/admin/x")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", "image"),
    ];
    for call in calls {
        let answer = refused(&app, call).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Session realm=\"app\"")
        );
        assert_eq!(answer.header("location"), None);
        let problem = problem(&answer);
        assert_eq!(problem["reason"], "login-required");
        assert_eq!(problem["login"], "/login");
    }
    for target in ["/admin/socket", "/admin"] {
        let asked = app.seen().len();
        let head = WebSocket::open(&gate, &browser, target).await.err();
        let head = head.expect("no WebSocket without a login");
        assert!(head.starts_with("HTTP/1.1 401"), "{head}");
        assert_eq!(app.seen().len(), asked);
    }
}

#[tokio::test]
async fn a_form_that_would_be_lost_is_not_sent_elsewhere() {
    let (app, gate) = gate(ADMIN).await;
    let browser = gate.browser();
    let frame = browser
        .get("/admin/x")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "iframe");
    for call in [browser.post("/admin/x", "a=1").navigating(), frame] {
        let answer = refused(&app, call).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(answer.header("location"), None);
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        let policy = answer.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        assert!(answer.text().contains("href=\"/login\""), "{answer:?}");
        assert!(
            answer
                .text()
                .contains(answer.header("x-request-id").expect("an id"))
        );
    }
}

/// Promise: no spelling of a path gets around its rule.
#[tokio::test]
async fn every_spelling_of_the_path_comes_under_the_rule() {
    let (app, gate) = gate(ADMIN).await;
    let browser = gate.browser();
    for target in [
        "/admin",
        "/admin/",
        "/admin?x",
        "//admin",
        "/./admin",
        "/x/../admin/y",
        "/%61dmin",
        "/a%64min/x",
        "/%2e%2e/admin",
        "/x/..;/admin",
        "/admin;jsessionid=1",
        "/admin;x/y",
        "/admin%2f",
        "/admin%2fx",
        "/admin%5cx",
        "/admin%00",
        "/admin/%2e%2e/admin",
    ] {
        let asked = app.seen().len();
        let answer = browser.get(target).navigating().send().await;
        assert!(matches!(answer.status(), 302 | 400), "{target}: {answer:?}");
        assert_eq!(app.seen().len(), asked, "{target}");
    }
    for target in ["/administrator", "/", "/x/admin", "/login"] {
        let answer = browser.get(target).navigating().send().await;
        assert_eq!(answer.status(), 200, "{target}");
    }
}

#[tokio::test]
async fn log_and_metrics_say_what_was_lacking() {
    let server = "admin = \"127.0.0.1:0\"";
    let setup = Setup {
        server,
        ..Setup::default()
    };
    let rules = format!(
        "{ADMIN}[[site.rule]]\npath = \"/inside\"\nrequire = {{ networks = [\"10.0.0.0/8\"] }}\n"
    );
    let (_app, gate) = gate_with(&rules, setup).await;
    let browser = gate.browser();
    browser.get("/admin/").navigating().send().await;
    browser.get("/admin/").fetching().send().await;
    browser.get("/inside").navigating().send().await;

    let log = gate.access_log(3).await;

    let told: Vec<_> = log
        .iter()
        .map(|line| (&line["status"], &line["refusal"]))
        .collect();
    let expected = [
        (302, "login-required"),
        (401, "login-required"),
        (403, "wrong-network"),
    ];
    let expected = expected.map(|(status, word)| (Value::from(status), Value::from(word)));
    assert_eq!(
        told,
        expected
            .iter()
            .map(|(status, word)| (status, word))
            .collect::<Vec<_>>()
    );
    let metrics = gate.admin("/metrics").await;
    for line in ["logins_required_total 2", "access_denied_total 1"] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

/// Promise: where the app sends visitors back from its login page because it knows them, they are told so before the
/// browser gives up.
#[tokio::test]
async fn who_is_sent_in_circles_is_told_so() {
    let (app, gate) = gate(ADMIN).await;
    let browser = gate.browser();
    browser.get("/").navigating().send().await;
    for _ in 0..5 {
        let answer = refused(&app, browser.get("/admin/x").navigating()).await;
        assert_eq!(answer.status(), 302);
    }

    let answer = refused(&app, browser.get("/admin/x").navigating()).await;

    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("location"), None);
    assert!(
        answer.text().contains("log out of the application"),
        "{answer:?}"
    );
    gate.says("a visitor is sent in circles").await;
    let line = gate.access_log(7).await.pop().expect("a line");
    assert_eq!(line["refusal"], "login-loop");
    // Another address, and another visitor, are no part of it.
    let answer = browser.get("/admin/y").navigating().send().await;
    assert_eq!(answer.status(), 302);
    let answer = gate.browser().get("/admin/x").navigating().send().await;
    assert_eq!(answer.status(), 302);
}

/// Promise: under `Strict`, who follows a link of another site is not taken for a stranger.
#[tokio::test]
async fn a_strict_ticket_is_asked_for_again_before_a_login() {
    let setup = Setup {
        session: "cookie = { same_site = \"Strict\" }",
        ..Setup::default()
    };
    let (app, gate) = gate_with(ADMIN, setup).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    let linked = browser
        .get("/admin/x?a=1&b=2")
        .holding("")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");

    let answer = refused(&app, linked).await;

    assert_eq!(answer.status(), 401);
    let again = format!("url={}/admin/x?a=1&amp;b=2\"", gate.origin());
    assert!(answer.text().contains(&again), "{answer:?}");
    let answer = browser.get("/admin/x?a=1&b=2").navigating().send().await;
    assert_eq!(answer.status(), 200, "as the page has the browser ask");
    let stranger = gate.browser();
    let answer = refused(&app, stranger.get("/admin/x").navigating()).await;
    assert_eq!(
        answer.status(),
        302,
        "from here it is a login that is lacking"
    );
}

/// Promise: an outage is no logout. Nobody is sent to log in because the store did not say who they are.
#[tokio::test]
async fn in_an_outage_nobody_is_sent_to_log_in() {
    let Some(redis) = Redis::start() else { return };
    let store = format!(
        "engine = \"redis\"\nurl = \"{}\"\ntimeout = \"500ms\"\non_outage = \"anonymous\"",
        redis.url()
    );
    let setup = Setup {
        store: &store,
        ..Setup::default()
    };
    let (app, gate) = gate_with(ADMIN, setup).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    let admin = || browser.get("/admin/").navigating();
    assert_eq!(admin().send().await.status(), 200);
    redis.kill9();

    let public = browser.get("/").navigating().send().await;
    assert_eq!(public.status(), 200, "anonymous");
    assert_eq!(app.last().header("x-session-user"), None);
    let asked = app.seen().len();
    let answer = admin().send().await;

    assert_eq!(app.seen().len(), asked);
    assert_eq!(answer.status(), 503, "{answer:?}");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert_eq!(answer.set_cookies(), [""; 0]);
    // Who brings no ticket is not logged in, whatever the store would say.
    let stranger = gate.browser();
    let answer = stranger.get("/admin/").navigating().send().await;
    assert_eq!(answer.status(), 302);
}
