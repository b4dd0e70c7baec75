//! Bodies on their way, through a gateway that only forwards.

use std::time::Duration;

use cloakroom::upstream::{Body, BodyLimits, UpstreamSettings};
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::rig::{A_WHILE, OnThisCore, Raw, gateway, listen, no_limits, on_one_core, settings};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn trailers_pass_both_ways_and_are_screened() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let trailers = "0\r\nx-sum: 1\r\nx-forbidden: 2\r\n\r\n";
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_head().await;
            let body = connection.read_until("0\r\nx-sum: 1\r\n\r\n").await;
            let head = "HTTP/1.1 200 OK\r\ntrailer: x-sum, x-forbidden\r\ntransfer-encoding: chunked\r\n\r\n";
            connection
                .write(&format!("{head}2\r\nok\r\n{trailers}"))
                .await;
            body
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            let head = "POST / HTTP/1.1\r\nhost: x\r\nte: trailers\r\ntrailer: x-sum, x-forbidden\r\n\
                        transfer-encoding: chunked\r\n\r\n";
            visitor.write(&format!("{head}2\r\nhi\r\n{trailers}")).await;
            visitor.read_head().await;
            visitor.read_until("0\r\nx-sum: 1\r\n\r\n").await
        };
        let (seen_by_app, seen_by_visitor) = tokio::join!(play, visit);
        assert!(seen_by_app.starts_with("2\r\nhi\r\n"), "{seen_by_app}");
        assert!(
            seen_by_visitor.starts_with("2\r\nok\r\n"),
            "{seen_by_visitor}"
        );
    });
}

#[test]
fn a_body_without_a_length_goes_up_in_chunks_whatever_the_method() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            for _ in 0..2 {
                let head = connection.read_head().await;
                assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
                assert_eq!(
                    connection.read_until("0\r\n\r\n").await,
                    "2\r\nhi\r\n0\r\n\r\n"
                );
                connection.write(OK).await;
            }
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            for method in ["GET", "POST"] {
                let head =
                    format!("{method} / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
                visitor.write(&format!("{head}2\r\nhi\r\n0\r\n\r\n")).await;
                visitor.read_until("ok").await;
            }
        };
        tokio::join!(play, visit);
    });
}

/// Promise: what an app does not take stays with the visitor; nothing grows in between.
#[test]
fn an_app_that_does_not_read_holds_the_visitor_back() {
    const WHOLE: usize = 96 << 20;
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_head().await;
            connection
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {WHOLE}\r\n\r\n");
            visitor.write(&head).await;
            visitor
        };
        let (mut connection, mut visitor) = tokio::join!(play, visit);

        let part = vec![b'x'; 64 << 10];
        let mut sent = 0;
        while let Ok(Ok(taken)) = tokio::time::timeout(A_WHILE, visitor.0.write(&part)).await {
            sent += taken;
            assert!(sent < WHOLE / 2, "{sent} bytes were taken from the visitor");
        }

        let rest = async {
            while sent < WHOLE {
                let left = part.len().min(WHOLE - sent);
                sent += visitor.0.write(&part[..left]).await.unwrap();
            }
            visitor.read_until("ok").await
        };
        let take = async {
            let mut read = 0;
            let mut buffer = vec![0; 64 << 10];
            while read < WHOLE {
                read += connection.0.read(&mut buffer).await.unwrap();
            }
            connection.write(OK).await;
        };
        tokio::join!(rest, take);
    });
}

