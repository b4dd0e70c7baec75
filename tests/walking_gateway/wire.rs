//! HTTP as it crosses the wire: hosts, paths, bodies, upgrades.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::body::{Body, fed, full};
use crate::support::{App, Browser, Gate, Raw, Setup, exchange};

// === hosts and paths ===

#[tokio::test]
async fn a_host_that_the_handshake_did_not_name_is_misdirected() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for (sni, host) in [("localhost", "other.test"), ("localhost", "unknown.test")] {
        let mut raw = Raw::tls(&gate, sni).await;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        raw.send(request).await;
        let answer = raw.rest().await;
        assert!(
            answer.starts_with("HTTP/1.1 421"),
            "{sni}, {host}: {answer}"
        );
        assert!(
            !answer.to_ascii_lowercase().contains("set-cookie"),
            "{answer}"
        );
    }
    assert!(app.seen().is_empty());
    assert_eq!(
        gate.browser()
            .get("/")
            .host("other.test")
            .send()
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn a_request_without_exactly_one_host_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for hosts in [
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: other.test\r\n",
        "Host: local host\r\n",
        "Host:\r\n",
    ] {
        let request = format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        let answer = exchange(&gate, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{hosts:?}: {answer}");
    }
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn a_path_with_two_readings_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for path in [
        "/a%2fb",
        "/a/%2e%2e/b",
        "/a%5cb",
        "/a\\b",
        "/a%00b",
        "/%2E%2E/etc",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gate, request).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
    }
    assert!(app.seen().is_empty());
    let browser = gate.browser();
    browser.get("/a%20b//c?q=%2F%2e").send().await;
    assert_eq!(
        app.last().target,
        "/a%20b//c?q=%2F%2e",
        "forwarded as it came"
    );
}

#[tokio::test]
async fn our_own_paths_never_reach_the_app() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for path in [
        "/.cloakroom/x",
        "/.cloakroom/",
        "/.cloakroom",
        "//.cloakroom/x",
        "/./.cloakroom/x",
        "/a/../.cloakroom/x",
        "/.%63loakroom/x",
        "/.CLOAKROOM/x",
        "/.Cloakroom",
        "/.%43loakRoom/x",
        "/%2ecloakroom/x",
    ] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gate, request).await;
        let refused = answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400");
        assert!(refused, "{path}: {answer}");
    }
    assert_eq!(
        gate.browser().get("/.cloakroom/x").send().await.status(),
        404
    );
    assert!(app.seen().is_empty(), "{:?}", app.seen());
}

