//! Rules where somebody else names the user with each request: there is no page to be sent to.

use std::fs;

use crate::certificate::Authority;
use crate::support::{App, Gate, Setup, cloakroom};

const RULES: &str = r#"
[[site.rule]]
path = "/staff/*"
require = { user = true, groups = ["staff"] }
[[site.rule]]
path = "/mine/*"
require = { user = true }
"#;

#[tokio::test]
async fn the_groups_of_a_proxy_count_with_the_request_that_tells_them() {
    let app = App::plain().await;
    let site = format!(
        "[site.login]\nmethod = \"header\"\nuser_header = \"X-Forwarded-User\"\ngroups_header = \"X-Forwarded-Groups\"\n{RULES}"
    );
    let setup = Setup {
        server: "trusted_proxies = [\"127.0.0.0/8\"]",
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    for (path, user, groups, status) in [
        ("/staff/x", "", "", 401),
        ("/staff/x", "", "staff", 401),
        ("/staff/x", "alice", "", 403),
        ("/staff/x", "alice", "dev", 403),
        ("/staff/x", "alice", "dev, staff", 200),
        // Taken away: at once.
        ("/staff/x", "alice", "dev", 403),
        ("/staff/x", "alice", "Staff", 403),
        ("/mine/x", "alice", "", 200),
        ("/mine/x", "", "", 401),
        ("/x", "", "", 200),
    ] {
        let asked = app.seen().len();
        let mut call = browser.get(path).navigating();
        for (name, value) in [("x-forwarded-user", user), ("x-forwarded-groups", groups)] {
            if !value.is_empty() {
                call = call.header(name, value);
            }
        }
        let answer = call.send().await;
        let told = format!("{path}, {user:?} in {groups:?}");
        assert_eq!(answer.status(), status, "{told}");
        assert_eq!(answer.header("location"), None, "{told}");
        let is_asked = app.seen().len() > asked;
        assert_eq!(is_asked, status == 200, "{told}");
    }
}

#[tokio::test]
async fn a_rule_for_users_is_met_by_a_certificate_and_by_no_ticket_without_it() {
    let app = App::plain().await;
    let authority = Authority::new();
    let rule = "[[site.rule]]\npath = \"/mine/*\"\nrequire = { user = true }\n";
    let gate = authority.gate_with(&app, "subject.cn", rule).await;
    let shown = authority.issue("alice", &[]);
    let browser = shown.browser(&gate);
    let answer = browser.get("/mine/x").navigating().send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(
        app.last().header("x-session-user").as_deref(),
        Some("alice")
    );

    let stranger = gate.browser();
    let ticket = browser.ticket_line();
    for call in [
        stranger.get("/mine/x"),
        stranger.get("/mine/x").holding(&ticket),
    ] {
        let answer = call.navigating().send().await;
        assert_eq!((answer.status(), answer.header("location")), (401, None));
    }
    assert_eq!(stranger.get("/x").send().await.status(), 200);
}

#[tokio::test]
async fn a_recent_login_cannot_be_demanded_where_nobody_logs_in() {
    let app = App::plain().await;
    let gate = Authority::new().gate_with(&app, "subject.cn", "").await;
    let file = gate.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&file).expect("the configuration");
    let rule = "[[site.rule]]\npath = \"/x\"\nrequire = { user = true, max_auth_age = \"5m\" }\n";
    fs::write(gate.folder().join("other.toml"), format!("{text}{rule}")).expect("a file");
    let checked = cloakroom(gate.folder(), &["check", "--config", "other.toml"]).output();
    let checked = checked.expect("the command");
    assert_eq!(checked.status.code(), Some(78));
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(told.contains("no login that could be recent"), "{told}");
}
