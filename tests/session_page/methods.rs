//! Every site with users has the page, whoever logs them in.

use crate::support::{App, Browser, Gate, Reply, Setup};
use crate::{PAGE, app, deeds, page};

async fn gate(app: &App, server: &str, site: &str) -> Gate {
    let setup = Setup {
        server,
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn two(gate: &Gate) -> [Browser; 2] {
    let browsers = [gate.browser(), gate.browser()];
    for browser in &browsers {
        assert_eq!(browser.get("/login").send().await.status(), 200);
    }
    browsers
}

#[tokio::test]
async fn with_users_whom_the_app_names() {
    let app = app().await;
    let gate = gate(&app, "", "trust_directives = true").await;
    let [one, _two] = two(&gate).await;
    let html = page(&one).await.text();
    assert!(
        html.contains("logged in as carol. You logged in to the application"),
        "{html}"
    );
    assert_eq!(deeds(&html).len(), 1);
    // No login page is known.
    let answer = page(&gate.browser()).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(
        answer.header("www-authenticate"),
        Some("Session realm=\"app\"")
    );
}

#[tokio::test]
async fn with_users_whose_login_is_watched() {
    let app = App::answering(|_| Reply::ok("").status(302).header("location", "/")).await;
    let site = "[site.login]\nmethod = \"watch\"\n\
                login = { method = \"POST\", path = \"/in\", user_field = \"u\", success = { status = [302] } }";
    let gate = gate(&app, "", site).await;
    let browser = gate.browser();
    let call = browser.post("/in", "u=dora");
    call.header("content-type", "application/x-www-form-urlencoded")
        .send()
        .await;
    let html = page(&browser).await.text();
    assert!(html.contains("logged in as dora"), "{html}");
    // To where the app's form is.
    assert_eq!(page(&gate.browser()).await.header("location"), Some("/in"));
}

/// Whoever names the user decides about each request, for this page too.
#[tokio::test]
async fn with_users_whom_a_proxy_names() {
    let app = app().await;
    let trusted = "trusted_proxies = [\"127.0.0.0/8\"]";
    let site = "[site.login]\nmethod = \"header\"\nuser_header = \"X-User\"";
    let gate = gate(&app, trusted, site).await;
    let browser = gate.browser();
    browser.get("/").header("x-user", "erin").send().await;

    let named = browser
        .get(PAGE)
        .navigating()
        .header("x-user", "erin")
        .send()
        .await;
    assert!(
        named
            .text()
            .contains("logged in as erin. A system in front of this site logged you in"),
        "{}",
        named.text()
    );
    assert!(named.text().contains("may log you in again"));
    for call in [
        browser.get(PAGE).navigating(),
        browser.get(PAGE).navigating().header("x-user", "frank"),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.status(), 401);
        assert!(!answer.text().contains("erin"));
    }
}

#[tokio::test]
async fn a_site_without_users_has_none() {
    let app = app().await;
    let gate = gate(&app, "", "").await;
    assert_eq!(page(&gate.browser()).await.status(), 404);
}

/// It is below the site's path, as all our pages are.
#[tokio::test]
async fn a_site_below_a_path_has_it_there() {
    let app = App::answering(|_| Reply::ok("").header("x-session-login", "\"carol\"")).await;
    let gate = gate(&app, "", "path = \"/deep\"\ntrust_directives = true").await;
    let browser = gate.browser();
    browser.get("/deep/x").send().await;
    assert_eq!(page(&browser).await.status(), 404);
    let answer = browser
        .get("/deep/.cloakroom/session")
        .navigating()
        .send()
        .await;
    assert!(answer.text().contains("logged in as carol"));
    for path in [
        "/deep/.cloakroom/SESSION",
        "/deep/.cloakroom/session/",
        "/deep/.cloakroom/session;x",
    ] {
        let answer = browser.get(path).navigating().send().await;
        assert!([400, 404].contains(&answer.status()), "{path}");
    }
}

/// The cookie engine keeps no list: this session is all that can be shown, and the page says so.
#[tokio::test]
async fn with_sessions_in_cookies_it_shows_this_one_alone() {
    let app = app().await;
    let setup = Setup {
        store: "engine = \"cookie\"\nrevocations = \"data/revocations.db\"",
        site: "trust_directives = true",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let [one, two] = two(&gate).await;
    let html = page(&one).await.text();
    assert!(
        html.contains("logged in as carol") && html.contains("keeps no list of sessions"),
        "{html}"
    );
    assert!(deeds(&html).is_empty() && !html.contains("end-others"));
    let token = crate::support::forms::hidden(&html, "token").unwrap();
    let body = crate::support::forms::encode(&[("token", &token), ("deed", "log-out")]);
    let call = one
        .post(PAGE, body)
        .header("origin", gate.origin())
        .navigating();
    let call = call.header("content-type", "application/x-www-form-urlencoded");
    assert!(call.send().await.text().contains("You are logged out"));
    assert_eq!(page(&one).await.status(), 401);
    assert_eq!(page(&two).await.status(), 200);
}
