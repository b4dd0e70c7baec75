//! Visitors who stall.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::crowd::{Crowd, DOZEN, open, served_until_all_have_ended, tls};
use crate::frames::{END_HEADERS, END_STREAM, HEADERS, SETTINGS, block, frame};
use crate::support::{App, Gate, Reply, Setup};

const LIMITS: &str = "[server.limits]\nheader_timeout = \"1s\"\nkeepalive_timeout = \"1s\"\n\
                      body_timeout = \"1s\"\nbody_min_rate = \"1KiB\"\nwrite_timeout = \"1s\"\n\
                      handshake_timeout = \"1s\"";

const POST: &str = "POST / HTTP/1.1\r\nHost: localhost\r\n";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A gateway that gives everybody a second, before an app that has something large to give.
async fn gate() -> (App, Gate) {
    let large = "l".repeat(8 * 1024 * 1024);
    let app = App::answering(move |seen| match seen.path() {
        "/large" => Reply::ok(large.clone()),
        _ => Reply::ok("ok"),
    })
    .await;
    let setup = Setup {
        server: LIMITS,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    // What it opens at first it keeps open.
    assert_eq!(gate.browser().get("/").send().await.status(), 200);
    (app, gate)
}

fn head(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

/// The beginning of a connection of HTTP/2 whose streams have this window, and what follows.
fn begun(window: u32, then: &[u8]) -> Vec<u8> {
    let window = [&[0, 4][..], &window.to_be_bytes()].concat();
    [PREFACE, &frame(SETTINGS, 0, 0, &window), then].concat()
}

#[tokio::test]
async fn dozens_who_stall_over_http_1_are_cut_off_and_others_are_served() {
    let (_app, gate) = gate().await;
    let before = open(&gate);
    let mut crowd = Crowd::default();
    for _ in 0..DOZEN {
        for (start, drop) in [
            ("".to_owned(), &b""[..]),
            ("GET / HTTP/1.1\r\nHost: localhost\r\nX: ".to_owned(), b"x"),
            (format!("{POST}Content-Length: 100000\r\n\r\n"), b"x"),
            (format!("{POST}Content-Length: 100000\r\n\r\nhello"), b""),
            (
                format!("{POST}Transfer-Encoding: chunked\r\n\r\n"),
                b"1\r\nx\r\n",
            ),
            (
                format!("{POST}Transfer-Encoding: chunked\r\n\r\n0\r\nX: "),
                b"x",
            ),
        ] {
            crowd
                .reads(tls(&gate, false).await, start.as_bytes(), drop)
                .await;
        }
        let large = b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";
        crowd.writes(tls(&gate, false).await, large, b"").await;
    }
    served_until_all_have_ended(&gate, before).await;
}

#[tokio::test]
async fn dozens_who_stall_in_the_handshake_are_cut_off_and_others_are_served() {
    let (_app, gate) = gate().await;
    let before = open(&gate);
    let mut crowd = Crowd::default();
    for _ in 0..DOZEN {
        for (start, drop) in [
            (&b""[..], &b""[..]),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b""),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0"),
        ] {
            let stream = TcpStream::connect(gate.https()).await.unwrap();
            crowd.reads(stream, start, drop).await;
        }
    }
    served_until_all_have_ended(&gate, before).await;
}

#[tokio::test]
async fn dozens_who_stall_over_http_2_are_cut_off_and_others_are_served() {
    let (_app, gate) = gate().await;
    let before = open(&gate);
    let mut crowd = Crowd::default();
    let whole = END_HEADERS | END_STREAM;
    let post = frame(HEADERS, END_HEADERS, 1, &head("POST", "/"));
    let drip: &'static [u8] = &*frame(0, 0, 1, b"x").leak();
    let go_on: &'static [u8] = &*frame(9, 0, 1, &[]).leak();
    for _ in 0..DOZEN {
        for (start, drop) in [
            // The text of the preface, half of it, and with settings behind it.
            (PREFACE.to_vec(), &b""[..]),
            (PREFACE[..9].to_vec(), b""),
            (begun(65_535, &[]), b""),
            // A window that stays shut.
            (begun(0, &frame(HEADERS, whole, 1, &head("GET", "/"))), b""),
            // A head without its end, and one that goes on for ever.
            (
                begun(65_535, &frame(HEADERS, END_STREAM, 1, &head("GET", "/"))),
                b"",
            ),
            (
                begun(65_535, &frame(HEADERS, END_STREAM, 1, &head("GET", "/"))),
                go_on,
            ),
            // A body that stalls, and one that drips.
            (begun(65_535, &post), b""),
            (begun(65_535, &post), drip),
        ] {
            crowd.reads(tls(&gate, true).await, &start, drop).await;
        }
        // Windows for everything, and nobody who takes it.
        let windows = frame(8, 0, 0, &0x0fff_ffff_u32.to_be_bytes());
        let large = frame(HEADERS, whole, 1, &head("GET", "/large"));
        let all = begun(0x0fff_ffff, &[windows, large].concat());
        crowd.writes(tls(&gate, true).await, &all, b"").await;
    }
    served_until_all_have_ended(&gate, before).await;
}

/// The plain listener has the same patience.
#[tokio::test]
async fn dozens_who_stall_at_the_plain_listener_are_cut_off() {
    let app = App::plain().await;
    let server = format!("http = [\"127.0.0.1:0\"]\n{LIMITS}");
    let setup = Setup {
        server: &server,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    assert_eq!(gate.browser().get("/").send().await.status(), 200);
    let before = open(&gate);
    let mut crowd = Crowd::default();
    for _ in 0..DOZEN {
        for (start, drop) in [
            (&b""[..], &b""[..]),
            (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"x"),
        ] {
            let stream = TcpStream::connect(gate.http().unwrap()).await.unwrap();
            crowd.reads(stream, start, drop).await;
        }
    }
    served_until_all_have_ended(&gate, before).await;
    let mut late = TcpStream::connect(gate.http().unwrap()).await.unwrap();
    late.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 12];
    let read = tokio::io::AsyncReadExt::read_exact(&mut late, &mut answer);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 308");
}
