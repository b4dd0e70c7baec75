//! Sessions that keep to their upstream.

use std::time::UNIX_EPOCH;

use crate::rig::{ask, count, gate, named, order, report, until, url};
use crate::support::{App, Browser, Gate, Reply, eventually};

const STICKY: &str = "sticky = true\nfail_timeout = \"200ms\"\nslow_start = \"0\"";

/// `count` visitors, each with the app that answered first.
async fn visitors(gate: &Gate, count: usize) -> Vec<(Browser, String)> {
    let mut visitors = Vec::new();
    for _ in 0..count {
        let browser = gate.browser();
        let home = ask(&browser).await;
        visitors.push((browser, home));
    }
    visitors
}

#[tokio::test]
async fn a_session_keeps_to_its_app_and_only_those_of_a_lost_one_move() {
    let (a, b, c) = (named("a").await, named("b").await, named("c").await);
    let gate = gate(&a, &[url(&b), url(&c)], STICKY).await;
    let visitors = visitors(&gate, 40).await;
    for name in ["a", "b", "c"] {
        let homes = visitors.iter().filter(|(_, home)| home == name).count();
        assert!(homes >= 4, "{name} draws {homes} of 40");
    }
    for (browser, home) in &visitors {
        assert!(browser.cookie("__Host-session").is_some());
        assert_eq!(&ask(browser).await, home);
    }

    let lost_url = url(&b);
    let lost = b.stop().await;

    let mut moved = Vec::new();
    for (browser, home) in &visitors {
        let now = ask(browser).await;
        if home == "b" {
            moved.push(now);
        } else {
            assert_eq!(&now, home, "others stay");
        }
    }
    assert_eq!(count(&moved, "b"), 0, "{moved:?}");
    assert!(
        count(&moved, "a") > 0 && count(&moved, "c") > 0,
        "{moved:?}"
    );
    assert_eq!(report(&gate, &lost_url).await["state"], "out");

    let _b = App::answering_at(lost, |_| Reply::ok("b")).await;
    let (strayed, _) = visitors.iter().find(|(_, home)| home == "b").unwrap();
    crate::support::eventually("a visitor comes home", async || {
        (ask(strayed).await == "b").then_some(())
    })
    .await;
    for (browser, home) in &visitors {
        assert_eq!(&ask(browser).await, home, "all are at home again");
    }
}

/// Promise: a login changes the ticket and the session ID, and not the app that knows the visitor.
#[tokio::test]
async fn a_login_does_not_move_a_session() {
    let app = |name: &'static str| {
        App::answering(move |seen| match seen.path() {
            "/login" => Reply::ok(name)
                .header("x-session-login", "\"alice\"")
                .header("set-cookie", "SID=1; Path=/"),
            _ => Reply::ok(name),
        })
    };
    let (a, b) = (app("a").await, app("b").await);
    let more = [url(&b), url(&named("c").await)];
    let gate = gate_trusting(&a, &more).await;

    for _ in 0..12 {
        let browser = gate.browser();
        let home = ask(&browser).await;
        if home == "c" {
            continue;
        }
        let ticket = browser.ticket();
        let login = browser.get("/login").send().await;
        assert_eq!(login.text(), home);
        assert_ne!(browser.ticket(), ticket, "the login took");
        for _ in 0..2 {
            assert_eq!(ask(&browser).await, home);
            // And again, which forks once more.
            assert_eq!(browser.get("/login").send().await.text(), home);
        }
    }
}

async fn gate_trusting(first: &App, more: &[String]) -> Gate {
    // A key of `[[site]]` must stand before its tables.
    let more: Vec<String> = more.to_vec();
    let list: String = more.iter().map(|one| format!(", \"{one}\"")).collect();
    let site = format!("trust_directives = true\n[site.upstream_options]\n{STICKY}");
    let setup = crate::support::Setup {
        site: &site,
        ..Default::default()
    };
    Gate::before_several(first.addr(), &list, setup).await
}

/// Promise: a drained app keeps the visitors that it has, logged in or not, and gets no others.
#[tokio::test]
async fn a_drained_app_keeps_its_sessions_and_gets_no_new_ones() {
    let (a, b) = (named("a").await, named("b").await);
    let gate = gate(&a, &[url(&b)], STICKY).await;
    let before = visitors(&gate, 20).await;
    // A drain counts in whole milliseconds, and has to begin in a later one than the last session.
    let begun = UNIX_EPOCH.elapsed().unwrap();
    eventually("the next millisecond", async || {
        let since = UNIX_EPOCH.elapsed().unwrap().checked_sub(begun);
        since
            .is_some_and(|since| since.as_millis() > 0)
            .then_some(())
    })
    .await;

    let told = order(&gate, "drain", &url(&b)).await;
    assert!(told.starts_with("HTTP/1.1 200 "), "{told}");

    let after = visitors(&gate, 20).await;
    assert!(after.iter().all(|(_, home)| home == "a"));
    for (browser, home) in before.iter().chain(&after) {
        assert_eq!(&ask(browser).await, home);
    }
    order(&gate, "undrain", &url(&b)).await;
    until(&gate, &url(&b), "up").await;
    let again = visitors(&gate, 20).await;
    assert!(again.iter().any(|(_, home)| home == "b"));
}
