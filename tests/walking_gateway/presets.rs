//! Promise: whatever app a preset is for, a user is bound by a login that can be read in one way and that succeeded, and
//! by nothing else.

use crate::support::{App, Browser, Gate, Reply, Seen, Setup};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const PARTS: &str = "multipart/form-data; boundary=b";

/// What an app is like, for its preset.
struct Case {
    preset: &'static str,
    login: &'static str,
    /// None: it asks for a password alone.
    field: Option<&'static str>,
    status: u16,
    cookie: &'static str,
    /// What is typed, and whom that binds.
    typed: &'static str,
    bound: &'static str,
    /// Method, target, status, and a cookie that goes.
    logout: Option<(&'static str, &'static str, u16, &'static str)>,
}

const CASES: [Case; 7] = [
    Case {
        preset: "django",
        login: "/admin/login/",
        field: Some("username"),
        status: 302,
        cookie: "sessionid",
        typed: "+Alice+",
        bound: "Alice",
        logout: Some(("POST", "/admin/logout/", 200, "sessionid")),
    },
    Case {
        preset: "wordpress",
        login: "/wp-login.php",
        field: Some("log"),
        // In a dialogue.
        status: 200,
        cookie: "wordpress_logged_in_1",
        typed: "Alice%40Example.com+",
        bound: "alice@example.com",
        logout: Some((
            "GET",
            "/wp-login.php?action=logout&_wpnonce=1",
            302,
            "wordpress_logged_in_1",
        )),
    },
    Case {
        preset: "tomcat",
        login: "/jsp/security/protected/j_security_check",
        field: Some("j_username"),
        status: 303,
        cookie: "JSESSIONID",
        typed: "Alice",
        bound: "Alice",
        logout: None,
    },
    Case {
        preset: "jupyter",
        login: "/login",
        field: None,
        status: 302,
        cookie: "username-localhost-1",
        typed: "",
        bound: "jupyter",
        logout: Some(("GET", "/logout", 200, "username-localhost-1")),
    },
    Case {
        preset: "phpmyadmin",
        login: "/index.php?route=/",
        field: Some("pma_username"),
        status: 302,
        cookie: "pmaAuth-1_https",
        typed: "Root",
        bound: "Root",
        logout: Some(("POST", "/index.php?route=/logout", 302, "pmaAuth-1_https")),
    },
    Case {
        preset: "mediawiki",
        login: "/index.php/Special:UserLogin",
        field: Some("wpName"),
        status: 302,
        cookie: "wikiUserID",
        typed: "al_ice+b",
        bound: "Al ice b",
        logout: Some(("POST", "/api.php", 200, "wikiUserID")),
    },
    Case {
        preset: "dokuwiki",
        login: "/doku.php?id=start",
        field: Some("u"),
        status: 302,
        cookie: "DW0123456789abcdef",
        typed: "Al.Ice",
        bound: "al.ice",
        logout: Some((
            "GET",
            "/doku.php?id=start&do=logout",
            302,
            "DW0123456789abcdef",
        )),
    },
];

/// Answers as the request asks it to: the test knows what the app would say.
fn reply(seen: &Seen) -> Reply {
    let status = seen
        .header("x-status")
        .and_then(|status| status.parse().ok());
    let reply = Reply::ok("").status(status.unwrap_or(200));
    let lines = [seen.header("x-cookie"), seen.header("x-cookie-too")];
    lines.into_iter().flatten().fold(reply, |reply, line| {
        reply.header("set-cookie", line).header("location", "/")
    })
}

async fn gate(app: &App, preset: &str, more: &str) -> Gate {
    let site = format!("[site.login]\nmethod = \"watch\"\npreset = \"{preset}\"\n{more}");
    let setup = Setup {
        site: &site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// The user that the app is told of.
async fn user(app: &App, browser: &Browser) -> Option<String> {
    browser.get("/").send().await;
    app.last().header("x-session-user")
}

/// Posts a login and has the app answer so.
async fn post(
    browser: &Browser,
    target: &str,
    (kind, body): (&str, String),
    (status, cookie): (u16, &str),
) {
    let call = browser.post(target, body).header("content-type", kind);
    let call = call.header("x-status", status.to_string());
    let answer = call.header("x-cookie", cookie).send().await;
    assert_eq!(answer.status(), status, "{target}");
}

#[tokio::test]
async fn a_login_by_preset_binds_whom_the_app_means_and_its_logout_ends_it() {
    let app = App::answering(reply).await;
    for case in &CASES {
        for folder in ["", "/deep/folder"] {
            let gate = gate(&app, case.preset, &format!("base = \"{folder}/\"\n")).await;
            let browser = gate.browser();
            let body = format!("{}={}&pwd=x", case.field.unwrap_or("x"), case.typed);
            let cookie = format!("{}=secret; Path=/", case.cookie);
            let login = format!("{folder}{}", case.login);

            post(
                &browser,
                &login,
                (FORM, body.clone()),
                (case.status, &cookie),
            )
            .await;

            let bound = user(&app, &browser).await;
            assert_eq!(
                bound.as_deref(),
                Some(case.bound),
                "{} {login}",
                case.preset
            );
            let Some((method, target, status, cookie)) = case.logout else {
                continue;
            };
            let gone = format!("{cookie}=gone; Path=/; Max-Age=0");
            let call = browser.call(method.parse().unwrap(), &format!("{folder}{target}"));
            let call = call.header("x-status", status.to_string());
            call.header("x-cookie", &gone).send().await;
            assert_eq!(user(&app, &browser).await, None, "{} {target}", case.preset);
        }
    }
}

#[tokio::test]
async fn by_no_preset_does_what_can_be_read_in_two_ways_bind_anybody() {
    let app = App::answering(reply).await;
    for case in &CASES {
        let Some(field) = case.field else {
            continue;
        };
        let gate = gate(&app, case.preset, "").await;
        let cookie = format!("{}=secret; Path=/", case.cookie);
        let mark = if case.login.contains('?') { '&' } else { '?' };
        let in_query = format!("{}{mark}{field}=admin", case.login);
        let part = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\nadmin\r\n--b--\r\n"
        );
        let rows = [
            (case.login, FORM, format!("{field}=me&{field}=admin")),
            (case.login, FORM, format!("{field}=me&{field}[]=admin")),
            (case.login, FORM, format!("{field}[]=admin")),
            (
                case.login,
                FORM,
                format!("{field}=me&{}=admin", field.to_uppercase()),
            ),
            (case.login, FORM, format!("{field}=me;{field}=admin")),
            (case.login, FORM, format!("{field}=%ff")),
            (case.login, FORM, format!("{field}=")),
            (
                case.login,
                "application/x-www-form-urlencoded; charset=utf-7",
                format!("{field}=admin"),
            ),
            (&in_query, FORM, format!("{field}=me")),
            (&in_query, FORM, "x=1".to_owned()),
            (case.login, PARTS, part),
            (case.login, "text/plain", format!("{field}=admin")),
            (case.login, JSON, format!("{{\"{field}\":\"admin\"}}")),
            (
                case.login,
                JSON,
                format!("{{\"{field}\":\"me\",\"{field}\":\"admin\"}}"),
            ),
        ];
        let count = rows.len();
        for (target, kind, body) in rows {
            let browser = gate.browser();
            post(
                &browser,
                target,
                (kind, body.clone()),
                (case.status, &cookie),
            )
            .await;
            let bound = user(&app, &browser).await;
            assert_eq!(bound, None, "{} {target} {body}", case.preset);
        }
        let printed = gate.printed();
        let told = printed.matches("nobody is bound").count();
        assert_eq!(told, count, "{} {printed}", case.preset);
    }
}

#[tokio::test]
async fn by_no_preset_is_a_failure_an_error_or_a_deletion_a_login() {
    let app = App::answering(reply).await;
    for case in &CASES {
        let gate = gate(&app, case.preset, "").await;
        let browser = gate.browser();
        let call = browser.get("/").header("x-cookie", "cart=3; Path=/");
        call.send().await;
        let before = browser.ticket_line();
        let body = format!("{}={}&pwd=x", case.field.unwrap_or("x"), case.typed);
        let set = format!("{}=secret; Path=/", case.cookie);
        let gone = format!("{}=gone; Path=/; Max-Age=0", case.cookie);
        for (status, cookie) in [
            (case.status, gone.as_str()),
            (case.status, "other=1; Path=/"),
            (500, set.as_str()),
            (503, set.as_str()),
        ] {
            post(&browser, case.login, (FORM, body.clone()), (status, cookie)).await;
            assert_eq!(
                browser.ticket_line(),
                before,
                "{} {status} {cookie}",
                case.preset
            );
            let bound = user(&app, &browser).await;
            assert_eq!(bound, None, "{} {status} {cookie}", case.preset);
        }
    }
}

/// Whoever is in may have the cookie of a login set again by a request in which the app reads no name, and write any.
#[tokio::test]
async fn whom_the_apps_own_cookie_names_nobody_else_is() {
    let app = App::answering(reply).await;
    let wordpress = "wordpress_logged_in_1=mallory%7C1799999999%7Ct%7C0a";
    let dokuwiki = "DW0123456789abcdef=bWFsbG9yeQ%3D%3D%7C0%7Cc2VjcmV0";
    for (preset, typed, cookie, bound) in [
        ("wordpress", "MALLORY", wordpress, Some("mallory")),
        ("wordpress", "admin", wordpress, None),
        // An account of this name may be somebody else's.
        ("wordpress", "m%40example.com", wordpress, Some("mallory")),
        ("wordpress", "mal%3C1%3Elory", wordpress, None),
        (
            "mediawiki",
            "mallory",
            "wikiUserName=Mallory",
            Some("Mallory"),
        ),
        ("mediawiki", "admin", "wikiUserName=Mallory", None),
        ("dokuwiki", "mallory", dokuwiki, Some("mallory")),
        ("dokuwiki", "admin", dokuwiki, None),
    ] {
        let case = CASES.iter().find(|case| case.preset == preset).unwrap();
        let gate = gate(&app, preset, "").await;
        let browser = gate.browser();
        let body = format!("{}={typed}&pwd=x", case.field.unwrap());
        // MediaWiki tells a success by another cookie, of which the rig's app sets one at a time.
        let body = (FORM, body);
        if preset == "mediawiki" {
            let both = format!("{cookie}; Path=/");
            let call = browser
                .post(case.login, body.1)
                .header("content-type", FORM);
            let call = call.header("x-status", "302").header("x-cookie", both);
            let call = call.header("x-cookie-too", "wikiUserID=7; Path=/");
            call.send().await;
        } else {
            let cookie = format!("{cookie}; Path=/");
            post(&browser, case.login, body, (case.status, &cookie)).await;
        }
        let found = user(&app, &browser).await;
        assert_eq!(found.as_deref(), bound, "{preset} {typed}");
    }
}

/// An error page of the app's that redirects sets a session cookie too.
#[tokio::test]
async fn a_redirect_of_tomcats_error_page_is_no_login() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "tomcat", "").await;
    let browser = gate.browser();
    let login = (FORM, "j_username=admin&j_password=wrong".to_owned());
    let cookie = "JSESSIONID=new; Path=/";
    post(&browser, "/app/j_security_check", login, (302, cookie)).await;
    assert_eq!(user(&app, &browser).await, None);
}

