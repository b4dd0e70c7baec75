//! `session.max_new_per_ip`: an address begins so many stored sessions an hour, and no more.

use crate::support::{Answer, App, Browser, Gate, Setup, together};
use crate::{SITE, app, count, rows, setup, shown};

/// The tests stand behind a trusted proxy, so that they have any address they like.
const PROXIED: &str = "trusted_proxies = [\"127.0.0.1/32\"]\nadmin = \"127.0.0.1:0\"";

async fn gate(app: &App, most: u32, more: &str) -> Gate {
    let session = format!("max_new_per_ip = {most}");
    let site = format!("{SITE}{more}");
    let setup = Setup {
        server: PROXIED,
        site: &site,
        ..setup(&session)
    };
    Gate::with(app, setup).await
}

async fn from(browser: &Browser, address: &str, target: &str) -> Answer {
    let call = browser.get(target);
    call.header("x-forwarded-for", address).send().await
}

/// Promise (contract 12): past the limit nothing is stored, the page is delivered, the app's cookie is not kept and the
/// ticket is one of a session with nothing in it.
#[tokio::test]
async fn past_the_limit_the_page_comes_and_nothing_is_stored() {
    let app = app().await;
    let gate = gate(&app, 3, "").await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let browser = gate.browser();
        from(&browser, "192.0.2.1", "/keep?a").await;
        kept.push(browser);
    }
    assert_eq!(rows(&gate), 3);

    let late = gate.browser();
    for _ in 0..5 {
        let answer = from(&late, "192.0.2.1", "/keep?a").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text(), "ok");
        assert_eq!(late.names(), ["__Host-session"], "only the ticket");
    }
    from(&late, "192.0.2.1", "/look").await;
    assert_eq!(shown(&app, "/look").cookies(), [], "nothing was kept");
    assert!(shown(&app, "/look").header("x-session-id").is_some());
    assert_eq!(rows(&gate), 3);
    assert_eq!(count(&gate, "sessions_turned_away").await, 5);
    assert_eq!(count(&gate, "sessions_stored").await, 3);
    let printed = gate.printed();
    let lines = printed
        .lines()
        .filter(|line| line.contains("max_new_per_ip"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "once an hour: {lines:?}");
    assert!(lines[0].contains("192.0.2.1"), "{lines:?}");

    // Who has a session goes on as ever.
    from(&kept[0], "192.0.2.1", "/keep?b").await;
    from(&kept[0], "192.0.2.1", "/look").await;
    let names: Vec<_> = shown(&app, "/look")
        .cookies()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    // And so does everybody else.
    from(&gate.browser(), "192.0.2.2", "/keep?a").await;
    assert_eq!(rows(&gate), 4);
}

#[tokio::test]
async fn a_login_is_always_stored_and_takes_no_place() {
    let app = app().await;
    let gate = gate(&app, 1, "").await;
    for user in ["alice", "bob", "carol"] {
        let browser = gate.browser();
        from(&browser, "192.0.2.1", &format!("/login?{user}")).await;
        from(&browser, "192.0.2.1", "/look").await;
        let seen = shown(&app, "/look").header("x-session-user");
        assert_eq!(seen.as_deref(), Some(user));
    }
    let one = gate.browser();
    from(&one, "192.0.2.1", "/set?a").await;
    from(&one, "192.0.2.1", "/look").await;
    let data = shown(&app, "/look").header("x-session-data");
    assert!(data.is_some_and(|data| data.contains("\"a\"")));
    assert_eq!(count(&gate, "sessions_turned_away").await, 0);
}

#[tokio::test]
async fn an_ipv6_network_is_one_address() {
    let app = app().await;
    let gate = gate(&app, 2, "").await;
    for (address, stored) in [
        ("2001:db8:1:2::1", 1),
        ("2001:db8:1:2:ffff::1", 2),
        ("2001:db8:1:2::9", 2),
        ("2001:db8:1:3::9", 3),
        ("192.0.2.1", 4),
        ("::ffff:192.0.2.1", 5),
        ("192.0.2.1", 5),
    ] {
        from(&gate.browser(), address, "/keep?a").await;
        assert_eq!(rows(&gate), stored, "{address}");
    }
}

