//! What users may, and for how long.

use super::support::{App, Gate, Reply, Setup, eventually};
use super::{ADMIN, gate};

#[tokio::test]
async fn who_is_logged_in_may_and_who_logs_out_may_no_more() {
    let (app, gate) = gate(ADMIN).await;
    let browser = gate.browser();
    assert_eq!(
        browser.get("/admin/").navigating().send().await.status(),
        302
    );

    browser.post("/login?alice", "").send().await;

    let answer = browser.get("/admin/x").navigating().send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("alice")
    );
    let stale = browser.ticket_line();
    browser.post("/logout", "").send().await;
    assert_eq!(
        browser.get("/admin/").navigating().send().await.status(),
        302
    );
    let answer = browser
        .get("/admin/")
        .holding(&stale)
        .fetching()
        .send()
        .await;
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn a_group_is_had_or_not_and_a_login_would_not_help() {
    let rules = "[[site.rule]]\npath = \"/admin/*\"\nrequire = { user = true, groups = [\"staff\", \"root\"] }\n";
    let (app, gate) = gate(rules).await;
    for (groups, status) in [
        ("", 403),
        ("dev", 403),
        ("staffs", 403),
        ("STAFF", 403),
        ("dev,staff", 200),
        ("root", 200),
    ] {
        let browser = gate.browser();
        browser
            .post(&format!("/login?alice&{groups}"), "")
            .send()
            .await;
        let asked = app.seen().len();

        let answer = browser.get("/admin/").navigating().send().await;

        assert_eq!(answer.status(), status, "{groups}");
        assert_eq!(
            app.seen().len(),
            asked + usize::from(status == 200),
            "{groups}"
        );
        if status == 403 {
            assert_eq!(answer.header("location"), None);
            assert!(!answer.text().contains("<a "), "{answer:?}");
            let answer = browser.get("/admin/").fetching().send().await;
            assert!(
                answer.text().contains("\"reason\":\"not-in-group\""),
                "{answer:?}"
            );
        }
    }
    let line = gate.access_log(12).await;
    let refused = line.iter().find(|line| line["refusal"] == "not-in-group");
    assert_eq!(
        refused.expect("a line")["user"],
        "alice",
        "who it was is logged"
    );
}

#[tokio::test]
async fn a_login_grows_too_old_and_another_one_makes_it_new() {
    let rules =
        "[[site.rule]]\npath = \"/admin/*\"\nrequire = { user = true, max_auth_age = \"2s\" }\n";
    let (app, gate) = gate(rules).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    assert_eq!(browser.get("/admin/").fetching().send().await.status(), 200);

    let answer = eventually("the login is too old", async || {
        let answer = browser.get("/admin/").fetching().send().await;
        (answer.status() == 401).then_some(answer)
    })
    .await;

    assert!(
        answer.text().contains("\"reason\":\"login-too-old\""),
        "{answer:?}"
    );
    let answer = browser.get("/admin/").navigating().send().await;
    assert_eq!(answer.header("location"), Some("/login?next=%2Fadmin%2F"));
    browser.get("/").send().await;
    let user = app.last().header("x-session-user");
    assert_eq!(user.as_deref(), Some("alice"), "still logged in");
    browser.post("/login?alice", "").send().await;
    assert_eq!(
        browser.get("/admin/").navigating().send().await.status(),
        200
    );
}

/// A watched login is a login, and where it is sent is where visitors are sent to log in.
#[tokio::test]
async fn a_watched_login_opens_what_a_rule_keeps_for_users() {
    let app = App::answering(|seen| match (seen.method.as_str(), seen.path()) {
        ("POST", "/in") => Reply::ok("").status(302).header("location", "/"),
        _ => Reply::ok("ok"),
    })
    .await;
    let site = r#"
[[site.rule]]
path = "/in"
[[site.rule]]
path = "/*"
require = { user = true }
[site.login]
method = "watch"
login = { path = "/in", user_field = "u", success = { status = [302] } }
"#;
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    let answer = browser.get("/x").navigating().send().await;
    assert_eq!(answer.header("location"), Some("/in"));
    assert_eq!(browser.get("/in").navigating().send().await.status(), 200);

    let form = "application/x-www-form-urlencoded";
    let call = browser.post("/in", "u=alice").header("content-type", form);
    assert_eq!(call.navigating().send().await.status(), 302);

    assert_eq!(browser.get("/x").navigating().send().await.status(), 200);
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("alice")
    );
}

/// A user belongs to the site that bound it: at another site with a login of its own nobody is logged in.
#[tokio::test]
async fn a_user_of_another_site_is_none_here() {
    let app = App::answering(super::reply).await;
    let other = format!(
        "trust_directives = true\npath = \"/other\"\n{}[site.login]\nlogin_url = \"/other/login\"\n\
         [[site]]\nname = \"first\"\nhosts = [\"localhost\"]\nupstream = [\"http://{}\"]\ntrust_directives = true\n{ADMIN}",
        ADMIN.replace("/admin", "/other/admin"),
        app.addr(),
    );
    let setup = Setup {
        site: &other,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.post("/login?alice", "").send().await;
    assert_eq!(
        browser.get("/admin/").navigating().send().await.status(),
        200
    );

    let answer = browser.get("/other/admin/").navigating().send().await;

    assert_eq!(
        answer.header("location"),
        Some("/other/login"),
        "{answer:?}"
    );
}

/// A site where users come from but that has no page to log in: a person is told so as well.
#[tokio::test]
async fn without_a_login_page_nobody_is_sent_anywhere() {
    let app = App::answering(super::reply).await;
    let site = format!("trust_directives = true\n{ADMIN}");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;

    let answer = gate.browser().get("/admin/").navigating().send().await;

    assert_eq!(answer.status(), 401);
    assert_eq!(answer.header("location"), None);
    assert!(answer.header("www-authenticate").is_some());
    assert!(answer.text().contains("logged in"), "{answer:?}");
}
