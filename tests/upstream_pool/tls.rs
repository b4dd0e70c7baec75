//! Apps behind TLS: whom we trust, what we speak, what becomes of a connection.

use std::sync::Arc;

use bytes::Bytes;
use cloakroom::upstream::{Body, Pool, TlsSettings, UpstreamFault, UpstreamSettings};
use http::{Request, Response, Version};
use tokio::io::AsyncWriteExt;

use crate::authority::{AppCertificate, Authority, GOOD, NAME, accept_tls, tls_settings};
use crate::rig::{A_WHILE, get, listen, on_one_core, request, text};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[test]
fn an_app_that_speaks_http_1_over_tls_keeps_its_connection() {
    for alpn in [&["http/1.1"][..], &[]] {
        on_one_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor(GOOD, alpn);
            let app = listen().await;
            let to = Arc::new(tls_settings(&app, &authority.trusting()));
            let pool = Pool::new();
            let play = async {
                let (mut connection, _) = accept_tls(&app, &acceptor).await.unwrap();
                for _ in 0..3 {
                    let head = connection.answer(OK).await;
                    assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
                }
            };
            let visit = async {
                for _ in 0..3 {
                    let response = pool.send(&to, get("/")).await.unwrap();
                    assert_eq!(text(response).await.unwrap(), "ok");
                }
            };
            tokio::join!(play, visit);
        });
    }
}

#[test]
fn an_app_that_offers_http_2_over_tls_gets_all_requests_on_one_connection() {
    on_one_core(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor(GOOD, &["h2", "http/1.1"]);
        let app = listen().await;
        let to = Arc::new(tls_settings(&app, &authority.trusting()));
        let pool = Pool::new();
        let play = async {
            let (connection, alpn) = accept_tls(&app, &acceptor).await.unwrap();
            assert_eq!(alpn.as_deref(), Some("h2"));
            let mut connection = h2::server::handshake(connection.0).await.unwrap();
            let mut held = Vec::new();
            while held.len() < 8 {
                let (request, respond) = connection.accept().await.unwrap().unwrap();
                assert_eq!(request.uri().scheme_str(), Some("https"));
                assert_eq!(request.uri().authority().unwrap(), "app");
                held.push(respond);
            }
            for mut respond in held {
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
            assert!(connection.accept().await.is_none());
        };
        let visit = async {
            let visits = (0..8).map(|_| {
                let (pool, to) = (pool.clone(), Arc::clone(&to));
                tokio::task::spawn_local(async move {
                    let response = pool.send(&to, get("/")).await.unwrap();
                    assert_eq!(response.version(), Version::HTTP_11);
                    assert_eq!(text(response).await.unwrap(), "ok");
                })
            });
            for visit in visits.collect::<Vec<_>>() {
                visit.await.unwrap();
            }
            drop(pool);
        };
        tokio::join!(play, visit);
    });
}

/// Promise: who is not proved to be the app gets nothing of a request.
#[test]
fn a_certificate_that_proves_nothing_is_refused() {
    let wrong_name = AppCertificate {
        name: "other.example",
        ..GOOD
    };
    let expired = AppCertificate {
        expired: true,
        ..GOOD
    };
    let table = [
        ("another's name", wrong_name, true),
        ("expired", expired, true),
        ("of an authority that only itself trusts", GOOD, false),
    ];
    for (case, certificate, trusted) in table {
        on_one_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor(certificate, &["h2", "http/1.1"]);
            let app = listen().await;
            let system = TlsSettings {
                ca_file: None,
                ..authority.trusting()
            };
            let tls = if trusted {
                authority.trusting()
            } else {
                system
            };
            let to = Arc::new(tls_settings(&app, &tls));
            let pool = Pool::new();
            let send = pool.send(&to, request("POST", "/", Body::full("secret")));
            let (accepted, outcome) = tokio::join!(accept_tls(&app, &acceptor), send);
            assert!(accepted.is_err(), "{case}");
            let failed = outcome.unwrap_err();
            assert!(
                matches!(failed.fault, UpstreamFault::Tls(_)),
                "{case}: {failed:?}"
            );
            assert!(failed.unsent.is_some(), "{case}");
        });
    }
}

#[test]
fn without_tls_name_the_certificate_must_hold_the_host() {
    on_one_core(async {
        let authority = Authority::new();
        let app = listen().await;
        let tls = TlsSettings {
            name: None,
            ..authority.trusting()
        };
        let to = Arc::new(tls_settings(&app, &tls));
        let pool = Pool::new();
        // An IP address in a certificate is told from a name by rcgen itself.
        for (name, good) in [("127.0.0.1", true), (NAME, false)] {
            let certificate = AppCertificate { name, ..GOOD };
            let acceptor = authority.acceptor(certificate, &[]);
            let play = async {
                if let Ok((mut connection, _)) = accept_tls(&app, &acceptor).await {
                    connection
                        .answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
                        .await;
                }
            };
            let ((), outcome) = tokio::join!(play, pool.send(&to, get("/")));
            assert_eq!(outcome.is_ok(), good, "{name}: {outcome:?}");
        }
    });
}

