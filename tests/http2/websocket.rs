//! WebSockets over HTTP/2 (RFC 8441), as a browser asks for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::frames::{DATA, END_STREAM, Frames, SETTINGS};
use crate::support::body::{Body, full};
use crate::support::{App, DEADLINE, Gate, Setup, eventually};

pub type Sender = SendRequest<Empty<Bytes>>;

/// One HTTP/2 connection, once the gateway has said what it can do.
pub async fn connect(gate: &Gate) -> Sender {
    let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
    let name = "localhost".try_into().expect("a server name");
    let stream = gate.tls(true).connect(name, stream).await;
    let io = TokioIo::new(stream.expect("a handshake"));
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = handshake.expect("HTTP/2");
    tokio::spawn(connection);
    // The settings have come when the first answer has.
    let answer = sender.send_request(plain(gate, "/first")).await;
    answer
        .expect("an answer")
        .into_body()
        .collect()
        .await
        .expect("a body");
    sender
}

fn authority(gate: &Gate) -> String {
    format!("localhost:{}", gate.https().port())
}

pub fn plain(gate: &Gate, path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("https://{}{path}", authority(gate));
    Request::get(uri).body(Empty::new()).expect("a request")
}

/// What Chrome and Firefox send.
pub fn open(gate: &Gate, protocol: &'static str, fields: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://{}/ws?room=1", authority(gate)))
        .extension(Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat, other")
        .header("pragma", "no-cache")
        .header("cache-control", "no-cache");
    let has_origin = fields.iter().any(|(name, _)| *name == "origin");
    if !has_origin {
        request = request.header("origin", gate.origin());
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).expect("a request")
}

fn accept_of(request: &Request<Incoming>) -> String {
    let key = request.headers()["sec-websocket-key"].as_bytes();
    let proof = [key, b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
    data_encoding::BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof).as_ref())
}

fn switched(accept: &str) -> Response<Body> {
    Response::builder()
        .status(101)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", accept)
        .header("sec-websocket-protocol", "chat")
        .body(full(""))
        .expect("an answer")
}

/// Gives back bytes on `/ws` until the visitor goes, and notes that it went; keeps a cookie elsewhere.
async fn echo_app() -> (App, Arc<AtomicUsize>) {
    let gone = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&gone);
    let app = App::serving(move |mut request: Request<Incoming>| {
        let gone = Arc::clone(&count);
        async move {
            if !request.headers().contains_key("upgrade") {
                let answer = Response::builder().header("set-cookie", "app=1; Path=/");
                return answer.body(full("ok")).expect("an answer");
            }
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.expect("an upgrade"));
                let mut bytes = vec![0; 64 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut bytes).await {
                    if bytes[..count] == b"bye"[..]
                        || stream.write_all(&bytes[..count]).await.is_err()
                    {
                        break;
                    }
                }
                drop(stream);
                gone.fetch_add(1, Ordering::SeqCst);
            });
            switched(&accept_of(&request))
        }
    })
    .await;
    (app, gone)
}

pub async fn upgraded(answer: Response<Incoming>) -> TokioIo<Upgraded> {
    let upgraded = tokio::time::timeout(DEADLINE, hyper::upgrade::on(answer)).await;
    TokioIo::new(upgraded.expect("in time").expect("a tunnel"))
}

pub async fn echoes(stream: &mut TokioIo<Upgraded>, bytes: &[u8]) {
    let (mut read, mut write) = tokio::io::split(stream);
    let mut back = vec![0; bytes.len()];
    let both = async {
        let reading = read.read_exact(&mut back);
        let (written, read) = tokio::join!(write.write_all(bytes), reading);
        written.expect("written");
        read.expect("read");
    };
    tokio::time::timeout(DEADLINE, both).await.expect("an echo");
    assert!(back == bytes, "{} bytes came back changed", bytes.len());
}

/// A ticket whose session holds a cookie of the app, which nobody else may act with.
async fn ticket(gate: &Gate) -> String {
    let browser = gate.browser().http2();
    browser.get("/login").send().await;
    browser.ticket_line()
}

