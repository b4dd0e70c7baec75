//! Slow and stalled visitors are cut off in bounded time, and meanwhile others are served (SECURITY 2.5).

use std::time::Duration;

use crate::recorder::Recorder;
use crate::support::{App, Gate, Raw, Reply, Setup};

const LIMITS: &str = "limits = { header_timeout = \"1s\", keepalive_timeout = \"2s\", body_timeout = \"1s\", \
                      body_min_rate = \"1KiB\", write_timeout = \"1s\" }";

/// Asks as a visitor who does everything right, until `slow` is over: each time within two seconds.
async fn while_others_are_served<T>(gate: &Gate, slow: impl Future<Output = T>) -> T {
    let browser = gate.browser();
    let serve = async {
        loop {
            let answer =
                tokio::time::timeout(Duration::from_secs(2), browser.get("/").send()).await;
            assert_eq!(answer.expect("an answer in time").status(), 200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        done = slow => done,
        () = serve => unreachable!("it goes on for ever"),
    }
}

/// Sends `start` and then `more` again and again; everything that comes back until the end.
async fn drip(gate: &Gate, start: &str, more: &str) -> String {
    let mut raw = Raw::tls(gate, "localhost").await;
    raw.send(start).await;
    // Not for so long that the closed connection is given up before it is read.
    for _ in 0..13 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        raw.send(more).await;
    }
    raw.rest().await
}

#[tokio::test]
async fn a_head_that_does_not_end_gets_408() {
    let app = Recorder::start().await;
    let gate = app.gate_with(LIMITS).await;
    while_others_are_served(&gate, async {
        for (start, more) in [
            ("GET", "T"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nX: ", "x"),
            ("GET / HTTP/1.1\r\nHost: localhost\r\n", ""),
            // After a request, whole and answered.
            (
                "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhiGET /next",
                "t",
            ),
        ] {
            let answers = drip(&gate, start, more).await;
            let last = answers.rfind("HTTP/1.1 ").map(|at| &answers[at..]);
            let last = last.unwrap_or_default();
            assert!(last.starts_with("HTTP/1.1 408 "), "{start:?}: {answers:?}");
            let lower = last.to_ascii_lowercase();
            assert!(lower.contains("\r\nx-request-id: "), "{last}");
            assert!(lower.contains("\r\nconnection: close\r\n"), "{last}");
        }
    })
    .await;
    assert!(
        app.request_lines()
            .iter()
            .all(|line| !line.contains("next"))
    );
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let app = Recorder::start().await;
    let gate = app.gate_with(LIMITS).await;
    while_others_are_served(&gate, async {
        let mut raw = Raw::tls(&gate, "localhost").await;
        assert_eq!(raw.rest().await, "");
        let mut raw = Raw::tls(&gate, "localhost").await;
        raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(raw.rest().await, "ok");
    })
    .await;
}

#[tokio::test]
async fn a_body_that_stalls_or_drips_is_cut_off() {
    let app = Recorder::start().await;
    let gate = app.gate_with(LIMITS).await;
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\n";
    while_others_are_served(&gate, async {
        for (start, more) in [
            (format!("{post}Content-Length: 100000\r\n\r\nstart"), ""),
            (format!("{post}Content-Length: 100000\r\n\r\nstart"), "x"),
            (
                format!("{post}Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
                "",
            ),
            (
                format!("{post}Transfer-Encoding: chunked\r\n\r\n"),
                "1\r\nx\r\n",
            ),
            (format!("{post}Transfer-Encoding: chunked\r\n\r\n0"), "0"),
        ] {
            let answer = drip(&gate, &start, more).await;
            let status = answer.get(9..12).unwrap_or_default();
            // A size of seventeen digits is none, before it is slow.
            assert!(matches!(status, "408" | "400"), "{start:?}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_does_not_hold_up_others() {
    let large = "l".repeat(8 * 1024 * 1024);
    let app = App::answering(move |seen| {
        if seen.target == "/large" {
            Reply::ok(large.clone())
        } else {
            Reply::ok("ok")
        }
    })
    .await;
    let setup = Setup {
        server: LIMITS,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    while_others_are_served(&gate, async {
        let mut raw = Raw::tls(&gate, "localhost").await;
        raw.send("GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        // The line is written when the response ends, here by giving up on its reader.
        let lines = gate.access_log(1);
        let lines = tokio::time::timeout(Duration::from_secs(20), async {
            let mut lines = lines.await;
            while !lines.iter().any(|line| line["path"] == "/large") {
                let more = lines.len() + 1;
                lines = gate.access_log(more).await;
            }
            lines
        });
        let lines = lines.await.expect("the stalled response ends");
        let line = lines.iter().find(|line| line["path"] == "/large").unwrap();
        assert!(line["bytes"].as_u64().unwrap() < 8 * 1024 * 1024, "{line}");
    })
    .await;
}

/// Promise: who sends the head of a request and nothing of its body takes no place at the app from others.
#[tokio::test]
async fn a_body_that_does_not_begin_costs_the_app_nothing() {
    let app = Recorder::start().await;
    let site = "[site.upstream_options]\nconnections = 1\nconnect_timeout = \"1s\"";
    let gate = app.gate_for_site(site).await;
    let mut silent = Vec::new();
    for number in 0..16 {
        let mut raw = Raw::tls(&gate, "localhost").await;
        raw.send(format!(
            "POST /silent{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
        assert!(raw.head().await.starts_with("HTTP/1.1 100 "));
        silent.push(raw);
    }

    for _ in 0..8 {
        let browser = gate.browser();
        assert_eq!(browser.get("/").send().await.status(), 200);
        assert_eq!(browser.post("/", "spoken").send().await.status(), 200);
    }
    assert!(!app.bytes().contains("/silent"), "{}", app.bytes());

    for raw in &mut silent {
        raw.send("some").await;
        raw.send("thing").await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
    }
}
