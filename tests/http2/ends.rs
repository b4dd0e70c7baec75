//! How connections and streams end: the peer is told why, and can read what it was told.

use std::process::{Command, Stdio};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::frames::{
    ACK, CANCEL, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frame, Frames, GOAWAY, HEADERS,
    PING, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, get,
};
use crate::support::body::{fed, full};
use crate::support::{App, Gate, Raw, Setup, eventually};

const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;

fn refs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

fn post(gate: &Gate, length: &str) -> Vec<(String, String)> {
    let mut fields = get(gate, "/upload");
    fields[0].1 = "POST".to_owned();
    fields.push(("content-length".to_owned(), length.to_owned()));
    fields
}

#[tokio::test]
async fn a_peer_that_does_not_begin_with_its_settings_is_not_served() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let head = block(&refs(&get(&gate, "/")));
    let asks = frame(HEADERS, END_HEADERS | END_STREAM, 1, &head);
    for first in [
        Vec::new(),
        frame(SETTINGS, ACK, 0, &[]),
        frame(PING, 0, 0, &[0; 8]),
    ] {
        let mut frames = Frames::begin_with(&gate, &[first, asks.clone()].concat()).await;
        assert_eq!(frames.closing().await, Some(PROTOCOL_ERROR));
    }
    assert!(app.seen().is_empty());
}

#[tokio::test]
async fn an_upload_that_its_visitor_breaks_off_is_logged_as_that() {
    let app = App::serving(|request: Request<Incoming>| async move {
        let whole = http_body_util::BodyExt::collect(request.into_body()).await;
        Response::new(full(if whole.is_ok() { "whole" } else { "broken" }))
    })
    .await;
    let gate = Gate::in_front_of(&app).await;

    let mut frames = Frames::open(&gate).await;
    frames.request(1, 0, &refs(&post(&gate, "10"))).await;
    frames.send(DATA, 0, 1, b"12345").await;
    eventually("the app is asked", async || app.seen().first().map(drop)).await;
    frames.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;
    assert_eq!(gate.access_log(1).await[0]["refusal"], "visitor-gone");

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345")
        .await;
    eventually("the app is asked", async || app.seen().get(1).map(drop)).await;
    drop(raw);
    let lines = gate.access_log(2).await;
    assert_eq!(lines[1]["refusal"], "visitor-gone");
    assert_eq!(lines[1]["status"], 499);
}

#[tokio::test]
async fn an_abuser_is_told_to_be_calm() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let head = block(&refs(&get(&gate, "/")));
    let resets: Vec<u8> = (1..600)
        .step_by(2)
        .flat_map(|stream| {
            let opened = frame(HEADERS, END_HEADERS | END_STREAM, stream, &head);
            [opened, frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
        })
        .collect();
    let floods = [
        ("PING", frame(PING, 1, 0, &[0; 8]).repeat(5000)),
        ("SETTINGS", frame(SETTINGS, 0, 0, &[]).repeat(5000)),
        (
            "window updates",
            frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()).repeat(5000),
        ),
        ("streams that are reset", resets),
    ];
    for (what, flood) in floods {
        let mut frames = Frames::open(&gate).await;
        frames.bytes(&flood).await;
        assert_eq!(frames.closing().await, Some(ENHANCE_YOUR_CALM), "{what}");
    }
}

#[tokio::test]
async fn who_breaks_the_protocol_is_told_how() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let faults = [
        ("DATA on no stream", frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
        (
            "an even stream",
            frame(HEADERS, END_HEADERS | END_STREAM, 2, &[0x82]),
            PROTOCOL_ERROR,
        ),
        (
            "a window past its end",
            frame(WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()),
            FLOW_CONTROL_ERROR,
        ),
    ];
    for (what, bytes, reason) in faults {
        let mut frames = Frames::open(&gate).await;
        frames.bytes(&bytes).await;
        assert_eq!(frames.closing().await, Some(reason), "{what}");
    }
}

/// Collects the frames of one stream until it is over for us: an answer with its end, and what comes within `after`.
async fn all_of(frames: &mut Frames, stream: u32, after: Duration) -> Vec<Frame> {
    let mut seen = Vec::new();
    let mut ended = false;
    loop {
        let next = frames.next();
        let frame = if ended {
            match tokio::time::timeout(after, next).await {
                Ok(frame) => frame,
                Err(_) => return seen,
            }
        } else {
            next.await
        };
        let Some(frame) = frame else { return seen };
        if frame.stream == stream {
            ended |= matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
            seen.push(frame);
        }
    }
}

