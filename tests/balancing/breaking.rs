//! The circuit breaker and the queue: a site whose apps are gone or hang does not take the gateway with it.

use std::cell::Cell;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::rig::{answers, ask, count, gate, metric, named, report, until, url};
use crate::support::{App, Reply, eventually, together};

/// Promise: an outage ends with the first request after it, whatever was counted before.
#[tokio::test]
async fn an_app_alone_is_asked_on_when_it_fails() {
    let a = named("a").await;
    let a_url = url(&a);
    let gate = gate(&a, &[], "fail_timeout = \"1h\"").await;
    let gone = a.stop().await;

    assert_eq!(
        count(&answers(&gate, 10).await, "502"),
        10,
        "each was tried"
    );
    assert_eq!(report(&gate, &a_url).await["state"], "out");
    let _a = App::answering_at(gone, |_| Reply::ok("a")).await;
    assert_eq!(ask(&gate.browser()).await, "a");
    assert_eq!(report(&gate, &a_url).await["state"], "up");
    assert_eq!(metric(&gate, "upstream_failures_total", &a_url).await, 10);
}

/// Promise: the operator hears once when a site is without an app, and once when it has one again; a balancer that asks
/// whether the gateway is ready hears nothing of it. What an app alone is asked is counted too.
#[tokio::test]
async fn a_site_without_an_app_is_told_in_the_log_and_not_to_the_balancer() {
    let a = named("a").await;
    let a_url = url(&a);
    let gate = gate(&a, &[], "fail_timeout = \"1h\"").await;
    let said = async |words: &str| {
        eventually(words, async || gate.printed().contains(words).then_some(())).await;
        assert_eq!(gate.printed().matches(words).count(), 1);
    };
    let gone = a.stop().await;

    answers(&gate, 10).await;

    said("a site has no upstream in service").await;
    let ready = gate.admin("/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200 "), "{ready}");
    let _a = App::answering_at(gone, |_| Reply::ok("a")).await;
    assert_eq!(ask(&gate.browser()).await, "a");
    said("a site has an upstream in service again").await;
    assert_eq!(metric(&gate, "upstream_requests_total", &a_url).await, 11);
    let under_way = metric(&gate, "upstream_requests_in_flight", &a_url).await;
    assert_eq!(under_way, 0);
}

/// Promise: who knows a slow path of an app cannot have it taken out of service for everybody.
#[tokio::test]
async fn an_app_that_answers_others_is_not_out_for_a_slow_path() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                loop {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read_u8().await {
                            Ok(byte) => head.push(byte),
                            Err(_) => return,
                        }
                    }
                    if head.starts_with(b"GET /slow ") {
                        return std::future::pending().await;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\na";
                    if stream.write_all(answer).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let setup = crate::support::Setup {
        server: "admin = \"127.0.0.1:0\"",
        site: "[site.upstream_options]\nresponse_timeout = \"1s\"\nfail_timeout = \"1h\"",
        ..Default::default()
    };
    let gate = crate::support::Gate::before(addr, setup).await;
    let slow =
        together((0..8).map(|_| async { gate.browser().get("/slow").send().await.status() }));
    let timed_out = Cell::new(false);
    let others = async {
        let browser = gate.browser();
        let mut asked = 0;
        // Until all the slow ones have timed out: each must be answered.
        while !timed_out.get() {
            assert_eq!(browser.get("/").send().await.status(), 200);
            asked += 1;
        }
        asked
    };
    let slow = async {
        let statuses = slow.await;
        timed_out.set(true);
        statuses
    };
    let (slow, asked) = tokio::join!(slow, others);
    assert!(
        asked > 0 && slow.iter().all(|status| *status == 504),
        "{slow:?}"
    );
    let state = report(&gate, &format!("http://{addr}")).await;
    assert_eq!(state["state"], "up", "{state}");
}

/// Promise: of a hanging app the visitors hear within bounded time, and once it is known to hang, at once.
#[tokio::test]
async fn a_hanging_app_costs_few_their_time() {
    // The kernel takes the connections; nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = silent.local_addr().unwrap();
    let stand_in = named("unused").await;
    let address = format!("http://{addr}");
    let options = "response_timeout = \"300ms\"\nconnect_timeout = \"300ms\"\nconnections = 2\n\
                   fail_timeout = \"1h\"";
    let site = format!("[site.upstream_options]\n{options}");
    drop(stand_in);
    let setup = crate::support::Setup {
        server: "admin = \"127.0.0.1:0\"",
        site: &site,
        ..Default::default()
    };
    let gate = crate::support::Gate::before(addr, setup).await;

    // Two places a core, eight that wait for each core: the rest is refused at once, those who wait are in time.
    let all = together((0..40).map(|_| async {
        let answer = gate.browser().get("/").send().await;
        assert!(answer.header("x-request-id").is_some(), "{answer:?}");
        answer.status()
    }));
    let all = tokio::time::timeout(Duration::from_secs(15), all)
        .await
        .unwrap();
    assert!(all.contains(&504) && all.contains(&503), "{all:?}");
    assert!(
        all.iter().all(|status| [503, 504].contains(status)),
        "{all:?}"
    );
    until(&gate, &address, "out").await;

    // Now it is known: one finds out, the others hear at once.
    let all = together((0..10).map(|_| async { gate.browser().get("/").send().await }));
    let all = all.await;
    let refused = all.iter().filter(|answer| answer.status() == 503);
    assert!(refused.clone().count() >= 8, "{all:?}");
    for answer in refused {
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
        assert!(answer.text().contains("Request id: "), "{answer:?}");
    }

    drop(silent);
    let _back = App::answering_at(addr, |_| Reply::ok("back")).await;
    eventually("it is back", async || {
        (ask(&gate.browser()).await == "back").then_some(())
    })
    .await;
    assert_eq!(count(&answers(&gate, 5).await, "back"), 5);
}

/// Promise: with every member out those that take connections are asked on, so that bad answers alone make no outage.
#[tokio::test]
async fn members_that_answer_badly_are_asked_when_there_is_no_better_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let length = stream.read(&mut head).await.unwrap_or(0);
                let good = head[..length].starts_with(b"GET / ");
                let answer: &[u8] = if good {
                    b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ngood"
                } else {
                    b"nonsense\r\n\r\n"
                };
                let _ = stream.write_all(answer).await;
            });
        }
    });
    let gone = named("gone").await;
    let gate = gate(&gone, &[format!("http://{addr}")], "fail_timeout = \"1h\"").await;
    gone.stop().await;
    for _ in 0..20 {
        let answer = gate.browser().get("/poison").send().await;
        assert_eq!(answer.status(), 502, "{answer:?}");
    }
    until(&gate, &format!("http://{addr}"), "out").await;

    let all = together((0..10).map(|_| async { ask(&gate.browser()).await })).await;

    assert_eq!(count(&all, "good"), 10, "{all:?}");
}
