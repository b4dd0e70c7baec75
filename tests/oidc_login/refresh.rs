//! Fresh tokens.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::support::servers::Redis;
use crate::support::{eventually, together};

/// A provider whose access tokens end soon.
fn short_lived() -> Value {
    let mut settings = oidc_provider::settings("https://localhost");
    settings["ttl"] = json!({"AccessToken": 2});
    settings
}

/// Waits until the tokens of a login of just now are due.
async fn until_due() {
    tokio::time::sleep(Duration::from_millis(1600)).await;
}

/// Promise (lesson 1): of a hundred requests on two nodes one asks for fresh tokens, and nobody is logged out.
#[tokio::test]
async fn of_a_hundred_requests_on_two_nodes_one_asks_for_fresh_tokens() {
    let Some(redis) = Redis::start() else { return };
    let store = format!("engine = \"redis\"\nurl = {:?}", redis.url());
    let mut settings = short_lived();
    settings["ttl"] = json!({"AccessToken": 8});
    let shop = Shop::of(settings, "", &store, "").await;
    let node = shop.gate.another().await;
    let browser = shop.member("alice").await;
    let elsewhere = browser.at(&node);
    tokio::time::sleep(Duration::from_millis(6200)).await;
    shop.idp.set(json!({"delay_ms": 3000})).await;

    let nodes = [&browser, &elsewhere];
    let asked = (0..100).map(|nth| nodes[nth % 2].get("/private/x").fetching().send());
    let answers = together(asked).await;

    for answer in answers {
        assert_eq!(answer.status(), 200, "{}", answer.text());
    }
    assert_eq!(shop.idp.counts("refresh_token").await, (1, 1));
    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
}

/// Promise: what the provider tells with fresh tokens counts at once.
#[tokio::test]
async fn groups_that_changed_at_the_provider_change_here() {
    let shop = Shop::of(short_lived(), "", "", "").await;
    let browser = shop.member("alice").await;
    let ticket = browser.ticket();
    let users = json!({"users": {"alice": {"name": "Alice", "groups": ["guests"]}}});
    shop.idp.set(users).await;
    until_due().await;

    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));

    let groups = shop.app.last().header("x-groups");
    assert_eq!(groups.as_deref(), Some("guests"));
    assert_eq!(browser.ticket(), ticket, "fresh tokens are no login");
}

/// Promise: a provider that says no ends the session.
#[tokio::test]
async fn a_provider_that_says_no_ends_the_session() {
    let mut settings = short_lived();
    settings["ttl"] = json!({"AccessToken": 2, "RefreshToken": 1});
    let shop = Shop::of(settings, "", "", "").await;
    let browser = shop.member("alice").await;
    until_due().await;

    let answer = browser.get("/private/x").navigating().send().await;

    assert_eq!(answer.status(), 302, "{}", answer.text());
    shop.gate
        .says("a session ended: the OpenID provider gives no fresh tokens")
        .await;
    assert_eq!(shop.whoami(&browser).await, None);
}

/// Promise: a provider that does not answer logs nobody out, and is not asked with every request.
#[tokio::test]
async fn a_provider_that_is_silent_logs_nobody_out() {
    let shop = Shop::of(short_lived(), "", "", "").await;
    let browser = shop.member("alice").await;
    until_due().await;
    shop.idp.set(json!({"down": true})).await;

    for _ in 0..5 {
        assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
    }

    shop.gate.says("no fresh tokens; the session goes on").await;
    let told = shop
        .gate
        .printed()
        .matches("no fresh tokens; the session goes on")
        .count();
    assert_eq!(told, 1, "there is a pause between two tries");
}

/// Promise: a visitor who leaves while the provider is asked loses nothing.
#[tokio::test]
async fn a_visitor_who_leaves_meanwhile_stays_logged_in() {
    let shop = Shop::of(short_lived(), "", "", "").await;
    let browser = shop.member("alice").await;
    until_due().await;
    shop.idp.set(json!({"delay_ms": 700})).await;

    let gone = tokio::time::timeout(Duration::from_millis(300), browser.get("/x").send()).await;

    assert!(
        gone.is_err(),
        "the visitor has left before the provider answers"
    );
    eventually("the tokens came", async || {
        (shop.idp.counts("refresh_token").await == (1, 1)).then_some(())
    })
    .await;
    shop.idp.set(json!({"delay_ms": 0})).await;
    until_due().await;
    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
    assert_eq!(shop.idp.counts("refresh_token").await, (2, 2));
}
