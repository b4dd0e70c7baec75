//! `enforce = false`: verdicts are told, and change nothing of what comes in.

use super::{app, counted, gate_with};

const SITE: &str = r#"
[site.cookies]
enforce = false
rules = [
  { name = "csrftoken", mode = "pass" },
  { name = "_ga*", mode = "strip" },
  { name = "cart", mode = "seal" },
  { name = "theme", mode = "mirror" },
]
"#;

#[tokio::test]
async fn unknown_cookies_still_reach_the_app_and_every_verdict_is_told() {
    let app = app().await;
    let gate = gate_with(&app, SITE).await;
    let browser = gate.browser();
    browser.get("/set?SID=S;%20Path=/&_ga=1").send().await;
    let more = "_ga=2; by_script=3; csrftoken=4; cart=5; theme=6; __HOST-session=7; bad=\"";
    let held = format!("{}; {more}", browser.ticket_line());
    browser.get("/").holding(&held).send().await;
    assert_eq!(
        app.last().all("cookie"),
        ["SID=S; _ga=2; by_script=3; csrftoken=4; cart=5; theme=6"],
        "never ours, and nothing that is not plain"
    );
    assert_eq!(counted(&gate, "cookies_reported").await, 4);
    assert_eq!(counted(&gate, "cookies_dropped").await, 6);
    let printed = gate.printed();
    assert!(
        printed.contains("\"cookies\":\"_ga by_script cart theme\""),
        "{printed}"
    );
    let withheld = "__HOST-session (lookalike) bad (stray-quote)";
    assert!(printed.contains(withheld), "{printed}");
    for (cookie, verdict) in [("SID", "kept in the jar"), ("_ga", "stripped")] {
        let told = printed.lines().any(|line| {
            line.contains(&format!("\"cookie\":\"{cookie}\""))
                && line.contains(&format!("\"verdict\":\"{verdict}\""))
        });
        assert!(told, "{cookie}: {printed}");
    }
    // What was touched is not unknown.
    browser.get("/set?cart=apples;%20Path=/").send().await;
    let cut = browser.cookie("cart").unwrap();
    let held = format!("{}; cart={}", browser.ticket_line(), &cut[..cut.len() - 1]);
    browser.get("/").holding(&held).send().await;
    assert_eq!(app.last().all("cookie"), ["SID=S"]);
}
