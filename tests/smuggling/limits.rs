//! What is too much: 413, 414, 431.

use crate::recorder::Recorder;
use crate::support::exchange;

async fn status(gate: &crate::support::Gate, request: String) -> String {
    let answer = exchange(gate, request).await;
    let lower = answer.to_ascii_lowercase();
    assert!(lower.contains("\r\nx-request-id: "), "{answer}");
    assert!(lower.contains("\r\nconnection: close\r\n"), "{answer}");
    answer[9..12].to_owned()
}

#[tokio::test]
async fn a_head_past_its_limits_is_refused_and_one_within_passes() {
    let app = Recorder::start().await;
    let limits = "limits = { header_bytes = \"8KiB\", header_count = 20, cookie_bytes = \"4KiB\" }";
    let gate = app.gate_with(limits).await;
    let head = |target: usize, fields: usize, value: usize| {
        let target = "t".repeat(target);
        let mut head =
            format!("GET /{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for number in 0..fields {
            head += &format!("X-{number}: {}\r\n", "v".repeat(value));
        }
        head + "\r\n"
    };

    assert_eq!(status(&gate, head(4097, 0, 0)).await, "414");
    // It need not even end.
    assert_eq!(
        status(&gate, format!("GET /{}", "t".repeat(5000))).await,
        "414"
    );
    assert_eq!(status(&gate, head(0, 19, 1)).await, "431");
    assert_eq!(status(&gate, head(0, 1, 8200)).await, "431");
    let endless = format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "v".repeat(9000)
    );
    assert_eq!(status(&gate, endless).await, "431");
    assert_eq!(app.bytes(), "");

    for within in [head(4000, 0, 0), head(0, 18, 1), head(0, 4, 1900)] {
        let answer = exchange(&gate, within).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

#[tokio::test]
async fn a_body_past_its_limit_is_refused_announced_or_not() {
    let app = Recorder::start().await;
    let gate = app.gate_with("limits = { body_bytes = \"1KiB\" }").await;
    let post = "POST / HTTP/1.1\r\nHost: localhost\r\n";

    let announced = format!("{post}Content-Length: 1025\r\n\r\n");
    assert_eq!(status(&gate, announced).await, "413");
    assert_eq!(app.bytes(), "");
    let chunk = format!("400\r\n{}\r\n", "b".repeat(1024));
    let chunks = format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n");
    assert_eq!(status(&gate, chunks).await, "413");
    let within =
        format!("{post}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n");
    let answer = exchange(&gate, within).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn trailers_and_extensions_are_bounded() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let post =
        "POST / HTTP/1.1\r\nHost: localhost\r\nTrailer: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers = "x: y\r\n".repeat(101);
    let large = format!("x: {}\r\n", "y".repeat(40_000));
    let extension = format!("1;{}\r\na\r\n", "e".repeat(600));
    let extensions = format!("1;{}\r\na\r\n", "e".repeat(500)).repeat(20);
    for body in [
        format!("0\r\n{trailers}\r\n"),
        format!("0\r\n{large}\r\n"),
        format!("{extension}0\r\n\r\n"),
        format!("{extensions}0\r\n\r\n"),
    ] {
        assert_eq!(status(&gate, format!("{post}{body}")).await, "400");
    }
}

/// Promise: a refusal that leaves a body unread says that the connection ends with it, and ends it.
#[tokio::test]
async fn a_refused_body_is_the_last_thing_on_its_connection() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let many = "c=d; ".repeat(400) + "e=f";
    let table = [
        (
            "404",
            "/.cloakroom/nothing HTTP/1.1\r\nHost: localhost".to_owned(),
        ),
        ("400", "/a%2fb HTTP/1.1\r\nHost: localhost".to_owned()),
        ("421", "/ HTTP/1.1\r\nHost: unknown.test".to_owned()),
        (
            "431",
            format!("/ HTTP/1.1\r\nHost: localhost\r\nCookie: {many}"),
        ),
    ];
    for (expected, start) in table {
        let request = format!("POST {start}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(status(&gate, request).await, expected);
    }
    assert_eq!(app.bytes(), "");
}
