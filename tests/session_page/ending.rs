//! What the page ends.

use http_body_util::BodyExt as _;

use crate::support::{Browser, eventually};
use crate::{House, deeds, page};

#[tokio::test]
async fn another_session_ends_and_nothing_else() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let bob = house.browser_of("bob").await;
    let html = page(&one).await.text();

    let answer = house.press(&one, &deeds(&html)[0]).await;

    assert_eq!(answer.status(), 200);
    assert!(
        answer.text().contains("role=\"status\">Sessions ended: 1."),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("There are no others."));
    assert_eq!(answer.set_cookies(), Vec::<String>::new());
    assert_eq!(house.whoami(&other).await, None);
    assert_eq!(house.whoami(&one).await.as_deref(), Some("alice"));
    assert_eq!(house.whoami(&bob).await.as_deref(), Some("bob"));
    house
        .gate
        .says("a user ended another session of theirs")
        .await;
}

#[tokio::test]
async fn all_others_end_at_once() {
    let house = House::with("").await;
    let mut browsers = Vec::new();
    for _ in 0..3 {
        browsers.push(house.browser_of("alice").await);
    }
    let answer = house.press(&browsers[1], "end-others").await;
    assert!(
        answer.text().contains("Sessions ended: 2."),
        "{}",
        answer.text()
    );
    let mut users = Vec::new();
    for browser in &browsers {
        users.push(house.whoami(browser).await);
    }
    assert_eq!(users, [None, Some("alice".to_owned()), None]);
}

/// With the engines that share a store, on every node; the streams that another node has open end within the second.
#[tokio::test]
async fn an_ended_session_is_gone_on_every_node_and_its_streams_close() {
    let house = House::with("").await;
    let node = house.gate.another().await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let [here, there] = [other.at(&house.gate), other.at(&node)];
    let streams = [events(&here).await, events(&there).await];

    house.press(&one, "end-others").await;

    there.get("/whoami").send().await;
    assert_eq!(house.app.last().header("x-session-user"), None);
    for stream in streams {
        let rest = tokio::time::timeout(crate::support::DEADLINE, stream.collect());
        assert!(rest.await.is_ok(), "the stream goes on");
    }
}

/// Events that have begun.
async fn events(browser: &Browser) -> hyper::body::Incoming {
    let mut body = browser.get("/events").stream().await.into_body();
    let first = body.frame().await.unwrap().unwrap();
    assert!(first.is_data());
    body
}

#[tokio::test]
async fn who_logs_out_here_is_logged_out_and_stays_logged_in_elsewhere() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    one.get("/keep").send().await;
    let ticket = one.ticket_line();

    let answer = house.press(&one, "log-out").await;

    let text = answer.text();
    assert_eq!(answer.status(), 200);
    assert!(
        text.contains("You are logged out") && text.contains("href=\"/.cloakroom/login\""),
        "{text}"
    );
    assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{answer:?}");
    assert_eq!(house.whoami(&one).await, None);
    assert_eq!(house.app.last().cookie("basket"), None);
    house.gate.browser().get("/").holding(&ticket).send().await;
    assert_eq!(house.app.last().header("x-session-user"), None);
    assert_eq!(house.whoami(&other).await.as_deref(), Some("alice"));
}

/// Only if the operator wants it, as it goes for all that the site keeps in the browser.
#[tokio::test]
async fn a_logout_clears_what_the_browser_keeps_if_it_is_to() {
    for (session, expected) in [
        ("", None),
        ("clear_site_data = true", Some("\"cookies\", \"storage\"")),
    ] {
        let house = House::with(session).await;
        let one = house.browser_of("alice").await;
        let other = house.browser_of("alice").await;
        let answer = house.press(&one, "end-others").await;
        assert_eq!(answer.header("clear-site-data"), None);
        let answer = house.press(&one, "log-out").await;
        assert_eq!(answer.header("clear-site-data"), expected);
        house.log_in(&other, "alice", "/").await;
        let call = house.as_form(other.post("/.cloakroom/logout", ""));
        assert_eq!(call.send().await.header("clear-site-data"), expected);
    }
}

#[tokio::test]
async fn to_end_what_has_ended_harms_nobody() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let html = page(&one).await.text();
    house.press(&other, "log-out").await;
    let answer = house.press(&one, &deeds(&html)[0]).await;
    assert!(answer.text().contains("That session had ended already."));
    let answer = house.press(&one, "end-others").await;
    assert!(answer.text().contains("There are no others."));
    assert_eq!(house.whoami(&one).await.as_deref(), Some("alice"));
}

/// Nobody shall believe that somebody else is shut out who is not.
#[tokio::test]
async fn in_an_outage_nothing_is_said_to_have_ended() {
    let house = House::set_up("", "timeout = \"200ms\"\non_outage = \"anonymous\"").await;
    let one = house.browser_of("alice").await;
    let other = house.browser_of("alice").await;
    let file = house.gate.folder().join("data/sessions.db");
    let lock = rusqlite::Connection::open(file).unwrap();
    lock.busy_timeout(crate::support::DEADLINE).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    for deed in ["end-others", "log-out"] {
        let answer = house.press(&one, deed).await;
        assert_eq!(answer.status(), 503, "{deed}");
        assert_eq!(answer.set_cookies(), Vec::<String>::new(), "{deed}");
    }
    drop(lock);
    for browser in [&one, &other] {
        assert_eq!(house.whoami(browser).await.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn the_access_log_tells_who_did_it() {
    let house = House::with("").await;
    let one = house.browser_of("alice").await;
    house.browser_of("alice").await;
    house.press(&one, "end-others").await;
    let log = eventually("a line in the access log", async || {
        let lines = house.gate.access_log(1).await;
        let is_it =
            |line: &serde_json::Value| line["path"] == crate::PAGE && line["method"] == "POST";
        lines.into_iter().find(is_it)
    })
    .await;
    assert_eq!(
        (&log["user"], &log["status"]),
        (&"alice".into(), &200.into())
    );
    assert!(log["session"].is_string());
}
