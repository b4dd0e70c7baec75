//! What a peer may do to an HTTP/2 connection until it is closed (SECURITY 2.4). Others are served meanwhile, and the
//! app is asked no more than it can bear.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::frames::{
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, End, Frames, GOAWAY,
    HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, get, integer,
};
use crate::support::body::{Body, fed, full};
use crate::support::{App, Gate, Setup, eventually};

/// Streams that a connection may break off before it is closed, with some room for those under way.
const BREAKS_MAX: usize = 250;

/// An app that never answers on `/hang`, and knows how many wait there.
struct Hanging {
    app: App,
    waiting: Arc<AtomicUsize>,
}

/// Takes itself back when the request is given up.
struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Hanging {
    async fn start() -> Self {
        let waiting = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&waiting);
        let app = App::serving(move |request: Request<Incoming>| {
            let waiting = Arc::clone(&count);
            async move {
                if request.uri().path() == "/hang" {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    let _waiting = Waiting(waiting);
                    // A server that leaves a body unread does not see its sender go.
                    let body = request.into_body().collect().await;
                    if body.is_ok() {
                        std::future::pending::<()>().await;
                    }
                }
                Response::new(full("ok"))
            }
        })
        .await;
        Self { app, waiting }
    }

    fn asked(&self) -> usize {
        self.app
            .seen()
            .iter()
            .filter(|seen| seen.path() == "/hang")
            .count()
    }

    async fn all_given_up(&self) {
        eventually("the app's work is given up", async || {
            (self.waiting.load(Ordering::SeqCst) == 0).then_some(())
        })
        .await;
    }
}

fn refs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

/// Somebody else is served as if nothing was.
async fn others_are_served(gate: &Gate) {
    let browser = gate.browser();
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), browser.get("/").send());
    assert_eq!(answer.await.expect("an answer in time").status(), 200);
}

fn resident_kib(gate: &Gate) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gate.pid())).expect("a process");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("VmRSS");
    line.split_whitespace()
        .nth(1)
        .expect("a number")
        .parse()
        .expect("KiB")
}

// === streams that are broken off ===

#[tokio::test]
async fn streams_reset_in_one_burst_close_the_connection() {
    let hanging = Hanging::start().await;
    let gate = Gate::in_front_of(&hanging.app).await;
    let mut frames = Frames::open(&gate).await;
    let block = block(&refs(&get(&gate, "/hang")));
    let mut burst = Vec::new();
    for stream in (1..4000).step_by(2) {
        burst.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        burst.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }

    frames.bytes(&burst).await;

    let code = frames.closing().await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM));
    assert!(hanging.asked() <= BREAKS_MAX, "{}", hanging.asked());
    hanging.all_given_up().await;
    others_are_served(&gate).await;
}

#[tokio::test]
async fn streams_reset_after_the_app_was_asked_close_the_connection() {
    let hanging = Hanging::start().await;
    let gate = Gate::in_front_of(&hanging.app).await;
    let mut frames = Frames::open(&gate).await;
    let fields = get(&gate, "/hang");

    let mut opened = 0;
    for stream in (1..4000).step_by(2) {
        let asked = hanging.asked();
        if !frames.request(stream, END_STREAM, &refs(&fields)).await {
            break;
        }
        opened += 1;
        // The app has it, or the connection has ended.
        let closed = eventually("the app is asked", async || {
            if hanging.asked() > asked {
                return Some(false);
            }
            (!frames.send(PING, 0, 0, &[0; 8]).await).then_some(true)
        });
        let reset = !closed.await
            && frames
                .send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
                .await;
        if !reset {
            break;
        }
    }

    assert!(opened < BREAKS_MAX, "{opened} streams");
    assert!(hanging.asked() < BREAKS_MAX, "{}", hanging.asked());
    hanging.all_given_up().await;
    others_are_served(&gate).await;
    gate.says("broke off too many streams").await;
}