#[test]
fn an_app_that_asks_for_a_certificate_of_ours_is_shown_it() {
    let asking = AppCertificate {
        asks_client: true,
        ..GOOD
    };
    for with_certificate in [true, false] {
        on_one_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor(asking, &["http/1.1"]);
            let app = listen().await;
            let tls = TlsSettings {
                client: with_certificate.then(|| authority.client_files()),
                ..authority.trusting()
            };
            let to = Arc::new(tls_settings(&app, &tls));
            let pool = Pool::new();
            let play = async {
                if let Ok((mut connection, _)) = accept_tls(&app, &acceptor).await {
                    connection.answer(OK).await;
                }
            };
            let ((), outcome) = tokio::join!(play, pool.send(&to, get("/")));
            assert_eq!(outcome.is_ok(), with_certificate, "{outcome:?}");
        });
    }
}

#[test]
fn a_handshake_has_the_deadline_of_the_connection() {
    on_one_core(async {
        let authority = Authority::new();
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connect_timeout: A_WHILE,
            ..tls_settings(&app, &authority.trusting())
        });
        let pool = Pool::new();
        let (_silent, outcome) = tokio::join!(app.accept(), pool.send(&to, get("/")));
        let failed = outcome.unwrap_err();
        assert!(
            matches!(failed.fault, UpstreamFault::ConnectTimeout),
            "{failed:?}"
        );
        assert!(failed.unsent.is_some());
    });
}

/// Promise: what an app says between two requests is not the answer to the second, under TLS either, and an app that
/// says goodbye costs no request.
#[test]
fn a_pooled_tls_connection_that_said_something_is_not_used() {
    for poison in ["HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison", ""] {
        on_one_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor(GOOD, &["http/1.1"]);
            let app = listen().await;
            let to = Arc::new(tls_settings(&app, &authority.trusting()));
            let pool = Pool::new();
            let play = async {
                let (mut connection, _) = accept_tls(&app, &acceptor).await.unwrap();
                connection.answer(OK).await;
                connection
            };
            let (mut connection, response) = tokio::join!(play, pool.send(&to, get("/")));
            text(response.unwrap()).await.unwrap();
            if poison.is_empty() {
                connection.0.shutdown().await.unwrap();
            } else {
                connection.write(poison).await;
            }

            let play = async {
                let (mut connection, _) = accept_tls(&app, &acceptor).await.unwrap();
                connection
                    .answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfresh")
                    .await;
            };
            let send = pool.send(&to, request("POST", "/", Body::full("once")));
            let ((), response) = tokio::join!(play, send);
            assert_eq!(text(response.unwrap()).await.unwrap(), "fresh");
        });
    }
}

#[test]
fn a_body_that_ends_with_its_connection_must_end_in_tls_too() {
    for says_goodbye in [true, false] {
        on_one_core(async {
            let authority = Authority::new();
            let acceptor = authority.acceptor(GOOD, &["http/1.1"]);
            let app = listen().await;
            let to = Arc::new(tls_settings(&app, &authority.trusting()));
            let pool = Pool::new();
            let play = async {
                let (mut connection, _) = accept_tls(&app, &acceptor).await.unwrap();
                connection.answer("HTTP/1.1 200 OK\r\n\r\nwhole?").await;
                if says_goodbye {
                    connection.0.shutdown().await.unwrap();
                } else {
                    connection.0.get_mut().0.shutdown().await.unwrap();
                }
                connection
            };
            let visit = async { text(pool.send(&to, get("/")).await.unwrap()).await };
            let (_connection, body) = tokio::join!(play, visit);
            assert_eq!(body.is_ok(), says_goodbye, "{body:?}");
        });
    }
}

#[test]
fn an_upgrade_is_asked_for_in_http_1_of_an_app_that_speaks_http_2_too() {
    on_one_core(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor(GOOD, &["h2", "http/1.1"]);
        let app = listen().await;
        let to = Arc::new(tls_settings(&app, &authority.trusting()));
        let pool = Pool::new();
        let play = async {
            let (mut connection, alpn) = accept_tls(&app, &acceptor).await.unwrap();
            assert_eq!(alpn.as_deref(), Some("http/1.1"));
            connection
                .answer("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
                .await
        };
        let asking = Request::get("/chat")
            .header("host", "app")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .body(Body::empty())
            .unwrap();
        let (head, response) = tokio::join!(play, pool.send(&to, asking));
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert_eq!(response.unwrap().status(), 101);
    });
}

/// Windows does so for logins that belong to a connection.
#[test]
fn an_app_that_asks_for_a_request_in_http_1_gets_it_so() {
    on_one_core(async {
        let authority = Authority::new();
        let acceptor = authority.acceptor(GOOD, &["h2", "http/1.1"]);
        let app = listen().await;
        let to = Arc::new(tls_settings(&app, &authority.trusting()));
        let pool = Pool::new();
        let play = async {
            let (connection, _) = accept_tls(&app, &acceptor).await.unwrap();
            let mut shared = h2::server::handshake(connection.0).await.unwrap();
            let (_, mut respond) = shared.accept().await.unwrap().unwrap();
            respond.send_reset(h2::Reason::HTTP_1_1_REQUIRED);
            tokio::task::spawn_local(async move { while shared.accept().await.is_some() {} });
            let (mut connection, alpn) = accept_tls(&app, &acceptor).await.unwrap();
            assert_eq!(alpn.as_deref(), Some("http/1.1"));
            connection.answer(OK).await;
        };
        let ((), response) = tokio::join!(play, pool.send(&to, get("/")));
        assert_eq!(text(response.unwrap()).await.unwrap(), "ok");
    });
}
