//! `/.cloakroom/auth`: other proxies ask. The tests' browser stands for visitor and proxy in one.

use http::Method;

use crate::support::{Answer, App, Browser, Call, Gate, Reply, Seen, Setup};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\"]";
const SITE: &str = r#"
trust_directives = true
[[site.rule]]
path = "/login"
[[site.rule]]
path = "/open/*"
[[site.rule]]
path = "/staff/*"
require = { user = true, groups = ["staff"] }
[[site.rule]]
path = "/read/*"
require = { user = true, methods = ["GET"] }
[[site.rule]]
path = "/near/*"
require = { networks = ["192.0.2.0/24"] }
[[site.rule]]
path = "/*"
require = { user = true }
[site.login]
login_url = "/login"
return_param = "next"
[[site]]
name = "open"
hosts = ["www.other.test"]
upstream = ["http://127.0.0.1:9"]
session = "off"
"#;

/// Logs in whoever asks: `/login?alice&dev`.
pub fn reply(seen: &Seen) -> Reply {
    let query = seen.target.split_once('?').map_or("", |(_, query)| query);
    match seen.path() {
        "/login" => {
            let (user, groups) = query.split_once('&').unwrap_or((query, ""));
            let login = format!(
                "\"{user}\"; name=\"Alice A\"; email=\"a@example.com\"; groups=\"{groups}\""
            );
            Reply::ok("welcome").header("x-session-login", login)
        }
        _ => Reply::ok("ok"),
    }
}

pub async fn rig(server: &str) -> (App, Gate) {
    let app = App::answering(reply).await;
    let setup = Setup {
        server,
        site: SITE,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    (app, gate)
}

async fn logged_in(gate: &Gate, groups: &str) -> Browser {
    let browser = gate.browser();
    let answer = browser.get(&format!("/login?alice&{groups}")).send().await;
    assert_eq!(answer.status(), 200);
    browser
}

/// As Traefik and Caddy ask.
fn asks<'b>(browser: &'b Browser, method: &str, uri: &str) -> Call<'b> {
    browser
        .get("/.cloakroom/auth")
        .header("x-forwarded-method", method)
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "localhost")
        .header("x-forwarded-uri", uri)
        .header("x-forwarded-for", "198.51.100.7")
}

/// As nginx asks.
fn nginx_asks<'b>(browser: &'b Browser, uri: &str) -> Call<'b> {
    browser
        .get("/.cloakroom/auth")
        .header("x-original-method", "GET")
        .header("x-original-url", format!("https://localhost{uri}"))
}

