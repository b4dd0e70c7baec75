//! The other direction of SECURITY 2.3: whatever an app answers, one visitor never gets what was meant for another, and
//! what has two readings is a 502.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{Browser, Gate, Setup};

const POISON: &str = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";

/// An app that answers `first` to one request, and `fresh` to each on any other connection. Whatever comes behind the
/// first on its connection gets `stale`.
struct Faulty {
    addr: SocketAddr,
    first: Arc<Mutex<Option<String>>>,
    _task: JoinSet<()>,
}

impl Faulty {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let first: Arc<Mutex<Option<String>>> = Arc::default();
        let answers = Arc::clone(&first);
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let answers = Arc::clone(&answers);
                connections.spawn(async move {
                    let _ = serve(stream, answers).await;
                });
            }
        });
        Self {
            addr,
            first,
            _task: task,
        }
    }

    fn answer_once(&self, answer: &str) {
        *self.first.lock().unwrap() = Some(answer.to_owned());
    }
}

async fn serve(mut stream: TcpStream, first: Arc<Mutex<Option<String>>>) -> std::io::Result<()> {
    let mut word = "fresh";
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let faulty = first.lock().unwrap().take();
        let answer = match faulty {
            Some(answer) => {
                word = "stale";
                answer
            }
            None => format!("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{word}"),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
}

async fn both(gate: &Gate) -> [(&'static str, Browser); 2] {
    [
        ("HTTP/1.1", gate.browser()),
        ("HTTP/2", gate.browser().http2()),
    ]
}

/// Asks once, over both versions, for what the app answers so; then another visitor asks, who must get the next answer of
/// another connection.
async fn one_gets(answer: &str, method: http::Method, status: u16, text: &str) {
    let app = Faulty::start().await;
    let gate = Gate::before(app.addr, Setup::default()).await;
    for (version, browser) in both(&gate).await {
        app.answer_once(answer);
        let got = browser.call(method.clone(), "/").send().await;
        assert_eq!(got.status(), status, "{version}: {answer:?}: {got:?}");
        let told = got.text();
        if status == 502 {
            for theirs in ["poison", "hello", "folded"] {
                assert!(!told.contains(theirs), "{version}: {answer:?}: {told}");
            }
        } else {
            assert_eq!(told, text, "{version}: {answer:?}");
        }
        let next = gate.browser().get("/").send().await;
        assert_eq!(next.text(), "fresh", "{version}, behind {answer:?}");
    }
}

#[tokio::test]
async fn what_follows_an_answer_reaches_nobody() {
    let (get, head) = (http::Method::GET, http::Method::HEAD);
    let ok = "HTTP/1.1 200 OK\r\n";
    for (answer, method, status, text) in [
        (
            format!("{ok}Content-Length: 2\r\n\r\nok{POISON}"),
            &get,
            200,
            "ok",
        ),
        (
            format!("{ok}Content-Length: 0\r\n\r\n{POISON}"),
            &get,
            200,
            "",
        ),
        (
            format!("{ok}Content-Length: 2\r\n\r\nok\r\n{POISON}"),
            &get,
            200,
            "ok",
        ),
        (
            format!("{ok}Content-Length: 2\r\n\r\nokay"),
            &get,
            200,
            "ok",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n{POISON}"),
            &get,
            200,
            "ok",
        ),
        (
            format!("HTTP/1.1 204 No Content\r\n\r\n{POISON}"),
            &get,
            204,
            "",
        ),
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison".to_owned(),
            &get,
            204,
            "",
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison".to_owned(),
            &get,
            304,
            "",
        ),
        (
            format!("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n{POISON}"),
            &get,
            304,
            "",
        ),
        (
            format!("{ok}Content-Length: 6\r\n\r\npoison"),
            &head,
            200,
            "",
        ),
        (
            format!("{ok}Transfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n"),
            &head,
            200,
            "",
        ),
    ] {
        one_gets(&answer, method.clone(), status, text).await;
    }
}

#[tokio::test]
async fn an_answer_with_two_readings_is_a_502() {
    let ok = "HTTP/1.1 200 OK\r\n";
    for answer in [
        format!("{ok}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello{POISON}"),
        format!("{ok}Content-Length: 5, 6\r\n\r\nhello{POISON}"),
        format!(
            "{ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        ),
        format!("{ok}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{POISON}"),
        format!("{ok}Content-Length: +5\r\n\r\nhello{POISON}"),
        format!("{ok}Content-Length: 5 5\r\n\r\nhello{POISON}"),
        format!("{ok}Content-Length : 5\r\n\r\nhello{POISON}"),
        format!("{ok}Content-Length: 5\n\r\nhello{POISON}"),
        format!("{ok}Content-Length: 5\r\n\nhello{POISON}"),
        format!("{ok}X: y\r\n folded\r\nContent-Length: 5\r\n\r\nhello"),
        format!("{ok}X: a\rb\r\nContent-Length: 5\r\n\r\nhello"),
        format!("{ok}X: a\0b\r\nContent-Length: 5\r\n\r\nhello"),
        format!("{ok}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{POISON}"),
        format!("{ok}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{POISON}"),
        format!("{ok}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n{POISON}"),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n{POISON}"),
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n{POISON}"),
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n{POISON}"
        ),
        format!("HTTP/2.0 200 OK\r\n\r\n{POISON}"),
        format!("\r\n{POISON}"),
        "hello".to_owned() + "\r\n",
    ] {
        one_gets(&answer, http::Method::GET, 502, "").await;
    }
}
