//! The owner's mark: whose cookies a browser holds, while some are adopted.

use super::support::{Gate, Setup};
use super::{app, gate, gate_with, rewrite};

const ADOPT: &str = "{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = 2998-12-31 }";
const MARK: &str = "__Host-session-owner";
/// A cookie that alice left where neither the login nor the logout comes by.
const LEFT: &str = "PHPSESSID=of-alice; Path=/deep";
const FORGET_TICKET: &str = "__Host-session=; Path=/; Secure; Max-Age=0";

/// As [`gate`], with a ticket whose name lets it stand on other paths too.
async fn gate_of_sid(app: &super::App) -> Gate {
    let site = format!("trust_directives = true\n[site.cookies]\nrules = [{ADOPT}]");
    let setup = Setup {
        session: "[session.cookie]\nname = \"sid\"",
        site: &site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

#[tokio::test]
async fn a_name_that_some_reader_takes_for_the_marks_is_dropped_and_is_no_mark() {
    let app = app().await;
    let site = format!("[site.cookies]\ndefault = \"pass\"\nrules = [{ADOPT}]");
    let gate = gate_with(&app, &site).await;
    for name in [
        "__Host-session-OWNER",
        "__HOST-session-owner",
        "=__host-session-owner",
    ] {
        let browser = gate.browser();
        browser
            .get("/")
            .holding(&format!("{name}=junk; PHPSESSID=old"))
            .send()
            .await;
        assert_eq!(app.last().all("cookie"), ["PHPSESSID=old"], "{name}");
    }
    for line in [
        "a=1, __Host-session-owner=x; Path=/; Secure",
        "a=1; __Host-session-owner=x; Path=/; Secure",
        "__HOST-SESSION-OWNER=x; Path=/; Secure",
        "=__Host-session-owner=x; Path=/; Secure",
        "__Host-session-owner=x; Path=/; Secure",
    ] {
        let target = format!("/set?{}", line.replace(' ', "%20"));
        let answer = gate.browser().get(&target).send().await;
        let set = answer.set_cookies();
        assert!(
            !set.iter().any(|line| line.contains("=x")),
            "{line}: {set:?}"
        );
    }
}

#[tokio::test]
async fn a_planted_mark_destroys_nothing_and_is_cleared_beside_ours() {
    let app = app().await;
    let gate = gate_of_sid(&app).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    let mark = browser.cookie("sid-owner").unwrap();
    browser.plant("localhost", "/deep", "sid-owner=planted; Path=/deep");
    browser.plant("localhost", "/deep", LEFT);
    browser.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
    assert_eq!(browser.names(), ["sid", "sid-owner"]);
    assert_eq!(browser.cookie("sid-owner").unwrap(), mark, "ours is left");
}

#[tokio::test]
async fn where_no_mark_opens_a_login_decides_and_nothing_goes_before() {
    let app = app().await;
    let gate = gate_of_sid(&app).await;
    let browser = gate.browser();
    browser.plant("localhost", "/deep", "sid-owner=planted; Path=/deep");
    browser.plant("localhost", "/deep", LEFT);
    for _ in 0..2 {
        browser.get("/deep").send().await;
        assert_eq!(app.last().all("cookie"), [""; 0]);
    }
    assert_eq!(browser.cookie("PHPSESSID").as_deref(), Some("of-alice"));
    assert_eq!(browser.cookie("sid-owner").as_deref(), Some("planted"));

    browser.plant("localhost", "/", "sid-owner=planted; Path=/");
    browser.get("/login").send().await;
    browser.get("/deep").send().await;
    assert_eq!(
        app.last().all("cookie"),
        [""; 0],
        "nobody knows whose it is"
    );
    assert_eq!(browser.names(), ["sid", "sid-owner"]);
    assert_ne!(browser.cookie("sid-owner").as_deref(), Some("planted"));
}

#[tokio::test]
async fn who_logged_in_before_anything_was_adopted_gets_a_mark_with_any_answer() {
    let app = app().await;
    let plain = "{ name = \"PHPSESSID\", mode = \"keep\" }";
    let mut gate = gate(&app, plain).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    assert_eq!(browser.names(), ["__Host-session"]);
    rewrite(&mut gate, plain, ADOPT).await;
    browser.get("/").send().await;
    assert_eq!(browser.names(), ["__Host-session", MARK]);
    let answer = browser.get("/").send().await;
    assert_eq!(answer.set_cookies(), [""; 0], "once");

    browser.plant("localhost", "/deep", LEFT);
    browser.plant("localhost", "/", FORGET_TICKET);
    browser.get("/login-bob").send().await;
    browser.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(browser.names(), ["__Host-session", MARK]);
}

#[tokio::test]
async fn a_mark_is_renewed_when_adoption_goes_on_for_longer() {
    let app = app().await;
    let mut gate = gate(&app, ADOPT).await;
    let (alice, nobody) = (gate.browser(), gate.browser());
    alice.get("/login").send().await;
    nobody.get("/login").send().await;
    nobody.get("/logout").send().await;
    let marks = [&alice, &nobody].map(|browser| browser.cookie(MARK).unwrap());
    rewrite(&mut gate, "2998-12-31", "2999-12-31").await;
    for (browser, mark) in [&alice, &nobody].into_iter().zip(marks) {
        browser.get("/").send().await;
        let renewed = browser.cookie(MARK).unwrap();
        assert_ne!(renewed, mark);
        browser.get("/").send().await;
        assert_eq!(browser.cookie(MARK).unwrap(), renewed, "once");
    }
    // It says what it said.
    nobody.plant("localhost", "/deep", LEFT);
    nobody.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    nobody.get("/login").send().await;
    nobody.get("/deep").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
}

#[tokio::test]
async fn what_waits_for_a_login_stays_whatever_the_app_sets_meanwhile() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    browser.get("/logout").send().await;
    browser.plant("localhost", "/", "PHPSESSID=of-alice; Path=/");
    for target in [
        "/set?PHPSESSID=of-nobody;%20Path=/",
        "/",
        "/set?PHPSESSID=;%20Path=/;%20Max-Age=0",
        "/",
    ] {
        browser.get(target).send().await;
        let held = browser.cookie("PHPSESSID");
        assert_eq!(held.as_deref(), Some("of-alice"), "{target}");
    }
    browser.get("/login").send().await;
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["PHPSESSID=of-alice"]);
}

