//! Upgraded streams, through a gateway that only forwards.

use std::sync::Arc;

use cloakroom::upstream::{Pool, UpstreamSettings};

use crate::rig::{A_WHILE, Raw, gateway, get, listen, no_limits, on_one_core, settings, text};

const ASK: &str =
    "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// Both ends of a tunnel through a gateway that lets one request and one stream at a time through, and the gateway's
/// address.
async fn tunnel() -> (Raw, Raw, std::net::SocketAddr, tokio::net::TcpListener) {
    let app = listen().await;
    let to = UpstreamSettings {
        connections: 1,
        streams: 1,
        connect_timeout: A_WHILE / 10,
        ..settings(&app)
    };
    let gate = gateway(to, no_limits()).await;
    let mut visitor = Raw::connect(gate).await;
    visitor.write(ASK).await;
    let mut connection = Raw::accept(&app).await;
    let head = connection.read_head().await;
    assert!(head.contains("upgrade: websocket\r\n"), "{head}");
    // What comes along with the head belongs to the tunnel.
    connection.write(&format!("{SWITCH}hello")).await;
    let head = visitor.read_head().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert_eq!(visitor.read_until("hello").await, "hello");
    (visitor, connection, gate, app)
}

#[test]
fn a_tunnel_carries_both_ways_and_ends_when_either_side_does() {
    for app_ends in [false, true] {
        on_one_core(async {
            let (mut visitor, mut connection, _, _app) = tunnel().await;
            visitor.write("up").await;
            assert_eq!(connection.read_until("up").await, "up");
            connection.write("down").await;
            assert_eq!(visitor.read_until("down").await, "down");

            let (ends, mut other) = if app_ends {
                (connection, visitor)
            } else {
                (visitor, connection)
            };
            drop(ends);
            assert_eq!(other.read_to_end().await, "");
        });
    }
}

#[test]
fn a_tunnel_holds_its_place_among_the_streams_until_it_ends() {
    on_one_core(async {
        let (visitor, mut connection, gate, app) = tunnel().await;
        // It takes nothing from requests,
        let mut second = Raw::connect(gate).await;
        second.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let mut fresh = Raw::accept(&app).await;
        let plain = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        fresh.answer(plain).await;
        second.read_until("ok").await;
        // and no other stream has room, whether of frames or of events.
        let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n";
        for (ask, answer) in [(ASK, SWITCH), ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", events)] {
            second.write(ask).await;
            fresh.answer(answer).await;
            second.read_until("Exhausted").await;
            second = Raw::connect(gate).await;
            second.write("GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
            fresh = Raw::accept(&app).await;
            fresh.answer(plain).await;
            second.read_until("ok").await;
        }

        drop(visitor);
        connection.read_to_end().await;
        drop(connection);
        second.write(ASK).await;
        fresh.answer(SWITCH).await;
        let head = second.read_head().await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    });
}

#[test]
fn a_tunnel_in_which_nothing_moves_is_closed() {
    on_one_core(async {
        let (mut visitor, mut connection, _, _app) = tunnel().await;
        assert_eq!(visitor.read_to_end().await, "");
        // The app is told by a close frame, whose first byte is no text.
        let told = connection.read_to_end().await;
        assert!(told.starts_with(char::REPLACEMENT_CHARACTER), "{told:?}");
    });
}

#[test]
fn an_upgrade_that_the_app_declines_is_a_response_like_any_other() {
    on_one_core(async {
        let app = listen().await;
        let gate = gateway(settings(&app), no_limits()).await;
        let mut visitor = Raw::connect(gate).await;
        visitor.write(ASK).await;
        let mut connection = Raw::accept(&app).await;
        connection
            .answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            .await;
        visitor.read_until("ok").await;
    });
}

/// Promise: a stream that is stopped lets its app go at once, though nobody reads what is left of it.
#[test]
fn a_stopped_stream_ends_at_the_app_whatever_its_reader_does() {
    on_one_core(async {
        let app = listen().await;
        let to = Arc::new(settings(&app));
        let pool = Pool::new();
        let play = async {
            let mut connection = Raw::accept(&app).await;
            let events = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: x\n\n";
            connection.answer(events).await;
            connection
        };
        let (mut connection, response) = tokio::join!(play, pool.send(&to, get("/")));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let moved = Arc::default();
        let stopped = async { drop(stopped.await) };
        let response = response.unwrap().map(|body| body.until(stopped, moved));

        stop.send(()).unwrap();

        assert_eq!(connection.read_to_end().await, "");
        assert_eq!(text(response).await.unwrap(), "");
    });
}
