//! Streams that go both ways, as gRPC has them: the app's answer comes before the request has ended, or has begun.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::early::h2;
use crate::support::body::{Body, fed, full};
use crate::support::{App, DEADLINE, Gate, Raw, Setup, eventually};

/// Answers at once, then says what it hears.
fn echo(request: Request<Incoming>) -> Response<Body> {
    let (feed, body) = fed();
    tokio::spawn(async move {
        let mut heard = request.into_body();
        while let Some(Ok(frame)) = heard.frame().await {
            if let Ok(data) = frame.into_data() {
                feed.data(data).await;
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
        feed.trailers(trailers).await;
    });
    let answer = Response::builder().header("content-type", "application/grpc");
    answer.body(body).expect("an answer")
}

/// The same over HTTP/2 without TLS.
async fn echo_h2c() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request| async move {
                Ok::<_, std::convert::Infallible>(echo(request))
            });
            let executor = hyper_util::rt::TokioExecutor::new();
            let builder = hyper_util::server::conn::auto::Builder::new(executor);
            tokio::spawn(async move {
                let stream = hyper_util::rt::TokioIo::new(stream);
                let _ = builder.http2_only().serve_connection(stream, service).await;
            });
        }
    });
    addr
}

/// Opens a stream and sends nothing on it; the answer's head.
async fn open(
    sender: &mut SendRequest<Bytes>,
    kind: &str,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let request = Request::post("https://localhost/talk")
        .header("te", "trailers")
        .header("content-type", kind);
    let request = request.body(()).expect("a POST");
    let (answer, stream) = sender.send_request(request, false).expect("a stream");
    let answer = tokio::time::timeout(DEADLINE, answer).await;
    (answer.expect("a head in time").expect("an answer"), stream)
}

async fn hear(body: &mut RecvStream) -> Bytes {
    let data = tokio::time::timeout(DEADLINE, body.data()).await;
    let data = data.expect("something in time").expect("more");
    let data = data.expect("bytes");
    let _ = body.flow_control().release_capacity(data.len());
    data
}

/// Limits that are short of what a stream takes.
const SHORT: Setup<'static> = Setup {
    server: "[server.limits]\nbody_timeout = \"1s\"\nbody_min_rate = \"1KiB\"",
    session: "",
    store: "",
    keys: "",
    site: "[site.upstream_options]\nbody_timeout = \"1s\"\nresponse_timeout = \"1s\"",
};

/// Promise: a visitor who waits for the answer before sending anything gets it, and both may be silent for longer than a
/// body or a response may.
async fn a_stream_goes_both_ways(gate: &Gate, has_trailers: bool) {
    let mut sender = h2(gate).await;
    let mut streams = Vec::new();
    for kind in ["application/grpc+proto", "application/octet-stream"] {
        let (answer, stream) = open(&mut sender, kind).await;
        assert_eq!(answer.status(), 200, "{kind}");
        streams.push((kind, answer.into_body(), stream));
    }
    // Longer than any pause may be otherwise, and for longer than a body may drip.
    for word in ["one", "two", "three", "four"] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        for (kind, body, stream) in &mut streams {
            stream.send_data(word.into(), false).expect("room");
            assert_eq!(hear(body).await, word, "{kind}");
        }
    }
    for (kind, mut body, mut stream) in streams {
        stream.send_data(Bytes::new(), true).expect("an end");
        let trailers = tokio::time::timeout(DEADLINE, async {
            // A frame without bytes says nothing.
            while let Some(more) = body.data().await {
                assert_eq!(more.expect("an end"), "", "{kind}");
            }
            body.trailers().await
        });
        let trailers = trailers.await.expect("an end in time").expect("trailers");
        // HTTP/1.1 has them only where they were announced.
        let is_sound = trailers.is_some_and(|fields| fields["grpc-status"] == "0");
        assert_eq!(is_sound, has_trailers, "{kind}");
    }
}

