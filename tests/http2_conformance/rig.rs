//! A case: what is sent, and what the RFC asks for.

use http::Request;
use hyper::body::Incoming;

use crate::frames::{
    ACK, CANCEL, END_HEADERS, END_STREAM, End, Frame, Frames, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame,
};
use crate::support::body::full;
use crate::support::{App, Gate};

pub const PUSH_PROMISE: u8 = 5;
pub const PADDED: u8 = 8;
pub const PRIORITISED: u8 = 0x20;

// Errors (7).
pub const PROTOCOL: u32 = 1;
pub const FLOW_CONTROL: u32 = 3;
pub const STREAM_CLOSED: u32 = 5;
pub const FRAME_SIZE: u32 = 6;
pub const COMPRESSION: u32 = 9;

/// What the RFC asks for.
#[derive(Clone, Copy, Debug)]
pub enum Asks {
    /// The connection ends, with this code if it says why.
    Gone(u32),
    /// Stream 1 ends with this code; the whole connection may (5.4.1).
    Reset(u32),
    /// Everything goes on.
    Nothing,
}

pub use Asks::{Gone, Nothing, Reset};

/// The number of the rule with its text, what is sent, and what becomes of it.
pub type Case = (&'static str, Vec<u8>, Asks);

/// A gateway whose app never answers on `/hang`.
pub async fn gate() -> (App, Gate) {
    let app = App::serving(|request: Request<Incoming>| async move {
        if request.uri().path() == "/hang" {
            std::future::pending::<()>().await;
        }
        http::Response::new(full("ok"))
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    (app, gate)
}

pub fn fields(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

/// A request on `stream` that is whole and gets no answer: the stream is half closed.
pub fn hang(stream: u32) -> Vec<u8> {
    let head = fields("GET", "/hang");
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)
}

/// The head of an upload on stream 1, which stays open.
pub fn open() -> Vec<u8> {
    frame(HEADERS, END_HEADERS, 1, &fields("POST", "/hang"))
}

pub fn after(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    [one, other].concat()
}

pub fn setting(id: u16, value: u32) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

pub fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
}

pub fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

/// Sends each case on a connection of its own, which `begin` has brought where it is to be.
pub async fn all_hold(gate: &Gate, begin: impl AsyncFn(&mut Frames), cases: Vec<Case>) {
    let mut broken = Vec::new();
    for (rule, bytes, asks) in cases {
        let mut frames = Frames::open(gate).await;
        begin(&mut frames).await;
        frames.bytes(&bytes).await;
        if let Err(what) = holds(&mut frames, asks).await {
            broken.push(format!("{rule}: {what}, not {asks:?}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    let answer = gate.browser().http2().get("/").send().await;
    assert_eq!(answer.status(), 200, "others are served");
}

pub async fn nothing(_: &mut Frames) {}

/// Whether what was sent comes to what the RFC asks for, which is known at the latest when a PING comes back.
async fn holds(frames: &mut Frames, asks: Asks) -> Result<(), String> {
    const MARK: &[u8] = b"reached?";
    frames.send(PING, 0, 0, MARK).await;
    while let Some(came) = frames.next().await {
        let is_mark = came.kind == PING && came.payload == MARK;
        match (came.kind, asks) {
            (SETTINGS, _) if came.flags & ACK == 0 => {
                frames.send(SETTINGS, ACK, 0, &[]).await;
            }
            (GOAWAY, _) if code(&came, 4) == 0 => {}
            (GOAWAY, Gone(asked) | Reset(asked)) if says(asked, code(&came, 4)) => {
                // It closes.
                while frames.next().await.is_some() {}
                return Ok(());
            }
            (RST_STREAM, Reset(asked)) if came.stream == 1 && says(asked, code(&came, 0)) => {
                return goes_on(frames, Some(asked)).await;
            }
            (RST_STREAM, Nothing) if came.stream != 1 => {}
            (GOAWAY, _) => return Err(format!("GOAWAY {}", code(&came, 4))),
            (RST_STREAM, _) => return Err(format!("RST_STREAM {}", code(&came, 0))),
            (PING, Gone(_)) if is_mark => return Err("it goes on".to_owned()),
            (PING, Nothing) if is_mark => return goes_on(frames, None).await,
            _ => {}
        }
    }
    // Without a word.
    match asks {
        Gone(_) | Reset(_) => Ok(()),
        Nothing => Err("it ended".to_owned()),
    }
}

/// Whether it is this error, or the one that says nothing in particular, which may stand for each (7): the h2
/// crate has few others. What ends is the same.
fn says(asked: u32, code: u32) -> bool {
    code == asked || code == PROTOCOL
}

fn code(frame: &Frame, at: usize) -> u32 {
    let bytes = frame.payload[at..].first_chunk().expect("a code");
    u32::from_be_bytes(*bytes)
}

/// The next request is answered; or what ended the stream ends the connection after all.
async fn goes_on(frames: &mut Frames, allowed: Option<u32>) -> Result<(), String> {
    let head = fields("GET", "/");
    frames
        .send(HEADERS, END_HEADERS | END_STREAM, 1001, &head)
        .await;
    match frames.end(1001).await {
        end if end.status() == 200 => Ok(()),
        End::GoneAway(code) if allowed.is_some_and(|asked| says(asked, code)) => Ok(()),
        end => Err(format!("{end:?}")),
    }
}
