//! What the browser holds of a session goes with the session, and nothing else does.

use super::{app, gate, gate_with};

const GUARDED: &str = "{ name = \"remember\", mode = \"seal\" }, { name = \"theme\", mode = \"mirror\" }, \
                       { name = \"dev\", mode = \"seal\", bind = \"site\" }, \
                       { name = \"lang\", mode = \"sign\", bind = \"site\" }";

#[tokio::test]
async fn a_policy_that_only_reports_takes_nothing_away() {
    let app = app().await;
    let site =
        format!("trust_directives = true\n[site.cookies]\nenforce = false\nrules = [{GUARDED}]\n");
    let gate = gate_with(&app, &site).await;
    let browser = gate.browser();
    for name in ["remember", "theme", "dev", "lang"] {
        browser.plant("localhost", "/", &format!("{name}=plain; Path=/"));
    }
    let held = browser.everything();
    for target in ["/login", "/login-bob", "/logout"] {
        browser.get(target).send().await;
        let ticket = browser.cookie("__Host-session");
        let ours = ticket.map_or(String::new(), |ticket| format!("; __Host-session={ticket}"));
        let left = browser.everything();
        assert_eq!(left.replace(&ours, ""), held, "{target}");
    }
}

#[tokio::test]
async fn a_plain_value_that_still_counts_survives_login_and_logout() {
    let app = app().await;
    let rules = "{ name = \"remember\", mode = \"seal\", accept_unsealed_until = 2999-12-31 }, \
                 { name = \"tz\", mode = \"sign\", accept_unsealed_until = 2999-12-31 }";
    let gate = gate(&app, rules).await;
    let browser = gate.browser();
    browser.plant("localhost", "/", "remember=me; Path=/");
    browser.plant("localhost", "/", "tz=utc; Path=/");
    for target in ["/", "/login", "/login", "/login-bob", "/logout"] {
        browser.get(target).send().await;
        let brought = app.last().all("cookie");
        assert_eq!(brought, ["remember=me; tz=utc"], "{target}");
    }
    browser.get("/").send().await;
    assert_eq!(app.last().all("cookie"), ["remember=me; tz=utc"]);
    // What the app sets goes out sealed, and then it is ours to take away.
    browser.get("/login?remember=you;%20Path=/").send().await;
    browser.get("/logout").send().await;
    assert_eq!(browser.names(), ["tz"]);
}

#[tokio::test]
async fn what_is_bound_to_the_site_outlives_a_logout() {
    let app = app().await;
    let gate = gate(&app, GUARDED).await;
    let browser = gate.browser();
    let set = "/set?dev=1;%20Path=/&lang=de;%20Path=/&remember=me;%20Path=/";
    for end in ["/logout", "/login-bob"] {
        browser.get("/login").send().await;
        browser.get(set).send().await;
        browser.get(end).send().await;
        browser.get("/").send().await;
        assert_eq!(app.last().all("cookie"), ["dev=1; lang=de"], "{end}");
        assert_eq!(browser.cookie("remember"), None, "{end}");
    }
}