#[tokio::test]
async fn an_upload_that_is_refused_is_answered_first_and_stopped_later() {
    let app = App::plain().await;
    let setup = Setup {
        server: "[server.limits]\nbody_bytes = \"1KiB\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let mut frames = Frames::open(&gate).await;
    frames.request(1, 0, &refs(&post(&gate, "100000"))).await;
    frames.send(DATA, 0, 1, &[0; 10_000]).await;

    let seen = all_of(&mut frames, 1, Duration::from_secs(6)).await;

    let kinds: Vec<_> = seen.iter().map(|frame| frame.kind).collect();
    let last = seen.last().expect("a frame");
    assert_eq!(kinds.first(), Some(&HEADERS), "{seen:?}");
    let window = |kind: &&u8| **kind != WINDOW_UPDATE;
    let kinds: Vec<_> = kinds.iter().filter(window).collect();
    assert_eq!(kinds, [&HEADERS, &DATA, &RST_STREAM], "{seen:?}");
    assert_eq!(last.payload, NO_ERROR.to_be_bytes(), "{seen:?}");
    // The connection goes on.
    let end = frames.ask(3, &refs(&get(&gate, "/"))).await;
    assert_eq!(end.status(), 200, "{end:?}");
}

#[tokio::test]
async fn curl_sees_the_413_to_an_upload_that_is_too_large() {
    let app = App::plain().await;
    let setup = Setup {
        server: "[server.limits]\nbody_bytes = \"100KiB\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let file = gate.folder().join("upload");
    std::fs::write(&file, vec![7; 8 << 20]).expect("a file");
    for chunked in [false, true] {
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--insecure",
            "--http2",
            "--max-time",
            "20",
        ])
        .args([
            "--output",
            "/dev/null",
            "--write-out",
            "%{http_code} %{http_version}",
        ])
        .arg("--request")
        .arg("POST");
        if chunked {
            curl.arg("--upload-file")
                .arg("-")
                .stdin(std::fs::File::open(&file).expect("the file"));
        } else {
            curl.arg("--header")
                .arg("Expect:")
                .arg("--data-binary")
                .arg(format!("@{}", file.display()));
            curl.stdin(Stdio::null());
        }
        let url = format!("https://localhost:{}/", gate.https().port());
        let output = tokio::task::spawn_blocking(move || curl.arg(url).output()).await;
        let output = output.expect("a thread").expect("curl");
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert_eq!(out, "413 2", "chunked: {chunked}; {err}");
    }
}

#[tokio::test]
async fn a_visitor_who_resets_in_the_middle_ends_the_apps_work_and_is_logged() {
    let (gone, mut left) = tokio::sync::mpsc::unbounded_channel();
    let app = App::serving(move |_: Request<Incoming>| {
        let gone = gone.clone();
        async move {
            let (feed, body) = fed();
            tokio::spawn(async move {
                feed.data("some").await;
                feed.closed().await;
                let _ = gone.send(());
            });
            Response::new(body)
        }
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let mut frames = Frames::open(&gate).await;
    frames.request(1, END_STREAM, &refs(&get(&gate, "/"))).await;
    while let Some(frame) = frames.next().await {
        if frame.kind == DATA {
            break;
        }
    }
    frames.send(RST_STREAM, 0, 1, &CANCEL.to_be_bytes()).await;

    let left = tokio::time::timeout(crate::support::DEADLINE, left.recv()).await;
    left.expect("the app hears of it in time").expect("it does");
    let line = &gate.access_log(1).await[0];
    assert_eq!(line["status"], 200, "{line}");
    assert_eq!(line["bytes"], 4, "{line}");
}

#[tokio::test]
async fn an_upload_that_is_reset_reaches_no_app_as_a_whole() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    for reason in [NO_ERROR, CANCEL] {
        let mut frames = Frames::open(&gate).await;
        let mut fields = post(&gate, "");
        fields.pop();
        frames.request(1, 0, &refs(&fields)).await;
        frames.send(DATA, 0, 1, b"half").await;
        // So that the app has it before.
        frames.send(PING, 0, 0, &[0; 8]).await;
        while frames.next().await.is_some_and(|frame| frame.kind != PING) {}
        frames.send(RST_STREAM, 0, 1, &reason.to_be_bytes()).await;
        let end = frames.ask(3, &refs(&get(&gate, "/after"))).await;
        assert_eq!(end.status(), 200);
    }
    assert!(app.seen().iter().all(|seen| seen.path() == "/after"));
}

#[tokio::test]
async fn what_is_under_way_when_the_server_stops_is_finished() {
    let app = App::serving(|request: Request<Incoming>| async move {
        if request.uri().path() == "/slow" {
            tokio::time::sleep(Duration::from_millis(600)).await;
        }
        Response::new(full("done"))
    })
    .await;
    let mut gate = Gate::in_front_of(&app).await;
    let mut frames = Frames::open(&gate).await;
    frames
        .request(1, END_STREAM, &refs(&get(&gate, "/slow")))
        .await;
    eventually("the app is asked", async || {
        (app.seen().len() == 1).then_some(())
    })
    .await;

    let stopping = gate.stop();
    let reading = async {
        let (mut reasons, mut body) = (Vec::new(), Vec::new());
        while let Some(frame) = frames.next().await {
            match frame.kind {
                GOAWAY => reasons.push(frame.payload[4..8].to_vec()),
                DATA => body.extend(frame.payload),
                PING if frame.flags & 1 == 0 => {
                    frames.send(PING, 1, 0, &frame.payload).await;
                }
                _ => {}
            }
        }
        (reasons, body)
    };
    let (status, (reasons, body)) = tokio::join!(stopping, reading);
    assert!(status.success());
    assert_eq!(body, b"done");
    assert!(!reasons.is_empty());
    assert!(
        reasons
            .iter()
            .all(|reason| *reason == NO_ERROR.to_be_bytes())
    );
}
