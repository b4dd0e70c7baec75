//! What nobody can make of the page: another site, a script of the app, somebody else's user.

use crate::support::forms::{encode, hidden};
use crate::{House, PAGE, deeds, page};

#[tokio::test]
async fn neither_another_site_nor_a_script_reads_it_or_ends_anything() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let token = hidden(&page(&one).await.text(), "token").unwrap();
    let origin = house.gate.origin();
    let fields = [("token", &*token), ("deed", "end-others")];
    let post = || {
        one.post(PAGE, encode(&fields))
            .header("content-type", "application/x-www-form-urlencoded")
    };
    let rows = [
        post()
            .header("origin", "https://evil.test")
            .header("sec-fetch-site", "cross-site")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document"),
        post().header("origin", "https://evil.test"),
        post().header("origin", "null"),
        post(),
        post()
            .header("origin", &origin)
            .header("sec-fetch-site", "same-site"),
        post().header("origin", &origin).fetching(),
        one.get(PAGE).fetching(),
        one.get(PAGE)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "iframe"),
        one.get(PAGE)
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "no-cors")
            .header("sec-fetch-dest", "image"),
    ];
    for (nth, call) in rows.into_iter().enumerate() {
        let answer = call.send().await;
        assert_eq!(answer.status(), 403, "{nth}");
        assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{nth}");
        assert!(!answer.text().contains("alice"), "{nth}");
    }
    assert_eq!(house.whoami(&other).await.as_deref(), Some("alice"));
    assert_eq!(house.whoami(&one).await.as_deref(), Some("alice"));
}

/// A page that was shown to one session does nothing in another, such as that of whoever logged in meanwhile.
#[tokio::test]
async fn a_form_of_another_session_does_nothing() {
    let house = House::with("").await;
    let alice = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let of_bob = hidden(&page(&bob).await.text(), "token").unwrap();
    let of_other = hidden(&page(&other).await.text(), "token").unwrap();
    for token in ["", "made up", &of_bob, &of_other] {
        for deed in ["end-others", "log-out"] {
            let answer = house
                .post(&alice, &[("token", token), ("deed", deed)])
                .await;
            assert_eq!(answer.status(), 409, "{token} {deed}");
            assert!(answer.text().contains("Nothing was done"));
        }
    }
    assert_eq!(house.whoami(&other).await.as_deref(), Some("alice"));
    assert_eq!(house.whoami(&alice).await.as_deref(), Some("alice"));
}

#[tokio::test]
async fn nobody_ends_a_session_of_another_user() {
    let house = House::with("").await;
    let alice = house.browser_of("alice").await;
    house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let name = deeds(&page(&alice).await.text()).remove(0);
    let answer = house.press(&bob, &name).await;
    assert!(answer.text().contains("That session had ended already."));
    assert_eq!(deeds(&page(&alice).await.text()), [name]);
}

#[tokio::test]
async fn a_form_that_can_be_read_in_two_ways_is_refused() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let token = hidden(&page(&one).await.text(), "token").unwrap();
    for fields in [
        vec![
            ("token", &*token),
            ("deed", "end-others"),
            ("deed", "log-out"),
        ],
        vec![("token", &*token), ("deed", "explode")],
        vec![("token", &*token)],
        vec![("token", &*token), ("token", "x"), ("deed", "end-others")],
    ] {
        assert_eq!(house.post(&one, &fields).await.status(), 400, "{fields:?}");
    }
    let body = format!("{{\"token\":\"{token}\",\"deed\":\"end-others\"}}");
    let call = one
        .post(PAGE, body)
        .header("origin", house.gate.origin())
        .navigating();
    let answer = call.header("content-type", "text/plain").send().await;
    assert_eq!(answer.status(), 400);
    let answer = one.call(http::Method::PUT, PAGE).navigating().send().await;
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("GET, HEAD, POST"))
    );
    assert_eq!(house.whoami(&other).await.as_deref(), Some("alice"));
}

/// The ticket of before a login sees nobody's sessions, not even for the moment in which it still opens something.
#[tokio::test]
async fn a_planted_ticket_sees_no_sessions() {
    let house = House::with("").await;
    let browser = house.gate.browser();
    browser.get("/keep").send().await;
    let planted = browser.ticket_line();
    house.log_in(&browser, "alice", "/").await;
    let before = browser.ticket_line();
    house.log_in(&browser, "alice", "/").await;
    for ticket in [planted, before] {
        let call = house.gate.browser();
        let answer = call.get(PAGE).navigating().holding(&ticket).send().await;
        assert_eq!(answer.status(), 302);
    }
    assert_eq!(page(&browser).await.status(), 200);
}