#[tokio::test]
async fn a_stream_goes_both_ways_over_http2() {
    let gate = Gate::before_h2c(echo_h2c().await, SHORT).await;
    a_stream_goes_both_ways(&gate, true).await;
}

#[tokio::test]
async fn a_stream_goes_both_ways_to_an_app_on_http1() {
    let app = App::serving(|request| std::future::ready(echo(request))).await;
    let gate = Gate::before(app.addr(), SHORT).await;
    a_stream_goes_both_ways(&gate, false).await;
}

#[tokio::test]
async fn a_stream_goes_both_ways_over_http1() {
    let app = App::serving(|request| std::future::ready(echo(request))).await;
    let gate = Gate::before(app.addr(), SHORT).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send("POST /talk HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    for word in ["one", "two"] {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let chunk = format!("3\r\n{word}\r\n");
        raw.send(&chunk).await;
        assert_eq!(raw.bytes(chunk.len()).await, chunk.as_bytes());
    }
    raw.send("0\r\n\r\n").await;
    assert_eq!(raw.bytes(3).await, b"0\r\n");
}

/// Promise: what goes both ways ends when neither says anything for `stream_timeout`.
#[tokio::test]
async fn a_silent_stream_ends() {
    let app = App::serving(|request| std::future::ready(echo(request))).await;
    let site = "[site.upstream_options]\nbody_timeout = \"1s\"\nstream_timeout = \"2s\"";
    let gate = Gate::before(app.addr(), Setup { site, ..SHORT }).await;
    let mut sender = h2(&gate).await;
    let (answer, mut stream) = open(&mut sender, "application/grpc").await;
    let mut body = answer.into_body();
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        stream.send_data("word".into(), false).expect("room");
        assert_eq!(hear(&mut body).await, "word");
    }
    let end = tokio::time::timeout(Duration::from_secs(6), body.data()).await;
    assert!(end.expect("an end in time").is_none_or(|end| end.is_err()));
}

/// Promise: streams that have not begun take a quarter of the places at most, and whoever sends finds one; when one of
/// them is answered or ends, the next gets its turn.
#[tokio::test]
async fn bodies_that_do_not_begin_leave_places_to_others() {
    let app = App::serving(|request: Request<Incoming>| async move {
        // It answers nobody who says nothing.
        let heard = request.into_body().frame().await;
        let data = heard.and_then(Result::ok).map(Frame::into_data);
        let data = data.and_then(Result::ok).unwrap_or_default();
        Response::new(full(data))
    })
    .await;
    let site = "[site.upstream_options]\nconnections = 8\nconnect_timeout = \"1s\"";
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let gate = Gate::before(app.addr(), setup).await;
    // One connection is served by one core.
    let mut sender = h2(&gate).await;
    let mut silent = Vec::new();
    for number in 0..32 {
        let request = Request::post(format!("https://localhost/silent{number}"));
        let request = request.body(()).expect("a POST");
        silent.push(sender.send_request(request, false).expect("a stream"));
    }
    eventually("streams that ask early", async || {
        (app.seen().len() == 2).then_some(())
    })
    .await;
    // More would follow now, if they were let.
    tokio::time::sleep(Duration::from_millis(500)).await;

    let browser = gate.browser();
    for _ in 0..8 {
        assert_eq!(browser.get("/").send().await.status(), 200);
        assert_eq!(browser.post("/", "spoken").send().await.status(), 200);
    }
    let asked = |app: &App| {
        let seen = app.seen();
        seen.iter()
            .filter(|seen| seen.path().starts_with("/silent"))
            .count()
    };
    assert_eq!(asked(&app), 2);

    for (answer, mut stream) in silent {
        stream.send_data("word".into(), true).expect("room");
        let answer = tokio::time::timeout(DEADLINE, answer).await;
        assert_eq!(answer.expect("in time").expect("an answer").status(), 200);
    }
    assert_eq!(asked(&app), 32);
}
