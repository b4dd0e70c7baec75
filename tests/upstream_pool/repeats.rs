//! What is sent a second time, and what never; how long the parts of a response may be waited for.

use std::sync::Arc;

use cloakroom::upstream::{Body, BodyFault, Pool, UpstreamFault, UpstreamSettings};

use crate::rig::{A_WHILE, Raw, get, listen, on_one_core, request, settings, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a request on a pooled connection that the app closes when it has the request, after saying `last_word`.
/// Answers whether it came a second time.
async fn comes_again(method: &str, body: &'static str, last_word: &str) -> bool {
    let app = listen().await;
    let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
    let first = async {
        let mut connection = Raw::accept(&app).await;
        connection.answer(OK).await;
        connection
    };
    let (mut connection, response) = tokio::join!(first, pool.send(&to, get("/")));
    text(response.unwrap()).await.unwrap();

    let play = async {
        connection.read_head().await;
        connection.read_until(body).await;
        connection.write(last_word).await;
        drop(connection);
        let mut fresh = Raw::accept(&app).await;
        fresh.read_head().await;
        fresh
            .write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nagain")
            .await;
        std::future::pending::<()>().await;
    };
    let visit = async { pool.send(&to, request(method, "/", Body::full(body))).await };
    let outcome = tokio::select! { () = play => unreachable!(), outcome = visit => outcome };
    match outcome {
        Ok(response) => response.headers()["content-length"] == "5",
        Err(failed) => {
            assert!(failed.unsent.is_none(), "{failed:?}");
            false
        }
    }
}

/// Promise: a request that may have been acted upon is sent again only if that does no harm.
#[test]
fn an_app_that_closes_a_pooled_connection_without_a_word_gets_harmless_requests_again() {
    let table = [
        ("GET", "", "", true),
        ("HEAD", "", "", true),
        ("DELETE", "", "", true),
        ("POST", "", "", false),
        ("PATCH", "", "", false),
        ("PUT", "body", "", false),
        ("POST", "body", "", false),
        ("GET", "", "H", false),
        ("GET", "", "HTTP/1.1 100 Continue\r\n\r\n", false),
    ];
    for (method, body, last_word, expected) in table {
        on_one_core(async {
            let again = comes_again(method, body, last_word).await;
            assert_eq!(again, expected, "{method} {body:?} {last_word:?}");
        });
    }
}

#[test]
fn a_new_connection_that_is_closed_without_a_word_is_not_tried_again() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let play = async { drop(Raw::accept(&app).await.read_head().await) };
        let ((), outcome) = tokio::join!(play, pool.send(&to, get("/")));
        let failed = outcome.unwrap_err();
        assert!(
            matches!(failed.fault, UpstreamFault::Closed(_)),
            "{failed:?}"
        );
    });
}

#[test]
fn a_response_that_stalls_is_cut_off_and_an_event_stream_is_not() {
    let table = [
        ("text/html", false),
        ("text/event-stream", true),
        ("Text/Event-Stream; charset=utf-8", true),
    ];
    for (kind, patient) in table {
        on_one_core(async {
            let app = listen().await;
            let to = Arc::new(UpstreamSettings {
                body_timeout: A_WHILE,
                ..settings(&app)
            });
            let pool = Pool::new();
            let play = async {
                let mut connection = Raw::accept(&app).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n"
                );
                connection.answer(&head).await;
                // Each part within its time: that together they take longer matters to nobody.
                for _ in 0..4 {
                    tokio::time::sleep(A_WHILE / 2).await;
                    connection.write("2\r\nok\r\n").await;
                }
                tokio::time::sleep(A_WHILE * 2).await;
                let _ = connection.0.try_write(b"0\r\n\r\n");
                connection.read_to_end().await
            };
            let visit = async {
                let response = pool.send(&to, get("/")).await.unwrap();
                let body = text(response).await;
                drop(pool);
                body
            };
            let (_, body) = tokio::join!(play, visit);
            match body {
                Ok(body) => assert!(patient && body == "okokokok", "{kind}: {body}"),
                Err(fault) => {
                    assert!(!patient, "{kind}: {fault:?}");
                    assert!(matches!(fault, BodyFault::AppStalled), "{fault:?}");
                }
            }
        });
    }
}
