//! Server-sent events: each one is there when the app has sent it, not when a buffer is full.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::{Mutex, mpsc};

use crate::support::body::fed;
use crate::support::{App, DEADLINE, Gate, eventually};

async fn next(body: &mut Incoming) -> Bytes {
    let frame = tokio::time::timeout(DEADLINE, body.frame()).await;
    let frame = frame
        .expect("an event in time")
        .expect("more events")
        .expect("a frame");
    frame.into_data().expect("bytes")
}

#[tokio::test]
async fn each_event_comes_when_it_is_sent() {
    let (say, said) = mpsc::channel::<Bytes>(1);
    let said = Arc::new(Mutex::new(said));
    let open = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&open);
    let app = App::serving(move |_: Request<Incoming>| {
        let (feed, body) = fed();
        let (said, open) = (Arc::clone(&said), Arc::clone(&count));
        tokio::spawn(async move {
            open.fetch_add(1, Ordering::SeqCst);
            let mut said = said.lock().await;
            while let Some(event) = said.recv().await {
                if event.is_empty() {
                    break;
                }
                feed.data(event).await;
            }
        });
        let answer = Response::builder().header("content-type", "text/event-stream");
        std::future::ready(answer.body(body).expect("an answer"))
    })
    .await;
    let gate = Gate::in_front_of(&app).await;

    for browser in [gate.browser(), gate.browser().http2()] {
        // The head is there before any event is.
        let answer = tokio::time::timeout(DEADLINE, browser.get("/events").stream()).await;
        let answer = answer.expect("a head in time");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let mut body = answer.into_body();
        for number in 0..5 {
            let event = Bytes::from(format!("data: {number}\n\n"));
            say.send(event.clone()).await.expect("the app listens");
            // The next one is only sent once this one is here, so nothing can wait for more.
            assert_eq!(next(&mut body).await, event);
        }
        say.send(Bytes::new()).await.expect("the app listens");
        let ended = tokio::time::timeout(DEADLINE, body.collect()).await;
        assert!(ended.expect("the end in time").is_ok());
    }
    assert_eq!(open.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_visitor_who_leaves_ends_the_stream_at_the_app() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    let app = App::serving(move |_: Request<Incoming>| {
        let (sender, mut frames) = mpsc::channel::<()>(1);
        let ended = Arc::clone(&count);
        tokio::spawn(async move {
            // Nothing is ever sent; it ends when the body is dropped.
            frames.recv().await;
            ended.fetch_add(1, Ordering::SeqCst);
        });
        let body = futureless(sender);
        std::future::ready(Response::new(body))
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    for (number, browser) in [gate.browser(), gate.browser().http2()]
        .into_iter()
        .enumerate()
    {
        let answer = browser.get("/events").stream().await;
        assert_eq!(ended.load(Ordering::SeqCst), number);
        drop(answer);
        eventually("the app's stream ends", async || {
            tokio::time::sleep(Duration::from_millis(10)).await;
            (ended.load(Ordering::SeqCst) == number + 1).then_some(())
        })
        .await;
    }
}

/// A body that never says anything and holds `sender` for as long as it lives.
fn futureless(sender: mpsc::Sender<()>) -> crate::support::body::Body {
    struct Silent {
        _sender: mpsc::Sender<()>,
    }
    impl http_body::Body for Silent {
        type Data = Bytes;
        type Error = crate::support::body::BoxError;
        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }
    Silent { _sender: sender }.boxed_unsync()
}
