//! Probes, and what failing requests tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::rig::{answers, ask, count, gate, metric, named, report, until, url};
use crate::support::{App, Reply, eventually};

#[tokio::test]
async fn a_probe_takes_an_app_out_and_brings_it_back() {
    let a = named("a").await;
    let well = Arc::new(AtomicBool::new(true));
    let shown = Arc::clone(&well);
    let b = App::answering(move |seen| match seen.path() {
        "/healthz" if shown.load(Ordering::SeqCst) => Reply::ok("well").status(204),
        "/healthz" => Reply::ok("not well").status(503),
        _ => Reply::ok("b"),
    })
    .await;
    let options = "health = \"/healthz?deep\"\nhealth_interval = \"30ms\"\nslow_start = \"0\"";
    let gate = gate(&a, &[url(&b)], options).await;
    assert_eq!(count(&answers(&gate, 10).await, "b"), 5);

    well.store(false, Ordering::SeqCst);
    until(&gate, &url(&b), "down").await;
    assert_eq!(count(&answers(&gate, 20).await, "a"), 20);
    assert_eq!(metric(&gate, "upstream_up", &url(&b)).await, 0);
    let ready = gate.admin("/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 200 "),
        "the gateway is: {ready}"
    );

    well.store(true, Ordering::SeqCst);
    until(&gate, &url(&b), "up").await;
    assert_eq!(count(&answers(&gate, 10).await, "b"), 5);

    let probe = b.seen().into_iter().find(|seen| seen.path() == "/healthz");
    let probe = probe.unwrap();
    assert_eq!(probe.target, "/healthz?deep");
    assert_eq!(probe.header("host").as_deref(), Some("localhost"));
    assert_eq!(
        probe.header("user-agent").as_deref(),
        Some("cloakroom-health")
    );
    let printed = gate.printed();
    for line in ["an upstream is down", "an upstream is up"] {
        assert_eq!(printed.matches(line).count(), 1, "{line}: {printed}");
    }
}

#[tokio::test]
async fn a_member_whose_requests_fail_is_left_alone_and_asked_again_later() {
    let (a, b) = (named("a").await, named("b").await);
    let (b_url, options) = (url(&b), "fail_timeout = \"300ms\"\nslow_start = \"0\"");
    let gate = gate(&a, std::slice::from_ref(&b_url), options).await;
    assert_eq!(count(&answers(&gate, 10).await, "b"), 5);

    let gone = b.stop().await;
    // No visitor notices: nothing was sent to it.
    assert_eq!(count(&answers(&gate, 10).await, "a"), 10);
    until(&gate, &b_url, "out").await;
    assert_eq!(report(&gate, &b_url).await["ejections"], 1);

    let _b = App::answering_at(gone, |_| Reply::ok("b")).await;
    eventually("it is asked again", async || {
        (ask(&gate.browser()).await == "b").then_some(())
    })
    .await;
    until(&gate, &b_url, "up").await;
    assert_eq!(count(&answers(&gate, 10).await, "b"), 5);
}

/// Promise: what an app answers is its own business; a 500 is an answer.
#[tokio::test]
async fn errors_of_the_app_take_it_nowhere() {
    let a = App::answering(|_| Reply::ok("broken").status(500)).await;
    let b = named("b").await;
    let gate = gate(&a, &[url(&b)], "").await;

    let answers = answers(&gate, 20).await;

    assert_eq!(count(&answers, "500"), 10, "{answers:?}");
    assert_eq!(report(&gate, &url(&a)).await["state"], "up");
    assert_eq!(report(&gate, &url(&a)).await["failures"], 0);
}

/// Promise: an app that is back begins with a small share.
#[tokio::test]
async fn who_comes_back_starts_slowly() {
    let (a, b) = (named("a").await, named("b").await);
    let (b_url, options) = (url(&b), "fail_timeout = \"50ms\"\nslow_start = \"1h\"");
    let gate = gate(&a, std::slice::from_ref(&b_url), options).await;
    let gone = b.stop().await;
    answers(&gate, 10).await;
    until(&gate, &b_url, "out").await;
    let _b = App::answering_at(gone, |_| Reply::ok("b")).await;
    eventually("it is back", async || {
        ask(&gate.browser()).await;
        (report(&gate, &b_url).await["state"] == "up").then_some(())
    })
    .await;

    let answers = answers(&gate, 44).await;

    let of_b = count(&answers, "b");
    assert!((2..=7).contains(&of_b), "a tenth of its weight: {of_b}");
}