/// Promise: who asks an app that fails is not the one who breaks off. A connection may stand for many visitors.
#[tokio::test]
async fn an_app_that_fails_again_and_again_costs_no_connection() {
    let app = App::serving(|request: Request<Incoming>| async move {
        if request.uri().path() != "/dying" {
            return Response::new(full("ok"));
        }
        let (feed, body) = fed();
        tokio::spawn(async move { feed.data("half").await });
        let answer = Response::builder().header("content-length", "8");
        answer.body(body).expect("an answer")
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let mut frames = Frames::open(&gate).await;
    let fields = get(&gate, "/dying");
    for stream in (1..400).step_by(2) {
        assert!(frames.request(stream, END_STREAM, &refs(&fields)).await);
        loop {
            let frame = frames.next().await.expect("the connection is open");
            if frame.stream == stream && frame.kind == RST_STREAM {
                break;
            }
        }
    }
    assert!(
        frames
            .request(401, END_STREAM, &refs(&get(&gate, "/")))
            .await
    );
    loop {
        let frame = frames.next().await.expect("the connection is open");
        if frame.stream == 401 && frame.kind == HEADERS {
            break;
        }
    }
}

#[tokio::test]
async fn a_page_that_is_left_again_and_again_costs_no_connection() {
    let hanging = Hanging::start().await;
    let gate = Gate::in_front_of(&hanging.app).await;
    let mut frames = Frames::open(&gate).await;
    let (hang, fine) = (get(&gate, "/hang"), get(&gate, "/"));

    let mut stream = 1;
    for _ in 0..20 {
        for _ in 0..15 {
            frames.request(stream, END_STREAM, &refs(&hang)).await;
            frames
                .send(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
                .await;
            stream += 2;
        }
        for _ in 0..15 {
            let end = frames.ask(stream, &refs(&fine)).await;
            assert_eq!(end.status(), 200, "{end:?}");
            stream += 2;
        }
    }
}

/// The six ways to make a server reset a stream that it works on (CVE-2025-8671).
#[tokio::test]
async fn streams_that_we_are_made_to_reset_close_the_connection() {
    let zero = 0_u32.to_be_bytes();
    let overflow = 0x7fff_ffff_u32.to_be_bytes();
    let depends_on = |stream: u32| [&stream.to_be_bytes()[..], &[0]].concat();
    type Primitive<'a> = (&'a str, Box<dyn Fn(u32) -> Vec<u8> + Send>);
    let primitives: [Primitive<'_>; 6] = [
        (
            "an increment of zero",
            Box::new(move |stream| frame(WINDOW_UPDATE, 0, stream, &zero)),
        ),
        (
            "a window that overflows",
            Box::new(move |stream| frame(WINDOW_UPDATE, 0, stream, &overflow)),
        ),
        (
            "PRIORITY of another length",
            Box::new(|stream| frame(PRIORITY, 0, stream, &[0; 4])),
        ),
        (
            "a stream that depends on itself",
            Box::new(move |stream| frame(PRIORITY, 0, stream, &depends_on(stream))),
        ),
        (
            "HEADERS after the end",
            Box::new(|stream| {
                frame(
                    HEADERS,
                    END_HEADERS | END_STREAM,
                    stream,
                    &block(&[("x", "y")]),
                )
            }),
        ),
        (
            "DATA after the end",
            Box::new(|stream| frame(DATA, 0, stream, b"more")),
        ),
    ];
    let hanging = Hanging::start().await;
    let gate = Gate::in_front_of(&hanging.app).await;
    let block = block(&refs(&get(&gate, "/hang")));
    for (what, primitive) in primitives {
        let asked = hanging.asked();
        let (mut frames, mut opened) = (Frames::open(&gate).await, 0);
        for stream in (1..4000).step_by(2) {
            let mut both = frame(HEADERS, END_HEADERS | END_STREAM, stream, &block);
            both.extend(primitive(stream));
            if !frames.bytes(&both).await {
                break;
            }
            opened += 1;
            // So that the app is asked before the next one comes.
            tokio::task::yield_now().await;
        }
        frames.closing().await;
        let asked = hanging.asked() - asked;
        assert!(asked <= BREAKS_MAX, "{what}: {asked} of {opened}");
        hanging.all_given_up().await;
        others_are_served(&gate).await;
    }
}

#[tokio::test]
async fn no_more_streams_than_were_offered() {
    let hanging = Hanging::start().await;
    let setup = Setup {
        server: "[server.limits]\nh2_streams = 5",
        ..Setup::default()
    };
    let gate = Gate::with(&hanging.app, setup).await;
    let mut frames = Frames::open(&gate).await;
    let settings = frames.next().await.expect("a frame");
    let mut offered = settings.payload.chunks(6);
    assert!(
        offered.any(|setting| setting == [0, 3, 0, 0, 0, 5]),
        "{settings:?}"
    );
    let fields = get(&gate, "/hang");
    // They count from when the settings were agreed.
    while frames
        .next()
        .await
        .is_none_or(|frame| frame.kind != SETTINGS)
    {}
    frames.send(SETTINGS, 1, 0, &[]).await;

    for stream in 0..5 {
        frames
            .request(stream * 2 + 1, END_STREAM, &refs(&fields))
            .await;
    }
    eventually("five are with the app", async || {
        (hanging.asked() == 5).then_some(())
    })
    .await;
    let end = frames.ask(11, &refs(&fields)).await;

    assert_eq!(end, End::Reset(7), "REFUSED_STREAM");
    assert_eq!(hanging.asked(), 5);
}

// === floods ===

/// Sends `flood` until the connection takes no more, reading whatever comes back. How many times it was sent.
async fn flood(frames: Frames, flood: &[u8], times_max: usize) -> (usize, Option<u32>) {
    let (write, mut read) = frames.halves();
    let mut write = write;
    let mut sent = 0;
    let writing = async {
        use tokio::io::AsyncWriteExt;
        while sent < times_max
            && write.write_all(flood).await.is_ok()
            && write.flush().await.is_ok()
        {
            sent += 1;
        }
        // Half closed, so that the reader sees an end even if nobody minds the flood.
        let _ = write.shutdown().await;
    };
    let (code, ()) = tokio::join!(read.closing(), writing);
    (sent, code)
}

#[tokio::test]
async fn frames_that_bring_nothing_close_the_connection() {
    let hanging = Hanging::start().await;
    let gate = Gate::in_front_of(&hanging.app).await;
    let head = block(&refs(&get(&gate, "/hang")));
    let priority = [&3_u32.to_be_bytes()[..], &[0]].concat();
    let floods = [
        ("SETTINGS", frame(SETTINGS, 0, 0, &[])),
        ("PING", frame(PING, 0, 0, &[0; 8])),
        ("acknowledged SETTINGS", frame(SETTINGS, 1, 0, &[])),
        ("PING answers", frame(PING, 1, 0, &[0; 8])),
        ("PRIORITY", frame(PRIORITY, 0, 5, &priority)),
        ("empty DATA", frame(DATA, 0, 1, &[])),
        (
            "window updates",
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()),
        ),
        ("unknown frames", frame(0xbe, 0, 0, &[])),
        (
            "empty header names",
            frame(HEADERS, END_HEADERS | END_STREAM, 3, &block(&[("", "")])),
        ),
    ];
    for (what, bytes) in floods {
        // A request under way keeps the connection from being idle.
        let mut frames = Frames::open(&gate).await;
        frames.send(HEADERS, END_HEADERS, 1, &head).await;

        let hundred = bytes.repeat(100);
        let (sent, code) = flood(frames, &hundred, 20_000).await;

        // What is in the buffers of sockets has been sent as well.
        assert!(sent < 20_000, "{what}: {sent} hundreds, {code:?}");
        assert!(matches!(code, Some(1..)), "{what}: {code:?}");
        others_are_served(&gate).await;
    }
    hanging.all_given_up().await;
}

#[tokio::test]
async fn a_flood_whose_answers_nobody_reads_ends_and_costs_no_memory() {
    let app = App::plain().await;
    let setup = Setup {
        server: "[server.limits]\nwrite_timeout = \"1s\"\nheader_timeout = \"2s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    others_are_served(&gate).await;
    for bytes in [frame(SETTINGS, 0, 0, &[]), frame(PING, 0, 0, &[0; 8])] {
        let before = resident_kib(&gate);
        let mut frames = Frames::open(&gate).await;
        let hundred = bytes.repeat(100);
        let mut sent = 0_usize;
        while frames.bytes(&hundred).await {
            sent += 1;
            assert!(sent < 100_000, "ten million frames");
        }
        let grown = resident_kib(&gate).saturating_sub(before);
        assert!(grown < 16 * 1024, "{grown} KiB");
        others_are_served(&gate).await;
    }
}

#[tokio::test]
async fn a_header_block_without_end_closes_the_connection() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let fields = get(&gate, "/");
    let pieces = [
        Vec::new(),
        block(&[("x", "y")]),
        block(&[("x-long", &"y".repeat(1000))]),
    ];
    for piece in pieces {
        let mut frames = Frames::open(&gate).await;
        frames
            .send(HEADERS, END_STREAM, 1, &block(&refs(&fields)))
            .await;
        let hundred = frame(CONTINUATION, 0, 1, &piece).repeat(100);

        let (sent, code) = flood(frames, &hundred, 20_000).await;

        assert!(sent < 20_000, "{} bytes: {sent}", piece.len());
        assert!(matches!(code, Some(1..) | None), "{code:?}");
        others_are_served(&gate).await;
    }
    assert!(app.seen().iter().all(|seen| seen.header("x").is_none()));
}

// === bombs ===

/// A field put into the table once and named again and again, one byte each (CVE-2016-6581).
fn bomb(gate: &Gate, name: &str, value: &str, times: usize) -> Vec<u8> {
    let mut block = block(&refs(&get(gate, "/")));
    block.push(0x40);
    for text in [name, value] {
        integer(&mut block, 7, text.len());
        block.extend(text.as_bytes());
    }
    block.extend(vec![0x80 | 62; times]);
    block
}

#[tokio::test]
async fn what_is_small_on_the_wire_counts_by_its_real_size() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    others_are_served(&gate).await;
    let before = resident_kib(&gate);
    for (name, value, times) in [
        ("x-bomb", "y".repeat(3000), 15_000),
        ("cookie", "a=b".to_owned(), 15_000),
        ("cookie", "c".repeat(3000), 12),
        ("x-many", "y".to_owned(), 101),
    ] {
        let mut frames = Frames::open(&gate).await;
        let block = bomb(&gate, name, &value, times);
        frames
            .send(HEADERS, END_HEADERS | END_STREAM, 1, &block)
            .await;
        let end = frames.end(1).await;
        assert!(
            end.status() == 431 || end.is_error(),
            "{name} x{times}: {end:?}"
        );
    }
    let grown = resident_kib(&gate).saturating_sub(before);
    assert!(grown < 16 * 1024, "{grown} KiB");
    assert_eq!(app.seen().len(), 1, "only what others asked");
}

