//! What nobody can make of it.

use http::Method;

use crate::support::forms::encode;
use crate::{Club, FORM, TARGET, assert_untouched, body_of};

const COOKIE: &str = "__Host-cloakroom-form";

/// The attacker posts a form in a browser of their own and sends the link to somebody who is logged in.
#[tokio::test]
async fn a_link_shows_nobody_the_form_of_another() {
    let club = Club::plain().await;
    let (mallory, alice) = (club.gate.browser(), club.gate.browser());
    let page = club.keep(&mallory, "/notes/delete-all", "sure=yes").await;
    // She has a key of her own, from a form that she has sent.
    let own = club.keep(&alice, TARGET, "a=1").await;
    assert_eq!(own, page, "the link alone does not tell them apart");
    club.log_in(&alice, "alice", &own).await;
    let html = club.look(&alice, &own).await.text();
    assert!(
        !html.contains("delete-all") && html.contains("/notes/new"),
        "{html}"
    );
    club.press_and_follow(&alice, &own, &html).await;

    let shown = club.look(&alice, &page).await;

    assert_eq!(shown.status(), 404, "{shown:?}");
    assert!(!shown.text().contains("delete-all") && !shown.text().contains("sure"));
    assert_eq!(club.press(&alice, &page, &html).await.status(), 404);
    assert!(club.seen("/notes/delete-all").is_empty());
    club.log_in(&mallory, "bob", "/").await;
    assert_eq!(
        club.look(&mallory, &page).await.status(),
        200,
        "it is still there"
    );
}

/// A sibling host may write cookies for all of them, but none whose name begins like this; an app could, and does not.
#[tokio::test]
async fn the_app_can_neither_set_nor_see_the_key() {
    let app = crate::App::answering(|seen| match seen.path() {
        "/set" => {
            crate::Reply::ok("x").header("set-cookie", "__Host-cloakroom-form=AAAA; Path=/; Secure")
        }
        _ => crate::Reply::ok("x"),
    })
    .await;
    let site = "[site.cookies]\ndefault = \"pass\"\nrules = [{ name = \"*\", mode = \"pass\" }]\n";
    let setup = crate::Setup {
        site,
        ..crate::Setup::default()
    };
    let gate = crate::Gate::with(&app, setup).await;
    let browser = gate.browser();
    let answer = browser.get("/set").navigating().send().await;
    assert!(
        !answer
            .set_cookies()
            .iter()
            .any(|line| line.contains(COOKIE)),
        "{answer:?}"
    );
    let held = format!("a=1; {COOKIE}=AAAA; __host-cloakroom-form=B");
    browser.get("/").holding(&held).navigating().send().await;
    let seen = app.last();
    assert_eq!(seen.cookie("a").as_deref(), Some("1"));
    assert!(
        !seen
            .all("cookie")
            .concat()
            .to_lowercase()
            .contains("cloakroom"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn the_form_of_another_site_is_not_kept() {
    let club = Club::plain().await;
    for (origin, site, dest) in [
        ("https://evil.test", "cross-site", "document"),
        ("null", "cross-site", "document"),
        ("https://evil.test", "same-origin", "document"),
        ("https://x.localhost", "same-site", "document"),
        ("https://other.test", "cross-site", "document"),
        ("own", "same-origin", "iframe"),
        ("own", "same-origin", "empty"),
        ("own", "none", "document"),
    ] {
        let browser = club.gate.browser();
        let own = club.gate.origin();
        let origin = if origin == "own" { &own } else { origin };
        let call = browser.post(TARGET, "a=1").header("content-type", FORM);
        let call = call
            .header("origin", origin)
            .header("sec-fetch-site", site)
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", dest);
        let answer = call.send().await;
        assert!(
            [401, 403].contains(&answer.status()),
            "{origin} {site} {dest}: {answer:?}"
        );
        assert!(
            !answer
                .set_cookies()
                .iter()
                .any(|line| line.contains(COOKIE))
        );
    }
    // No browser at all: nobody says that it is of the site's own.
    let browser = club.gate.browser();
    let call = browser.post(TARGET, "a=1").header("content-type", FORM);
    let answer = call.header("accept", "text/html").send().await;
    assert_eq!(answer.status(), 401);
    assert_untouched(&club);
}

#[tokio::test]
async fn no_other_site_and_no_script_presses_the_button() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let page = club.keep(&browser, TARGET, "a=1").await;
    club.log_in(&browser, "alice", &page).await;
    let post = || browser.post(&page, "a=1").header("content-type", FORM);
    let foreign = post()
        .header("origin", "https://evil.test")
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    assert_eq!(foreign.send().await.status(), 403);
    let script = post().header("origin", club.gate.origin()).fetching();
    assert_eq!(script.send().await.status(), 403);
    assert_eq!(browser.get(&page).fetching().send().await.status(), 403);
    let silent = post();
    assert_eq!(silent.send().await.status(), 403);
    let put = browser.call(Method::PUT, &page).navigating();
    assert_eq!(put.send().await.status(), 405);
    assert_untouched(&club);
    assert_eq!(
        club.look(&browser, &page).await.status(),
        200,
        "it is still there"
    );
}

#[tokio::test]
async fn a_form_is_sent_once() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let page = club.keep(&browser, TARGET, "a=1").await;
    club.log_in(&browser, "alice", &page).await;
    let html = club.look(&browser, &page).await.text();
    let presses = (0..8).map(|_| club.press(&browser, &page, &html));
    let answers = crate::support::together(presses).await;
    let mut statuses: Vec<_> = answers.iter().map(crate::Answer::status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [307, 404, 404, 404, 404, 404, 404, 404]);
    let again = club.look(&browser, &page).await;
    assert_eq!(again.status(), 404);
    assert!(!again.text().contains("notes"));
}

#[tokio::test]
async fn nothing_in_a_form_becomes_markup_or_a_header() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    let odd = "</script></style></title><script>alert(1)</script>\"'><img src=x onerror=y>";
    let body = encode(&[
        (odd, odd),
        ("crlf", "x\r\nSet-Cookie: a=b\r\n\r\n<html>"),
        ("q", "\u{202e}\u{7f}"),
    ]);
    let target = "/notes/%3Cscript%3E%22%27?x=%0D%0ASet-Cookie:a=b&y=%3C/script%3E";
    let answer = club.post(&browser, target, &body).send().await;
    assert_eq!(answer.status(), 303, "{answer:?}");
    let page = "/.cloakroom/resume?form=0";
    club.log_in(&browser, "alice", page).await;
    let shown = club.look(&browser, page).await;
    let html = shown.text();
    assert!(html.contains("&lt;script&gt;"), "{html}");
    assert!(
        !html.contains("<script") && !html.contains("<img"),
        "{html}"
    );
    assert!(
        shown
            .set_cookies()
            .iter()
            .all(|line| !line.starts_with("a="))
    );
    let answer = club.press(&browser, page, &html).await;
    assert_eq!(answer.status(), 307);
    let to = format!("{}{target}", club.gate.origin());
    assert_eq!(answer.header("location"), Some(&*to));
    let answer = club.post(&browser, target, &body_of(&html)).send().await;
    assert_eq!(answer.status(), 200);
    assert_eq!(club.seen(target).last().unwrap().body, body.as_bytes());
}

