//! One person, several browsers.

use crate::support::chromium::Chromium;
use crate::{House, SESSIONS};

#[tokio::test]
async fn one_browser_ends_what_another_has_open() {
    let (Some(one), Some(other)) = (Chromium::open().await, Chromium::open().await) else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&one).await;
    house.log_in(&other).await;

    one.go(&house.at(SESSIONS)).await;
    one.picture("sessions").await;
    assert_eq!(one.count("tbody tr").await, 1);
    assert!(one.text("tbody th").await.starts_with("Chrome on Linux"));
    assert!(
        one.text("main > p")
            .await
            .contains("logged in as Alice (alice)")
    );
    one.click("tbody button").await;

    assert_eq!(one.text("[role=status]").await, "Sessions ended: 1.");
    one.picture("sessions-ended").await;
    assert_eq!(one.count("tbody tr").await, 0);
    other.go(&house.at("/desk")).await;
    other.arrives("?return_to=%2Fdesk").await;
    one.go(&house.at("/desk")).await;
    assert_eq!(one.text("#user").await, "alice");
}

/// As a screen reader tells it: landmarks, headings, a table that says what it is, and buttons that say whom they end.
#[tokio::test]
async fn the_page_makes_sense_to_who_does_not_see_it() {
    let (Some(one), Some(other)) = (Chromium::open().await, Chromium::open().await) else {
        return;
    };
    let house = House::with("").await;
    house.log_in(&other).await;
    house.log_in(&one).await;
    one.go(&house.at(SESSIONS)).await;
    for (css, role, label) in [
        ("main", "main", ""),
        ("section:first-of-type", "region", "This session"),
        ("section:last-of-type", "region", "Your other sessions"),
        ("table", "table", "Where else you are logged in: 1"),
        ("thead th", "columnheader", "Device"),
        ("tbody th", "rowheader", "Chrome on Linux127.0.0.1"),
        ("tbody button", "button", "End Chrome on Linux 127.0.0.1"),
    ] {
        assert_eq!(one.role(css).await, role, "{css}");
        if !label.is_empty() {
            let told = one.label(css).await.replace(' ', "");
            assert_eq!(told, label.replace(' ', ""), "{css}");
        }
    }
    // By the keyboard alone: the first thing that can be reached is the button that logs out here.
    one.press_tab_and_enter().await;
    assert_eq!(one.text("h1").await, "You are logged out");
}

#[tokio::test]
async fn who_is_over_the_limit_picks_which_session_ends() {
    let (Some(one), Some(other)) = (Chromium::open().await, Chromium::open().await) else {
        return;
    };
    let house = House::with("max_per_user = 1\nover_limit = \"ask\"").await;
    house.log_in(&one).await;
    other.go(&house.at("/desk/drawer")).await;
    house.fill_in(&other, crate::PASSWORD).await;

    assert_eq!(other.text("h1").await, "Too many sessions");
    other.picture("too-many-sessions").await;
    other.click("tbody button").await;

    other.arrives("/desk/drawer").await;
    assert_eq!(other.text("#user").await, "alice");
    one.go(&house.at("/desk")).await;
    one.arrives("?return_to=%2Fdesk").await;
}
