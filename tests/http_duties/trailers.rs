//! Trailers pass, and nothing in them that a header must say (RFC 9110 6.5.1).

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;

use crate::support::body::{Body, fed};
use crate::support::{App, Gate, exchange};

/// Names that mean something to whoever merges trailers into headers, and two that do not.
const TRAILERS: [&str; 14] = [
    "content-length",
    "transfer-encoding",
    "host",
    "cookie",
    "set-cookie",
    "authorization",
    "x-session-user",
    "x_session_id",
    "x-forwarded-for",
    "content-type",
    "cache-control",
    "if-match",
    "x-checksum",
    "server-timing",
];

fn trailers() -> HeaderMap {
    let fields =
        TRAILERS.map(|name| (name.parse().expect("a name"), HeaderValue::from_static("1")));
    fields.into_iter().collect()
}

fn names(trailers: &HeaderMap) -> Vec<String> {
    let mut names: Vec<_> = trailers.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_visitors_trailers_pass_if_they_are_trailers() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;

    // hyper's client sends only what it announces, in HTTP/1.1 and after a chunked body.
    let list = TRAILERS.join(", ");
    for (http2, browser) in [(false, gate.browser()), (true, gate.browser().http2())] {
        let mut trailers = trailers();
        if http2 {
            // The client does not send what HTTP/2 does not have.
            trailers.remove("transfer-encoding");
        }
        let (feed, body) = fed();
        let call = browser
            .call(Method::POST, "/")
            .body(body)
            .header("trailer", &list);
        let sending = async {
            feed.data("hello").await;
            feed.trailers(trailers).await;
        };
        let (answer, ()) = tokio::join!(call.send(), sending);
        assert_eq!(answer.status(), 200);
        let seen = app.last();
        assert_eq!(
            names(&seen.trailers),
            ["server-timing", "x-checksum"],
            "{seen:?}"
        );
        assert_eq!(seen.body, "hello");
    }

    // And as bytes, with names that no library would send.
    let answer = exchange(
        &gate,
        "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: x-checksum\r\n\
         Connection: close\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 7\r\nHost: evil\r\nX_Session_User: evil\r\n\
         X-Checksum: 1\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let seen = app.last();
    assert!(!format!("{seen:?}").contains("evil"), "{seen:?}");
    assert_eq!(names(&seen.trailers), ["x-checksum"]);
}

async fn with_trailers(_: Request<Incoming>) -> Response<Body> {
    let (feed, body) = fed();
    tokio::spawn(async move {
        feed.data("hello").await;
        feed.trailers(trailers()).await;
    });
    let answer = Response::builder().header("trailer", TRAILERS.join(", "));
    answer.body(body).expect("an answer")
}

#[tokio::test]
async fn an_apps_trailers_pass_if_they_are_trailers() {
    let app = App::serving(with_trailers).await;
    let gate = Gate::in_front_of(&app).await;
    for browser in [gate.browser(), gate.browser().http2()] {
        let answer = browser.get("/").header("te", "trailers").send().await;
        assert_eq!(
            (answer.status(), &answer.body),
            (200, &Bytes::from("hello"))
        );
        assert_eq!(names(&answer.trailers), ["server-timing", "x-checksum"]);
    }
}

#[tokio::test]
async fn an_app_learns_whether_trailers_are_welcome() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    for browser in [gate.browser(), gate.browser().http2()] {
        browser.get("/").header("te", "trailers").send().await;
        assert_eq!(app.last().header("te").as_deref(), Some("trailers"));
        browser.get("/").send().await;
        assert_eq!(app.last().header("te"), None);
    }
}