#[tokio::test]
async fn the_settings_offer_websockets() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let mut frames = Frames::open(&gate).await;

    let settings = frames.next().await.expect("a frame");

    assert_eq!(settings.kind, SETTINGS);
    let mut offered = settings.payload.chunks(6);
    assert!(
        offered.any(|setting| setting == [0, 8, 0, 0, 0, 1]),
        "{settings:?}"
    );
}

#[tokio::test]
async fn a_websocket_over_http2_is_an_upgrade_to_the_app() {
    let (app, gone) = echo_app().await;
    let gate = Gate::in_front_of(&app).await;
    let cookie = format!("{}; planted=1", ticket(&gate).await);
    let mut sender = connect(&gate).await;

    let fields = [
        ("cookie", cookie.as_str()),
        ("x_session_user", "forged"),
        ("sec-websocket-key", "forged"),
        ("sec-websocket-accept", "forged"),
    ];
    let answer = sender.send_request(open(&gate, "websocket", &fields)).await;
    let answer = answer.expect("an answer");

    assert_eq!(answer.status(), 200);
    let fields = answer.headers().clone();
    assert_eq!(fields["sec-websocket-protocol"], "chat");
    for name in [
        "sec-websocket-accept",
        "upgrade",
        "connection",
        "content-length",
    ] {
        assert!(!fields.contains_key(name), "{name}: {fields:?}");
    }
    assert!(fields.contains_key("strict-transport-security"));
    let mut stream = upgraded(answer).await;
    for bytes in [&b"\x81\x05hello"[..], &[0xff; 300_000], b"\x88\x00"] {
        echoes(&mut stream, bytes).await;
    }

    let seen = app.last();
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("GET", "/ws?room=1")
    );
    for (name, value) in [
        ("host", authority(&gate).as_str()),
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat, other"),
        ("via", "2.0 cloakroom"),
        ("cookie", "app=1"),
    ] {
        assert_eq!(seen.header(name).as_deref(), Some(value), "{name}");
    }
    assert!(seen.header("x-session-id").is_some());
    assert!(!format!("{seen:?}").contains("forged"), "{seen:?}");

    // The connection carries other requests meanwhile, and the tunnel ends when the visitor ends it.
    let beside = sender.send_request(plain(&gate, "/beside")).await;
    assert_eq!(beside.expect("an answer").status(), 200);
    assert_eq!(gone.load(Ordering::SeqCst), 0);
    drop(stream);
    eventually("the app sees the visitor go", async || {
        (gone.load(Ordering::SeqCst) == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_app_that_ends_its_websocket_ends_the_visitors() {
    let (app, _) = echo_app().await;
    let gate = Gate::in_front_of(&app).await;
    let mut sender = connect(&gate).await;
    let answer = sender.send_request(open(&gate, "websocket", &[])).await;
    let mut stream = upgraded(answer.expect("an answer")).await;

    stream.write_all(b"bye").await.expect("written");

    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    ended.expect("the end in time").expect("an end");
    assert!(rest.is_empty());
}

#[tokio::test]
async fn another_site_opens_no_websocket_with_a_session() {
    let (app, _) = echo_app().await;
    let gate = Gate::in_front_of(&app).await;
    let cookie = ticket(&gate).await;
    let mut sender = connect(&gate).await;
    let before = app.seen().len();

    for fields in [
        &[("origin", "https://evil.test"), ("cookie", &*cookie)][..],
        &[("origin", "null"), ("cookie", &cookie)],
        &[("sec-fetch-site", "cross-site"), ("cookie", &cookie)],
    ] {
        let answer = sender.send_request(open(&gate, "websocket", fields)).await;
        assert_eq!(answer.expect("an answer").status(), 403, "{fields:?}");
    }
    assert_eq!(app.seen().len(), before);

    let fields = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let answer = sender.send_request(open(&gate, "websocket", &fields)).await;
    assert_eq!(answer.expect("an answer").status(), 200);
}

#[tokio::test]
async fn nothing_but_a_websocket_is_tunnelled() {
    let (app, _) = echo_app().await;
    let gate = Gate::in_front_of(&app).await;
    let mut sender = connect(&gate).await;
    let before = app.seen().len();

    for protocol in ["connect-udp", "webtransport", "websocket, x", ""] {
        let answer = sender.send_request(open(&gate, protocol, &[])).await;
        let status = answer.map(|answer| answer.status().as_u16());
        assert!(matches!(status, Ok(501)), "{protocol:?}: {status:?}");
    }
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri(authority(&gate));
    let connect = connect.body(Empty::new()).expect("a request");
    let answer = sender.send_request(connect).await.expect("an answer");
    assert_eq!(answer.status(), 405);
    assert_eq!(app.seen().len(), before);
}

#[tokio::test]
async fn an_app_that_does_not_open_the_websocket_opens_none() {
    let app = App::serving(|request: Request<Incoming>| async move {
        match request
            .headers()
            .get("x-answer")
            .map(|value| value.as_bytes())
        {
            Some(b"wrong") => switched("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            Some(b"twice") => {
                let mut answer = switched(&accept_of(&request));
                let accept = answer.headers()["sec-websocket-accept"].clone();
                answer.headers_mut().append("sec-websocket-accept", accept);
                answer
            }
            Some(b"busy") => {
                let answer = Response::builder().status(429);
                answer.body(full("later")).expect("an answer")
            }
            _ => Response::new(full("a page")),
        }
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let mut sender = connect(&gate).await;

    for (how, status, text) in [
        ("wrong", 502, "did not open a WebSocket"),
        ("twice", 502, "did not open a WebSocket"),
        ("page", 502, "did not open a WebSocket"),
        ("busy", 429, "later"),
    ] {
        let answer = sender
            .send_request(open(&gate, "websocket", &[("x-answer", how)]))
            .await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), status, "{how}");
        let body = answer
            .into_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(body.contains(text), "{how}: {body}");
    }
}

#[tokio::test]
async fn an_open_websocket_is_not_an_idle_connection() {
    let (app, _) = echo_app().await;
    let setup = Setup {
        server: "[server.limits]\nkeepalive_timeout = \"1s\"\nwrite_timeout = \"1s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let mut sender = connect(&gate).await;
    let answer = sender.send_request(open(&gate, "websocket", &[])).await;
    let mut stream = upgraded(answer.expect("an answer")).await;

    // Longer than an idle connection is kept, and than its end may take.
    tokio::time::sleep(Duration::from_secs(4)).await;

    echoes(&mut stream, b"still here").await;
}

/// A reader that takes nothing must hold the app back: the gateway keeps only what is under way.
#[tokio::test]
async fn an_app_writes_no_faster_than_the_visitor_reads() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&written);
    let app = App::serving(move |mut request: Request<Incoming>| {
        let written = Arc::clone(&count);
        async move {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.expect("an upgrade"));
                while let Ok(count) = stream.write(&[0; 16 * 1024]).await {
                    written.fetch_add(count, Ordering::SeqCst);
                }
            });
            switched(&accept_of(&request))
        }
    })
    .await;
    let gate = Gate::in_front_of(&app).await;
    let mut frames = Frames::open(&gate).await;
    let authority = authority(&gate);
    let origin = gate.origin();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":path", "/ws"),
        (":authority", &authority),
        ("origin", &origin),
        ("sec-websocket-version", "13"),
    ];
    frames.request(1, 0, &fields).await;

    // The whole window of the stream comes, and then nothing more.
    let mut came = 0;
    while came < 65_535 {
        let frame = frames.next().await.expect("a frame");
        if frame.kind == DATA {
            assert_eq!(frame.flags & END_STREAM, 0);
            came += frame.payload.len();
        }
    }
    // What the app could write since is in the buffers of two sockets, whose size the system chooses.
    let settled = eventually("the app has to wait", async || {
        let before = written.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
        (written.load(Ordering::SeqCst) == before).then_some(before)
    })
    .await;
    assert!(settled < 32 * 1024 * 1024, "{settled} bytes");
}
