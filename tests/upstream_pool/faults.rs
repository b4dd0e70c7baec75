//! Faulty apps: each fault has its name, and none of them leaves a connection behind.

use std::sync::Arc;

use cloakroom::upstream::{Address, BodyFault, Pool, UpstreamFault, UpstreamSettings};

use crate::rig::{A_WHILE, Raw, get, listen, on_one_core, settings, text};

/// What comes of one request when the app says `answer` and closes if `closes`; the connection must be closed by us.
async fn outcome_of(answer: &str, closes: bool) -> Result<String, String> {
    let app = listen().await;
    let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
    let play = async {
        let mut connection = Raw::accept(&app).await;
        connection.answer(answer).await;
        (!closes).then_some(connection)
    };
    let visit = async {
        match pool
            .send(&to, get("/"))
            .await
            .map_err(|failed| failed.fault)
        {
            Ok(response) => text(response).await.map_err(|fault| match fault {
                BodyFault::AppBroke(_) => "body: AppBroke".to_owned(),
                other => format!("body: {other:?}"),
            }),
            Err(UpstreamFault::Protocol(_)) => Err("Protocol".to_owned()),
            Err(UpstreamFault::Closed(_)) => Err("Closed".to_owned()),
            Err(other) => Err(format!("{other:?}")),
        }
    };
    let (connection, outcome) = tokio::join!(play, visit);
    if let Some(mut connection) = connection {
        assert_eq!(
            connection.read_to_end().await,
            "",
            "left open after {answer:?}"
        );
    }
    outcome
}

#[test]
fn a_faulty_response_has_its_name_and_closes_the_connection() {
    let protocol = Err("Protocol".to_owned());
    let big = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(70_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(101));
    let table = [
        ("SSH-2.0-OpenSSH_9.6\r\n\r\n", protocol.clone()),
        ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", protocol.clone()),
        ("HTTP/1.1 200 OK\r\nx : y\r\n\r\n", protocol.clone()),
        (
            "HTTP/1.1 200 OK\r\nx: y\r\n folded\r\n\r\n",
            protocol.clone(),
        ),
        ("HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n", protocol.clone()),
        ("HTTP/1.1 20 OK\r\n\r\n", protocol.clone()),
        ("HTTP/2.0 200 OK\r\n\r\n", protocol.clone()),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            protocol.clone(),
        ),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            protocol.clone(),
        ),
        (
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            Err("UnknownCoding".to_owned()),
        ),
        (big.as_str(), protocol.clone()),
        (many.as_str(), protocol.clone()),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            Err("UnknownCoding".to_owned()),
        ),
        (
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
            Err("UnaskedUpgrade".to_owned()),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            protocol.clone(),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nokX",
            protocol,
        ),
    ];
    for (answer, expected) in table {
        on_one_core(async {
            let shown = answer.get(..answer.len().min(80));
            let outcome = outcome_of(answer, false).await;
            assert_eq!(outcome, expected, "{shown:?}");
        });
    }
}

/// Promise: what was cut off is not taken for whole.
#[test]
fn an_app_that_closes_early_is_not_an_end() {
    let table = [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
            Err("body: AppBroke"),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
            Err("body: AppBroke"),
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nok",
            Err("body: AppBroke"),
        ),
        ("HTTP/1.1 200 OK\r\ncontent-len", Err("Closed")),
        ("HTTP/1.1 100 Continue\r\n\r\n", Err("Closed")),
        ("", Err("Closed")),
        // Without a length the closing is the end.
        ("HTTP/1.1 200 OK\r\n\r\nwhole", Ok("whole")),
    ];
    for (answer, expected) in table {
        on_one_core(async {
            let outcome = outcome_of(answer, true).await;
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(outcome, expected, "{answer:?}");
        });
    }
}

#[test]
fn interim_responses_are_not_the_response() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                      HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer(answer).await;
        };
        let ((), response) = tokio::join!(play, pool.send(&to, get("/")));
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("link"));
        assert_eq!(text(response).await.unwrap(), "ok");
    });
}

