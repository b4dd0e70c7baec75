//! Apps that speak HTTP/2, here without TLS.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cloakroom::upstream::{
    Address, Body, BodyFault, BodyLimits, Pool, Unanswered, UpstreamFault, UpstreamSettings,
};
use h2::Reason;
use h2::server::{Connection, SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use tokio::net::{TcpListener, TcpStream};

use crate::rig::{A_WHILE, Raw, gateway, get, listen, no_limits, on_one_core, request, text};

type H2 = Connection<TcpStream, Bytes>;

fn h2c(app: &TcpListener) -> UpstreamSettings {
    let address = app.local_addr().unwrap();
    UpstreamSettings::new(Address::parse(&format!("h2c://{address}")).unwrap())
}

async fn accept(app: &TcpListener) -> H2 {
    let (stream, _) = app.accept().await.unwrap();
    h2::server::handshake(stream).await.unwrap()
}

/// The next request.
async fn next(connection: &mut H2) -> (Request<h2::RecvStream>, SendResponse<Bytes>) {
    connection.accept().await.unwrap().unwrap()
}

fn answer(mut respond: SendResponse<Bytes>, body: &'static str) {
    let mut stream = respond.send_response(Response::new(()), false).unwrap();
    stream
        .send_data(Bytes::from_static(body.as_bytes()), true)
        .unwrap();
}

/// Lets the connection move until it ends.
async fn drive(connection: &mut H2) {
    while connection.accept().await.is_some_and(|next| next.is_ok()) {}
}

/// Moves the connection on the side.
fn spawn(mut connection: H2) {
    tokio::task::spawn_local(async move { drive(&mut connection).await });
}

fn go(
    pool: &Pool,
    to: &Arc<UpstreamSettings>,
    request: Request<Body>,
) -> tokio::task::JoinHandle<Result<Response<Body>, Unanswered>> {
    let (pool, to) = (pool.clone(), Arc::clone(to));
    tokio::task::spawn_local(async move { pool.send(&to, request).await })
}

#[test]
fn requests_are_said_as_http_2_says_them() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let request = Request::post("/a?b=c")
            .header("host", "shop.example:8443")
            .header("connection", "keep-alive")
            .header("keep-alive", "x")
            .header("te", "trailers")
            .header("x-session-user", "alice")
            .body(Body::full("body"))
            .unwrap();
        let visit = go(&pool, &to, request);
        let mut connection = accept(&app).await;
        let (asked, respond) = next(&mut connection).await;
        assert_eq!(asked.version(), Version::HTTP_2);
        assert_eq!(asked.uri(), "http://shop.example:8443/a?b=c");
        let mut names: Vec<_> = asked.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "te", "x-session-user"]);
        answer(respond, "ok");
        let play = async {
            // The asterisk is a target too.
            let (asked, respond) = next(&mut connection).await;
            assert_eq!(asked.method(), "OPTIONS");
            assert_eq!(asked.uri().path(), "*");
            answer(respond, "all");
            drive(&mut connection).await;
        };
        let visit = async {
            let response = visit.await.unwrap().unwrap();
            assert_eq!(response.version(), Version::HTTP_11);
            assert_eq!(text(response).await.unwrap(), "ok");
            let asking = self::request("OPTIONS", "*", Body::empty());
            let response = pool.send(&to, asking).await.unwrap();
            assert_eq!(text(response).await.unwrap(), "all");
        };
        tokio::select! { () = play => panic!("left"), () = visit => {} }
    });
}