/// A page elsewhere can link to a logout that is a GET.
#[tokio::test]
async fn a_link_of_another_site_logs_nobody_out() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "jupyter", "").await;
    let browser = gate.browser();
    let cookie = "username-localhost-1=secret; Path=/";
    post(
        &browser,
        "/login",
        (FORM, "password=x".to_owned()),
        (302, cookie),
    )
    .await;

    let asked = app.seen().len();
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("referer", "https://evil.test/page"),
    ] {
        let call = browser.get("/logout").header(name, value);
        let call = call.header("sec-fetch-mode", "navigate");
        let answer = call.header("sec-fetch-dest", "document").send().await;
        assert_eq!(answer.status(), 403, "{name}");
    }
    assert_eq!(app.seen().len(), asked);

    assert_eq!(user(&app, &browser).await.as_deref(), Some("jupyter"));
    browser.get("/logout").send().await;
    assert_eq!(user(&app, &browser).await, None);
}

/// phpMyAdmin sets its login cookie anew with every answer, at the path of its login.
#[tokio::test]
async fn at_a_shared_path_other_requests_are_no_logins() {
    let app = App::answering(reply).await;
    let gate = gate(&app, "phpmyadmin", "attempts_per_address = 3\n").await;
    let browser = gate.browser();
    let set = "pmaAuth-1_https=secret; Path=/";
    let login = (FORM, "pma_username=alice&pma_password=x".to_owned());
    post(&browser, "/index.php", login, (302, set)).await;
    let logged_in = browser.ticket_line();

    for _ in 0..5 {
        let query = (FORM, "sql_query=SELECT+%22pma_username%22&pos=0".to_owned());
        post(&browser, "/index.php?route=/sql", query, (200, set)).await;
    }

    assert_eq!(browser.ticket_line(), logged_in);
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));
    // The query of a logout makes a login none.
    let stranger = gate.browser();
    let login = (FORM, "pma_username=bob&pma_password=x".to_owned());
    post(&stranger, "/?route=/logout", login, (302, set)).await;
    assert_eq!(user(&app, &stranger).await.as_deref(), Some("bob"));
}

