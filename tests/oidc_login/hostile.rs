//! Logins that somebody else would like to have a part in.

use super::*;

/// Promise: a login ends in the browser that began it, once.
#[tokio::test]
async fn a_login_ends_where_it_began_and_once() {
    let shop = Shop::plain().await;
    let (browser, other) = (shop.gate.browser(), shop.gate.browser());
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;

    for stranger in [&other, &shop.member("bob").await] {
        let foreign = shop.come_back(stranger, &back).await;
        assert_eq!(foreign.status(), 403);
        assert!(
            foreign.text().contains("another browser"),
            "{}",
            foreign.text()
        );
        assert!(
            foreign.set_cookies().is_empty(),
            "{:?}",
            foreign.set_cookies()
        );
    }
    shop.gate.says("\"reason\":\"other-browser\"").await;

    assert_eq!(shop.come_back(&browser, &back).await.status(), 303);
    let replay = shop.come_back(&browser, &back).await;
    assert_eq!(replay.status(), 400);
    assert!(replay.set_cookies().is_empty());
    shop.gate.says("\"reason\":\"replayed-state\"").await;
    assert_eq!(shop.whoami(&browser).await.as_deref(), Some("alice"));
}

/// Promise: a state that we did not make, or that was touched, is worth nothing.
#[tokio::test]
async fn a_state_of_somebody_elses_making_is_worth_nothing() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;
    let (before, state) = back.split_once("state=").unwrap();
    let end = state.find('&').unwrap_or(state.len());
    let (state, rest) = state.split_at(end);
    let flipped = if state.ends_with('A') { "B" } else { "A" };
    let touched = format!("{}{flipped}", &state[..state.len() - 1]);
    let long = "A".repeat(5000);
    for odd in [touched.as_str(), "", "x", "%00", &long] {
        let answer = shop
            .come_back(&browser, &format!("{before}state={odd}{rest}"))
            .await;
        assert_eq!(answer.status(), 400, "{odd}: {}", answer.text());
        assert!(answer.text().contains("Request id"), "{}", answer.text());
    }
    for odd in [
        "",
        "?code=x",
        "?state=",
        "?error=x",
        "?code=a&code=b&state=c",
    ] {
        let answer = shop
            .come_back(&browser, &format!("/.cloakroom/callback{odd}"))
            .await;
        assert_eq!(answer.status(), 400, "{odd}");
    }
    shop.gate.says("\"reason\":\"unknown-state\"").await;
    let twice = shop
        .come_back(&browser, &format!("{before}state={state}{rest}&state=x"))
        .await;
    assert_eq!(twice.status(), 400);
}

/// Promise: a login that took too long does not come about, and is told so.
#[tokio::test]
async fn a_login_that_took_too_long_is_over() {
    let shop = Shop::with("", "login_timeout = \"1s\"").await;
    let browser = shop.gate.browser();
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;

    let late = shop.come_back(&browser, &back).await;

    assert_eq!(late.status(), 400);
    assert!(late.text().contains("took too long"), "{}", late.text());
    shop.gate.says("\"reason\":\"expired-state\"").await;
}

/// Promise (RFC 9207): an answer of another provider is none of ours.
#[tokio::test]
async fn an_answer_of_another_provider_is_refused() {
    let shop = Shop::plain().await;
    let browser = shop.gate.browser();
    let there = shop.begin(&browser, "/private/x").await;
    let back = shop.idp.visitor().log_in(&there, "alice").await;
    let (before, _) = back.split_once("&iss=").unwrap();

    let mixed = format!("{before}&iss=https%3A%2F%2Fevil.test");
    let answer = shop.come_back(&browser, &mixed).await;

    assert_eq!(answer.status(), 502);
    shop.gate.says("\"reason\":\"wrong-issuer\"").await;
}
