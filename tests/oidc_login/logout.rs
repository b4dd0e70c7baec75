//! The ways out: ours, and the provider's.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::lying::{Den, now};
use super::*;
use crate::support::WebSocket;
use crate::support::forms::encode;

async fn log_out(shop: &Shop, browser: &Browser) -> Answer {
    browser
        .post("/.cloakroom/logout", encode(&[]))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("origin", shop.gate.origin())
        .navigating()
        .send()
        .await
}

/// Promise: who logs out here logs out at the provider too, and comes back to a page of ours.
#[tokio::test]
async fn who_logs_out_here_logs_out_at_the_provider() {
    let shop = Shop::plain().await;
    let (browser, visitor) = (shop.gate.browser(), shop.idp.visitor());
    shop.log_in_as(&browser, &visitor, "alice").await;

    let page = log_out(&shop, &browser).await;

    assert_eq!(page.status(), 200, "{}", page.text());
    assert_eq!(
        shop.whoami(&browser).await,
        None,
        "it is over before the provider is asked"
    );
    let html = page.text().replace("&amp;", "&");
    let (_, rest) = html.split_once("content=\"0; url=").unwrap();
    let (address, _) = rest.split_once('"').unwrap();
    assert!(address.contains("id_token_hint="), "{address}");
    let back = visitor.log_out(address).await;
    let path = back.strip_prefix(&shop.gate.origin()).unwrap();
    let told = coming(&browser, path).send().await;
    assert!(
        told.text().contains("You are logged out"),
        "{}",
        told.text()
    );
}

/// Promise: a provider that is down keeps nobody from logging out here.
#[tokio::test]
async fn who_logs_out_while_the_provider_is_down_is_logged_out_here() {
    let shop = Shop::plain().await;
    let browser = shop.member("alice").await;
    shop.idp.set(json!({"down": true})).await;
    assert_eq!(log_out(&shop, &browser).await.status(), 200);
    assert_eq!(shop.whoami(&browser).await, None);
}

/// Promise: a logout at the provider ends all sessions of the user, and of nobody else, on every node.
#[tokio::test]
async fn a_logout_at_the_provider_ends_all_sessions_of_the_user() {
    let shop = Shop::plain().await;
    let node = shop.gate.another().await;
    let members = [
        shop.member("alice").await,
        shop.member("alice").await,
        shop.member("alice").await,
    ];
    let bob = shop.member("bob").await;
    let elsewhere = members[0].at(&node);
    assert_eq!(shop.whoami(&elsewhere).await.as_deref(), Some("alice"));

    let said = shop.idp.backchannel_logout("alice", None).await;

    assert_eq!(said, "taken");
    for browser in members.iter().chain([&elsewhere]) {
        assert_eq!(shop.whoami(browser).await, None);
    }
    assert_eq!(shop.whoami(&bob).await.as_deref(), Some("bob"));
}

/// Promise: a logout that names a session of the provider's ends what began with that one; one that names the user ends
/// all.
#[tokio::test]
async fn a_logout_ends_what_it_names() {
    let app = App::answering(answer).await;
    let den = Den::before(&app).await;
    let mut members = Vec::new();
    for sid in ["a", "b", "c"] {
        let browser = den.gate.browser();
        let answer = den.log_in(&browser, json!({"sid": sid})).await;
        assert_eq!(answer.status(), 303, "{}", answer.text());
        members.push(browser);
    }
    let whoever = async || {
        let mut all = Vec::new();
        for browser in &members {
            browser.get("/whoami").send().await;
            all.push(app.last().header("x-session-user").is_some());
        }
        all
    };
    assert_eq!(whoever().await, [true, true, true]);

    // The session's name alone, the user's besides, and the user's alone.
    for (claims, left) in [
        (
            json!({"jti": "1", "sid": "b", "sub": null}),
            [true, false, true],
        ),
        (json!({"jti": "2", "sid": "c"}), [true, false, false]),
        (
            json!({"jti": "3", "sid": "unknown", "sub": null}),
            [true, false, false],
        ),
        (json!({"jti": "4", "sub": "2"}), [true, false, false]),
        (json!({"jti": "5"}), [false, false, false]),
    ] {
        let answer = den.told(&den.logout_token(claims.clone())).await;
        assert_eq!(answer.status(), 200, "{claims}: {}", answer.text());
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(whoever().await, left, "{claims}");
    }
}

