//! Mode mirror.

use super::{app, counted, gate};

const MIRROR: &str = "{ name = \"theme\", mode = \"mirror\" }";

#[tokio::test]
async fn the_browser_may_read_it_and_the_app_gets_its_own_whatever_comes_back() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    let browser = gate.browser();
    let answer = browser.get("/set?theme=dark;%20Path=/").send().await;
    assert_eq!(
        answer.set_cookies()[0],
        "theme=dark; Path=/; Secure; SameSite=Lax"
    );
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["theme=dark"]);
    assert_eq!(counted(&gate, "cookies_drifted").await, 0);

    for changed in ["theme=hacked", "theme="] {
        let held = format!("{}; {changed}", browser.ticket_line());
        browser.get("/").holding(&held).send().await;
        assert_eq!(app.last().all("cookie"), ["theme=dark"]);
    }
    assert_eq!(counted(&gate, "cookies_drifted").await, 2);
    browser
        .get("/")
        .holding(&browser.ticket_line())
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), ["theme=dark"]);

    browser
        .get("/set?theme=;%20Path=/;%20Max-Age=0")
        .send()
        .await;
    assert_eq!(browser.names(), ["__Host-session"]);
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_copy_that_nobody_made_reaches_no_app() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    gate.browser()
        .get("/")
        .holding("theme=made-up")
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
}

#[tokio::test]
async fn a_copy_of_a_session_that_is_no_more_can_be_deleted() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "theme=dark; Path=/");
    browser
        .get("/set?theme=;%20Path=/;%20Max-Age=0")
        .send()
        .await;
    assert_eq!(browser.names(), ["__Host-session"]);
    assert_eq!(counted(&gate, "cookies_refused").await, 0);
}

#[tokio::test]
async fn a_logout_takes_the_copy_away() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    let browser = gate.browser();
    browser.get("/login?theme=dark;%20Path=/").send().await;
    assert_eq!(browser.names(), ["__Host-session", "theme"]);
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), [""; 0]);
}

#[tokio::test]
async fn a_copy_goes_out_only_if_the_jar_took_the_cookie() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    let browser = gate.browser();
    let answer = browser
        .get("/set?theme=dark;%20Path=/;%20SameSite=None;%20Secure")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .send()
        .await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(counted(&gate, "cookies_refused").await, 1);
}

#[tokio::test]
async fn nobody_reads_the_copy_of_the_user_before() {
    let app = app().await;
    let gate = gate(&app, MIRROR).await;
    let browser = gate.browser();
    browser.get("/login?theme=of-alice;%20Path=/").send().await;
    browser.get("/login-bob").send().await;
    assert_eq!(
        browser.names(),
        ["__Host-session"],
        "gone with the login itself"
    );

    // And where the session has ended elsewhere.
    browser.get("/set?theme=of-bob;%20Path=/").send().await;
    let left = browser.cookie("theme").unwrap();
    let other = gate.browser();
    other.plant("localhost", "/", &format!("theme={left}; Path=/"));
    other.get("/").send().await;
    assert_eq!(other.names(), ["__Host-session"]);
}