fn is_bare(answer: &Answer) {
    assert_eq!(answer.set_cookies(), [""; 0], "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn who_may_have_it_is_let_pass_and_named() {
    let (_app, gate) = rig(TRUSTED).await;
    let browser = logged_in(&gate, "staff,dev").await;

    for call in [
        asks(&browser, "GET", "/staff/x?y=1"),
        nginx_asks(&browser, "/staff/x"),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        is_bare(&answer);
        for (name, value) in [
            ("x-auth-request-user", "alice"),
            ("x-auth-request-email", "a@example.com"),
            ("remote-user", "alice"),
            ("remote-name", "Alice A"),
            ("remote-email", "a@example.com"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
        let groups = answer.header("remote-groups").unwrap_or_default();
        assert_eq!(answer.header("x-auth-request-groups"), Some(groups));
        assert!(
            groups.contains("staff") && groups.contains("dev"),
            "{groups}"
        );
    }
    let lines = gate.access_log(3).await;
    assert_eq!(
        (&lines[1]["user"], &lines[1]["site"]),
        (&"alice".into(), &"app".into())
    );

    // Nobody is named for nobody.
    let stranger = gate.browser();
    let answer = asks(&stranger, "GET", "/open/x").send().await;
    assert_eq!(answer.status(), 200);
    is_bare(&answer);
    assert_eq!(answer.header("remote-user"), None);
    assert_eq!(answer.header("x-auth-request-user"), None);
}

#[tokio::test]
async fn who_may_not_is_told_by_the_conventions_of_the_one_who_asks() {
    let (_app, gate) = rig(TRUSTED).await;
    let stranger = gate.browser();
    let login = "https://localhost/login?next=%2Finside%3Fa%3D1";

    let answer = asks(&stranger, "GET", "/inside?a=1")
        .navigating()
        .send()
        .await;
    assert_eq!(
        (answer.status(), answer.header("location")),
        (302, Some(login))
    );
    is_bare(&answer);
    // nginx takes a 302 for an error, and can send people on by itself.
    let answer = nginx_asks(&stranger, "/inside?a=1")
        .navigating()
        .send()
        .await;
    assert_eq!(
        (answer.status(), answer.header("location")),
        (401, Some(login))
    );
    assert!(answer.header("www-authenticate").is_some());
    is_bare(&answer);
    for call in [
        asks(&stranger, "GET", "/inside"),
        nginx_asks(&stranger, "/inside"),
    ] {
        let answer = call.fetching().send().await;
        assert_eq!((answer.status(), answer.header("location")), (401, None));
        assert!(answer.text().contains("login-required"), "{answer:?}");
    }
    let answer = asks(&stranger, "POST", "/inside").navigating().send().await;
    assert_eq!(answer.status(), 401);

    let alice = logged_in(&gate, "dev").await;
    for (method, uri, status) in [
        ("GET", "/staff/", 403),
        ("GET", "/inside", 200),
        ("POST", "/inside", 200),
        ("GET", "/read/x", 200),
        ("DELETE", "/read/x", 403),
        ("GET", "/near/x", 403),
    ] {
        let answer = asks(&alice, method, uri).send().await;
        assert_eq!(answer.status(), status, "{method} {uri}");
        is_bare(&answer);
    }
}

/// The table of what a path is spelled like to get around a rule (SECURITY.md 2.6), and of what got around others.
#[tokio::test]
async fn no_spelling_of_a_path_gets_around_a_rule() {
    let (_app, gate) = rig(TRUSTED).await;
    let alice = logged_in(&gate, "dev").await;
    for (uri, status) in [
        ("/staff", 403),
        ("/staff/", 403),
        ("//staff/x", 403),
        ("/./staff/x", 403),
        ("/%73taff/x", 403),
        ("/open/../staff/x", 403),
        ("/open/%2e%2e/staff/x", 403),
        ("/staff/x?/open/", 403),
        ("/staff/x?a=/../open", 403),
        ("/open/x", 200),
        ("/open/x?/staff/", 200),
        ("/staff%2fx", 400),
        ("/staff%2Fx", 400),
        ("/open/..;/staff/x", 400),
        ("/staff;x=1", 400),
        ("/open\\..\\staff", 400),
        ("/open/%5c../staff", 400),
        ("/staff%00", 400),
        ("/staff/x#/open/", 400),
        ("/open/#/staff", 400),
        ("/open/%23/../../staff/x", 403),
        ("staff", 400),
        ("https://localhost/open/", 400),
        ("/.cloakroom/login", 403),
        ("/.CLOAKROOM/auth", 403),
    ] {
        let answer = asks(&alice, "GET", uri).send().await;
        // Which of the two it is depends on whether the spelling has one reading.
        let is_refused = status == 403 && answer.status() == 400;
        assert!(answer.status() == status || is_refused, "{uri}: {answer:?}");
        let is_named = answer.header("remote-user").is_some();
        assert_eq!(is_named, status == 200, "{uri}");
    }
}

/// Promise: what a visitor writes under the names that the proxy does not write wins nothing.
#[tokio::test]
async fn what_contradicts_the_proxy_is_refused() {
    let (_app, gate) = rig(TRUSTED).await;
    let stranger = gate.browser();
    for (name, value) in [
        ("x-original-url", "https://localhost/open/"),
        ("x-original-url", "/open/"),
        ("x-original-url", "https://www.other.test/inside"),
        ("x-original-uri", "/open/"),
        ("x-forwarded-uri", "/open/"),
        ("x-forwarded-host", "www.other.test"),
        ("x-original-method", "OPTIONS"),
        ("x-forwarded-method", "OPTIONS"),
    ] {
        let answer = asks(&stranger, "GET", "/inside")
            .header(name, value)
            .send()
            .await;
        assert_eq!(answer.status(), 400, "{name}: {value}");
    }
    let answer = nginx_asks(&stranger, "/inside")
        .header("x-forwarded-uri", "/open/")
        .send()
        .await;
    assert_eq!(answer.status(), 400);
    // Other spellings are other headers.
    for name in [
        "x_forwarded_uri",
        "x.original.url",
        "x_original_url",
        "x-rewrite-url",
        "forwarded",
    ] {
        let answer = asks(&stranger, "GET", "/inside")
            .header(name, "/open/")
            .send()
            .await;
        assert_eq!(answer.status(), 401, "{name}");
    }
    // Nor do names of users, and a User-Agent of a health check.
    for (name, value) in [
        ("remote-user", "alice"),
        ("x-auth-request-user", "alice"),
        ("x-session-user", "alice"),
        ("user-agent", "GoogleHC/1.0"),
    ] {
        let answer = asks(&stranger, "GET", "/inside")
            .header(name, value)
            .send()
            .await;
        assert_eq!(answer.status(), 401, "{name}");
        assert_eq!(answer.header("remote-user"), None);
    }
    // Where the path or the method is not told, nothing is.
    for headers in [
        &[("x-forwarded-uri", "/open/")][..],
        &[("x-forwarded-method", "GET")],
        &[],
    ] {
        let call = stranger.get("/.cloakroom/auth");
        let call = headers
            .iter()
            .fold(call, |call, (name, value)| call.header(name, value));
        assert_eq!(call.send().await.status(), 400, "{headers:?}");
    }
    gate.says("which the proxy must write").await;
    let answer = asks(&stranger, "GET", "/open/")
        .header("x-forwarded-proto", "http")
        .send()
        .await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_peer_that_is_not_trusted_is_told_nothing() {
    let (_app, gate) = rig("trusted_proxies = [\"10.0.0.0/8\"]").await;
    let alice = logged_in(&gate, "dev").await;
    for call in [asks(&alice, "GET", "/open/"), nginx_asks(&alice, "/inside")] {
        let answer = call.send().await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.header("remote-user"), None);
    }
    gate.says("was asked by a peer that is none of server.trusted_proxies")
        .await;
}

#[tokio::test]
async fn the_rules_of_the_site_that_owns_the_address_count() {
    let (_app, gate) = rig(TRUSTED).await;
    let alice = logged_in(&gate, "dev").await;
    for (host, status) in [
        ("localhost", 200),
        ("localhost:8443", 200),
        ("LOCALHOST.", 200),
        // Her ticket is for another host.
        ("other.test", 401),
        // No login of its own, and none of ours.
        ("www.other.test", 403),
        ("elsewhere.test", 403),
        ("localhost, other.test", 400),
        ("localhost/x", 400),
        ("", 400),
    ] {
        let call = alice
            .get("/.cloakroom/auth")
            .header("x-forwarded-method", "GET")
            .header("x-forwarded-uri", "/inside")
            .header("x-forwarded-host", host);
        let answer = call.holding(&alice.ticket_line()).send().await;
        // A ticket is not bound to its host by anything but the browser.
        let expected = if host == "other.test" {
            answer.status()
        } else {
            status
        };
        assert_eq!(answer.status(), expected, "{host}");
        assert!(answer.status() != 200 || host != "www.other.test");
    }
}

#[tokio::test]
async fn a_foreign_page_gets_nothing_done_with_the_session() {
    let (_app, gate) = rig(TRUSTED).await;
    let alice = logged_in(&gate, "dev").await;
    let call = asks(&alice, "POST", "/inside").header("origin", "https://evil.test");
    let answer = call.send().await;
    assert_eq!(answer.status(), 403);
    is_bare(&answer);
    // A WebSocket, of which a proxy may have left no more than this.
    for (name, value) in [
        ("sec-websocket-key", "x"),
        ("sec-fetch-mode", "websocket"),
        ("upgrade", "websocket"),
    ] {
        let call = asks(&alice, "GET", "/inside").header("origin", "https://evil.test");
        assert_eq!(
            call.header(name, value).send().await.status(),
            403,
            "{name}"
        );
    }
    let call = asks(&alice, "GET", "/inside").header("origin", "https://evil.test");
    assert_eq!(call.send().await.status(), 200, "a read is a read");
    let answer = alice.call(Method::POST, "/.cloakroom/auth").send().await;
    assert_eq!(answer.status(), 405);
}

/// Promise: who is active behind another proxy is not idle here.
#[tokio::test]
async fn questions_keep_a_session_alive_and_set_no_cookie() {
    let app = App::answering(reply).await;
    let setup = Setup {
        server: TRUSTED,
        session: "idle_timeout = \"3s\"",
        site: SITE,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let alice = logged_in(&gate, "dev").await;
    let begun = std::time::Duration::from_millis(700);
    for _ in 0..7 {
        tokio::time::sleep(begun).await;
        let answer = asks(&alice, "GET", "/inside").send().await;
        assert_eq!(answer.status(), 200);
        is_bare(&answer);
    }
}