/// Promise: parallel first requests of one visitor take one place, and where the address has none left for others, they
/// still all meet in the session that begins.
#[tokio::test]
async fn a_place_is_for_a_session_and_not_for_a_request() {
    let app = app().await;
    let gate = gate(&app, 50, "").await;
    let browser = gate.browser();
    from(&browser, "192.0.2.1", "/").await;
    let ticket = browser.ticket_line();
    let fifty = (0..50).map(|number| {
        let call = browser.get(&format!("/keep?c{number}")).holding(&ticket);
        call.header("x-forwarded-for", "192.0.2.1").send()
    });
    together(fifty).await;
    assert_eq!(rows(&gate), 1);
    for begun in 2..=50 {
        from(&gate.browser(), "192.0.2.1", "/keep?a").await;
        assert_eq!(rows(&gate), begun);
    }
    from(&gate.browser(), "192.0.2.1", "/keep?a").await;
    assert_eq!(rows(&gate), 50, "all places were given back");
    // The spelling from before it was stored: the session is there, so no place is needed.
    let call = browser.get("/keep?late").holding(&ticket);
    call.header("x-forwarded-for", "192.0.2.1").send().await;
    let call = browser.get("/look").holding(&ticket);
    call.header("x-forwarded-for", "192.0.2.1").send().await;
    let cookies = shown(&app, "/look").cookies();
    assert_eq!(cookies.len(), 51, "{cookies:?}");
    assert!(cookies.contains(&("late".to_owned(), "kept".to_owned())));
}

/// Promise: a ticket past the limit is an offer: a shared answer goes without, and so does a lazy site.
#[tokio::test]
async fn past_the_limit_a_ticket_is_only_offered() {
    let app = app().await;
    let attach = gate(&app, 1, "").await;
    let lazy_rule = "[[site.rule]]\npath = \"/*\"\nsession = \"lazy\"\n";
    let lazy = gate(&app, 1, lazy_rule).await;
    for gate in [&attach, &lazy] {
        let first = from(&gate.browser(), "192.0.2.1", "/public-keep").await;
        assert_eq!(
            first.set_cookies().len(),
            1,
            "within the limit the ticket wins"
        );
        let shared = from(&gate.browser(), "192.0.2.1", "/public-keep").await;
        assert_eq!(shared.set_cookies(), [""; 0]);
        assert!(shared.lists("cache-control", "public"), "{shared:?}");
    }
    let answer = from(&lazy.browser(), "192.0.2.1", "/keep?a").await;
    assert_eq!(answer.set_cookies(), [""; 0]);
    assert_eq!(rows(&lazy), 1);
}

/// Promise: who logs out of a session with nothing in it leaves no tombstone past the limit, and loses the ticket.
#[tokio::test]
async fn a_logout_of_nothing_is_no_way_around_the_limit() {
    let app = app().await;
    let gate = gate(&app, 1, "").await;
    from(&gate.browser(), "192.0.2.1", "/keep?a").await;
    let browser = gate.browser();
    from(&browser, "192.0.2.1", "/").await;
    let answer = from(&browser, "192.0.2.1", "/logout").await;
    assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{answer:?}");
    assert_eq!(rows(&gate), 1);
}

/// Promise (SECURITY lesson 15): a bot that throws every ticket away fills the store to the limit and no further.
#[tokio::test]
async fn a_bot_on_a_page_that_sets_a_cookie_stores_no_more_than_the_limit() {
    let app = app().await;
    let gate = gate(&app, 100, "").await;
    for _ in 0..10 {
        let many: Vec<_> = (0..50).map(|_| gate.browser()).collect();
        let each = many.iter().map(|bot| from(bot, "192.0.2.1", "/keep?a"));
        for answer in together(each).await {
            assert_eq!(answer.status(), 200);
        }
    }
    assert_eq!(rows(&gate), 100);
    assert_eq!(count(&gate, "sessions_turned_away").await, 400);
}
