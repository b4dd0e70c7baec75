//! What a rule decides instead of the app.

use super::{app, gate};

#[tokio::test]
async fn a_rule_gives_the_jar_another_path_and_same_site() {
    let rules = "{ name = \"a\", mode = \"keep\", path = \"/\" }, \
                 { name = \"b\", mode = \"keep\", path = \"/x\", same_site = \"Strict\" }";
    let app = app().await;
    let gate = gate(&app, rules).await;
    let browser = gate.browser();
    browser
        .get("/set?a=1;%20Path=/deep&b=2;%20Path=/;%20SameSite=None;%20Secure")
        .send()
        .await;
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["a=1"]);
    browser.get("/x").send().await;
    assert_eq!(app.last().all("cookie"), ["b=2; a=1"]);
    let navigation = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    let mut call = browser.get("/x");
    for (name, value) in navigation {
        call = call.header(name, value);
    }
    call.send().await;
    assert_eq!(
        app.last().all("cookie"),
        ["a=1"],
        "a Strict one stays at home"
    );
    browser
        .get("/set?a=;%20Path=/deep;%20Max-Age=0")
        .send()
        .await;
    browser.get("/").send().await;
    assert_eq!(
        app.last().all("cookie"),
        [""; 0],
        "a deletion finds it where the rule has put it"
    );
}

#[tokio::test]
async fn a_rule_gives_the_browser_another_life_path_and_domain() {
    let rules = "{ name = \"a\", mode = \"pass\", max_age = \"1h\", path = \"/x\", domain = \"\" }";
    let app = app().await;
    let gate = gate(&app, rules).await;
    let answer = gate
        .browser()
        .get("/set?a=1;%20Path=/;%20Domain=localhost;%20Max-Age=9999")
        .send()
        .await;
    assert_eq!(
        answer.set_cookies()[0],
        "a=1; Max-Age=3600; Path=/x; Secure; HttpOnly; SameSite=Lax"
    );
}

#[tokio::test]
async fn bytes_past_ascii_reach_the_app_only_where_a_rule_says_so() {
    let rules =
        "{ name = \"yes\", mode = \"pass\", non_ascii = true }, { name = \"no\", mode = \"pass\" }";
    let app = app().await;
    let gate = gate(&app, rules).await;
    let value = http::HeaderValue::from_bytes("yes=Jörg; no=Jörg".as_bytes()).unwrap();
    gate.browser()
        .get("/")
        .raw_header("cookie", value)
        .send()
        .await;
    assert_eq!(app.last().all("cookie"), ["yes=Jörg"]);
}

#[tokio::test]
async fn a_placeholder_stands_in_until_the_app_has_set_the_cookie() {
    let rules = "{ name = \"JSESSIONID\", mode = \"keep\", placeholder = true }";
    let app = app().await;
    let gate = gate(&app, rules).await;
    let browser = gate.browser();
    let mut values = Vec::new();
    for _ in 0..2 {
        browser.get("/").send().await;
        let value = app.last().cookie("JSESSIONID").unwrap();
        assert_eq!(value.len(), 32, "{value}");
        assert!(!browser.lines().join("\n").contains(&value));
        values.push(value);
    }
    assert_ne!(values[0], values[1], "nobody shares one");
    browser.get("/set?JSESSIONID=REAL;%20Path=/").send().await;
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["JSESSIONID=REAL"]);
}
