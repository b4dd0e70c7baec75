//! `session.over_limit = "ask"`: who logs in over the limit says which session ends.

use crate::support::forms::hidden;
use crate::support::{App, Browser, Gate, Setup};
use crate::{House, PAGE, app, deeds, page};

const ASK: &str = "max_per_user = 2\nover_limit = \"ask\"";

/// Two browsers of alice's, and a third that has logged in and waits.
async fn crowd(house: &House) -> [Browser; 3] {
    let [one, two] = [
        house.browser_of("alice").await,
        house.browser_of("alice").await,
    ];
    [one, two, house.browser_of("alice").await]
}

/// The page that asks, as the visitor gets there who was going to `path`.
async fn led(browser: &Browser, path: &str) -> String {
    let answer = browser.get(path).navigating().send().await;
    assert_eq!(answer.status(), 302, "{answer:?}");
    let location = answer.header("location").unwrap().to_owned();
    assert!(location.starts_with(PAGE), "{location}");
    browser.get(&location).navigating().send().await.text()
}

#[tokio::test]
async fn who_is_over_the_limit_picks_which_session_ends_and_goes_on() {
    let house = House::with(ASK).await;
    let [one, two, three] = crowd(&house).await;

    let html = led(&three, "/page?x=1").await;
    assert!(
        html.contains("so many sessions at a time: 2. Choose"),
        "{html}"
    );
    let choices = deeds(&html);
    assert_eq!(choices.len(), 2);
    let back = hidden(&html, "return_to").unwrap().replace("&#x2f;", "/");
    let token = hidden(&html, "token").unwrap();
    let fields = [
        ("token", &*token),
        ("return_to", &back),
        ("deed", &choices[0]),
    ];
    let answer = house.post(&three, &fields).await;

    assert_eq!(
        (answer.status(), answer.header("location")),
        (303, Some("/page?x=1"))
    );
    assert_eq!(house.whoami(&three).await.as_deref(), Some("alice"));
    let users = [house.whoami(&one).await, house.whoami(&two).await];
    assert_eq!(users.iter().flatten().count(), 1, "{users:?}");
    assert!(!page(&three).await.text().contains("Choose"));
    assert!(page(&three).await.text().contains("(in 59 min)"));
}

/// A session that waits is nobody's to any app, by no kind of request.
#[tokio::test]
async fn no_app_sees_a_user_who_has_yet_to_pick() {
    let house = House::with(ASK).await;
    let [one, two, three] = crowd(&house).await;
    let before = house.app.seen().len();
    assert_eq!(three.get("/api").fetching().send().await.status(), 401);
    let answer = three.get("/api").header("accept", "*/*").send().await;
    assert_eq!(answer.status(), 401);
    assert!(
        answer.text().contains("\"reason\":\"too-many-sessions\""),
        "{}",
        answer.text()
    );
    assert_eq!(three.post("/x", "").navigating().send().await.status(), 401);
    let refused = crate::support::WebSocket::open(&house.gate, &three, "/ws")
        .await
        .err();
    assert!(refused.unwrap().starts_with("HTTP/1.1 401"));
    assert_eq!(house.app.seen().len(), before, "the app was asked");
    // Nobody was pushed out meanwhile.
    for browser in [&one, &two] {
        assert_eq!(house.whoami(browser).await.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn where_there_is_room_again_nothing_needs_to_end() {
    let house = House::with(ASK).await;
    let [one, two, three] = crowd(&house).await;
    assert!(!led(&three, "/").await.contains("value=\"go-on\""));
    // As long as there is none, it does not help to say that one goes on.
    assert_eq!(house.press(&three, "go-on").await.status(), 200);
    led(&three, "/").await;
    house.press(&one, "log-out").await;
    assert!(led(&three, "/").await.contains("value=\"go-on\""));
    assert_eq!(house.press(&three, "go-on").await.status(), 303);
    for browser in [&two, &three] {
        assert_eq!(house.whoami(browser).await.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn who_does_not_want_to_pick_logs_out_and_nobody_loses_anything() {
    let house = House::with(ASK).await;
    let [one, two, three] = crowd(&house).await;
    led(&three, "/").await;
    house.press(&three, "log-out").await;
    assert_eq!(house.whoami(&three).await, None);
    for browser in [&one, &two] {
        assert_eq!(house.whoami(browser).await.as_deref(), Some("alice"));
        assert_eq!(deeds(&page(browser).await.text()).len(), 1);
    }
}

/// Sessions that wait push nobody out, and there are no more of them than sessions.
#[tokio::test]
async fn there_are_no_more_that_wait_than_may_be() {
    let house = House::with(ASK).await;
    let [one, two, first] = crowd(&house).await;
    let second = house.browser_of("alice").await;
    let third = house.browser_of("alice").await;
    assert_eq!(
        house.whoami(&first).await,
        None,
        "the oldest that waited has ended"
    );
    led(&second, "/").await;
    led(&third, "/").await;
    for browser in [&one, &two] {
        assert_eq!(house.whoami(browser).await.as_deref(), Some("alice"));
    }
}

/// Logging in again takes the place of the session that one has; that is no more than before.
#[tokio::test]
async fn to_log_in_again_is_not_to_log_in_once_more() {
    let house = House::with(ASK).await;
    let [one, _, _] = crowd(&house).await;
    assert_eq!(house.log_in(&one, "alice", "/").await.status(), 303);
    assert_eq!(house.whoami(&one).await.as_deref(), Some("alice"));
}

/// Where the login is the app's, nobody could be asked who is a program: the oldest ends.
#[tokio::test]
async fn without_a_login_page_of_ours_the_oldest_ends() {
    let app: App = app().await;
    let setup = Setup {
        session: "max_per_user = 1\nover_limit = \"ask\"",
        site: "trust_directives = true",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let [one, two] = [gate.browser(), gate.browser()];
    one.get("/login").send().await;
    two.get("/login").send().await;
    assert_eq!(page(&one).await.status(), 401);
    assert_eq!(page(&two).await.status(), 200);
}
