//! Sections 3 and 4: the preface, frames and header blocks.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, frame};
use crate::rig::Asks::{Gone, Nothing, Reset};
use crate::rig::{COMPRESSION, FRAME_SIZE, after, all_hold, fields, gate, hang, nothing, open};
use crate::support::DEADLINE;

#[tokio::test]
async fn section_3_a_preface_is_whole_and_comes_first() {
    let (_app, gate) = gate().await;
    let settings = frame(SETTINGS, 0, 0, &[]);
    for (what, begin) in [
        ("another text", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        (
            "HTTP/1.1",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        ),
        ("no text", settings.clone()),
    ] {
        let stream = TcpStream::connect(gate.https()).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let mut stream = gate.tls(true).connect(name, stream).await.unwrap();
        stream.write_all(&begin).await.unwrap();
        let mut rest = Vec::new();
        let end = tokio::time::timeout(DEADLINE / 3, stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "{what}: the connection stays open: {rest:?}");
    }
}

#[tokio::test]
async fn section_4_frames_have_a_size_and_what_is_unknown_is_passed_over() {
    let (_app, gate) = gate().await;
    let get = fields("GET", "/");
    let ended = END_HEADERS | END_STREAM;
    all_hold(
        &gate,
        nothing,
        vec![
            (
                "4.1 a frame of an unknown type",
                frame(0xfa, 0xff, 0, b"x"),
                Nothing,
            ),
            (
                "4.1 one on a stream",
                after(hang(1), frame(0xfa, 0xff, 1, b"x")),
                Nothing,
            ),
            (
                "4.1 flags that nobody knows",
                frame(PING, 0xfe, 0, &[0; 8]),
                Nothing,
            ),
            (
                "4.1 the reserved bit",
                frame(HEADERS, ended, 1 << 31 | 1, &get),
                Nothing,
            ),
            (
                "4.2 DATA past the size",
                after(open(), frame(DATA, 0, 1, &[0; 16_385])),
                Reset(FRAME_SIZE),
            ),
            (
                "4.2 HEADERS past the size",
                frame(HEADERS, ended, 1, &[0; 16_385]),
                Gone(FRAME_SIZE),
            ),
            (
                "4.2 an unknown frame past the size",
                frame(0xfa, 0, 0, &[0; 16_385]),
                Gone(FRAME_SIZE),
            ),
            (
                "4.2 DATA of the whole size",
                after(open(), frame(DATA, 0, 1, &[0; 16_384])),
                Nothing,
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn section_4_3_a_header_block_that_cannot_be_read_ends_the_connection() {
    let (_app, gate) = gate().await;
    let get = fields("GET", "/");
    let with = |more: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&get, more].concat());
    let before = |more: &[u8]| frame(HEADERS, END_HEADERS | END_STREAM, 1, &[more, &get].concat());
    all_hold(
        &gate,
        nothing,
        vec![
            ("7541 6.1 index 0", with(&[0x80]), Gone(COMPRESSION)),
            (
                "7541 2.3.3 an index past the tables",
                with(&[0xff, 0x20]),
                Gone(COMPRESSION),
            ),
            (
                "7541 6.2.2 a name past the tables",
                with(&[0x0f, 0x70, 1, b'x']),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.1 a number that overflows",
                with(&[0xff; 12]),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.2 a text past the block",
                with(&[0, 1, b'x', 0x7f, 0x20, b'y']),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.2 a name alone",
                with(&[0, 1, b'x']),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.2 padding of zeros",
                with(&[0, 1, b'x', 0x81, 0x00]),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.2 padding of a whole byte",
                with(&[0, 1, b'x', 0x82, 0x1f, 0xff]),
                Gone(COMPRESSION),
            ),
            (
                "7541 5.2 the end in a text",
                with(&[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
                Gone(COMPRESSION),
            ),
            (
                "7541 6.3 a table past what was offered",
                before(&[0x3f, 0xe1, 0xff, 0x03]),
                Gone(COMPRESSION),
            ),
            (
                "7541 4.2 a size behind a field",
                with(&[0x20]),
                Gone(COMPRESSION),
            ),
            ("7541 4.2 a smaller table", before(&[0x20]), Nothing),
        ],
    )
    .await;
}
