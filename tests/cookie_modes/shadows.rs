//! Cookies of our name that stand elsewhere in the browser.

use super::support::{App, Gate, Reply, Setup};

#[tokio::test]
async fn shadow_cookies_of_our_name_are_cleared_and_ours_stays() {
    let app = App::answering(|_| Reply::ok("ok").header("cache-control", "public")).await;
    let setup = Setup {
        session: "[session.cookie]\nname = \"sid\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    for (host, line) in [
        ("localhost", "sid=evil; Path=/shop"),
        ("localhost", "sid=evil; Path=/shop/"),
        ("other.test", "sid=evil; Path=/; Domain=other.test"),
        ("other.test", "sid=evil; Path=/shop/x; Domain=other.test"),
    ] {
        let browser = gate.browser();
        // Cacheable for all: there is no ticket on it yet, and none is needed.
        browser.get("/").host(host).send().await;
        browser.plant(host, "/", "sid=unknown; Path=/");
        browser.plant(host, "/", line);
        let answer = browser.get("/shop/x/y").host(host).send().await;
        assert_eq!(
            answer.header("cache-control"),
            Some("private, no-store"),
            "{line}"
        );
        browser.get("/shop/x/y").host(host).send().await;
        let left = browser.everything();
        assert!(!left.contains("evil"), "{line}: {left}");
    }
}

#[tokio::test]
async fn the_ticket_itself_survives_the_clearing() {
    let app =
        App::answering(|_| Reply::ok("ok").header("set-cookie", "JSESSIONID=S; Path=/")).await;
    let setup = Setup {
        session: "[session.cookie]\nname = \"sid\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.get("/shop/x").send().await;
    let ticket = browser.cookie("sid").unwrap();
    browser.plant("localhost", "/", "sid=evil; Path=/shop");
    browser.get("/shop/x").send().await;
    assert_eq!(
        app.last().all("cookie"),
        ["JSESSIONID=S"],
        "the session is open all the same"
    );
    assert_eq!(browser.everything(), format!("sid={ticket}"));
}
