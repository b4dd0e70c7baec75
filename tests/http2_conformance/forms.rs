//! Section 6 and 8.5: each frame, and what CONNECT is made of.

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, PING, PRIORITY,
    RST_STREAM, frame,
};
use crate::rig::Asks::{Gone, Nothing, Reset};
use crate::rig::{
    FRAME_SIZE, PADDED, PRIORITISED, PROTOCOL, PUSH_PROMISE, after, all_hold, fields, gate, hang,
    nothing, open, reset,
};

#[tokio::test]
async fn section_6_each_frame_has_its_form() {
    let (_app, gate) = gate().await;
    let head = fields("GET", "/");
    let ended = END_HEADERS | END_STREAM;
    let padded = |kind, flags: u8, length: u8, payload: &[u8]| {
        frame(kind, flags | PADDED, 1, &[&[length], payload].concat())
    };
    let goodbye = [&0_u32.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
    let priority = [&[0, 0, 0, 0, 9][..], &head].concat();
    let itself = [&[0, 0, 0, 1, 9][..], &head].concat();
    all_hold(
        &gate,
        nothing,
        vec![
            (
                "6.1 DATA on no stream",
                frame(DATA, 0, 0, b"x"),
                Gone(PROTOCOL),
            ),
            (
                "6.1 padding of all",
                after(open(), padded(DATA, 0, 3, b"xy")),
                Gone(PROTOCOL),
            ),
            (
                "6.1 padding of nothing",
                after(open(), frame(DATA, PADDED, 1, &[])),
                Gone(FRAME_SIZE),
            ),
            (
                "6.1 padding",
                after(open(), padded(DATA, 0, 2, b"xyz")),
                Nothing,
            ),
            (
                "6.2 padding of all",
                padded(HEADERS, ended, 255, &head),
                Gone(PROTOCOL),
            ),
            (
                "6.2 padding",
                padded(HEADERS, ended, 3, &[&head[..], &[0; 3]].concat()),
                Nothing,
            ),
            (
                "6.2 a priority",
                frame(HEADERS, ended | PRIORITISED, 1, &priority),
                Nothing,
            ),
            (
                "5.3.1 of 7540: a head that depends on itself",
                frame(HEADERS, ended | PRIORITISED, 1, &itself),
                Reset(PROTOCOL),
            ),
            (
                "6.3 PRIORITY on no stream",
                frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 1]),
                Gone(PROTOCOL),
            ),
            (
                "6.3 PRIORITY of another size",
                after(open(), frame(PRIORITY, 0, 1, &[0; 4])),
                Reset(FRAME_SIZE),
            ),
            ("6.4 RST_STREAM on no stream", reset(0), Gone(PROTOCOL)),
            (
                "6.4 RST_STREAM of another size",
                after(hang(1), frame(RST_STREAM, 0, 1, &[0; 3])),
                Gone(FRAME_SIZE),
            ),
            (
                "7 a code that nobody knows",
                after(hang(1), frame(RST_STREAM, 0, 1, &[0xff; 4])),
                Nothing,
            ),
            (
                "6.6 PUSH_PROMISE",
                after(
                    hang(1),
                    frame(
                        PUSH_PROMISE,
                        END_HEADERS,
                        1,
                        &[&[0, 0, 0, 2], &head[..]].concat(),
                    ),
                ),
                Gone(PROTOCOL),
            ),
            (
                "6.7 PING on a stream",
                frame(PING, 0, 1, &[0; 8]),
                Gone(PROTOCOL),
            ),
            (
                "6.7 PING too short",
                frame(PING, 0, 0, &[0; 7]),
                Gone(FRAME_SIZE),
            ),
            (
                "6.7 PING too long",
                frame(PING, 0, 0, &[0; 9]),
                Gone(FRAME_SIZE),
            ),
            (
                "6.7 an answer that nobody waits for",
                frame(PING, ACK, 0, &[7; 8]),
                Nothing,
            ),
            (
                "6.8 GOAWAY on a stream",
                frame(GOAWAY, 0, 1, &goodbye),
                Gone(PROTOCOL),
            ),
            (
                "6.8 GOAWAY too short",
                frame(GOAWAY, 0, 0, &[0; 7]),
                Gone(FRAME_SIZE),
            ),
            (
                "6.10 CONTINUATION behind the end",
                after(hang(1), frame(CONTINUATION, END_HEADERS, 1, &[])),
                Gone(PROTOCOL),
            ),
            (
                "6.10 CONTINUATION on another stream",
                after(
                    frame(HEADERS, END_STREAM, 1, &head),
                    frame(CONTINUATION, END_HEADERS, 3, &[]),
                ),
                Gone(PROTOCOL),
            ),
            (
                "6.10 CONTINUATION on no stream",
                after(
                    frame(HEADERS, END_STREAM, 1, &head),
                    frame(CONTINUATION, END_HEADERS, 0, &[]),
                ),
                Gone(PROTOCOL),
            ),
            (
                "6.10 DATA within a block",
                after(frame(HEADERS, 0, 1, &head), frame(DATA, 0, 1, b"x")),
                Gone(PROTOCOL),
            ),
            (
                "6.10 HEADERS within a block",
                after(frame(HEADERS, END_STREAM, 1, &head), hang(3)),
                Gone(PROTOCOL),
            ),
            (
                "6.10 an unknown frame within a block",
                after(
                    frame(HEADERS, END_STREAM, 1, &head),
                    frame(0xfa, 0, 0, b"x"),
                ),
                Gone(PROTOCOL),
            ),
            (
                "6.10 a block in pieces",
                after(
                    frame(HEADERS, END_STREAM, 1, &head[..7]),
                    after(
                        frame(CONTINUATION, 0, 1, &head[7..9]),
                        frame(CONTINUATION, END_HEADERS, 1, &head[9..]),
                    ),
                ),
                Nothing,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn section_8_5_connect_has_its_own_fields() {
    let (app, gate) = gate().await;
    for fields in [
        &[
            (":method", "CONNECT"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "localhost"),
        ][..],
        &[
            (":method", "CONNECT"),
            (":path", "/"),
            (":authority", "localhost"),
        ],
        &[(":method", "CONNECT")],
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":authority", "localhost"),
        ],
        &[
            (":method", "GET"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":path", "/"),
            (":authority", "localhost"),
        ],
    ] {
        let mut frames = Frames::open(&gate).await;
        frames.request(1, 0, fields).await;
        let end = frames.end(1).await;
        assert!(
            end.is_error() || matches!(end.status(), 400..=499 | 501),
            "{fields:?}: {end:?}"
        );
    }
    assert!(app.seen().is_empty());
}
