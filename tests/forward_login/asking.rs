//! When the service is asked, and what it is told.

use http::Method;

use super::{Rig, id, log_in, log_out, user};
use crate::support::eventually;

#[tokio::test]
async fn the_service_is_told_of_the_request_and_the_app_of_the_user() {
    let rig = Rig::new("").await;
    let browser = rig.gate.browser();
    rig.seen_by(&browser, "/").await;
    log_in(&browser, "alice");

    let call = browser.post("/inside/cart?n=1", "quantity=2");
    let call = call
        .header("accept", "text/html")
        .header("x-api-key", "of-the-app")
        .header("content-type", "text/plain");
    assert_eq!(call.send().await.status(), 200);

    let asked = rig.service.last();
    assert_eq!(
        (asked.method.as_str(), &*asked.target),
        ("GET", "/verify?as=nginx")
    );
    assert_eq!(asked.body.len(), 0);
    let authority = rig.gate.origin().replace("https://", "");
    let url = format!("https://{authority}/inside/cart?n=1");
    for (name, value) in [
        ("host", rig.service.addr().to_string().as_str()),
        ("cookie", "sso=alice"),
        ("accept", "text/html"),
        ("x-forwarded-method", "POST"),
        ("x-forwarded-uri", "/inside/cart?n=1"),
        ("x-forwarded-host", &authority),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-original-method", "POST"),
        ("x-original-url", &url),
    ] {
        assert_eq!(asked.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(asked.header("x-api-key"), None, "of the app alone");
    assert_eq!(asked.header("content-type"), None);
    assert_eq!(asked.header("content-length"), None);

    let seen = rig.app.last();
    assert_eq!(user(&seen).as_deref(), Some("alice"));
    assert_eq!(
        seen.header("x-session-groups").as_deref(),
        Some("dev,staff")
    );
    assert_eq!(
        seen.header("x-session-email").as_deref(),
        Some("alice@example.com")
    );
    assert_eq!(seen.cookie("sso"), None, "the service's cookie is its own");
    assert_eq!(seen.folded("remote-"), []);
    assert_eq!(&*seen.body, b"quantity=2");
    assert!(
        !format!("{asked:?}").contains(&browser.ticket()),
        "{asked:?}"
    );
    let lines = rig.gate.access_log(2).await;
    assert_eq!(lines[1]["user"], "alice");
}

#[tokio::test]
async fn a_yes_is_good_for_the_same_address_and_a_moment() {
    let rig = Rig::new("").await;
    let browser = rig.browser("alice");
    let questions = |rig: &Rig| rig.service.seen().len();
    rig.seen_by(&browser, "/inside/a").await;
    assert_eq!(questions(&rig), 1);
    for _ in 0..3 {
        let seen = rig.seen_by(&browser, "/inside/a").await;
        assert_eq!(user(&seen).as_deref(), Some("alice"));
    }
    assert_eq!(questions(&rig), 1, "asked a moment ago");
    // The service may tell addresses and methods apart.
    rig.seen_by(&browser, "/inside/b").await;
    assert_eq!(questions(&rig), 2);
    browser.call(Method::DELETE, "/inside/a").send().await;
    assert_eq!(questions(&rig), 3);
    // Another proof is another question.
    let call = browser
        .get("/inside/a")
        .header("authorization", "Basic eDp5");
    call.send().await;
    assert_eq!(questions(&rig), 4);
    // What was said of her ticket is nothing to who brings it without her cookie.
    let call = browser.get("/inside/a").holding(&browser.ticket_line());
    assert_eq!(call.send().await.status(), 401);
    assert_eq!(questions(&rig), 5);
}

#[tokio::test]
async fn with_no_time_every_request_is_asked_about_and_with_the_session_one() {
    for (login, questions) in [("recheck = \"0\"", 6), ("recheck_scope = \"session\"", 1)] {
        let rig = Rig::new(login).await;
        let browser = rig.browser("alice");
        for path in ["/", "/inside/a", "/inside/b", "/", "/inside/a", "/inside/b"] {
            let seen = rig.seen_by(&browser, path).await;
            assert_eq!(user(&seen).as_deref(), Some("alice"));
        }
        assert_eq!(rig.service.seen().len(), questions, "{login}");
    }
}

#[tokio::test]
async fn who_logs_out_at_the_service_is_logged_out_here_and_finds_their_things_again() {
    let rig = Rig::new("recheck = \"1s\"").await;
    let browser = rig.browser("alice");
    let alice = rig.seen_by(&browser, "/").await;

    // The browser lost the cookie: at once.
    log_out(&browser);
    let seen = rig.seen_by(&browser, "/").await;
    assert_eq!((user(&seen), id(&seen)), (None, None));
    assert_eq!(seen.cookies(), []);
    assert_eq!(browser.get("/inside/").send().await.status(), 401);

    log_in(&browser, "alice");
    let seen = rig.seen_by(&browser, "/").await;
    assert_eq!(id(&seen), id(&alice));
    assert_eq!(seen.cookie("mine").as_deref(), Some("alice"));
}

#[tokio::test]
async fn a_yes_that_the_service_takes_back_ends_within_the_time() {
    let out = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_out = std::sync::Arc::clone(&out);
    let say = move |seen: &super::Seen| match is_out.load(std::sync::atomic::Ordering::SeqCst) {
        true => super::Reply::ok("").status(401),
        false => super::say(seen),
    };
    let rig = Rig::with("recheck = \"1s\"", super::RULES, say).await;
    let browser = rig.browser("alice");
    rig.seen_by(&browser, "/inside/").await;

    out.store(true, std::sync::atomic::Ordering::SeqCst);

    eventually("the user is logged out", async || {
        let answer = browser.get("/inside/").send().await;
        (answer.status() == 401).then_some(())
    })
    .await;
    assert_eq!(user(&rig.seen_by(&browser, "/").await), None);
}

#[tokio::test]
async fn another_user_finds_nothing_of_the_one_before() {
    let rig = Rig::new("").await;
    let browser = rig.browser("alice");
    let alice = rig.seen_by(&browser, "/").await;
    rig.seen_by(&browser, "/").await;
    assert_eq!(rig.app.last().cookie("mine").as_deref(), Some("alice"));

    log_in(&browser, "bob");
    let bob = rig.seen_by(&browser, "/").await;
    assert_eq!(user(&bob).as_deref(), Some("bob"));
    assert_eq!(bob.cookies(), []);
    assert_ne!(id(&bob), id(&alice));
    let again = rig.seen_by(&browser, "/").await;
    assert_eq!(again.cookie("mine").as_deref(), Some("bob"));
}