/// What gRPC does: a body up and a body down, trailers after each, at the same time.
#[test]
fn trailers_pass_both_ways_while_both_bodies_flow() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(h2c(&app), no_limits()).await;
        let stream = TcpStream::connect(gate).await.unwrap();
        let (mut client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::task::spawn_local(connection);
        let play = async {
            let mut connection = accept(&app).await;
            let (asked, mut respond) = next(&mut connection).await;
            spawn(connection);
            assert_eq!(asked.headers()["te"], "trailers");
            let mut body = asked.into_body();
            let first = body.data().await.unwrap().unwrap();
            assert_eq!(first, "ping");
            body.flow_control().release_capacity(first.len()).unwrap();
            // The answer begins before the request has ended.
            let mut down = respond.send_response(Response::new(()), false).unwrap();
            down.send_data(Bytes::from_static(b"pong"), false).unwrap();
            assert!(body.data().await.is_none());
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers["x-sum"], "1");
            assert!(!trailers.contains_key("x-forbidden"));
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            trailers.insert("x-forbidden", HeaderValue::from_static("1"));
            down.send_trailers(trailers).unwrap();
        };
        let visit = async {
            let request = Request::post("http://shop/rpc")
                .header("te", "trailers")
                .body(())
                .unwrap();
            let (response, mut up) = client.send_request(request, false).unwrap();
            up.send_data(Bytes::from_static(b"ping"), false).unwrap();
            let mut body = response.await.unwrap().into_body();
            assert_eq!(body.data().await.unwrap().unwrap(), "pong");
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", HeaderValue::from_static("1"));
            trailers.insert("x-forbidden", HeaderValue::from_static("1"));
            up.send_trailers(trailers).unwrap();
            assert!(body.data().await.is_none());
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers["grpc-status"], "0");
            assert_eq!(trailers.len(), 1);
        };
        tokio::join!(play, visit);
    });
}

/// Promise: an app that goes away in good order costs no request, whatever its method.
#[test]
fn a_request_that_an_app_going_away_has_not_looked_at_goes_to_a_new_connection() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let first = go(&pool, &to, get("/first"));
        let mut connection = accept(&app).await;
        let (_, slow) = next(&mut connection).await;
        // Says so and goes on with what it has.
        connection.graceful_shutdown();
        let leaving = tokio::task::spawn_local(async move { drive(&mut connection).await });
        tokio::time::sleep(A_WHILE / 3).await;

        let second = go(&pool, &to, request("POST", "/second", Body::full("body")));
        let mut fresh = accept(&app).await;
        let (asked, respond) = next(&mut fresh).await;
        assert_eq!(asked.uri().path(), "/second");
        answer(respond, "second");
        spawn(fresh);
        assert_eq!(
            text(second.await.unwrap().unwrap()).await.unwrap(),
            "second"
        );

        answer(slow, "first");
        assert_eq!(text(first.await.unwrap().unwrap()).await.unwrap(), "first");
        leaving.await.unwrap();
    });
}

#[test]
fn a_refused_stream_is_begun_again_once() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let play = async {
            let mut connection = accept(&app).await;
            let (_, mut respond) = next(&mut connection).await;
            respond.send_reset(Reason::REFUSED_STREAM);
            let (asked, respond) = next(&mut connection).await;
            assert_eq!(asked.method(), "POST");
            answer(respond, "ok");
            for _ in 0..2 {
                let (_, mut respond) = next(&mut connection).await;
                respond.send_reset(Reason::REFUSED_STREAM);
            }
            drive(&mut connection).await;
        };
        let visit = async {
            let empty = || request("POST", "/", Body::empty());
            let response = pool.send(&to, empty()).await.unwrap();
            assert_eq!(text(response).await.unwrap(), "ok");
            let failed = pool.send(&to, empty()).await.unwrap_err();
            assert!(
                matches!(failed.fault, UpstreamFault::Http2(_)),
                "{failed:?}"
            );
            assert!(failed.unsent.is_some(), "another app may take it");
        };
        tokio::select! { () = play => panic!("left"), () = visit => {} }
    });
}

/// Promise: what an app may have acted upon is not done twice.
#[test]
fn a_stream_that_broke_is_not_begun_again() {
    let table = [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR];
    for reason in table {
        on_one_core(async {
            let app = listen().await;
            let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
            let visit = go(&pool, &to, request("POST", "/", Body::full("body")));
            let mut connection = accept(&app).await;
            let (_, mut respond) = next(&mut connection).await;
            respond.send_reset(reason);
            spawn(connection);
            let failed = visit.await.unwrap().unwrap_err();
            assert!(
                matches!(failed.fault, UpstreamFault::Http2(_)),
                "{failed:?}"
            );
            assert!(failed.unsent.is_none());
        });
    }
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let visit = go(&pool, &to, request("POST", "/", Body::empty()));
        let mut connection = accept(&app).await;
        drop(next(&mut connection).await);
        drop(connection);
        let failed = visit.await.unwrap().unwrap_err();
        assert!(failed.unsent.is_none(), "{failed:?}");
    });
}