#[tokio::test]
async fn what_is_written_beside_a_preset_goes_before_it() {
    let app = App::answering(reply).await;
    let more = "login = { path = \"/hidden\", user_field = \"email\", success = { status = [303], location = \"/\" } }\n";
    let gate = gate(&app, "wordpress", more).await;
    let cookie = "anything=1; Path=/";
    let form = || (FORM, "email=ALICE&pwd=x".to_owned());

    let browser = gate.browser();
    post(&browser, "/hidden", form(), (303, cookie)).await;
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));

    let browser = gate.browser();
    post(&browser, "/wp-login.php", form(), (303, cookie)).await;
    assert_eq!(user(&app, &browser).await, None);
}

#[tokio::test]
async fn a_json_login_binds_whom_one_reading_names() {
    let app = App::answering(reply).await;
    let site = "[site.login]\nmethod = \"watch\"\n\
        login = { path = \"/api/login\", content_type = \"json\", user_field = \"user\", success = { status = [200], sets_cookie = \"sid\" }, failure = { status = [401] } }\n";
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let good = (200, "sid=1; Path=/");
    for (kind, body, bound) in [
        (
            JSON,
            r#"{"user":"Alice","password":"x","remember":true}"#,
            Some("Alice"),
        ),
        (
            "application/json; charset=utf-8",
            r#"{"user":"J\u00f6rg"}"#,
            Some("J%C3%B6rg"),
        ),
        (JSON, r#"{"user":"me","user":"admin"}"#, None),
        (JSON, r#"{"user":"me","User":"admin"}"#, None),
        (JSON, r#"{"user":"me","\u0075ser":"admin"}"#, None),
        (JSON, r#"{"user":["admin"]}"#, None),
        (JSON, r#"{"data":{"user":"admin"}}"#, None),
        (JSON, "\u{feff}{\"user\":\"admin\"}", None),
        (JSON, r#"{"user":"me"} {"user":"admin"}"#, None),
        (
            "application/json; charset=utf-16",
            r#"{"user":"admin"}"#,
            None,
        ),
        (FORM, "user=admin", None),
        (PARTS, r#"{"user":"admin"}"#, None),
    ] {
        let browser = gate.browser();
        post(&browser, "/api/login", (kind, body.to_owned()), good).await;
        assert_eq!(
            user(&app, &browser).await.as_deref(),
            bound,
            "{kind} {body}"
        );
    }
    let browser = gate.browser();
    let json = (JSON, r#"{"user":"alice"}"#.to_owned());
    post(&browser, "/api/login?user=admin", json, good).await;
    assert_eq!(user(&app, &browser).await, None);
}
