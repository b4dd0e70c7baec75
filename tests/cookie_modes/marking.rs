//! The owner's mark: whose cookies a browser holds, while some are adopted.

use super::support::{Gate, Setup};
use super::{app, gate_with};

const ADOPT: &str = "{ name = \"PHPSESSID\", mode = \"keep\", adopt_until = 2998-12-31 }";
const MARK: &str = "__Host-session-owner";
/// A cookie that alice left where neither the login nor the logout comes by.
const LEFT: &str = "PHPSESSID=of-alice; Path=/deep";

/// As [`super::gate`], with a ticket whose name lets it stand on other paths too.
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
