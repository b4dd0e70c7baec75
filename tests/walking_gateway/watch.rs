//! An app that says nothing about its logins is watched.

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;

use crate::support::body::{fed, full};
use crate::support::{App, Browser, Gate, Reply, Seen, Setup};

/// As WordPress does it: login and logout at one path, told apart by the query.
const SITE: &str = r#"
[site.login]
method = "watch"
login = { method = "POST", path = "/wp-login.php", user_field = "log", success = { status = [302], sets_cookie = "wordpress_logged_in_*" } }
logout = { path = "/wp-login.php", query = "action=logout", success = { status = [302] } }
"#;
const FORM: &str = "application/x-www-form-urlencoded";
const LOGIN: &str = "/wp-login.php";

fn reply(seen: &Seen) -> Reply {
    let says = |text: &str| String::from_utf8_lossy(&seen.body).contains(text);
    let redirect = Reply::ok("").status(302).header("location", "/wp-admin/");
    match (&seen.method, &*seen.target) {
        (&Method::GET, "/wp-login.php?action=logout&_wpnonce=1") => {
            let line = "wordpress_logged_in_1=+; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
            redirect.header("set-cookie", line)
        }
        // Logs out at the address of the login.
        (&Method::POST, LOGIN) if says("bye") => {
            let line = "wordpress_logged_in_1=+; Path=/; Max-Age=0";
            redirect.header("set-cookie", line)
        }
        (&Method::POST, LOGIN) if says("broken") => {
            let line = "wordpress_logged_in_1=x; Path=/";
            Reply::ok("").status(500).header("set-cookie", line)
        }
        (&Method::POST, target) if target.starts_with(LOGIN) && says("right") => {
            redirect.header("set-cookie", "wordpress_logged_in_1=secret; Path=/")
        }
        (&Method::POST, LOGIN) => Reply::ok("wrong password"),
        (_, "/visit") => Reply::ok("ok").header("set-cookie", "cart=3; Path=/"),
        _ => Reply::ok("ok"),
    }
}

async fn gate() -> (App, Gate) {
    let app = App::answering(reply).await;
    let gate = watching(&app, SITE).await;
    (app, gate)
}

async fn watching(app: &App, site: &str) -> Gate {
    let setup = Setup {
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// A browser that has a session.
async fn visitor(gate: &Gate) -> Browser {
    let browser = gate.browser();
    browser.get("/visit").send().await;
    browser
}

async fn log_in(browser: &Browser, body: impl Into<Bytes>) -> u16 {
    let call = browser.post(LOGIN, body).header("content-type", FORM);
    call.send().await.status()
}

/// The user that the app is told of.
async fn user(app: &App, browser: &Browser) -> Option<String> {
    browser.get("/").send().await;
    app.last().header("x-session-user")
}

#[tokio::test]
async fn a_login_forks_and_the_app_is_told_what_was_typed() {
    for http2 in [false, true] {
        let (app, gate) = gate().await;
        let browser = gate.browser();
        let browser = if http2 { browser.http2() } else { browser };
        browser.get("/visit").send().await;
        let before = browser.ticket_line();
        let id_before = app.last().header("x-session-id");

        assert_eq!(log_in(&browser, "log=Al+%3Cice%3E&pwd=right").await, 302);

        assert_eq!(app.last().body, "log=Al+%3Cice%3E&pwd=right", "as it came");
        assert_ne!(browser.ticket_line(), before);
        assert_eq!(user(&app, &browser).await.as_deref(), Some("Al <ice>"));
        let seen = app.last();
        assert_eq!(
            seen.cookie("wordpress_logged_in_1").as_deref(),
            Some("secret")
        );
        assert_eq!(seen.cookie("cart").as_deref(), Some("3"), "carried along");
        assert_ne!(seen.header("x-session-id"), id_before);

        // The old ticket, at once.
        browser.get("/").holding(&before).send().await;
        let seen = app.last();
        assert_eq!(seen.header("x-session-user"), None);
        assert_eq!(seen.cookie("wordpress_logged_in_1"), None);
        assert!(!gate.printed().contains("right"), "no log holds a password");
    }
}

#[tokio::test]
async fn without_carry_an_anonymous_session_is_left_behind() {
    let app = App::answering(reply).await;
    let gate = watching(&app, &format!("{SITE}carry = false\n")).await;
    let browser = visitor(&gate).await;

    log_in(&browser, "log=alice&pwd=right").await;

    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));
    assert_eq!(app.last().cookie("cart"), None);
}