#[test]
fn a_visitor_who_breaks_a_limit_is_named_and_the_app_is_not_blamed() {
    let tiny = Duration::from_millis(30);
    let table = [
        (
            BodyLimits {
                bytes_max: Some(3),
                ..no_limits()
            },
            "TooLarge { bytes_max: 3 }",
        ),
        (
            BodyLimits {
                between_reads: tiny,
                ..no_limits()
            },
            "Stalled",
        ),
        (
            BodyLimits {
                rate_min: 1000,
                rate_grace: tiny,
                ..no_limits()
            },
            "TooSlow",
        ),
    ];
    for (limits, name) in table {
        on_one_core(async {
            let app = listen().await;
            let gate = gateway(settings(&app), limits).await;
            let play = async { Raw::accept(&app).await.read_to_end().await };
            let visit = async {
                let mut visitor = Raw::connect(gate).await;
                visitor.write("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n").await;
                visitor.read_until(name).await
            };
            let (seen_by_app, answer) = tokio::join!(play, visit);
            assert!(answer.starts_with("HTTP/1.1 599"), "{answer}");
            assert!(
                !seen_by_app.ends_with("0\r\n\r\n"),
                "the app takes it for whole: {seen_by_app}"
            );
        });
    }
}

#[test]
fn a_visitor_who_goes_away_in_the_middle_takes_the_apps_connection_along() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let mut visitor = Raw::connect(gate).await;
        visitor
            .write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf")
            .await;
        let mut connection = Raw::accept(&app).await;
        connection.read_until("half").await;
        drop(visitor);
        assert_eq!(connection.read_to_end().await, "");
    });
}

#[test]
fn a_slow_upload_is_not_an_app_that_does_not_answer() {
    on_one_core(async {
        let app = listen().await;
        let to = UpstreamSettings {
            response_timeout: A_WHILE / 3,
            ..settings(&app)
        };
        let gate = gateway(to, no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_until("body").await;
            connection.write(OK).await;
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            visitor
                .write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo")
                .await;
            let early = tokio::time::timeout(A_WHILE, visitor.read_until("ok")).await;
            assert!(early.is_err(), "{early:?}");
            visitor.write("dy").await;
            visitor.read_until("ok").await
        };
        let ((), answer) = tokio::join!(play, visit);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn an_app_that_stops_reading_an_upload_is_given_up() {
    on_one_core(async {
        let app = listen().await;
        let to = UpstreamSettings {
            response_timeout: A_WHILE,
            ..settings(&app)
        };
        let gate = gateway(to, no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_head().await;
            connection
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            visitor
                .write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 999999999\r\n\r\n")
                .await;
            let (mut read, mut write) = visitor.0.into_split();
            let fill = async {
                let part = vec![b'x'; 64 << 10];
                while write.write_all(&part).await.is_ok() {}
            };
            let mut answer = [0; 12];
            let (read, ()) = tokio::join!(read.read_exact(&mut answer), fill);
            read.unwrap();
            answer
        };
        let (_connection, answer) = tokio::join!(play, visit);
        assert_eq!(&answer, b"HTTP/1.1 599");
    });
}

#[test]
fn a_visitor_is_told_to_continue_only_when_the_app_is_there() {
    let head = "POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n";
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_until("body").await;
            connection.write(OK).await;
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            visitor.write(head).await;
            assert_eq!(visitor.read_head().await, "HTTP/1.1 100 Continue\r\n\r\n");
            visitor.write("body").await;
            visitor.read_until("ok").await
        };
        let ((), answer) = tokio::join!(play, visit);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        drop(app);
        let mut visitor = Raw::connect(gate).await;
        visitor.write(head).await;
        let answer = visitor.read_head().await;
        assert!(answer.starts_with("HTTP/1.1 599"), "{answer}");
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_does_not_cut_the_request_off() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let mut visitor = Raw::connect(gate).await;
        visitor
            .write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf")
            .await;
        let mut connection = Raw::accept(&app).await;
        connection.read_until("half").await;
        connection.write(OK).await;
        visitor.read_until("ok").await;

        visitor.write("rest").await;
        assert_eq!(connection.read_until("rest").await, "rest");

        // Both connections have come to the end of their message and go on.
        visitor.write("GET /next HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let head = connection.answer(OK).await;
        assert!(head.starts_with("GET /next "), "{head}");
        visitor.read_until("ok").await;
    });
}

#[test]
fn a_response_without_a_body_keeps_the_length_it_tells_of() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection
                .answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
                .await;
            connection
                .answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            connection
                .answer("HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n")
                .await;
            connection
                .answer("HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n")
                .await;
            connection.answer(OK).await;
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            let mut heads = Vec::new();
            for method in ["HEAD", "HEAD", "GET", "GET"] {
                visitor
                    .write(&format!("{method} / HTTP/1.1\r\nhost: x\r\n\r\n"))
                    .await;
                heads.push(visitor.read_head().await);
            }
            visitor.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            visitor.read_until("ok").await;
            heads
        };
        let ((), heads) = tokio::join!(play, visit);
        assert!(heads[0].contains("content-length: 9\r\n"), "{heads:?}");
        for head in &heads[1..] {
            assert!(!head.contains("content-length"), "{heads:?}");
            assert!(!head.contains("transfer-encoding"), "{heads:?}");
        }
    });
}