#[test]
fn more_requests_than_an_app_takes_on_a_connection_get_another() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let first = go(&pool, &to, get("/"));
        let (stream, _) = app.accept().await.unwrap();
        let mut builder = h2::server::Builder::new();
        let mut one: H2 = builder
            .max_concurrent_streams(2)
            .handshake(stream)
            .await
            .unwrap();
        let (_, held) = next(&mut one).await;
        let second = go(&pool, &to, get("/"));
        let (_, held_too) = next(&mut one).await;
        spawn(one);

        let third = go(&pool, &to, get("/"));
        let mut two = accept(&app).await;
        let (_, respond) = next(&mut two).await;
        answer(respond, "third");
        spawn(two);
        assert_eq!(text(third.await.unwrap().unwrap()).await.unwrap(), "third");
        answer(held, "first");
        answer(held_too, "second");
        assert_eq!(text(first.await.unwrap().unwrap()).await.unwrap(), "first");
        assert_eq!(
            text(second.await.unwrap().unwrap()).await.unwrap(),
            "second"
        );
    });
}

#[test]
fn connections_count_requests_whatever_they_share() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            connections: 1,
            ..h2c(&app)
        });
        let pool = Pool::new();
        let first = go(&pool, &to, get("/first"));
        let mut connection = accept(&app).await;
        let (_, respond) = next(&mut connection).await;
        let second = go(&pool, &to, get("/second"));
        let early = tokio::time::timeout(A_WHILE, connection.accept()).await;
        assert!(early.is_err(), "a second request came");
        answer(respond, "first");
        let play = async {
            let (asked, respond) = next(&mut connection).await;
            assert_eq!(asked.uri().path(), "/second");
            answer(respond, "second");
            drive(&mut connection).await;
        };
        let visit = async {
            let first = first.await.unwrap().unwrap();
            assert_eq!(text(first).await.unwrap(), "first");
            let second = second.await.unwrap().unwrap();
            assert_eq!(text(second).await.unwrap(), "second");
        };
        tokio::select! { () = play => panic!("left"), () = visit => {} }
    });
}

#[test]
fn an_answer_without_a_body_has_none() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let play = async {
            let mut connection = accept(&app).await;
            for status in [200, 204, 304] {
                let (_, mut respond) = next(&mut connection).await;
                let response = Response::builder().status(status);
                let response = match status {
                    204 => response,
                    _ => response.header("content-length", "9"),
                };
                respond
                    .send_response(response.body(()).unwrap(), true)
                    .unwrap();
            }
            drive(&mut connection).await;
        };
        let visit = async {
            for (method, status, length) in [
                ("HEAD", 200, Some("9")),
                ("GET", 204, None),
                ("GET", 304, Some("9")),
            ] {
                let asked = request(method, "/", Body::empty());
                let response = pool.send(&to, asked).await.unwrap();
                assert_eq!(response.status(), status);
                let told = response.headers().get("content-length");
                assert_eq!(told.map(|told| told.to_str().unwrap()), length);
                assert_eq!(text(response).await.unwrap(), "");
            }
        };
        tokio::select! { () = play => panic!("left"), () = visit => {} }
    });
}

#[test]
fn a_response_that_breaks_off_is_not_whole() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let visit = go(&pool, &to, get("/"));
        let mut connection = accept(&app).await;
        let (_, mut respond) = next(&mut connection).await;
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream
            .send_data(Bytes::from_static(b"half"), false)
            .unwrap();
        spawn(connection);
        let response = visit.await.unwrap().unwrap();
        stream.send_reset(Reason::INTERNAL_ERROR);
        let fault = text(response).await.unwrap_err();
        assert!(matches!(fault, BodyFault::AppBroke(_)), "{fault:?}");
    });
}

