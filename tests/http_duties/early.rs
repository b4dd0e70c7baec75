//! `103 Early Hints` (RFC 8297): what an app says before its answer reaches the visitor before the answer, and is a hint
//! and nothing else.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{DEADLINE, Gate, Raw, Setup};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An app that answers each request with `first`, and `then` once it may.
async fn app(first: String, then: String, may: Arc<Notify>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (first, then, may) = (first.clone(), then.clone(), Arc::clone(&may));
            tokio::spawn(serve(stream, first, then, may));
        }
    });
    addr
}

async fn serve(mut stream: TcpStream, first: String, then: String, may: Arc<Notify>) {
    let mut head = Vec::new();
    while let Ok(byte) = stream.read_u8().await {
        head.push(byte);
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        head.clear();
        let _ = stream.write_all(first.as_bytes()).await;
        if !then.is_empty() {
            may.notified().await;
            let _ = stream.write_all(then.as_bytes()).await;
        }
    }
}

/// A gateway before an app that says all of `answer` at once.
async fn gate_before(answer: impl Into<String>) -> Gate {
    let app = app(answer.into(), String::new(), Arc::default()).await;
    Gate::before(app, Setup::default()).await
}

/// What came on one stream of HTTP/2: the hints, and the answer, in this order.
struct Heard {
    hints: Vec<Response<()>>,
    answer: Response<Bytes>,
}

pub async fn h2(gate: &Gate) -> h2::client::SendRequest<Bytes> {
    let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
    let name = "localhost".try_into().expect("a server name");
    let stream = gate.tls(true).connect(name, stream).await;
    let (sender, connection) = h2::client::handshake(stream.expect("a handshake"))
        .await
        .expect("HTTP/2");
    tokio::spawn(connection);
    sender.ready().await.expect("a connection")
}

/// Asks over HTTP/2; `told` hears of the first hint when it comes.
async fn ask_h2(gate: &Gate, told: &Notify) -> Heard {
    let request = Request::get("https://localhost/").body(()).expect("a GET");
    let mut sender = h2(gate).await;
    let (mut response, _) = sender.send_request(request, true).expect("a stream");
    let mut hints = Vec::new();
    let head = poll_fn(|cx| {
        while let Poll::Ready(Some(hint)) = response.poll_informational(cx) {
            hints.push(hint.expect("a hint"));
            told.notify_one();
        }
        std::pin::Pin::new(&mut response).poll(cx)
    });
    let head = tokio::time::timeout(DEADLINE, head)
        .await
        .expect("an answer in time");
    let (head, mut stream) = head.expect("an answer").into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend(data.expect("a body"));
    }
    Heard {
        hints,
        answer: Response::from_parts(head, body.into()),
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_hint_comes_while_the_app_is_still_thinking() {
    let may = Arc::<Notify>::default();
    let app = app(HINT.to_owned(), ANSWER.to_owned(), Arc::clone(&may)).await;
    let gate = Gate::before(app, Setup::default()).await;

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(GET).await;
    let hint = raw.head().await;
    assert_eq!(
        hint,
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"
    );
    may.notify_one();
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));
    assert_eq!(raw.bytes(2).await, b"ok");

    // The app answers when the hint has come, and not before.
    let heard = ask_h2(&gate, &may).await;
    assert_eq!(heard.hints.len(), 1);
    assert_eq!(heard.hints[0].status(), 103);
    assert_eq!(heard.hints[0].headers()["link"], "</a.css>; rel=preload");
    assert_eq!(heard.answer.status(), 200);
    assert_eq!(heard.answer.body(), "ok");
}

#[tokio::test]
async fn hints_keep_their_order_and_bring_nothing_else() {
    let answer = "HTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </1>\r\nSet-Cookie: planted=1\r\nX-Session-Login: \"eve\"\r\n\
         Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\r\n\
         HTTP/1.1 102 Processing\r\nLink: </no>\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nSet-Cookie: planted=2\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nLink: </2>\r\n\r\n\
         HTTP/1.1 199 Whatever\r\nLink: </no>\r\n\r\n\
         HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone";
    let gate = gate_before(answer).await;

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(GET).await;
    assert_eq!(
        raw.head().await,
        "HTTP/1.1 103 Early Hints\r\nlink: </1>\r\n\r\n"
    );
    assert_eq!(
        raw.head().await,
        "HTTP/1.1 103 Early Hints\r\nlink: </2>\r\n\r\n"
    );
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
    assert!(!head.contains("planted"), "{head}");
    assert_eq!(raw.bytes(4).await, b"none");
    // The connection goes on as if nothing was.
    raw.send(GET).await;
    assert!(raw.head().await.contains("</1>"));

    let heard = ask_h2(&gate, &Notify::new()).await;
    let links: Vec<_> = heard
        .hints
        .iter()
        .map(|hint| &hint.headers()["link"])
        .collect();
    assert_eq!(links, ["</1>", "</2>"]);
    assert!(heard.hints.iter().all(|hint| hint.headers().len() == 1));
    assert_eq!(heard.answer.status(), 404);
    assert_eq!(heard.answer.body(), "none");
}

