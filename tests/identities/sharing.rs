//! `accept_users_from`: whose logins count where.

use crate::support::{App, Gate, Reply, Setup};

#[tokio::test]
async fn a_login_counts_where_it_is_accepted() {
    let app = App::answering(|seen| match seen.path() {
        "/login" => Reply::ok("welcome").header("x-session-login", "\"alice\""),
        _ => Reply::ok("ok"),
    })
    .await;
    let another = |path: &str, rest: &str| {
        let address = app.addr();
        format!(
            "[[site]]\nname = {path:?}\nhosts = [\"localhost\"]\npath = \"/{path}\"\nupstream = [\"http://{address}\"]\n{rest}\n"
        )
    };
    let site = [
        "trust_directives = true\n".to_owned(),
        another("own", "trust_directives = true"),
        another(
            "accepts",
            "trust_directives = true\naccept_users_from = [\"app\"]",
        ),
        another("open", ""),
        another("picks", "accept_users_from = [\"own\"]"),
    ];
    let site = site.concat();
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    browser.post("/login", "").send().await;

    for (path, user) in [
        ("/", Some("alice")),
        ("/own", None),
        ("/accepts", Some("alice")),
        ("/open", Some("alice")),
        ("/picks", None),
    ] {
        browser.get(path).send().await;
        let seen = app.last().header("x-session-user");
        assert_eq!(seen.as_deref(), user, "{path}");
    }
}