#[tokio::test]
async fn a_login_that_fails_changes_nothing() {
    let (app, gate) = gate().await;
    let browser = visitor(&gate).await;
    let before = browser.ticket_line();

    assert_eq!(log_in(&browser, "log=alice&pwd=wrong").await, 200);
    assert_eq!(log_in(&browser, "log=alice&pwd=broken").await, 500);
    // Another path, and another method.
    for (method, target) in [(Method::POST, "/wp-login"), (Method::GET, LOGIN)] {
        let call = browser.call(method, target).header("content-type", FORM);
        call.body(full("log=alice&pwd=right")).send().await;
    }

    assert_eq!(browser.ticket_line(), before);
    assert_eq!(user(&app, &browser).await, None);
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_binds_nobody() {
    let (app, gate) = gate().await;
    let large = format!("log=admin&pwd=right&x={}", "a".repeat(70_000));
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"log\"\r\n\r\nadmin\r\n--b\r\n\
                     Content-Disposition: form-data; name=\"pwd\"\r\n\r\nright\r\n--b--\r\n";
    let rows = [
        (LOGIN, FORM, "log=me&log=admin&pwd=right"),
        (LOGIN, FORM, "log[]=admin&pwd=right"),
        (LOGIN, FORM, "log=me&log%5B%5D=admin&pwd=right"),
        ("/wp-login.php?log=admin", FORM, "pwd=right"),
        ("/wp-login.php?log=admin", FORM, "log=me&pwd=right"),
        (
            LOGIN,
            "application/json",
            "{\"log\":\"admin\",\"pwd\":\"right\"}",
        ),
        (LOGIN, "text/plain", "log=admin&pwd=right"),
        (LOGIN, "multipart/form-data; boundary=b", multipart),
        (LOGIN, FORM, "log=%00admin&pwd=right"),
        (LOGIN, FORM, large.as_str()),
    ];
    for (target, kind, body) in rows {
        let browser = visitor(&gate).await;
        let before = browser.ticket_line();

        let call = browser.post(target, body.to_owned());
        let answer = call.header("content-type", kind).send().await;

        assert_eq!(answer.status(), 302, "{target} {body:.60}");
        assert_ne!(browser.ticket_line(), before, "{target} {body:.60}");
        assert_eq!(user(&app, &browser).await, None, "{target} {body:.60}");
        let cookie = app.last().cookie("wordpress_logged_in_1");
        assert_eq!(cookie.as_deref(), Some("secret"), "{target} {body:.60}");
        // Whoever planted the ticket from before gets nothing of it.
        browser.get("/").holding(&before).send().await;
        let cookie = app.last().cookie("wordpress_logged_in_1");
        assert_eq!(cookie, None, "{target} {body:.60}");
    }
    let printed = gate.printed();
    let told = printed.matches("nobody is bound").count();
    assert_eq!(told, rows.len(), "{printed}");
    assert!(!printed.contains("admin"), "{printed}");
}

#[tokio::test]
async fn a_compressed_form_binds_nobody() {
    let (app, gate) = gate().await;
    let browser = visitor(&gate).await;

    let call = browser.post(LOGIN, "log=admin&pwd=right");
    let call = call.header("content-type", FORM);
    call.header("content-encoding", "gzip").send().await;

    assert_eq!(user(&app, &browser).await, None);
}

#[tokio::test]
async fn nobody_is_taken_for_the_user_before() {
    let (app, gate) = gate().await;
    let browser = visitor(&gate).await;
    log_in(&browser, "log=alice&pwd=right").await;
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));

    log_in(&browser, "log=bob&pwd=right").await;
    assert_eq!(user(&app, &browser).await.as_deref(), Some("bob"));
    assert_eq!(app.last().cookie("cart"), None, "somebody else's");

    log_in(&browser, "log=me&log=mallory&pwd=right").await;
    assert_eq!(user(&app, &browser).await, None);
    let cookie = app.last().cookie("wordpress_logged_in_1");
    assert_eq!(cookie.as_deref(), Some("secret"), "the login itself holds");
}

#[tokio::test]
async fn a_logout_ends_the_session_and_a_deleted_cookie_is_no_login() {
    let (app, gate) = gate().await;
    let browser = visitor(&gate).await;
    log_in(&browser, "log=alice&pwd=right").await;
    let logged_in = browser.ticket_line();

    // The cookie of the login is "set" to be deleted, with the status of a login.
    log_in(&browser, "log=mallory&pwd=bye").await;
    assert_eq!(browser.ticket_line(), logged_in);
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));

    // The app asks back before it logs anybody out.
    browser.get("/wp-login.php?action=logout").send().await;
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));

    let call = browser.get("/wp-login.php?action=logout&_wpnonce=1");
    let answer = call.send().await;
    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("__Host-session=;"), "{lines:?}");
    browser.get("/").holding(&logged_in).send().await;
    let seen = app.last();
    assert_eq!(seen.header("x-session-user"), None);
    assert_eq!(seen.cookies(), []);
}

