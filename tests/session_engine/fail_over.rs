//! Redis with Sentinel: the master changes, and nobody is logged out (SECURITY lesson 6).

use std::sync::Arc;

use crate::engines::{app, shown};
use crate::support::servers::RedisSentinel;
use crate::support::{App, Gate, Setup, eventually};

const SITE: &str = "trust_directives = true";

async fn gate_before(sentinel: &RedisSentinel, app: &App) -> Gate {
    let url = sentinel.url();
    let store = format!("engine = \"redis\"\nurl = \"{url}\"\ntimeout = \"2s\"");
    let setup = Setup {
        store: &store,
        site: SITE,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// Promise: a planned fail-over costs a request one retry at most, which the gateway makes itself or asks for with 503,
/// and logs nobody out.
#[tokio::test]
async fn a_fail_over_logs_nobody_out() {
    let Some(sentinel) = RedisSentinel::start() else {
        return;
    };
    let sentinel = Arc::new(sentinel);
    let app = app().await;
    let gate = gate_before(&sentinel, &app).await;
    let mut visitors = Vec::new();
    for number in 0..20 {
        let browser = gate.browser();
        browser.get(&format!("/login?user{number}")).send().await;
        visitors.push((number, browser));
    }
    sentinel.await_replica();

    let switching = Arc::clone(&sentinel);
    let switched = tokio::task::spawn_blocking(move || switching.fail_over());
    // Everybody goes on clicking meanwhile.
    while !switched.is_finished() {
        for (number, browser) in &visitors {
            still_in(&app, *number, browser).await;
        }
    }
    switched.await.expect("the fail-over");
    for (number, browser) in &visitors {
        still_in(&app, *number, browser).await;
        // A change reaches the new master: nothing is written to a replica.
        let answer = browser.get("/keep?after").send().await;
        assert_eq!(answer.status(), 200);
        browser.get("/look").send().await;
        assert_eq!(
            shown(&app, "/look").cookie("after").as_deref(),
            Some("kept")
        );
    }
}

/// One click: answered, or refused and answered when asked again. Never logged out, never a touched cookie.
async fn still_in(app: &App, number: usize, browser: &crate::support::Browser) {
    let target = format!("/click?{number}");
    eventually("the click is answered", async || {
        let answer = browser.get(&target).send().await;
        assert!(matches!(answer.status(), 200 | 503), "{answer:?}");
        assert_eq!(answer.set_cookies(), [""; 0]);
        (answer.status() == 200).then_some(())
    })
    .await;
    let user = shown(app, &target).header("x-session-user");
    assert_eq!(user, Some(format!("user{number}")));
}

/// Promise: the same when the master dies without a word.
#[tokio::test]
async fn a_master_that_dies_logs_nobody_out() {
    let Some(sentinel) = RedisSentinel::start() else {
        return;
    };
    let sentinel = Arc::new(sentinel);
    let app = app().await;
    let gate = gate_before(&sentinel, &app).await;
    let browser = gate.browser();
    browser.get("/login?user7").send().await;
    sentinel.await_replica();

    sentinel.kill_master();
    let waiting = Arc::clone(&sentinel);
    let promoted = tokio::task::spawn_blocking(move || {
        waiting.await_master();
    });
    while !promoted.is_finished() {
        let answer = browser.get("/click").send().await;
        assert!(matches!(answer.status(), 200 | 503), "{answer:?}");
        assert_eq!(answer.set_cookies(), [""; 0]);
    }
    promoted.await.expect("a new master");
    still_in(&app, 7, &browser).await;
}