/// Promise: a logout token that is not one, or not any more, ends nothing, and the log says which it was.
#[tokio::test]
async fn a_logout_token_that_is_none_ends_nothing_and_the_log_says_why() {
    let app = App::answering(answer).await;
    let den = Den::before(&app).await;
    let browser = den.gate.browser();
    den.log_in(&browser, json!({"sid": "a"})).await;
    let good = den.logout_token(json!({"jti": "once", "sub": "somebody else"}));
    assert_eq!(den.told(&good).await.status(), 200);
    let (head, rest) = good.split_once('.').unwrap();
    let unsigned = {
        let (claims, _) = rest.split_once('.').unwrap();
        let head = data_encoding::BASE64URL_NOPAD.encode(br#"{"alg":"none"}"#);
        format!("{head}.{claims}.")
    };
    let forged = format!("{head}.{rest}AAAA");
    let of = |changes: Value| den.logout_token(changes);
    for (token, reason) in [
        (good.clone(), "replayed"),
        (of(json!({"iss": "https://evil.test"})), "wrong-issuer"),
        (of(json!({"aud": "another"})), "wrong-audience"),
        (
            of(json!({"iat": now() - 9000, "exp": now() - 8000})),
            "expired",
        ),
        (of(json!({"nonce": "x"})), "logout-nonce"),
        (of(json!({"events": {}})), "no-logout"),
        (of(json!({"sub": null})), "nobody"),
        (unsigned, "unsigned"),
        (forged, "signature"),
        ("x".to_owned(), "malformed"),
        (String::new(), ""),
    ] {
        let answer = den.told(&token).await;
        assert_eq!(answer.status(), 400, "{reason}: {}", answer.text());
        if !reason.is_empty() {
            den.gate.says(&format!("\"reason\":\"{reason}\"")).await;
        }
    }
    browser.get("/whoami").send().await;
    assert_eq!(app.last().header("x-session-user").as_deref(), Some("1"));
    let got = browser.get("/.cloakroom/backchannel-logout").navigating();
    assert_eq!(got.send().await.status(), 405);
}

/// Promise: what a user holds open ends within a second of the logout at the provider, on every node.
#[tokio::test]
async fn open_streams_end_with_a_logout_at_the_provider() {
    let (app, _heard) = streaming::app().await;
    let den = Den::before(&app).await;
    let node = den.gate.another().await;
    let browser = den.gate.browser();
    den.log_in(&browser, json!({"sid": "a"})).await;
    let mut here = WebSocket::open(&den.gate, &browser, "/ws").await.unwrap();
    let mut there = WebSocket::open(&node, &browser.at(&node), "/ws")
        .await
        .unwrap();
    for socket in [&mut here, &mut there] {
        socket.send("hello").await;
        assert_eq!(socket.receive().await.unwrap(), "hello");
    }
    #[allow(clippy::disallowed_methods, reason = "the test's own clock")]
    let since = Instant::now();

    let token = den.logout_token(json!({"jti": "1"}));
    assert_eq!(den.told(&token).await.status(), 200);

    let ends = tokio::join!(here.rest(), there.rest());
    assert_eq!(ends.0, b"\x88\x0f\x03\xf0session ended");
    assert_eq!(ends.1, b"\x88\x0f\x03\xf0session ended");
    assert!(
        since.elapsed() < Duration::from_millis(1900),
        "{:?}",
        since.elapsed()
    );
}

/// Promise: an ID token that lies logs nobody in, and the log says what was wrong with it.
#[tokio::test]
async fn an_id_token_that_lies_logs_nobody_in() {
    let app = App::answering(answer).await;
    let den = Den::before(&app).await;
    for (changes, reason, status) in [
        // The site asks for a recent login somewhere: one of unknown age could pass for one.
        (json!({"auth_time": null}), "long-ago", 403),
        (json!({"nonce": "another"}), "wrong-nonce", 502),
        (json!({"aud": "another"}), "wrong-audience", 502),
        (json!({"iss": "https://evil.test"}), "wrong-issuer", 502),
        (
            json!({"iat": now() - 9000, "exp": now() - 8000}),
            "expired",
            502,
        ),
    ] {
        let browser = den.gate.browser();
        let answer = den.log_in(&browser, changes).await;
        assert_eq!(answer.status(), status, "{reason}: {}", answer.text());
        den.gate.says(&format!("\"reason\":\"{reason}\"")).await;
        browser.get("/whoami").send().await;
        assert_eq!(app.last().header("x-session-user"), None, "{reason}");
    }
}