#[tokio::test]
async fn a_request_of_another_site_that_could_carry_no_mark_brings_nothing_up() {
    let app = app().await;
    let gate = gate(&app, ADOPT).await;
    let browser = gate.browser();
    browser.get("/login").send().await;
    browser.get("/logout").send().await;
    browser.plant("localhost", "/", "PHPSESSID=of-alice; Path=/");
    let answer = browser
        .get("/")
        .holding("PHPSESSID=of-alice")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors")
        .header("sec-fetch-dest", "image")
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), [""; 0]);
    assert_eq!(answer.set_cookies(), [""; 0]);

    // A link is followed with all of them.
    let follow = async |holding: &str| {
        let link = gate.browser();
        let link = link.get("/").holding(holding);
        link.header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .send()
            .await;
        app.last().all("cookie")
    };
    assert_eq!(follow("PHPSESSID=old").await, ["PHPSESSID=old"]);
    assert_eq!(follow(&browser.everything()).await, [""; 0]);
}

#[tokio::test]
async fn where_nothing_is_adopted_a_cookie_of_that_name_is_the_apps() {
    let app = app().await;
    let gate = gate_with(&app, "[site.cookies]\ndefault = \"pass\"").await;
    let browser = gate.browser();
    browser
        .get(&format!("/set?{MARK}=of-the-app;%20Path=/;%20Secure"))
        .send()
        .await;
    browser.get("/").send().await;
    let sent = format!("{MARK}=of-the-app");
    assert_eq!(app.last().all("cookie"), [sent]);
}
