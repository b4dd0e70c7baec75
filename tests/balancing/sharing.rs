//! Who is asked when all are well.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use crate::rig::{answers, count, gate, metric, named, report, url};
use crate::support::body::full;
use crate::support::{App, Gate, Setup, eventually, together};

#[tokio::test]
async fn each_gets_as_much_as_its_weight_says() {
    let (a, b) = (named("a").await, named("b").await);
    let b_item = format!("{{ url = \"{}\", weight = 3 }}", url(&b));
    let gate = gate(&a, &[b_item], "").await;

    let answers = answers(&gate, 80).await;

    // Requests come one by one, so that nobody is ever busy: weights alone decide.
    let (of_a, of_b) = (count(&answers, "a"), count(&answers, "b"));
    assert_eq!(of_a + of_b, 80, "{answers:?}");
    assert!((18..=22).contains(&of_a), "a: {of_a}, b: {of_b}");
    let counted = metric(&gate, "upstream_requests_total", &url(&b)).await;
    assert_eq!(counted, of_b as u64);
    assert_eq!(metric(&gate, "upstream_up", &url(&a)).await, 1);
}

/// Promise: an app that is slow gets no more while another has nothing to do, whichever core asks.
#[tokio::test]
async fn whoever_has_the_least_to_do_is_asked() {
    let held = Arc::new(Semaphore::new(0));
    let gateway_waits = Arc::clone(&held);
    let slow = App::serving(move |_| {
        let held = Arc::clone(&gateway_waits);
        async move {
            held.acquire().await.unwrap().forget();
            Response::new(full("slow"))
        }
    })
    .await;
    let quick = named("quick").await;
    let gate = gate(&slow, &[url(&quick)], "").await;

    let asked = together((0..2).map(|_| async { gate.browser().get("/").send().await.text() }));
    let others = async {
        eventually("a request is with the slow one", async || {
            (report(&gate, &url(&slow)).await["in_flight"] == 1).then_some(())
        })
        .await;
        let others = answers(&gate, 30).await;
        held.add_permits(9);
        others
    };
    let (asked, others) = tokio::join!(asked, others);

    assert_eq!(count(&others, "quick"), 30, "{others:?}");
    assert_eq!(count(&asked, "slow"), 1, "{asked:?}");
    eventually("all is answered", async || {
        (report(&gate, &url(&slow)).await["in_flight"] == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_request_of_which_nothing_was_sent_goes_to_another() {
    let (a, b) = (named("a").await, named("b").await);
    let gone = named("gone").await.stop().await;
    let more = [url(&b), format!("http://{gone}")];
    let gate = gate(&a, &more, "max_fails = 1000").await;

    let browser = gate.browser();
    for turn in 0..30 {
        let answer = browser.post("/", format!("body {turn}")).send().await;
        assert_eq!(answer.status(), 200, "{answer:?}");
    }

    assert!(metric(&gate, "upstream_failures_total", &more[1]).await >= 5);
    let bodies = [a.seen(), b.seen()].concat();
    let mut bodies: Vec<_> = bodies.into_iter().map(|seen| seen.body).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 30, "each body came whole, and once");
}

#[tokio::test]
async fn a_unix_socket_is_a_member_like_the_others() {
    let a = named("a").await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = hyper::service::service_fn(|_| async {
                Ok::<_, std::convert::Infallible>(Response::new(full("socket")))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(hyper_util::rt::TokioIo::new(stream), answer);
            tokio::spawn(connection);
        }
    });
    let member = format!("unix:{}", socket.display());
    let options = "health = \"/healthz\"\nhealth_interval = \"50ms\"";
    let gate = gate(&a, std::slice::from_ref(&member), options).await;

    let answers = answers(&gate, 20).await;

    assert_eq!(count(&answers, "a"), 10, "{answers:?}");
    assert_eq!(count(&answers, "socket"), 10, "{answers:?}");
    assert_eq!(report(&gate, &member).await["state"], "up");
}

#[tokio::test]
async fn a_backup_is_asked_when_no_other_is_there() {
    let (a, b) = (named("a").await, named("b").await);
    let backup = format!("{{ url = \"{}\", backup = true }}", url(&b));
    let gate = gate(&a, &[backup], "fail_timeout = \"1h\"").await;

    assert_eq!(count(&answers(&gate, 10).await, "a"), 10);
    a.stop().await;
    assert_eq!(count(&answers(&gate, 10).await, "b"), 10);
}

/// Promise: an app alone is told of as one among several is.
#[tokio::test]
async fn one_app_alone_is_told_of_too() {
    let a = named("a").await;
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        ..Setup::default()
    };
    let gate = Gate::with(&a, setup).await;
    answers(&gate, 3).await;

    let report = report(&gate, &url(&a)).await;

    assert_eq!(report["state"], "up");
    assert_eq!(report["requests"], 3);
    assert_eq!(metric(&gate, "upstream_failures_total", &url(&a)).await, 0);
    tokio::time::timeout(Duration::from_secs(9), gate.admin("/livez"))
        .await
        .unwrap();
}