#[tokio::test]
async fn each_of_several_requests_at_once_has_its_own_hint() {
    let gate = gate_before(format!("{HINT}{ANSWER}")).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(GET.repeat(5)).await;
    for number in 0..5 {
        assert!(raw.head().await.starts_with("HTTP/1.1 103"), "{number}");
        assert!(raw.head().await.starts_with("HTTP/1.1 200"), "{number}");
        assert_eq!(raw.bytes(2).await, b"ok");
    }
}

#[tokio::test]
async fn a_visitor_of_http_1_0_gets_the_answer_alone() {
    let gate = gate_before(format!("{HINT}{ANSWER}")).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send("GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await;
    let head = raw.head().await;
    assert!(head.contains(" 200 OK"), "{head}");
}

#[tokio::test]
async fn a_websocket_that_is_refused_was_hinted_at_all_the_same() {
    let refusal = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
    let gate = gate_before(format!("{HINT}{refusal}")).await;
    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(format!(
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {}\r\n\r\n",
        gate.origin()
    ))
    .await;
    assert!(raw.head().await.starts_with("HTTP/1.1 103"));
    let head = raw.head().await;
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    raw.send(GET).await;
    assert!(raw.head().await.starts_with("HTTP/1.1 103"));
}

#[tokio::test]
async fn an_app_that_hints_without_end_is_cut_short() {
    for (hints, passed, status) in [(8, 8, 200), (20, 8, 200), (40, 8, 502)] {
        let gate = gate_before(HINT.repeat(hints) + ANSWER).await;
        let mut raw = Raw::tls(&gate, "localhost").await;
        raw.send(GET).await;
        for _ in 0..passed {
            assert!(raw.head().await.starts_with("HTTP/1.1 103"), "{hints}");
        }
        let head = raw.head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");

        let heard = ask_h2(&gate, &Notify::new()).await;
        assert_eq!(heard.hints.len(), passed);
        assert_eq!(heard.answer.status(), status);
    }
    let large = format!(
        "HTTP/1.1 103 Early Hints\r\nLink: {}\r\n\r\n{ANSWER}",
        "x".repeat(1 << 20)
    );
    let gate = gate_before(large).await;
    let heard = ask_h2(&gate, &Notify::new()).await;
    assert!(heard.hints.is_empty());
    assert_eq!(heard.answer.status(), 502);
}

/// An app on HTTP/2 without TLS that hints twice, once with a cookie.
async fn h2c_app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addr = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    for link in ["</1>", "</2>"] {
                        let hint = Response::builder().status(103).header("link", link);
                        let hint = hint.header("set-cookie", "planted=1").body(());
                        respond
                            .send_informational(hint.expect("a hint"))
                            .expect("room");
                    }
                    respond
                        .send_response(Response::new(()), true)
                        .expect("room");
                }
            });
        }
    });
    addr
}

#[tokio::test]
async fn an_app_on_http2_hints_too() {
    let app = h2c_app().await;
    let gate = Gate::before_h2c(app, Setup::default()).await;

    let mut raw = Raw::tls(&gate, "localhost").await;
    raw.send(GET).await;
    assert_eq!(
        raw.head().await,
        "HTTP/1.1 103 Early Hints\r\nlink: </1>\r\n\r\n"
    );
    assert_eq!(
        raw.head().await,
        "HTTP/1.1 103 Early Hints\r\nlink: </2>\r\n\r\n"
    );
    assert!(raw.head().await.starts_with("HTTP/1.1 200"));

    let heard = ask_h2(&gate, &Notify::new()).await;
    assert_eq!(heard.hints.len(), 2);
    assert_eq!(heard.answer.status(), 200);
}
