//! The graceful end.

use std::sync::Arc;

use http_body_util::BodyExt;
use tokio::sync::Notify;

use super::rig::{Kept, gate};
use super::support::body::{Body, fed, full};
use super::support::{App, eventually};

/// Promise: what is under way when the end begins is answered whole: on HTTP/1.1, on HTTP/2, and an upload that is still
/// coming. Readiness goes at once, nobody new is let in, and the process ends well as soon as all is done.
#[tokio::test]
async fn what_is_under_way_at_the_end_is_answered() {
    let go_on = Arc::new(Notify::new());
    let wait = Arc::clone(&go_on);
    let app = App::serving(move |request| {
        let wait = Arc::clone(&wait);
        async move {
            if request.uri().path() == "/slow" {
                wait.notified().await;
            }
            let body = request.into_body().collect().await.unwrap().to_bytes();
            http::Response::new(full(format!("{} bytes", body.len())))
        }
    })
    .await;
    let mut gate = gate(&app, "").await;
    let mut under_way = Vec::new();
    let h2 = Kept::h2(&gate).await;
    for at in 0..8 {
        let mut connection = match at % 2 {
            0 => Kept::h1(&gate).await,
            _ => h2.share(),
        };
        under_way.push(tokio::spawn(async move {
            connection.get("/slow").await.unwrap()
        }));
    }
    let (feed, body) = fed();
    let mut uploading = Kept::h1(&gate).await;
    under_way.push(tokio::spawn(async move {
        uploading.send("POST", "/upload", body).await.unwrap()
    }));
    feed.data("first").await;
    eventually("all of them are with the app", async || {
        (app.seen().len() == 9).then_some(())
    })
    .await;

    gate.signal("TERM");
    eventually("readiness goes", async || {
        let ready = gate.admin("/readyz").await;
        (ready.starts_with("HTTP/1.1 503 ") && ready.contains("draining")).then_some(())
    })
    .await;
    eventually("nobody new is let in", async || {
        tokio::net::TcpStream::connect(gate.https()).await.err()
    })
    .await;
    feed.data("second").await;
    drop(feed);
    go_on.notify_waiters();

    let mut h1_closed = 0;
    for request in under_way {
        let answer = request.await.expect("an answer");
        assert_eq!(answer.status(), 200);
        h1_closed += usize::from(
            answer
                .headers()
                .get("connection")
                .is_some_and(|is| is == "close"),
        );
        assert!(["0 bytes", "11 bytes"].contains(&answer.body().as_str()));
    }
    assert_eq!(
        h1_closed, 5,
        "every answer of HTTP/1.1 says that it was the last"
    );
    assert!(gate.ended().await.success(), "it ends well");
}

/// Promise: what the end cuts off is not told as if its visitor had gone.
#[tokio::test]
async fn what_the_end_cuts_off_is_logged_as_that() {
    let app = App::serving(|_| std::future::pending::<http::Response<Body>>()).await;
    let mut gate = gate(&app, "").await;
    let (mut h1, mut h2) = (Kept::h1(&gate).await, Kept::h2(&gate).await);
    let under_way = [
        tokio::spawn(async move { h1.get("/h1").await.is_err() }),
        tokio::spawn(async move { h2.get("/h2").await.is_err() }),
    ];
    eventually("both are with the app", async || {
        (app.seen().len() == 2).then_some(())
    })
    .await;

    gate.signal("TERM");
    eventually("the drain begins", async || {
        gate.printed().contains("draining").then_some(())
    })
    .await;
    gate.signal("TERM");

    gate.ended().await;
    let lines = gate.access_log(2).await;
    for line in lines {
        assert_eq!(line["refusal"], "drain", "{line}");
    }
    for request in under_way {
        assert!(request.await.unwrap(), "it was answered");
    }
}