#[test]
fn a_visitor_who_does_not_wait_for_the_answer_takes_the_apps_connection_along() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let mut visitor = Raw::connect(gate).await;
        visitor.write("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut connection = Raw::accept(&app).await;
        connection.read_head().await;
        drop(visitor);
        assert_eq!(connection.read_to_end().await, "");
    });
}

#[test]
fn a_visitor_on_http_2_is_served_by_an_app_on_http_1() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let stream = TokioIo::new(TcpStream::connect(gate).await.unwrap());
        let (mut client, connection) = hyper::client::conn::http2::handshake(OnThisCore, stream)
            .await
            .unwrap();
        tokio::task::spawn_local(connection);
        let play = async {
            let mut connection = Raw::accept(&app).await;
            let head = connection.read_head().await;
            assert!(head.starts_with("POST /a?b HTTP/1.1\r\n"), "{head}");
            assert!(head.contains("content-length: 4\r\n"), "{head}");
            connection.read_until("body").await;
            let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                          2\r\nok\r\n0\r\nx-sum: 1\r\nx-forbidden: 2\r\n\r\n";
            connection.write(answer).await;
            let head = connection.answer(OK).await;
            assert!(head.starts_with("GET /next HTTP/1.1\r\n"), "{head}");
            assert!(!head.contains("transfer-encoding"), "{head}");
        };
        let visit = async {
            let request = Request::post("http://shop/a?b")
                .body(Body::full("body"))
                .unwrap();
            let response = client.send_request(request).await.unwrap();
            let body = response.into_body().collect().await.unwrap();
            let trailers = body.trailers().unwrap();
            assert!(trailers.contains_key("x-sum"), "{trailers:?}");
            assert_eq!(trailers.len(), 1, "{trailers:?}");
            assert_eq!(body.to_bytes(), "ok");

            let request = Request::get("http://shop/next")
                .body(Body::empty())
                .unwrap();
            client.send_request(request).await.unwrap();
        };
        tokio::join!(play, visit);
    });
}

/// hyper's server of HTTP/2 sends no `100 Continue`, so a visitor who expects it sends the body when it has waited long
/// enough (RFC 9110, 10.1.1). Until then the app has the head and waits too.
#[test]
fn a_visitor_on_http_2_who_expects_a_word_is_served_without_it() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let stream = TcpStream::connect(gate).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::task::spawn_local(connection);
        let request = Request::post("http://shop/")
            .header("expect", "100-continue")
            .header("content-length", "4")
            .body(())
            .unwrap();
        let (response, mut up) = client.send_request(request, false).unwrap();
        let mut connection = Raw::accept(&app).await;
        let head = connection.read_head().await;
        assert!(!head.contains("expect"), "{head}");
        up.send_data(bytes::Bytes::from_static(b"body"), true)
            .unwrap();
        connection.read_until("body").await;
        connection.write(OK).await;
        assert_eq!(response.await.unwrap().status(), 200);
    });
}
