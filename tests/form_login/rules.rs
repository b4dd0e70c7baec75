//! Rules and the login page together: who is sent there, and how they come back.

use http::Method;

use crate::support::forms::hidden;
use crate::support::{Answer, Browser, eventually};
use crate::{Club, PASSWORD, user};

const LOGIN: &str = "/.cloakroom/login?return_to=";

/// What follows the lines of `[site.login]`.
const RULES: &str = r#"
[[site.rule]]
path = "/vault/*"
require = { user = true, max_auth_age = "2s" }
[[site.rule]]
path = "/staff/*"
require = { user = true, groups = ["staff"] }
[[site.rule]]
path = "/open/*"
[[site.rule]]
path = "/*"
require = { user = true }
"#;

async fn club() -> Club {
    Club::with("", RULES, &user("bob")).await
}

async fn open(browser: &Browser, target: &str) -> Answer {
    browser.get(target).navigating().send().await
}

/// Follows the answer to the login page, fills it in, and tells what the browser is sent on to.
async fn log_in_from(club: &Club, browser: &Browser, sent: &Answer, user: &str) -> String {
    assert_eq!(sent.status(), 302, "{}", sent.text());
    let page = open(browser, sent.header("location").expect("where to")).await;
    assert_eq!(page.status(), 200);
    let html = page.text();
    let token = hidden(&html, "token").expect("a form");
    let back = hidden(&html, "return_to").expect("a form");
    let back = back.replace("&#x2f;", "/").replace("&amp;", "&");
    let fields = [
        ("user", user),
        ("password", PASSWORD),
        ("token", &token),
        ("return_to", &back),
    ];
    let answer = club.send(browser, &fields).await;
    assert_eq!(answer.status(), 303, "{}", answer.text());
    answer.header("location").expect("where to").to_owned()
}

#[tokio::test]
async fn a_rule_sends_to_the_page_and_the_page_sends_back() {
    let club = club().await;
    for browser in [club.gate.browser(), club.gate.browser().http2()] {
        assert_eq!(open(&browser, "/open/x").await.status(), 200);
        let asked = club.app.seen().len();
        let sent = open(&browser, "/page?a=1&b=%20c").await;
        let to = sent.header("location").expect("where to");
        assert!(to.starts_with(LOGIN), "{to}");
        assert_eq!(club.app.seen().len(), asked, "the app is not asked");

        let back = log_in_from(&club, &browser, &sent, "alice").await;
        assert_eq!(back, "/page?a=1&b=%20c");
        assert_eq!(open(&browser, &back).await.status(), 200);
        assert_eq!(club.app.last().target, back);
    }
}

#[tokio::test]
async fn a_group_of_the_users_file_is_had_or_not() {
    let club = club().await;
    for (user, status) in [("alice", 200), ("bob", 403)] {
        let browser = club.gate.browser();
        let sent = open(&browser, "/staff/x").await;
        assert_eq!(log_in_from(&club, &browser, &sent, user).await, "/staff/x");
        let answer = open(&browser, "/staff/x").await;
        assert_eq!(answer.status(), status, "{user}");
        assert_eq!(
            answer.header("location"),
            None,
            "another login would not help"
        );
        assert_eq!(open(&browser, "/page").await.status(), 200, "{user}");
    }
}

/// Step-up: what is behind a recent login asks for another one, and the rest goes on meanwhile.
#[tokio::test]
async fn a_login_that_is_too_old_is_made_again_and_leads_back() {
    let club = club().await;
    let browser = club.gate.browser();
    let sent = open(&browser, "/vault/gold?n=1").await;
    log_in_from(&club, &browser, &sent, "alice").await;
    assert_eq!(open(&browser, "/vault/gold?n=1").await.status(), 200);
    let ticket = browser.ticket_line();

    let sent = eventually("the login is too old", async || {
        let answer = open(&browser, "/vault/gold?n=1").await;
        (answer.status() != 200).then_some(answer)
    })
    .await;
    // A form would be lost, and a script is told what is lacking.
    let posted = browser
        .call(Method::POST, "/vault/gold")
        .navigating()
        .send()
        .await;
    assert_eq!(posted.status(), 401);
    assert!(
        posted.text().contains("/.cloakroom/login"),
        "{}",
        posted.text()
    );
    let fetched = browser.get("/vault/gold").fetching().send().await;
    assert_eq!(fetched.status(), 401);
    assert!(
        fetched.text().contains("login-too-old"),
        "{}",
        fetched.text()
    );
    assert_eq!(
        open(&browser, "/page").await.status(),
        200,
        "they are logged in"
    );

    let back = log_in_from(&club, &browser, &sent, "alice").await;
    assert_eq!(back, "/vault/gold?n=1");
    assert_eq!(open(&browser, &back).await.status(), 200);
    assert_ne!(browser.ticket_line(), ticket, "a login is another ticket");
    // Whoever has the ticket of before has no recent login.
    let call = club.gate.browser();
    let answer = call
        .get("/vault/gold")
        .holding(&ticket)
        .fetching()
        .send()
        .await;
    assert_eq!(answer.status(), 401);
}