#[tokio::test]
async fn a_foreign_page_logs_nobody_in_or_out() {
    let (app, gate) = gate().await;
    let browser = visitor(&gate).await;
    log_in(&browser, "log=alice&pwd=right").await;
    let logged_in = browser.ticket_line();

    let call = browser.get("/wp-login.php?action=logout&_wpnonce=1");
    let call = call.header("sec-fetch-site", "cross-site");
    let call = call.header("sec-fetch-mode", "no-cors");
    let answer = call.header("sec-fetch-dest", "image").send().await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));

    let stranger = gate.browser();
    let call = stranger.post(LOGIN, "log=mallory&pwd=right");
    let call = call.header("content-type", FORM);
    let answer = call.header("sec-fetch-site", "cross-site").send().await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(browser.ticket_line(), logged_in);
}

#[tokio::test]
async fn a_site_that_watches_sees_only_users_of_its_own() {
    let app = App::answering(|seen| match seen.path() {
        "/shop/in" => Reply::ok("").header("x-session-login", "\"alice\""),
        _ => reply(seen),
    })
    .await;
    let shop = format!(
        "{SITE}\n[[site]]\nname = \"shop\"\nhosts = [\"localhost\"]\npath = \"/shop\"\n\
         upstream = [\"http://{}\"]\ntrust_directives = true\n",
        app.addr()
    );
    let gate = watching(&app, &shop).await;
    let browser = visitor(&gate).await;

    browser.post("/shop/in", "").send().await;

    browser.get("/shop/").send().await;
    let seen = app.last().header("x-session-user");
    assert_eq!(seen.as_deref(), Some("alice"));
    assert_eq!(user(&app, &browser).await, None);
}

#[tokio::test]
async fn the_apps_own_word_beats_the_watch() {
    let app = App::answering(|seen| match seen.path() {
        LOGIN => reply(seen).header("x-session-login", "\"Alice Who Is\""),
        _ => reply(seen),
    })
    .await;
    let gate = watching(&app, &format!("trust_directives = true\n{SITE}")).await;
    let browser = visitor(&gate).await;

    log_in(&browser, "log=alice&pwd=right").await;

    assert_eq!(user(&app, &browser).await.as_deref(), Some("Alice Who Is"));
}

/// An app that answers as soon as it has the head of a request.
async fn hasty() -> App {
    App::serving(|request| async move {
        let logs_in = request.uri().path() == LOGIN;
        // The rest of the body is read, but nobody waits for it.
        tokio::spawn(request.into_body().collect());
        let answer = http::Response::builder();
        let answer = match logs_in {
            true => answer
                .status(302)
                .header("set-cookie", "wordpress_logged_in_1=secret; Path=/"),
            false => answer.header("set-cookie", "cart=3; Path=/"),
        };
        answer.body(full("")).expect("an answer")
    })
    .await
}

#[tokio::test]
async fn an_answer_before_a_large_form_has_ended_binds_nobody() {
    let app = hasty().await;
    let gate = watching(&app, SITE).await;
    let browser = visitor(&gate).await;
    let before = browser.ticket_line();

    let (form, body) = fed();
    let feeding = async {
        form.data("log=alice&pwd=right&x=").await;
        for _ in 0..70 {
            form.data("a".repeat(1024)).await;
        }
    };
    let call = browser
        .call(Method::POST, LOGIN)
        .header("content-type", FORM);
    let (answer, ()) = tokio::join!(call.body(body).stream(), feeding);
    assert_eq!(answer.status(), 302);
    form.data("&log=admin").await;
    drop(form);

    assert_ne!(browser.ticket_line(), before);
    assert_eq!(user(&app, &browser).await, None);
}

#[tokio::test]
async fn a_form_that_comes_in_parts_is_read_before_the_app_is_asked() {
    let app = hasty().await;
    let gate = watching(&app, SITE).await;
    for http2 in [false, true] {
        let browser = gate.browser();
        let browser = if http2 { browser.http2() } else { browser };
        browser.get("/visit").send().await;

        let (form, body) = fed();
        let feeding = async move {
            for part in ["log=al", "ice&p", "wd=right"] {
                form.data(part).await;
            }
        };
        let call = browser
            .call(Method::POST, LOGIN)
            .header("content-type", FORM);
        let (answer, ()) = tokio::join!(call.body(body).send(), feeding);

        assert_eq!(answer.status(), 302);
        assert_eq!(user(&app, &browser).await.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn a_failed_login_is_counted_and_told_with_its_reason_and_nothing_that_was_typed() {
    let (_app, gate) = gate().await;
    let browser = visitor(&gate).await;

    log_in(&browser, "log=hunter2&pwd=wrong").await;

    let printed = gate.printed();
    let told = "the app answered 200, which is none of success.status";
    assert!(printed.contains(told), "{printed}");
    assert!(!printed.contains("hunter2"), "{printed}");
}