/// Promise: an answer whose length disagrees with its body is none, as long as nothing of it was passed on; after that it
/// breaks off.
#[test]
fn an_answer_of_another_length_than_it_says_is_refused_or_cut() {
    for parts in [&["more"][..], &["l"], &["", "l"], &["l", "e"], &[]] {
        on_one_core(async {
            let app = listen().await;
            let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
            let visit = go(&pool, &to, get("/"));
            let mut connection = accept(&app).await;
            let (_, mut respond) = next(&mut connection).await;
            let head = Response::builder().header("content-length", "3").body(());
            let ends = parts.is_empty();
            let mut stream = respond.send_response(head.unwrap(), ends).unwrap();
            for (at, part) in parts.iter().enumerate() {
                let part = Bytes::from_static(part.as_bytes());
                stream.send_data(part, at + 1 == parts.len()).unwrap();
            }
            spawn(connection);
            let unanswered = visit.await.unwrap().unwrap_err();
            let fault = &unanswered.fault;
            assert!(matches!(fault, UpstreamFault::Http2(_)), "{fault:?}");
        });
    }
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let visit = go(&pool, &to, get("/"));
        let mut connection = accept(&app).await;
        let (_, mut respond) = next(&mut connection).await;
        let head = Response::builder().header("content-length", "3").body(());
        let mut stream = respond.send_response(head.unwrap(), false).unwrap();
        spawn(connection);
        let response = visit.await.unwrap().unwrap();
        stream.send_data(Bytes::from_static(b"l"), true).unwrap();
        let fault = text(response).await.unwrap_err();
        assert!(matches!(fault, BodyFault::AppBroke(_)), "{fault:?}");
    });
}

#[test]
fn interim_responses_are_not_the_response_and_have_an_end() {
    for (count, good) in [(3, true), (40, false)] {
        on_one_core(async {
            let app = listen().await;
            let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
            let visit = go(&pool, &to, get("/"));
            let mut connection = accept(&app).await;
            let (_, mut respond) = next(&mut connection).await;
            for _ in 0..count {
                let hints = Response::builder().status(103).body(()).unwrap();
                respond.send_informational(hints).unwrap();
            }
            answer(respond, "ok");
            spawn(connection);
            match visit.await.unwrap() {
                Ok(response) => {
                    assert!(good);
                    assert_eq!(response.status(), 200);
                }
                Err(failed) => {
                    assert!(!good);
                    assert!(matches!(failed.fault, UpstreamFault::Interim), "{failed:?}");
                }
            }
        });
    }
}

#[test]
fn a_visitors_body_that_breaks_off_resets_the_stream_and_names_the_visitor() {
    on_one_core(async {
        let app = listen().await;
        let limits = BodyLimits {
            bytes_max: Some(3),
            ..no_limits()
        };
        let gate = gateway(h2c(&app), limits).await;
        let play = async {
            let mut connection = accept(&app).await;
            let (asked, _respond) = next(&mut connection).await;
            spawn(connection);
            let mut body = asked.into_body();
            body.data().await.unwrap().unwrap_err()
        };
        let visit = async {
            let mut visitor = Raw::connect(gate).await;
            visitor
                .write(
                    "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n4\r\nbody\r\n",
                )
                .await;
            visitor.read_until("TooLarge { bytes_max: 3 }").await
        };
        let (fault, _) = tokio::join!(play, visit);
        assert_eq!(fault.reason(), Some(Reason::CANCEL));
    });
}

/// Promise: a body larger than every window goes both ways, and nothing of it is lost.
#[test]
fn large_bodies_flow_both_ways() {
    const WHOLE: usize = 5 << 20;
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let visit = go(
            &pool,
            &to,
            request("POST", "/", Body::full(vec![b'x'; WHOLE])),
        );
        let mut connection = accept(&app).await;
        let (asked, mut respond) = next(&mut connection).await;
        spawn(connection);
        let mut body = asked.into_body();
        let mut taken = 0;
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            taken += data.len();
            body.flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(taken, WHOLE);
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream
            .send_data(Bytes::from(vec![b'y'; WHOLE]), true)
            .unwrap();
        let response = visit.await.unwrap().unwrap();
        assert_eq!(text(response).await.unwrap().len(), WHOLE);
    });
}

#[test]
fn an_answer_before_the_end_of_the_request_does_not_cut_the_request_off() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(h2c(&app), no_limits()).await;
        let mut visitor = Raw::connect(gate).await;
        visitor
            .write("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\n\r\nhalf")
            .await;
        let mut connection = accept(&app).await;
        let (asked, respond) = next(&mut connection).await;
        spawn(connection);
        let mut body = asked.into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "half");
        answer(respond, "ok");
        visitor.read_until("ok").await;
        visitor.write("rest").await;
        assert_eq!(body.data().await.unwrap().unwrap(), "rest");
        assert!(body.data().await.is_none());
    });
}

