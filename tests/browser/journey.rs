//! From a link to a page that is for users, through the login, and out again.

use crate::support::chromium::Chromium;
use crate::{House, LOGIN, PASSWORD, TICKET};

#[tokio::test]
async fn a_visitor_is_sent_to_log_in_goes_on_to_where_they_were_going_and_logs_out() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;

    browser.go(&house.at("/desk/drawer?open=1&deep=2")).await;
    let wanted = format!("{LOGIN}?return_to=%2Fdesk%2Fdrawer%3Fopen%3D1%26deep%3D2");
    browser.arrives(&wanted).await;
    browser.picture("login").await;
    house.fill_in(&browser, "wrong").await;
    assert!(browser.text("[role=alert]").await.contains("did not work"));
    browser.picture("login-failed").await;
    browser.fill("#password", PASSWORD).await;
    browser.click("button[type=submit]").await;

    browser.arrives("/desk/drawer?open=1&deep=2").await;
    assert_eq!(browser.text("#user").await, "alice");
    let ticket = browser.cookie(TICKET).await.unwrap();
    for (attribute, value) in [
        ("httpOnly", true.into()),
        ("secure", true.into()),
        ("sameSite", "Lax".into()),
        ("path", "/".into()),
        ("domain", "localhost".into()),
    ] {
        let value: serde_json::Value = value;
        assert_eq!(ticket[attribute], value, "{attribute}");
    }
    let read = browser
        .run("arguments[arguments.length - 1](document.cookie)")
        .await;
    assert_eq!(read, "", "a script reads what is not its own");

    browser.go(&house.at("/.cloakroom/logout")).await;
    browser.picture("logout").await;
    browser.click("button[type=submit]").await;
    assert_eq!(browser.text("h1").await, "You are logged out");
    browser.go(&house.at("/desk")).await;
    browser.arrives("?return_to=%2Fdesk").await;
}

/// The ticket changes with the login, so that whoever planted the one before holds nothing.
#[tokio::test]
async fn the_ticket_is_another_after_the_login() {
    let Some(browser) = Chromium::open().await else {
        return;
    };
    let house = House::with("").await;
    browser.go(&house.at("/")).await;
    let before = browser.cookie(TICKET).await.unwrap();
    house.log_in(&browser).await;
    let after = browser.cookie(TICKET).await.unwrap();
    assert_ne!(before["value"], after["value"]);
}

/// None of our pages needs a script; the app's title shows that none runs.
#[tokio::test]
async fn everything_works_with_scripts_turned_off() {
    let Some(browser) = Chromium::without_scripts().await else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&browser).await;
    assert_eq!(browser.text("#user").await, "alice");
    assert_eq!(browser.title().await, "The app");
    browser.go(&house.at(crate::SESSIONS)).await;
    assert_eq!(browser.text("h1").await, "Your sessions");
    browser.click("button[value=log-out]").await;
    assert_eq!(browser.text("h1").await, "You are logged out");
    browser.click("main a").await;
    browser.arrives(LOGIN).await;
    house.fill_in(&browser, PASSWORD).await;
    browser.arrives("/").await;
    assert_eq!(browser.text("#user").await, "alice");
}
