//! `Expect: 100-continue` (RFC 9110, 10.1.1): the visitor is asked for the body when the app takes it, and not at all when
//! the request is refused before.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};

use super::early::h2;
use crate::support::{App, DEADLINE, Gate, Raw, Setup};

/// Asks over HTTP/2 and sends the body once it is asked for. Whether it was, and the status.
async fn ask_h2(gate: &Gate, length: &str) -> (bool, u16) {
    let request = Request::post("https://localhost/")
        .header("expect", "100-continue")
        .header("content-length", length)
        .body(());
    let mut sender = h2(gate).await;
    let (mut response, mut body) = sender
        .send_request(request.expect("a POST"), false)
        .expect("a stream");
    let mut asked = false;
    let answer = poll_fn(|cx| {
        while let Poll::Ready(Some(interim)) = response.poll_informational(cx) {
            assert_eq!(interim.expect("an interim answer").status(), 100);
            assert!(!asked, "once is enough");
            asked = true;
            let sent = body.send_data(Bytes::from_static(b"hello"), true);
            sent.expect("room");
        }
        std::pin::Pin::new(&mut response).poll(cx)
    });
    let answer: Result<Response<_>, _> = tokio::time::timeout(DEADLINE, answer)
        .await
        .expect("in time");
    (asked, answer.expect("an answer").status().as_u16())
}

#[tokio::test]
async fn a_body_is_asked_for_when_the_app_takes_it() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    assert_eq!(ask_h2(&gate, "5").await, (true, 200));
    assert_eq!(app.last().body, "hello");
    assert_eq!(app.last().header("expect"), None);

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    )
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 100"));
    raw.send("hello").await;
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn who_is_refused_is_not_asked_for_a_body() {
    let app = App::plain().await;
    let setup = Setup {
        server: "[server.limits]\nbody_bytes = \"1KiB\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;

    assert_eq!(ask_h2(&gate, "2000").await, (false, 413));

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000\r\nExpect: 100-continue\r\n\r\n")
        .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 413"));
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn who_does_not_wait_is_not_asked() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let request = Request::post("https://localhost/").header("expect", "100-continue");
    let mut sender = h2(&gate).await;
    let request = request.body(()).expect("a POST");
    let (mut response, mut body) = sender.send_request(request, false).expect("a stream");
    body.send_data(Bytes::from_static(b"hello"), true)
        .expect("room");
    let mut interims = 0;
    let answer = poll_fn(|cx| {
        while let Poll::Ready(Some(_)) = response.poll_informational(cx) {
            interims += 1;
        }
        std::pin::Pin::new(&mut response).poll(cx)
    });
    let answer = tokio::time::timeout(DEADLINE, answer)
        .await
        .expect("in time");
    assert_eq!(answer.expect("an answer").status(), 200);
    assert!(interims <= 1, "the body may have been late");
    assert_eq!(app.last().body, "hello");
}
