//! Peers that are slow, or do nothing: cut off in bounded time while others are served (SECURITY 2.5).

use std::time::Duration;

use crate::frames::{CONTINUATION, DATA, Frames, GOAWAY, HEADERS, block, get};
use crate::support::{App, Gate, Setup};

const LIMITS: &str = "[server.limits]\nheader_timeout = \"1s\"\nkeepalive_timeout = \"1s\"\n\
                      write_timeout = \"1s\"\nbody_timeout = \"1s\"";

/// In all of these, a second and one more to close; a busy machine may take a while longer.
const PATIENCE: Duration = Duration::from_secs(10);

async fn gate(app: &App) -> Gate {
    let setup = Setup {
        server: LIMITS,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

async fn closes(what: &str, frames: &mut Frames) {
    let closing = tokio::time::timeout(PATIENCE, frames.closing()).await;
    assert!(closing.is_ok(), "{what}: the connection stays open");
}

async fn others_are_served(gate: &Gate) {
    let browser = gate.browser();
    let answer = tokio::time::timeout(Duration::from_secs(5), browser.get("/").send()).await;
    assert_eq!(answer.expect("an answer in time").status(), 200);
}

fn refs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

#[tokio::test]
async fn who_asks_nothing_is_let_go() {
    let app = App::plain().await;
    let gate = gate(&app).await;

    let mut silent = Frames::open(&gate).await;
    closes("never asked", &mut silent).await;

    let mut idle = Frames::open(&gate).await;
    assert_eq!(idle.ask(1, &refs(&get(&gate, "/"))).await.status(), 200);
    let mut told = false;
    let ending = async {
        while let Some(frame) = idle.next().await {
            told |= frame.kind == GOAWAY;
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ending).await;
    assert!(ended.is_ok(), "an idle connection stays open");
    assert!(told, "a connection that ends is said to end");
    others_are_served(&gate).await;
}

#[tokio::test]
async fn a_head_that_drips_ends_the_connection_though_others_of_it_go_on() {
    let app = App::serving(|request: http::Request<hyper::body::Incoming>| async move {
        if request.uri().path() == "/hang" {
            std::future::pending::<()>().await;
        }
        http::Response::new(crate::support::body::full("ok"))
    })
    .await;
    let gate = gate(&app).await;
    let fields = get(&gate, "/hang");
    let head = block(&refs(&fields));
    for (what, busy) in [("the first", false), ("beside another", true)] {
        let mut frames = Frames::open(&gate).await;
        let mut stream = 1;
        if busy {
            frames.request(1, 1, &refs(&fields)).await;
            stream = 3;
        }
        frames.send(HEADERS, 1, stream, &head).await;
        let (mut write, mut read) = frames.halves();
        let dripping = tokio::spawn(async move {
            use tokio::io::AsyncWriteExt;
            let drip = crate::frames::frame(CONTINUATION, 0, stream, &block(&[("x", "y")]));
            while write.write_all(&drip).await.is_ok() && write.flush().await.is_ok() {
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
        });
        let closing = tokio::time::timeout(PATIENCE, read.closing()).await;
        assert!(closing.is_ok(), "{what}: the connection stays open");
        dripping.abort();
        others_are_served(&gate).await;
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up() {
    let app = App::plain().await;
    let gate = gate(&app).await;
    let mut fields = get(&gate, "/upload");
    fields[0].1 = "POST".to_owned();
    fields.push(("content-length".to_owned(), "10".to_owned()));
    let mut frames = Frames::open(&gate).await;
    frames.request(1, 0, &refs(&fields)).await;
    frames.send(DATA, 0, 1, b"hello").await;

    let end = tokio::time::timeout(PATIENCE, frames.end(1)).await;

    let end = end.expect("an end in time");
    assert!(end.is_error() || end.status() == 408, "{end:?}");
    assert!(app.seen().is_empty());
    others_are_served(&gate).await;
}
