//! What a request is for: methods and targets.

use http::Method;

use crate::support::{App, Gate, Raw, Setup, exchange};

fn authority(gate: &Gate) -> String {
    gate.origin().trim_start_matches("https://").to_owned()
}

#[tokio::test]
async fn options_of_the_whole_server_goes_to_the_app_at_the_root() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    let answer = exchange(
        &gate,
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert_eq!((seen.method, seen.target.as_str()), (Method::OPTIONS, "*"));
    let answer = exchange(
        &gate,
        "GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test]
async fn trace_and_connect_are_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    for request in [
        "TRACE / HTTP/1.1\r\nHost: localhost\r\nCookie: secret=1\r\n\r\n",
        "TRACE / HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n",
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n",
        "CONNECT evil.test:25 HTTP/1.1\r\nHost: evil.test:25\r\n\r\n",
    ] {
        let answer = exchange(&gate, request).await;
        assert!(answer.starts_with("HTTP/1.1 405"), "{request}: {answer}");
        assert!(!answer.contains("secret"), "{answer}");
    }
    let trace = gate.browser().http2().call(Method::TRACE, "/").send().await;
    assert_eq!(trace.status(), 405);
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn an_absolute_target_says_what_the_host_field_says() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let authority = authority(&gate);

    let request = format!(
        "GET https://{authority}/a?b=c HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n"
    );
    let answer = exchange(&gate, request).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert_eq!(seen.target, "/a?b=c", "in origin form");
    assert_eq!(seen.header("host"), Some(authority.clone()));

    for (target, host, status) in [
        (format!("https://{authority}/"), "other.test", 400),
        ("https://other.test/".to_owned(), authority.as_str(), 400),
        ("https://other.test/".to_owned(), "other.test", 421),
        (format!("http://{authority}/"), authority.as_str(), 421),
        (format!("ftp://{authority}/"), authority.as_str(), 400),
        (
            format!("https://evil@{authority}/"),
            authority.as_str(),
            400,
        ),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gate, request).await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{target}, {host}: {answer}");
    }
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test]
async fn a_target_has_a_greatest_length() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    for (bytes, status) in [(8 * 1024, 200), (8 * 1024 + 1, 414), (30_000, 414)] {
        let target = format!("/{}", "t".repeat(bytes - 1));
        let request =
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = exchange(&gate, request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{bytes}: {answer}"
        );
    }
    assert_eq!(app.seen().len(), 1);
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let app = App::answering(|_| crate::support::Reply::ok("").header("content-length", "5")).await;
    let gate = Gate::in_front_of(&app).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    for _ in 0..2 {
        raw.send("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let head = raw.head().await.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200"), "{head}");
        assert!(head.contains("content-length: 5\r\n"), "{head}");
    }
    let answer = gate.browser().http2().call(Method::HEAD, "/").send().await;
    assert_eq!(
        (answer.status(), answer.header("content-length")),
        (200, Some("5"))
    );
    assert!(answer.body.is_empty());
    assert_eq!(app.last().method, Method::HEAD);
}

#[tokio::test]
async fn the_plain_listener_reads_targets_as_strictly() {
    let app = App::plain().await;
    let setup = Setup {
        server: "http = [\"127.0.0.1:0\"]",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    for request in [
        "TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\nConnection: close\r\n\r\n",
    ] {
        let mut raw = Raw::plain(&gate).await;
        raw.send(request).await;
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{request}: {answer}");
    }
    assert!(app.seen().is_empty());
}