#[test]
fn a_dropped_request_resets_its_stream_and_no_other() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let dropped = go(&pool, &to, get("/dropped"));
        let mut connection = accept(&app).await;
        let (_, mut respond) = next(&mut connection).await;
        let other = go(&pool, &to, get("/other"));
        let (_, respond_other) = next(&mut connection).await;
        spawn(connection);
        dropped.abort();
        let reset = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
        assert_eq!(reset.unwrap(), Reason::CANCEL);
        answer(respond_other, "ok");
        assert_eq!(text(other.await.unwrap().unwrap()).await.unwrap(), "ok");
    });
}

#[test]
fn an_idle_connection_is_closed_after_its_time_and_a_busy_one_is_not() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            idle_timeout: Duration::from_millis(40),
            ..h2c(&app)
        });
        let pool = Pool::new();
        let visit = go(&pool, &to, get("/"));
        let mut connection = accept(&app).await;
        let (_, respond) = next(&mut connection).await;
        let ended = Rc::new(std::cell::Cell::new(false));
        let tell = Rc::clone(&ended);
        let driver = tokio::task::spawn_local(async move {
            drive(&mut connection).await;
            tell.set(true);
        });
        tokio::time::sleep(A_WHILE).await;
        assert!(!ended.get(), "it was busy");
        answer(respond, "ok");
        text(visit.await.unwrap().unwrap()).await.unwrap();
        driver.await.unwrap();
    });
}

#[test]
fn an_app_that_does_not_answer_is_given_up_and_so_is_its_connection() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(UpstreamSettings {
            response_timeout: A_WHILE,
            ..h2c(&app)
        });
        let pool = Pool::new();
        let visit = go(&pool, &to, get("/"));
        let mut connection = accept(&app).await;
        let held = next(&mut connection).await;
        spawn(connection);
        let failed = visit.await.unwrap().unwrap_err();
        assert!(
            matches!(failed.fault, UpstreamFault::ResponseTimeout),
            "{failed:?}"
        );
        assert!(failed.unsent.is_none());
        drop(held);
        let again = go(&pool, &to, get("/"));
        let mut fresh = accept(&app).await;
        let (_, respond) = next(&mut fresh).await;
        answer(respond, "ok");
        spawn(fresh);
        assert_eq!(again.await.unwrap().unwrap().status(), 200);
    });
}

#[test]
fn what_http_2_cannot_carry_is_refused_by_name() {
    on_one_core(async {
        let app = listen().await;
        let (pool, to) = (Pool::new(), Arc::new(h2c(&app)));
        let asking = Request::get("/chat")
            .header("host", "app")
            .header("upgrade", "websocket")
            .body(Body::empty())
            .unwrap();
        let failed = pool.send(&to, asking).await.unwrap_err();
        assert!(
            matches!(failed.fault, UpstreamFault::NoUpgrade),
            "{failed:?}"
        );

        // Somebody who does not speak it at all.
        let visit = go(&pool, &to, get("/"));
        let mut connection = Raw::accept(&app).await;
        connection.write("HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let failed = visit.await.unwrap().unwrap_err();
        assert!(
            matches!(failed.fault, UpstreamFault::Http2(_)),
            "{failed:?}"
        );
    });
}

/// Promise: a connection whose other end has vanished holds nobody up for as long as an answer may take.
#[test]
fn a_busy_connection_without_a_pulse_is_given_up_and_one_with_it_is_not() {
    for lives in [true, false] {
        on_one_core(async {
            let app = listen().await;
            let to = Arc::new(UpstreamSettings {
                idle_timeout: Duration::from_millis(40),
                connect_timeout: A_WHILE,
                ..h2c(&app)
            });
            let pool = Pool::new();
            let visit = go(&pool, &to, request("POST", "/", Body::empty()));
            let mut connection = accept(&app).await;
            let (_, respond) = next(&mut connection).await;
            if lives {
                spawn(connection);
                tokio::time::sleep(A_WHILE * 3).await;
                answer(respond, "ok");
                let response = visit.await.unwrap().unwrap();
                assert_eq!(text(response).await.unwrap(), "ok");
            } else {
                // The connection is there and nobody moves it.
                let failed = visit.await.unwrap().unwrap_err();
                assert!(
                    matches!(failed.fault, UpstreamFault::Http2(_)),
                    "{failed:?}"
                );
                assert!(failed.unsent.is_none());
            }
        });
    }
}
