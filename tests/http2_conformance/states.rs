//! Section 5: the states of a stream.

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PRIORITY, frame,
};
use crate::rig::Asks::{Gone, Nothing, Reset};
use crate::rig::{
    PROTOCOL, STREAM_CLOSED, after, all_hold, fields, gate, hang, nothing, reset, window,
};

#[tokio::test]
async fn section_5_1_a_stream_takes_what_its_state_allows() {
    let (_app, gate) = gate().await;
    let head = fields("GET", "/hang");
    let ended = END_HEADERS | END_STREAM;
    let again = |stream| frame(HEADERS, ended, stream, &head);
    all_hold(
        &gate,
        nothing,
        vec![
            ("5.1 idle: DATA", frame(DATA, 0, 1, b"x"), Gone(PROTOCOL)),
            ("5.1 idle: RST_STREAM", reset(1), Gone(PROTOCOL)),
            ("5.1 idle: WINDOW_UPDATE", window(1, 1), Gone(PROTOCOL)),
            (
                "5.1 idle: CONTINUATION",
                frame(CONTINUATION, END_HEADERS, 1, &head),
                Gone(PROTOCOL),
            ),
            (
                "5.1 idle: PRIORITY",
                frame(PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
                Nothing,
            ),
            (
                "5.1 half closed: DATA",
                after(hang(1), frame(DATA, 0, 1, b"x")),
                Reset(STREAM_CLOSED),
            ),
            (
                "5.1 half closed: HEADERS",
                after(hang(1), again(1)),
                Reset(STREAM_CLOSED),
            ),
            (
                "5.1 half closed: CONTINUATION",
                after(hang(1), frame(CONTINUATION, END_HEADERS, 1, &head)),
                Gone(PROTOCOL),
            ),
            (
                "5.1 half closed: WINDOW_UPDATE",
                after(hang(1), window(1, 1)),
                Nothing,
            ),
            (
                "5.1 half closed: PRIORITY",
                after(hang(1), frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1])),
                Nothing,
            ),
            (
                "5.1 half closed: RST_STREAM",
                after(hang(1), reset(1)),
                Nothing,
            ),
            (
                "5.1.1 HEADERS on no stream",
                frame(HEADERS, ended, 0, &head),
                Gone(PROTOCOL),
            ),
            ("5.1.1 an even number", again(2), Gone(PROTOCOL)),
            (
                "5.1.1 a number below the last",
                after(hang(5), again(3)),
                Gone(PROTOCOL),
            ),
            (
                "5.1.1 one whose number was passed over",
                after(hang(3), frame(DATA, 0, 1, b"x")),
                Reset(STREAM_CLOSED),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn section_5_1_a_stream_that_has_ended_takes_nothing() {
    let (_app, gate) = gate().await;
    let head = fields("GET", "/");
    let again = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    let whole = async |frames: &mut Frames| {
        frames
            .send(HEADERS, END_HEADERS | END_STREAM, 1, &head)
            .await;
        assert_eq!(frames.end(1).await.status(), 200);
    };
    let cases = || {
        vec![
            ("5.1 closed: HEADERS", again.clone(), Gone(STREAM_CLOSED)),
            (
                "5.1 closed: CONTINUATION",
                frame(CONTINUATION, END_HEADERS, 1, &head),
                Gone(STREAM_CLOSED),
            ),
            ("5.1 closed: WINDOW_UPDATE", window(1, 1), Nothing),
            (
                "5.1 closed: PRIORITY",
                frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 1]),
                Nothing,
            ),
            ("5.1 closed: RST_STREAM", reset(1), Nothing),
        ]
    };
    all_hold(&gate, whole, cases()).await;
    let data = frame(DATA, 0, 1, b"x");
    all_hold(
        &gate,
        whole,
        vec![("5.1 closed: DATA", data.clone(), Reset(STREAM_CLOSED))],
    )
    .await;
    // What the peer has reset is closed; what was under way is passed over or is an error of the stream.
    let broken = async |frames: &mut Frames| {
        frames.bytes(&after(hang(1), reset(1))).await;
    };
    all_hold(&gate, broken, cases().into_iter().skip(2).collect()).await;
}