#[tokio::test]
async fn the_plain_listener_only_sends_to_https() {
    let app = App::plain().await;
    let setup = Setup {
        server: "http = [\"127.0.0.1:0\"]",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;

    for method in ["GET", "HEAD"] {
        let mut raw = Raw::plain(&gate).await;
        let request =
            format!("{method} /a?b=c HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        raw.send(request).await;
        let answer = raw.rest().await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 308"), "{answer}");
        assert!(answer.contains("location: https://localhost"), "{answer}");
        assert!(answer.contains("/a?b=c\r\n"), "{answer}");
        assert!(!answer.contains("set-cookie"), "{answer}");
    }
    let mut raw = Raw::plain(&gate).await;
    raw.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    )
    .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(app.seen().is_empty());
}

// === bodies ===

/// Gives back what it gets while it comes, trailers too.
async fn echo(request: Request<Incoming>) -> Response<Body> {
    let answer = Response::builder().header("trailer", "x-checksum");
    let body = request.into_body().map_err(Into::into).boxed_unsync();
    answer.body(body).expect("an answer")
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once_with_trailers() {
    let app = App::serving(echo).await;
    let gate = Gate::in_front_of(&app).await;

    streams(&gate.browser()).await;
    streams(&gate.browser().http2()).await;
}

async fn streams(browser: &Browser) {
    let (feed, body) = fed();
    let call = browser.call(http::Method::POST, "/echo").body(body);
    let call = call
        .header("trailer", "x-checksum")
        .header("te", "trailers");
    let (answer, ()) = tokio::join!(call.stream(), feed.data("first"));
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();

    // The first bytes are back while the request is still open: nobody waits for the whole.
    assert_eq!(next_data(&mut body).await, "first");

    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let sending = async {
        for _ in 0..40 {
            feed.data(piece.clone()).await;
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", HeaderValue::from_static("abc"));
        feed.trailers(trailers).await;
    };
    let (whole, ()) = tokio::join!(body.collect(), sending);
    let whole = whole.expect("the whole body");
    let trailers = whole.trailers().cloned().unwrap_or_default();
    assert_eq!(
        trailers.get("x-checksum").expect("a trailer"),
        "abc",
        "{trailers:?}"
    );
    let bytes = whole.to_bytes();
    assert_eq!(bytes.len(), 40 * piece.len());
    assert!(bytes.iter().all(|byte| *byte == b'x'));
}

async fn next_data(body: &mut Incoming) -> Bytes {
    let frame = tokio::time::timeout(Duration::from_secs(10), body.frame()).await;
    let frame = frame
        .expect("bytes before the request ends")
        .expect("more of the body")
        .expect("a frame");
    frame.into_data().expect("bytes")
}

#[tokio::test]
async fn a_large_body_arrives_whole_in_both_directions() {
    let app = App::serving(echo).await;
    let gate = Gate::in_front_of(&app).await;
    let large: Vec<u8> = (0..3 * 1024 * 1024_u32)
        .map(|at| (at % 251) as u8)
        .collect();

    for browser in [gate.browser(), gate.browser().http2()] {
        let answer = browser.post("/echo", large.clone()).send().await;
        assert_eq!(answer.status(), 200);
        assert!(
            answer.body == large,
            "{} of {} bytes",
            answer.body.len(),
            large.len()
        );
    }
}

#[tokio::test]
async fn a_visitor_may_wait_for_100_continue() {
    let app = App::serving(echo).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;

    raw.send(
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100"));
    raw.send("hello").await;

    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert!(raw.rest().await.contains("hello"));
}

#[tokio::test]
async fn another_expectation_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = exchange(
        &gate,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nExpect: a miracle\r\n\
         Connection: close\r\n\r\n",
    )
    .await;

    assert!(answer.starts_with("HTTP/1.1 417"), "{answer}");
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;

    for _ in 0..3 {
        raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
            .await;
        let head = raw.head().await.to_ascii_lowercase();
        assert!(
            head.starts_with("http/1.1 200") && head.contains("content-length: 2\r\n"),
            "{head}"
        );
        assert_eq!(raw.bytes(2).await, b"ok");
    }
    assert_eq!(app.seen().len(), 3);
}

// === upgrades ===

/// Agrees to a WebSocket and gives back bytes until the visitor goes.
async fn websocket(mut request: Request<Incoming>) -> Response<Body> {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let mut stream = TokioIo::new(upgraded);
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut bytes).await {
            if stream.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    });
    let asked = request.headers().get("upgrade").cloned();
    let answer = Response::builder().status(if asked.is_some() { 101 } else { 426 });
    let answer = answer.header("connection", "upgrade");
    // The proof that the path asks for; by default the right one for the key of the example in RFC 6455.
    let answer = match request.uri().path() {
        "/no-accept" => answer,
        "/wrong-accept" => answer.header("sec-websocket-accept", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        _ => answer.header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    };
    let answer = answer.header(
        "upgrade",
        asked.unwrap_or(HeaderValue::from_static("websocket")),
    );
    answer.body(full("")).expect("an answer")
}

#[tokio::test]
async fn a_websocket_tunnels_bytes_both_ways() {
    let app = App::serving(websocket).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    let origin = gate.origin();
    let authority = origin.trim_start_matches("https://");

    raw.send(format!(
        "GET /ws HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Origin: {origin}\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX_Session_User: forged\r\n\r\n"
    ))
    .await;

    let head = raw.head().await.to_ascii_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"),
        "{head}"
    );
    for bytes in [&b"\x81\x05hello"[..], &[0xff; 1000], b"\x88\x00"] {
        raw.send(bytes).await;
        assert_eq!(raw.bytes(bytes.len()).await, bytes);
    }
    let seen = app.last();
    assert_eq!(seen.header("sec-websocket-version").as_deref(), Some("13"));
    assert!(seen.header("x-session-id").is_some());
    assert!(!format!("{seen:?}").contains("forged"));
}

/// Promise: an app that does not prove that it speaks WebSocket gets no bytes of a page's choice.
#[tokio::test]
async fn a_websocket_without_its_proof_is_refused() {
    let app = App::serving(websocket).await;
    let gate = Gate::in_front_of(&app).await;
    let origin = gate.origin();
    let authority = origin.trim_start_matches("https://");
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (path, keys, status) in [
        ("/ws", key.to_owned(), "101"),
        ("/no-accept", key.to_owned(), "502"),
        ("/wrong-accept", key.to_owned(), "502"),
        ("/ws", String::new(), "502"),
        ("/ws", key.repeat(2), "502"),
    ] {
        let mut raw = Raw::tls(&gate, "localhost").await;
        raw.send(format!(
            "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Origin: {origin}\r\nSec-WebSocket-Version: 13\r\n{keys}\r\n"
        ))
        .await;
        let head = raw.head().await;
        assert_eq!(&head[9..12], status, "{path} {keys}: {head}");
    }
}

#[tokio::test]
async fn an_upgrade_to_anything_else_is_not_passed_on() {
    let app = App::serving(websocket).await;
    let gate = Gate::in_front_of(&app).await;

    let answer = exchange(
        &gate,
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
    )
    .await;

    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
    let seen = app.last();
    assert_eq!(seen.header("upgrade"), None);
    assert_eq!(seen.header("http2-settings"), None);
}

#[tokio::test]
async fn a_last_chunk_that_can_be_read_in_two_ways_swallows_nothing() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let next = "GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for end in ["0\r\n\n", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\r\n"] {
        let first = "POST /first HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        let answers = exchange(&gate, format!("{first}{end}{next}")).await;
        assert!(answers.starts_with("HTTP/1.1 400 "), "{end:?}: {answers}");
        assert_eq!(
            answers.matches("HTTP/1.1 ").count(),
            1,
            "{end:?}: {answers}"
        );
    }
    assert!(app.seen().iter().all(|seen| seen.path() != "/next"));
}
