//! Which connection a request gets, and who waits.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::upstream::{Address, Body, Pool, UpstreamFault, UpstreamSettings};
use http::Version;
use tokio::net::UnixListener;

use crate::rig::{A_WHILE, Raw, get, listen, on_one_core, request, settings, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn a_connection_is_used_again_when_its_response_was_read() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let play = async {
            let mut connection = Raw::accept(&app).await;
            for path in ["/1", "/2", "/3"] {
                let head = connection.answer(OK).await;
                assert!(
                    head.starts_with(&format!("GET {path} HTTP/1.1\r\n")),
                    "{head}"
                );
            }
        };
        let visit = async {
            for path in ["/1", "/2", "/3"] {
                let response = pool.send(&to, get(path)).await.unwrap();
                assert_eq!(text(response).await.unwrap(), "ok");
            }
        };
        tokio::join!(play, visit);
    });
}

#[test]
fn responses_without_a_body_give_their_connection_back_unread() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer("HTTP/1.1 204 No Content\r\n\r\n").await;
            connection
                .answer("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n")
                .await;
            connection
                .answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
                .await;
            connection.answer(OK).await;
        };
        let visit = async {
            for method in ["GET", "GET", "HEAD", "GET"] {
                pool.send(&to, request(method, "/", Body::empty()))
                    .await
                    .unwrap();
            }
        };
        tokio::join!(play, visit);
    });
}

/// Promise: an app that closes idle connections costs no request, be it ever so close.
#[test]
fn a_request_on_a_connection_that_was_just_closed_goes_to_a_new_one() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let first = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer(OK).await;
            connection
        };
        let (connection, response) = tokio::join!(first, pool.send(&to, get("/")));
        text(response.unwrap()).await.unwrap();

        // Nothing is awaited between the closing and the request: the event loop cannot have noticed.
        drop(connection);
        let again = async {
            let mut connection = Raw::accept(&app).await;
            let head = connection.read_head().await;
            let body = connection.read_until("body").await;
            connection.write(OK).await;
            (head, body)
        };
        let send = pool.send(&to, request("POST", "/once", Body::full("body")));
        let (response, (head, body)) = tokio::join!(send, again);

        assert_eq!(response.unwrap().status(), 200);
        assert!(head.starts_with("POST /once "), "{head}");
        assert_eq!(body, "body");
    });
}

/// Promise: bytes that an app sends between two requests are not the answer to the second, however late they come.
#[test]
fn a_response_that_nobody_asked_for_reaches_nobody() {
    let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    let table = [
        ("in one write", [OK, poison].concat(), ""),
        ("just before the next request", OK.to_owned(), poison),
        (
            "after 204",
            format!("HTTP/1.1 204 No Content\r\n\r\n{poison}"),
            "",
        ),
        (
            "after 304",
            format!("HTTP/1.1 304 Not Modified\r\n\r\n{poison}"),
            "",
        ),
        (
            "a body on 204",
            "HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\nok".to_owned(),
            "",
        ),
        (
            "a late body on 304",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n".to_owned(),
            "ok",
        ),
    ];
    for (case, at_once, late) in table {
        on_one_core(async {
            let app = listen().await;
            let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
            let first = async {
                let mut connection = Raw::accept(&app).await;
                connection.answer(&at_once).await;
                connection
            };
            let (mut connection, response) = tokio::join!(first, pool.send(&to, get("/")));
            text(response.unwrap()).await.unwrap();
            connection.0.try_write(late.as_bytes()).unwrap();

            let second = async {
                let mut fresh = Raw::accept(&app).await;
                fresh
                    .answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfresh")
                    .await;
            };
            let ((), response) = tokio::join!(second, pool.send(&to, get("/")));

            assert_eq!(text(response.unwrap()).await.unwrap(), "fresh", "{case}");
            assert_eq!(connection.read_to_end().await, "", "{case}: left open");
        });
    }
}

#[test]
fn a_second_closed_connection_is_not_tried_a_third_time() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
        let first = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer(OK).await;
            connection
        };
        let (connection, response) = tokio::join!(first, pool.send(&to, get("/")));
        text(response.unwrap()).await.unwrap();
        drop(connection);

        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.read_head().await;
        };
        let (fault, ()) = tokio::join!(pool.send(&to, get("/")), play);

        assert!(
            matches!(&fault, Err(failed) if matches!(failed.fault, UpstreamFault::Closed(_)) && failed.unsent.is_none()),
            "{fault:?}"
        );
    });
}

