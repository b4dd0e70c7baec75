//! A connection that was idle long enough to be put to sleep serves on as if it had not been.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::recorder::Recorder;
use crate::support::body::{Body, full};
use crate::support::{App, Gate, Raw};

/// Longer than a connection stays awake. Nothing can be awaited here: that a connection sleeps is to be seen nowhere.
const NAP: Duration = Duration::from_millis(900);

async fn ask(raw: &mut Raw, request: &str, length: usize) -> String {
    raw.send(request).await;
    let head = raw.head().await;
    let body = raw.bytes(length).await;
    head + &String::from_utf8_lossy(&body)
}

#[tokio::test]
async fn it_wakes_up_for_whatever_comes() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    // Asleep from the first moment on, too.
    tokio::time::sleep(NAP).await;
    for (request, length) in [
        ("GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n", 2),
        ("HEAD /b HTTP/1.1\r\nHost: localhost\r\n\r\n", 0),
        ("GET /304 HTTP/1.1\r\nHost: localhost\r\n\r\n", 0),
        (
            "POST /d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
            2,
        ),
        (
            "POST /e HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             5\r\nhello\r\n0\r\n\r\n",
            2,
        ),
        ("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 2),
    ] {
        let answer = ask(&mut raw, request, length).await;
        let sound = answer.starts_with("HTTP/1.1 200 ") || answer.starts_with("HTTP/1.1 304 ");
        assert!(sound, "{request:?}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("connection: close"),
            "{answer}"
        );
        tokio::time::sleep(NAP).await;
    }
    // Several at once, then in pieces, then one that is refused.
    let get = "GET /f HTTP/1.1\r\nHost: localhost\r\n\r\n";
    raw.send(get.repeat(3)).await;
    for _ in 0..3 {
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(raw.bytes(2).await, b"ok");
    }
    tokio::time::sleep(NAP).await;
    for piece in get.as_bytes().chunks(9) {
        raw.send(piece).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
    assert_eq!(raw.bytes(2).await, b"ok");
    tokio::time::sleep(NAP).await;
    raw.send("GET / HTTP/1.1\n\n").await;
    let rest = raw.rest().await;
    assert!(rest.starts_with("HTTP/1.1 400 "), "{rest}");
    assert_eq!(app.request_lines().len(), 10);
}

/// Answers before it has read the body, and never reads it.
async fn hasty(_: Request<Incoming>) -> Response<Body> {
    Response::new(full("hasty"))
}

#[tokio::test]
async fn an_unread_body_is_never_read_as_a_request() {
    let app = App::serving(hasty).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    let body = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    raw.send(format!(
        "POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        2 * body.len()
    ))
    .await;
    raw.send(&body).await;
    let head = raw.head().await;
    tokio::time::sleep(NAP).await;
    raw.send(&body).await;
    tokio::time::sleep(NAP).await;
    raw.send("GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await;
    let rest = raw.rest().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}{rest}");
    let paths: Vec<_> = app.seen().iter().map(|seen| seen.target.clone()).collect();
    assert!(!paths.iter().any(|path| path == "/smuggled"), "{paths:?}");
}

#[tokio::test]
async fn a_slow_reader_gets_all_of_it_across_the_nap() {
    let large = "l".repeat(4 * 1024 * 1024);
    let length = large.len();
    let app = App::answering(move |_| crate::support::Reply::ok(large.clone())).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    for _ in 0..2 {
        raw.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
        // The app has given everything, and nobody takes it.
        tokio::time::sleep(NAP).await;
        assert!(raw.bytes(length).await.iter().all(|byte| *byte == b'l'));
        tokio::time::sleep(NAP).await;
    }
}

/// Agrees to a WebSocket and gives back bytes, or declines.
async fn websocket(mut request: Request<Incoming>) -> Response<Body> {
    if request.uri().path() == "/declined" {
        return Response::new(full("no"));
    }
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = TokioIo::new(upgrade.await.expect("an upgrade"));
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            if stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let answer = Response::builder().status(101);
    let answer = answer.header("connection", "upgrade");
    // The answer to the key below, from the example of RFC 6455.
    let answer = answer.header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    answer
        .header("upgrade", "websocket")
        .body(full(""))
        .unwrap()
}

fn upgrade(path: &str, gate: &Gate) -> String {
    let origin = gate.origin();
    let authority = origin.trim_start_matches("https://");
    format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Origin: {origin}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

#[tokio::test]
async fn an_upgrade_passes_everything_and_a_declined_one_is_a_request() {
    let app = App::serving(websocket).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    tokio::time::sleep(NAP).await;

    // Declined: the request behind it, sent before anybody could know, is read like every other.
    let next = "GET /declined HTTP/1.1\r\nHost: localhost\r\n\r\n";
    raw.send(upgrade("/declined", &gate) + next).await;
    for _ in 0..2 {
        assert!(raw.head().await.starts_with("HTTP/1.1 200 "));
        assert_eq!(raw.bytes(2).await, b"no");
    }
    tokio::time::sleep(NAP).await;

    // Accepted: bytes that are no HTTP pass, also those that were sent too early.
    raw.send([upgrade("/ws", &gate).as_bytes(), b"\x81\x05early"].concat())
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 101 "));
    assert_eq!(raw.bytes(7).await, b"\x81\x05early");
    tokio::time::sleep(NAP).await;
    let large = [b"GET / HTTP/1.1\n\n\0\xff".as_slice(), &[0; 100_000]].concat();
    let (_, echoed) = tokio::join!(async {}, async {
        raw.send(&large).await;
        raw.bytes(large.len()).await
    });
    assert!(echoed == large);
}

#[tokio::test]
async fn a_drain_closes_what_sleeps_at_once() {
    let app = Recorder::start().await;
    let mut gate = app.gate().await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    ask(&mut raw, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 2).await;
    tokio::time::sleep(NAP).await;
    let (status, rest) = tokio::join!(gate.stop(), raw.rest());
    assert!(status.success());
    assert_eq!(rest, "");
}

#[tokio::test]
async fn a_visitor_who_goes_while_asleep_leaves_nothing_behind() {
    let app = Recorder::start().await;
    let mut gate = app.gate_with("admin = \"127.0.0.1:0\"").await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    ask(&mut raw, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 2).await;
    tokio::time::sleep(NAP).await;
    drop(raw);
    // The drain has nobody to wait for: it ends long before its time.
    let stopped = tokio::time::timeout(Duration::from_secs(10), gate.stop()).await;
    assert!(stopped.expect("a quick end").success());
}
