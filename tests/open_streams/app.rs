//! An app with a WebSocket that gives back what it is told, and with events.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::body::{Body, fed, full};
use crate::support::{App, Reply};

/// What the app's side of the WebSockets that have ended was sent last.
pub type LastWords = Arc<Mutex<Vec<Vec<u8>>>>;

/// The app.
pub async fn app() -> (App, LastWords) {
    let heard = LastWords::default();
    let ears = Arc::clone(&heard);
    let app = App::serving(move |request| answer(request, Arc::clone(&ears))).await;
    (app, heard)
}

async fn answer(mut request: Request<Incoming>, heard: LastWords) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let reply = match path.as_str() {
        "/login" => Reply::ok("welcome").header("x-session-login", "\"alice\""),
        "/login-bob" => Reply::ok("welcome").header("x-session-login", "\"bob\""),
        "/logout" => Reply::ok("bye").header("x-session-logout", "?1"),
        "/rotate" => Reply::ok("ok").header("x-session-rotate", "?1"),
        "/remember" => Reply::ok("ok").header("x-session-set", "theme=\"dark\""),
        "/events" | "/ticking-events" => return events(path == "/ticking-events"),
        "/ws" | "/stalling-ws" | "/flooding-ws" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let Ok(upgraded) = upgrade.await else { return };
                let stream = TokioIo::new(upgraded);
                match path.as_str() {
                    "/stalling-ws" => stall(stream).await,
                    "/flooding-ws" => flood(stream).await,
                    _ => echo(stream, &heard).await,
                }
            });
            let answer = Response::builder().status(101);
            let answer = answer.header("connection", "upgrade");
            let answer = answer.header("upgrade", "websocket");
            // The answer to the key that the rig always sends.
            let answer = answer.header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
            return answer.body(full("")).unwrap();
        }
        _ => Reply::ok("ok"),
    };
    reply.into_response()
}

fn events(ticking: bool) -> Response<Body> {
    let (feed, body) = fed();
    tokio::spawn(async move {
        feed.data("data: hello\n\n").await;
        if !ticking {
            // Open for longer than any test.
            return tokio::time::sleep(Duration::from_secs(120)).await;
        }
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            feed.data("data: tick\n\n").await;
        }
    });
    let answer = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
    answer.body(body).unwrap()
}

type Stream = TokioIo<Upgraded>;

/// Gives back the messages of the rig, which tell their length in two bytes.
async fn echo(mut stream: Stream, heard: &LastWords) {
    loop {
        let mut head = [0; 2];
        if stream.read_exact(&mut head).await.is_err() {
            return;
        }
        if head[0] & 0x0f == 8 {
            let mut rest = vec![0; usize::from(head[1] & 0x7f) + 4];
            if stream.read_exact(&mut rest).await.is_ok() {
                heard.lock().unwrap().push([&head[..], &rest].concat());
            }
            return;
        }
        let length = stream.read_u16().await.unwrap();
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).await.unwrap();
        let mut text = vec![0; usize::from(length)];
        stream.read_exact(&mut text).await.unwrap();
        for (byte, mask) in text.iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        let mut frame = vec![0x81, 126];
        frame.extend(length.to_be_bytes());
        frame.extend(text);
        stream.write_all(&frame).await.unwrap();
    }
}

/// Begins a frame and never ends it.
async fn stall(mut stream: Stream) {
    stream.write_all(b"\x81\x7e\x10\x00half").await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Sends large frames, one after the other.
async fn flood(mut stream: Stream) {
    let mut frame = vec![0x82, 127];
    frame.extend(100_000_u64.to_be_bytes());
    frame.extend([0x88; 100_000]);
    while stream.write_all(&frame).await.is_ok() {}
}
