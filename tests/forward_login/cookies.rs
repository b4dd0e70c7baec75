//! The service's cookies are its own, both ways.

use super::{RULES, Rig, log_in, say};
use crate::support::{Reply, Seen};

/// Sets all kinds of cookies, whatever it says.
fn say_and_set(seen: &Seen) -> Reply {
    say(seen)
        .header(
            "set-cookie",
            "sso=alice; Domain=localhost; SameSite=None; Path=/",
        )
        .header("set-cookie", "sso_hint=x; Path=/; Max-Age=60")
        .header("set-cookie", "__Host-session=planted; Path=/; Secure")
        .header("set-cookie", "=__Host-session=planted")
        .header("set-cookie", "sso_x=a, __Host-session=planted")
        .header("set-cookie", "mine=root; Path=/")
}

const HARD: [&str; 2] = [
    "sso=alice; Path=/; Secure; HttpOnly; SameSite=Lax",
    "sso_hint=x; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax",
];

fn without_ours(cookies: Vec<String>) -> Vec<String> {
    let theirs = cookies.into_iter();
    theirs
        .filter(|line| !line.starts_with("__Host-session="))
        .map(|line| {
            line.replace(
                "; SameSite=Lax; Path=/; Secure; HttpOnly",
                "; Path=/; Secure; HttpOnly; SameSite=Lax",
            )
        })
        .collect()
}

#[tokio::test]
async fn what_the_service_sets_reaches_the_browser_hard_and_nothing_else_does() {
    let rig = Rig::with("", RULES, say_and_set).await;
    // Whatever it says: yes, with an answer of the app; no, with one of ours.
    for (who, path, status) in [
        ("alice", "/", 200),
        ("alice", "/inside/", 200),
        ("stranger", "/inside/", 302),
    ] {
        let browser = rig.browser(who);
        let answer = browser.get(path).navigating().send().await;
        assert_eq!(answer.status(), status);
        let set = answer.set_cookies();
        assert!(!set.iter().any(|line| line.contains("planted")), "{set:?}");
        let theirs = without_ours(set);
        assert_eq!(theirs, HARD, "{who} {path}");
        assert!(
            answer.lists("cache-control", "no-store"),
            "made for this visitor: {answer:?}"
        );
    }
    rig.gate
        .says("it collides with the gateway's own cookie")
        .await;
    rig.gate
        .says("it is none of the login service's cookies")
        .await;

    // It is not in the jar either.
    let browser = rig.browser("alice");
    rig.seen_by(&browser, "/").await;
    let seen = rig.seen_by(&browser, "/").await;
    assert_eq!(seen.cookies(), [("mine".to_owned(), "alice".to_owned())]);
}

/// Promise: a foreign page logs nobody out at the service.
#[tokio::test]
async fn a_foreign_page_has_the_service_neither_asked_nor_set_anything() {
    let rig = Rig::with("", RULES, say_and_set).await;
    let browser = rig.browser("alice");
    for (method, mode, dest) in [
        ("GET", "no-cors", "image"),
        ("POST", "navigate", "document"),
        ("GET", "navigate", "iframe"),
    ] {
        let call = browser
            .call(method.parse().expect("a method"), "/")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", mode)
            .header("sec-fetch-dest", dest);
        let answer = call.send().await;
        assert_eq!(answer.set_cookies(), [""; 0], "{method} {mode} {dest}");
        assert_eq!(super::user(&rig.app.last()), None);
    }
    assert_eq!(rig.service.seen().len(), 0);
    // A link is followed as the user.
    let call = browser
        .get("/")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    call.send().await;
    assert_eq!(super::user(&rig.app.last()).as_deref(), Some("alice"));
}

#[tokio::test]
async fn no_app_gets_or_sets_the_services_cookies_in_any_mode() {
    for mode in ["keep", "pass", "seal", "mirror"] {
        for enforce in [true, false] {
            let site = format!("[site.cookies]\ndefault = \"{mode}\"\nenforce = {enforce}");
            let service = crate::support::App::answering(say).await;
            let app = crate::support::App::answering(|_| {
                Reply::ok("ok")
                    .header("set-cookie", "sso=of-the-app; Path=/")
                    .header("set-cookie", "own=1; Path=/")
            })
            .await;
            let url = format!("http://{}", service.addr());
            let gate = super::gate(&app, &url, "", &site).await;
            let browser = gate.browser();
            log_in(&browser, "alice");
            for _ in 0..2 {
                let answer = browser.get("/").send().await;
                assert_eq!(answer.status(), 200);
                let set = format!("{:?}", answer.set_cookies());
                assert!(!set.contains("sso="), "{mode} {enforce}: {set}");
                assert_eq!(app.last().cookie("sso"), None, "{mode} {enforce}");
            }
            assert_eq!(browser.cookie("sso").as_deref(), Some("alice"));
            gate.says("cookies of this name are those of the login service")
                .await;
        }
    }
}

/// Promise: a value in which an app would find the service's cookie does not carry it past the screen.
#[tokio::test]
async fn the_services_cookie_does_not_hide_in_another() {
    let rig = Rig::with("", "[site.cookies]\ndefault = \"pass\"", say).await;
    for line in [
        "a=1 sso=alice",
        "a=1,sso=alice",
        "a=\"1 sso=alice\"",
        "=sso=alice",
    ] {
        rig.gate.browser().get("/").holding(line).send().await;
        let seen = rig.app.last();
        assert!(
            !format!("{:?}", seen.all("cookie")).contains("sso"),
            "{line}: {seen:?}"
        );
        assert_eq!(rig.service.last().header("cookie"), None, "{line}");
    }
}

/// Promise: a service that lives on the host itself is the one app there that gets its cookies.
#[tokio::test]
async fn a_service_behind_the_same_gateway_gets_and_sets_its_own() {
    let service = crate::support::App::answering(|seen| match seen.path() {
        "/sso/login" => Reply::ok("in").header("set-cookie", "sso=alice; Path=/"),
        _ => say(seen),
    })
    .await;
    let app = super::app().await;
    let url = format!("http://{}", service.addr());
    for (rules, works) in [
        ("[{ name = \"sso\", mode = \"pass\" }]", true),
        ("[]", false),
    ] {
        let more = format!(
            "[[site]]\nname = \"sso\"\nhosts = [\"localhost\"]\npath = \"/sso\"\nupstream = [\"{url}\"]\n\
             session = \"off\"\n[site.cookies]\ndefault = \"pass\"\nrules = {rules}\n"
        );
        let gate = super::gate(&app, &url, &more, RULES).await;
        let browser = gate.browser();
        browser.get("/sso/login").send().await;
        assert_eq!(browser.cookie("sso").is_some(), works, "{rules}");
        let seen = super::user(&{
            browser.get("/").send().await;
            app.last()
        });
        assert_eq!(seen.is_some(), works, "{rules}");
        assert_eq!(app.last().cookie("sso"), None);
        log_in(&browser, "alice");
        browser.get("/sso/").send().await;
        let last = service
            .seen()
            .into_iter()
            .rfind(|seen| seen.path() == "/sso/");
        let brought = last.expect("it was asked").cookie("sso");
        assert_eq!(brought.is_some(), works, "{rules}");
    }
}