#[test]
fn a_request_past_the_limit_waits_for_a_place_and_gets_the_same_connection() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connections: 1,
            ..settings(&app)
        });
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer(OK).await;
            connection.answer(OK).await;
        };
        let visit = async {
            let held = pool.send(&to, get("/")).await.unwrap();
            let next = pool.send(&to, get("/"));
            let mut next = std::pin::pin!(next);
            assert!(tokio::time::timeout(A_WHILE, next.as_mut()).await.is_err());
            text(held).await.unwrap();
            assert_eq!(next.await.unwrap().status(), 200);
        };
        tokio::join!(play, visit);
    });
}

#[test]
fn the_wait_for_a_place_has_a_deadline_and_the_queue_an_end() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connections: 1,
            connect_timeout: A_WHILE,
            ..settings(&app)
        });
        let pool = Pool::new();
        let play = async { Raw::accept(&app).await.answer(OK).await };
        let (_, held) = tokio::join!(play, pool.send(&to, get("/")));
        let _held = held.unwrap();

        let waiting = (0..4).map(|_| {
            let (pool, to) = (pool.clone(), Arc::clone(&to));
            tokio::task::spawn_local(async move { pool.send(&to, get("/")).await })
        });
        let waiting: Vec<_> = waiting.collect();
        tokio::task::yield_now().await;

        let at_once = tokio::time::timeout(A_WHILE / 10, pool.send(&to, get("/"))).await;
        assert!(
            matches!(&at_once, Ok(Err(failed)) if matches!(failed.fault, UpstreamFault::Exhausted)),
            "{at_once:?}"
        );
        for waiter in waiting {
            let outcome = waiter.await.unwrap();
            assert!(
                matches!(&outcome, Err(failed) if matches!(failed.fault, UpstreamFault::Exhausted) && failed.unsent.is_some()),
                "{outcome:?}"
            );
        }
    });
}

#[test]
fn a_dropped_request_closes_its_connection_and_frees_its_place() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connections: 1,
            ..settings(&app)
        });
        let pool = Pool::new();
        {
            let send = pool.send(&to, get("/slow"));
            let mut connection = tokio::select! {
                _ = send => panic!("nobody answered"),
                connection = async {
                    let mut connection = Raw::accept(&app).await;
                    connection.read_head().await;
                    connection
                } => connection,
            };
            assert_eq!(connection.read_to_end().await, "");
        }
        let play = async { Raw::accept(&app).await.answer(OK).await };
        let (_, response) = tokio::join!(play, pool.send(&to, get("/")));
        assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn a_response_that_is_not_read_to_its_end_closes_its_connection() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connections: 1,
            ..settings(&app)
        });
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection
                .answer("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                .await;
            connection
        };
        let (mut connection, response) = tokio::join!(play, pool.send(&to, get("/")));
        drop(response);
        assert_eq!(connection.read_to_end().await, "");

        let play = async { Raw::accept(&app).await.answer(OK).await };
        let (_, response) = tokio::join!(play, pool.send(&to, get("/")));
        assert_eq!(response.unwrap().status(), 200);
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            idle_timeout: Duration::from_millis(40),
            ..settings(&app)
        });
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw::accept(&app).await;
            connection.answer(OK).await;
            connection
        };
        let (mut connection, response) = tokio::join!(play, pool.send(&to, get("/")));
        text(response.unwrap()).await.unwrap();
        assert_eq!(connection.read_to_end().await, "");
    });
}

#[test]
fn an_app_that_wants_to_close_or_speaks_http_1_0_gets_a_new_connection_each_time() {
    let table = [
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
    ];
    for answer in table {
        on_one_core(async {
            let app = listen().await;
            let (pool, to) = (Pool::new(), Arc::new(settings(&app)));
            for _ in 0..2 {
                let play = async { Raw::accept(&app).await.answer(answer).await };
                let (_, response) = tokio::join!(play, pool.send(&to, get("/")));
                let response = response.unwrap();
                assert_eq!(response.version(), Version::HTTP_11);
                assert_eq!(text(response).await.unwrap(), "ok", "{answer}");
            }
        });
    }
}

#[test]
fn an_app_is_reached_over_a_unix_socket() {
    on_one_core(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.sock");
        let app = UnixListener::bind(&path).unwrap();
        let to = Arc::new(UpstreamSettings::new(Address::Unix(path)));
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw(app.accept().await.unwrap().0);
            connection.answer(OK).await;
            connection.answer(OK).await;
        };
        let visit = async {
            for _ in 0..2 {
                let response = pool.send(&to, get("/")).await.unwrap();
                assert_eq!(text(response).await.unwrap(), "ok");
            }
        };
        tokio::join!(play, visit);
    });
}
