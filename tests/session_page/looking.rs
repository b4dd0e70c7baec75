//! What the page shows, and to whom.

use crate::support::eventually;
use crate::support::forms::hidden;
use crate::{House, PAGE, deeds, page};

#[tokio::test]
async fn it_shows_this_session_and_the_others_of_the_same_user_alone() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    house.browser_of("alice").await;
    house.browser_of("bob").await;

    let answer = page(&one).await;

    assert_eq!(answer.status(), 200);
    let html = answer.text();
    for part in [
        "You are logged in as alice. You logged in on the login page of this site, just now.",
        "<dt>Device</dt><dd>Firefox on Linux</dd>",
        "<dd>127.0.0.1</dd>",
        "(in 59 min)",
        "Where else you are logged in: 1",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(deeds(&html).len(), 1, "{html}");
    assert!(!html.contains("bob"), "{html}");
    let bob = house.browser_of("bob").await;
    assert_eq!(deeds(&page(&bob).await.text()).len(), 1);
}

/// Whoever reads the page over somebody's shoulder, or finds it in a cache, can open nothing with it.
#[tokio::test]
async fn nothing_on_the_page_opens_a_session() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let html = page(&one).await.text();
    let names: Vec<String> = deeds(&html)
        .iter()
        .map(|deed| deed.replace("end ", ""))
        .collect();
    let told = names.into_iter().chain(hidden(&html, "token"));
    other.get("/").send().await;
    let id = house.app.last().header("x-session-id").unwrap();
    for told in told {
        assert_ne!(told, id, "no app knows a session by that name");
        let held = format!("__Host-session={told}");
        one.get("/").holding(&held).send().await;
        assert_eq!(house.app.last().header("x-session-user"), None);
    }
    for browser in [&one, &other] {
        assert!(!html.contains(&browser.ticket()));
    }
}

#[tokio::test]
async fn it_runs_no_script_is_in_no_frame_and_in_no_cache() {
    let house = House::with("").await;
    let answer = page(&house.browser_of("alice").await).await;
    let policy = answer.header("content-security-policy").unwrap();
    for part in [
        "default-src 'none'",
        "style-src 'sha256-",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !answer.text().contains("<script"));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
}

#[tokio::test]
async fn to_look_at_it_sets_nothing_and_keeps_nothing_alive() {
    let house = House::with("idle_timeout = \"3s\"\nsave_every_request = true").await;
    let browser = house.browser_of("alice").await;
    // Asked again and again, the page would keep the session alive for good.
    eventually(
        "the session ends although the page is looked at",
        async || {
            let answer = page(&browser).await;
            assert_eq!(answer.set_cookies(), Vec::<String>::new());
            (answer.status() == 302).then_some(())
        },
    )
    .await;
}

#[tokio::test]
async fn who_is_not_logged_in_is_sent_to_the_login_page_and_comes_back() {
    let house = House::with("").await;
    let browser = house.gate.browser();
    browser.get("/").send().await;

    let answer = page(&browser).await;

    let login = "/.cloakroom/login?return_to=%2F.cloakroom%2Fsession";
    assert_eq!(
        (answer.status(), answer.header("location")),
        (302, Some(login))
    );
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
    let form = browser.get(login).navigating().send().await.text();
    let back = hidden(&form, "return_to").unwrap().replace("&#x2f;", "/");
    let answer = house.log_in(&browser, "alice", &back).await;
    assert_eq!(answer.header("location"), Some(PAGE));
    assert_eq!(page(&browser).await.status(), 200);
}

/// With `SameSite=Strict` a link of another site brings no ticket; a page of ours asks again, and then it comes.
#[tokio::test]
async fn a_link_of_another_site_gets_there_under_strict_too() {
    let house = House::with("[session.cookie]\nsame_site = \"Strict\"").await;
    let browser = house.browser_of("alice").await;
    let call = browser.get(PAGE).holding("");
    let answer = call
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document")
        .send()
        .await;
    assert_eq!(answer.status(), 401);
    let again = format!("{}{PAGE}", house.gate.origin());
    assert!(answer.text().contains(&again), "{}", answer.text());
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
}