/// What cannot be shown or sent again as it was is not kept.
#[tokio::test]
async fn what_could_not_be_sent_again_as_it_was_is_not_kept() {
    let club = Club::plain().await;
    for body in ["a=%00", "a=%ff", "=x", "a=\u{0}"] {
        let browser = club.gate.browser();
        let answer = club.post(&browser, TARGET, body).send().await;
        assert_eq!(answer.status(), 401, "{body:?}: {answer:?}");
    }
    for kind in [
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded; charset=latin1",
    ] {
        let browser = club.gate.browser();
        let call = browser.post(TARGET, "a=1").header("content-type", kind);
        let answer = call
            .header("origin", club.gate.origin())
            .navigating()
            .send()
            .await;
        assert_eq!(answer.status(), 401, "{kind}: {answer:?}");
    }
    assert_untouched(&club);
}

#[tokio::test]
async fn odd_numbers_and_odd_keys_show_nothing() {
    let club = Club::plain().await;
    let browser = club.gate.browser();
    club.keep(&browser, TARGET, "a=1").await;
    club.log_in(&browser, "alice", "/").await;
    for query in [
        "",
        "?",
        "?form=",
        "?form=1",
        "?form=4",
        "?form=-1",
        "?form=0&form=0",
        "?form=%00",
        "?form=256",
        "?from=0",
    ] {
        let page = format!("/.cloakroom/resume{query}");
        assert_eq!(club.look(&browser, &page).await.status(), 404, "{query}");
    }
    let line = browser.ticket_line();
    let key = browser.cookie(COOKIE).unwrap();
    for held in [
        format!("{line}; {COOKIE}={}", key.replace(&key[..4], "AAAA")),
        format!("{line}; {COOKIE}={key}; {COOKIE}={key}"),
        format!("{line}; {COOKIE}=\"{key}\""),
        line.clone(),
    ] {
        let call = browser.get("/.cloakroom/resume?form=0").holding(&held);
        assert_eq!(call.navigating().send().await.status(), 404, "{held}");
    }
    let held = format!("{line}; {COOKIE}={key}");
    let call = browser.get("/.cloakroom/resume?form=0").holding(&held);
    assert_eq!(call.navigating().send().await.status(), 200);
}
