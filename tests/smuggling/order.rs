//! A refusal among other requests of its connection, and in the log.

use crate::recorder::Recorder;
use crate::support::{App, Gate, Raw, Reply, Setup, exchange};

const GET: &str = "GET /fine HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn what_came_before_is_answered_first_and_what_comes_behind_never() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let bad = "GET /bad HTTP/1.1\nHost: localhost\r\n\r\n";

    let answers = exchange(&gate, format!("{GET}{GET}{bad}{GET}")).await;

    let statuses: Vec<_> = answers
        .match_indices("HTTP/1.1 ")
        .map(|(at, _)| &answers[at + 9..at + 12])
        .collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answers}");
    assert_eq!(app.request_lines(), [GET.split("\r\n").next().unwrap(); 2]);
}

#[tokio::test]
async fn requests_in_any_pieces_are_answered_in_their_order() {
    let app = App::answering(|seen| Reply::ok(format!("<{}>", seen.target))).await;
    let gate = Gate::in_front_of(&app).await;
    let mut all = String::new();
    for number in 0..12 {
        all += &format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let body = "b".repeat(number * 100);
        all += &format!(
            "POST /p{number} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        all += &format!(
            "PUT /c{number} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\
             3\r\nabc\r\n0\r\n\r\n"
        );
    }
    all += "GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    for step in [all.len(), 1000, 333, 17] {
        let mut raw = Raw::tls(&gate, "localhost").await;
        for piece in all.as_bytes().chunks(step) {
            raw.send(piece).await;
        }
        let answers = raw.rest().await;
        let told: Vec<_> = answers
            .split('<')
            .skip(1)
            .filter_map(|rest| rest.split('>').next())
            .collect();
        let expected: Vec<_> = (0..12)
            .flat_map(|number| {
                [
                    format!("/{number}"),
                    format!("/p{number}"),
                    format!("/c{number}"),
                ]
            })
            .chain(["/end".to_owned()])
            .collect();
        assert_eq!(told, expected, "in pieces of {step}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_line_in_the_access_log() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    exchange(
        &gate,
        "POST /login?secret HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n",
    )
    .await;
    exchange(&gate, "G@T /\r\n\r\n").await;

    let lines = gate.access_log(2).await;

    for (line, (method, path)) in lines.iter().zip([("POST", "/login"), ("-", "/")]) {
        assert_eq!(line["status"], 400, "{line}");
        assert_eq!(line["refusal"], "malformed", "{line}");
        assert_eq!(line["method"], method, "{line}");
        assert_eq!(line["path"], path, "{line}");
        assert!(line["request_id"].as_str().is_some(), "{line}");
    }
}

#[tokio::test]
async fn the_answer_to_a_refused_head_request_has_no_body() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let answer = exchange(&gate, "HEAD / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn the_plain_listener_reads_as_strictly() {
    let app = App::plain().await;
    let setup = Setup {
        server: "http = [\"127.0.0.1:0\"]",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    for (request, status) in [
        ("GET / HTTP/1.1\nHost: localhost\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nX : y\r\n\r\n", "400"),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", "505"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", "400"),
    ] {
        let mut raw = Raw::plain(&gate).await;
        raw.send(request).await;
        let answer = raw.rest().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
        assert!(
            !answer.to_ascii_lowercase().contains("strict-transport"),
            "{answer}"
        );
    }
}