#[tokio::test]
async fn many_crumbs_are_one_cookie_field() {
    let app = App::plain().await;
    let setup = Setup {
        site: "cookies.default = \"pass\"\ncookies.rules = [{ name = \"*\", mode = \"pass\" }]",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let mut fields = get(&gate, "/");
    for number in 0..250 {
        fields.push(("cookie".to_owned(), format!("c{number}={number}")));
    }
    let mut frames = Frames::open(&gate).await;

    let end = frames.ask(1, &refs(&fields)).await;

    assert_eq!(end.status(), 200, "{end:?}");
    let cookies = app.last().cookies();
    assert_eq!(cookies.len(), 250);
    assert_eq!(cookies[249], ("c249".to_owned(), "249".to_owned()));
}

// === a reader that takes nothing ===

fn fixed(text: &'static str) -> impl Fn(Request<Incoming>) -> std::future::Ready<Response<Body>> {
    move |_| std::future::ready(Response::new(full(text)))
}

#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_ended() {
    let app = App::serving(fixed("some text")).await;
    let setup = Setup {
        server: "[server.limits]\nwrite_timeout = \"1s\"\nkeepalive_timeout = \"60s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let mut frames = Frames::open_with(&gate, &[(1, 0), (4, 0)]).await;

    let end = frames.ask(1, &refs(&get(&gate, "/"))).await;

    assert!(matches!(end, End::Reset(_)), "{end:?}");
    others_are_served(&gate).await;
}

#[tokio::test]
async fn windows_of_one_byte_hold_no_connection_for_ever() {
    let app = App::serving(fixed("some text")).await;
    let setup = Setup {
        server: "[server.limits]\nwrite_timeout = \"1s\"\nkeepalive_timeout = \"1s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let mut frames = Frames::open_with(&gate, &[(1, 0), (4, 1)]).await;
    for stream in (1..100).step_by(2) {
        frames
            .request(stream, END_STREAM, &refs(&get(&gate, "/")))
            .await;
    }
    let mut told = false;
    while let Some(frame) = frames.next().await {
        told |= frame.kind == GOAWAY;
    }
    assert!(told, "a connection that ends is said to end");
    others_are_served(&gate).await;
}
