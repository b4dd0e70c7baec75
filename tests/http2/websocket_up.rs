//! WebSockets to an app that speaks HTTP/2 alone (RFC 8441), for visitors of both versions.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{DEADLINE, Gate, Setup, WebSocket, eventually};
use crate::websocket::{connect, echoes, open, plain, upgraded};

/// What an app has seen.
#[derive(Default)]
struct Seen {
    asked: Mutex<Vec<Request<()>>>,
    gone: Mutex<usize>,
}

/// An app that gives back what comes on a WebSocket, if it `takes` any, and refuses the one at `/refused`.
async fn app(takes: bool) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::new(Seen::default());
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, takes, Arc::clone(&log)));
        }
    });
    (address, seen)
}

async fn serve(stream: TcpStream, takes: bool, seen: Arc<Seen>) {
    let mut builder = h2::server::Builder::new();
    if takes {
        builder.enable_connect_protocol();
    }
    let mut connection = builder.handshake::<_, Bytes>(stream).await.expect("HTTP/2");
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, ());
        seen.asked.lock().expect("no panic").push(request.clone());
        tokio::spawn(answer(request, body, respond, Arc::clone(&seen)));
    }
}

async fn answer(
    request: Request<()>,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    seen: Arc<Seen>,
) {
    if request.extensions().get::<Protocol>().is_none() {
        let _ = respond.send_response(Response::new(()), true);
        return;
    }
    if request.uri().path() == "/refused" {
        let refusal = Response::builder().status(403).body(());
        let mut rest = respond
            .send_response(refusal.expect("an answer"), false)
            .expect("room");
        let _ = rest.send_data("not you".into(), true);
        return;
    }
    let opened = Response::builder().header("sec-websocket-protocol", "chat");
    let send = respond.send_response(opened.body(()).expect("an answer"), false);
    echo(body, send.expect("room")).await;
    *seen.gone.lock().expect("no panic") += 1;
}

async fn echo(mut body: RecvStream, mut send: SendStream<Bytes>) {
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        // A close frame is answered, and nothing follows it.
        let is_last = data.starts_with(b"\x88");
        if send.send_data(unmasked(data), is_last).is_err() || is_last {
            return;
        }
    }
    let _ = send.send_data(Bytes::new(), true);
}

/// A text of the rig's visitors as a server sends it (RFC 6455 5.3).
fn unmasked(frame: Bytes) -> Bytes {
    let [0x81, 0xfe, high, low, a, b, c, d, text @ ..] = &frame[..] else {
        return frame;
    };
    let masks = [a, b, c, d].into_iter().cycle();
    let text = text.iter().zip(masks).map(|(byte, mask)| byte ^ mask);
    let head = [0x81, 0x7e, *high, *low];
    head.into_iter().chain(text).collect()
}

#[tokio::test]
async fn an_app_on_http2_is_asked_by_extended_connect() {
    let (address, seen) = app(true).await;
    let gate = Gate::before_h2c(address, Setup::default()).await;

    let browser = gate.browser();
    let mut socket = WebSocket::open(&gate, &browser, "/ws?room=1")
        .await
        .expect("a WebSocket");
    socket.send("over HTTP/1.1").await;
    assert_eq!(socket.receive().await.expect("an echo"), "over HTTP/1.1");

    let mut sender = connect(&gate).await;
    let fields = [
        ("x_session_user", "forged"),
        ("sec-websocket-key", "forged"),
    ];
    let answer = sender.send_request(open(&gate, "websocket", &fields)).await;
    let answer = answer.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    assert!(!answer.headers().contains_key("sec-websocket-accept"));
    let mut stream = upgraded(answer).await;
    for bytes in [&b"\x81\x05hello"[..], &[0xff; 300_000]] {
        echoes(&mut stream, bytes).await;
    }

    {
        let asked = seen.asked.lock().expect("no panic");
        let mut sockets = asked
            .iter()
            .filter(|request| request.method() == Method::CONNECT);
        for _ in 0..2 {
            let request = sockets.next().expect("a WebSocket");
            let protocol = request.extensions().get::<Protocol>().expect("a protocol");
            assert_eq!(protocol.as_str(), "websocket");
            assert_eq!(
                request.uri().path_and_query().expect("a path"),
                "/ws?room=1"
            );
            let headers = request.headers();
            assert_eq!(headers["sec-websocket-version"], "13");
            assert!(headers.contains_key("x-session-id"));
            for name in ["sec-websocket-key", "upgrade", "connection"] {
                assert!(!headers.contains_key(name), "{name}");
            }
            assert!(!format!("{request:?}").contains("forged"));
        }
    }

    // Each ends when its visitor goes; the app's connection carries other requests meanwhile and afterwards.
    let beside = sender.send_request(plain(&gate, "/beside")).await;
    assert_eq!(beside.expect("an answer").status(), 200);
    drop((stream, socket));
    eventually("the app sees both go", async || {
        (*seen.gone.lock().expect("no panic") == 2).then_some(())
    })
    .await;
    assert_eq!(browser.get("/after").send().await.status(), 200);
}

#[tokio::test]
async fn a_websocket_that_such_an_app_ends_ends_for_the_visitor() {
    let (address, _) = app(true).await;
    let gate = Gate::before_h2c(address, Setup::default()).await;
    let mut sender = connect(&gate).await;
    let answer = sender.send_request(open(&gate, "websocket", &[])).await;
    let mut stream = upgraded(answer.expect("an answer")).await;

    echoes(&mut stream, b"\x88\x00").await;

    let mut rest = Vec::new();
    let ended = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
    ended.expect("the end in time").expect("an end");
}

#[tokio::test]
async fn such_an_app_may_refuse() {
    let (address, _) = app(true).await;
    let gate = Gate::before_h2c(address, Setup::default()).await;
    let mut sender = connect(&gate).await;
    let mut request = open(&gate, "websocket", &[]);
    *request.uri_mut() = plain(&gate, "/refused").uri().clone();
    let answer = sender.send_request(request).await.expect("an answer");
    assert_eq!(answer.status(), 403);
    let body = answer.into_body().collect().await.expect("a body");
    assert_eq!(body.to_bytes(), "not you");
}

#[tokio::test]
async fn an_app_on_http2_that_knows_no_websockets_gets_none() {
    let (address, seen) = app(false).await;
    let gate = Gate::before_h2c(address, Setup::default()).await;
    let mut sender = connect(&gate).await;

    let answer = sender.send_request(open(&gate, "websocket", &[])).await;

    assert_eq!(answer.expect("an answer").status(), 502);
    gate.says("SETTINGS_ENABLE_CONNECT_PROTOCOL").await;
    let asked = seen.asked.lock().expect("no panic");
    assert!(asked.iter().all(|request| request.method() == Method::GET));
}