/// Promise: what two programs could read in two ways is read in none: nothing of it reaches a visitor, and the
/// connection is closed.
#[test]
fn an_answer_that_can_be_read_in_two_ways_is_refused() {
    let ok = "HTTP/1.1 200 OK\r\n";
    let heads = [
        "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\nok",
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/3.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "<html>an answer of HTTP/0.9</html>\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1  200 OK\r\n\r\n",
        "HTTP/1.1 200 O\rK\r\ncontent-length: 2\r\n\r\nok",
    ];
    let fields = [
        "content-length: +5",
        "content-length: 5 5",
        "content-length: 5, 6",
        "content-length: 0x5",
        "content-length:",
        "content-length: 99999999999999999999",
        "x: a\rb",
        "x: a\0b",
        "x : y",
        "x\t: y",
        "x: y\r\n folded",
        " x: y",
        "x\u{a0}y: z",
    ];
    let chunks = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;x\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\r\n0\n\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nx : y\r\n\r\n",
    ];
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(40);
    let mut answers: Vec<(String, &str)> = Vec::new();
    answers.extend(heads.map(|head| (head.to_owned(), "Protocol")));
    answers.extend(fields.map(|field| (format!("{ok}{field}\r\n\r\nhello"), "Protocol")));
    let chunked = |chunk| format!("{ok}transfer-encoding: chunked\r\n\r\n{chunk}");
    answers.extend(chunks.map(|chunk| (chunked(chunk), "Protocol")));
    for coding in [
        "chunked, chunked",
        "chunked\r\ntransfer-encoding: chunked",
        "x",
        "chunked;x",
        "",
    ] {
        let answer = format!("{ok}transfer-encoding: {coding}\r\n\r\n0\r\n\r\n");
        answers.push((answer, "UnknownCoding"));
    }
    answers.push((format!("{interim}{ok}\r\n"), "Interim"));
    for (answer, expected) in answers {
        on_one_core(async {
            let outcome = outcome_of(&answer, false).await;
            assert_eq!(outcome, Err(expected.to_owned()), "{answer:?}");
        });
    }
}

/// The same in the middle of a body: what has gone out has gone out, and is cut off there.
#[test]
fn a_body_that_becomes_unreadable_is_cut_off() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection
                .answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n")
                .await;
            connection
        };
        let (mut connection, response) = tokio::join!(play, pool.send(&to, get("/")));
        let response = response.unwrap();
        connection.write("0\n\r\nHTTP/1.1 200 OK\r\n\r\n").await;
        let fault = text(response).await.unwrap_err();
        assert!(matches!(fault, BodyFault::AppBroke(_)), "{fault:?}");
        assert_eq!(connection.read_to_end().await, "");
    });
}

#[test]
fn the_size_of_a_head_is_a_setting() {
    for (bytes, good) in [(900, true), (1200, false)] {
        on_one_core(async {
            let app = listen().await;
            let to = Arc::new(UpstreamSettings {
                header_bytes: 1024,
                ..settings(&app)
            });
            let pool = Pool::new();
            let value = "y".repeat(bytes);
            let answer = format!("HTTP/1.1 200 OK\r\nx: {value}\r\ncontent-length: 0\r\n\r\n");
            let play = async { Raw::accept(&app).await.answer(&answer).await };
            let (_, outcome) = tokio::join!(play, pool.send(&to, get("/")));
            assert_eq!(outcome.is_ok(), good, "{outcome:?}");
        });
    }
}

#[test]
fn an_app_that_does_not_answer_is_given_up_and_its_connection_closed() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            response_timeout: A_WHILE,
            ..settings(&app)
        });
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection
                .answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
                .await;
            connection.read_to_end().await
        };
        let (rest, fault) = tokio::join!(play, pool.send(&to, get("/")));
        assert!(
            matches!(&fault, Err(failed) if matches!(failed.fault, UpstreamFault::ResponseTimeout) && failed.unsent.is_none()),
            "{fault:?}"
        );
        assert_eq!(rest, "");
    });
}

#[test]
fn an_app_that_is_not_there_is_told_apart_from_one_that_fails() {
    on_one_core(async {
        let app = listen().await;
        let gone = settings(&app);
        drop(app);
        let no_name = UpstreamSettings::new(Address::parse("http://app.invalid:1").unwrap());
        let no_socket = UpstreamSettings::new(Address::Unix("/nonexistent/app.sock".into()));
        for to in [gone, no_name, no_socket] {
            let fault = Pool::new().send(&Arc::new(to), get("/")).await;
            assert!(
                matches!(&fault, Err(failed) if matches!(failed.fault, UpstreamFault::Connect(_)) && failed.unsent.is_some()),
                "{fault:?}"
            );
        }
    });
}
