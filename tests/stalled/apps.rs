//! Apps that stall: who waits for them gets an end, and who does not is served.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::crowd::{DOZEN, open, served_until_all_have_ended, tls};
use crate::support::{DEADLINE, Gate, Setup};

const PAUSE: Duration = Duration::from_millis(100);

/// An app that stalls as the path says, and answers on every other.
async fn app() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let _ = serve(stream).await;
            });
        }
    });
    addr
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let (start, drop) = match path {
            "/silent" | "/deaf" => ("", ""),
            "/head" => ("HTTP/1.1 200 OK\r\nX: ", "x"),
            "/half-a-head" => ("HTTP/1.1 200 OK\r\nX: y\r\n", ""),
            "/interim" => ("", "HTTP/1.1 103 Early Hints\r\n\r\n"),
            "/body" => ("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhello", ""),
            "/chunks" => (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                "",
            ),
            _ => {
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await?;
                continue;
            }
        };
        stream.write_all(start.as_bytes()).await?;
        loop {
            tokio::time::sleep(PAUSE).await;
            stream.write_all(drop.as_bytes()).await?;
        }
    }
}

/// What a visitor gets who reads to the end, sending an upload if there is one.
async fn visit(gate: &Gate, path: &str) -> String {
    let stream = tls(gate, false).await;
    let (mut read, mut write) = tokio::io::split(stream);
    let writing = async {
        let line = if path == "/deaf" { "POST" } else { "GET" };
        let length = if path == "/deaf" {
            "Content-Length: 100000000\r\n"
        } else {
            ""
        };
        let head = format!(
            "{line} {path} HTTP/1.1\r\nHost: localhost\r\n{length}Connection: close\r\n\r\n"
        );
        let _ = write.write_all(head.as_bytes()).await;
        let _ = write.flush().await;
        while path == "/deaf" && write.write_all(&[0; 64 * 1024]).await.is_ok() {}
        std::future::pending::<()>().await;
    };
    let reading = async {
        let mut answer = Vec::new();
        let _ = read.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let visit = async {
        tokio::select! {
            answer = reading => answer,
            () = writing => unreachable!("it waits"),
        }
    };
    let answer = tokio::time::timeout(DEADLINE, visit).await;
    answer.unwrap_or_else(|_| panic!("{path}: no end"))
}

#[tokio::test]
async fn dozens_who_wait_for_a_stalled_app_get_an_end_and_others_are_served() {
    let app = app().await;
    let setup = Setup {
        // So many who fail at once would take the app out, and then it is 503.
        site: "[site.upstream_options]\nresponse_timeout = \"1s\"\nbody_timeout = \"1s\"\nmax_fails = 1000",
        ..Setup::default()
    };
    let gate = Gate::before(app, setup).await;
    assert_eq!(gate.browser().get("/").send().await.status(), 200);
    let before = open(&gate);
    let cases = [
        ("/silent", "HTTP/1.1 504 "),
        ("/head", "HTTP/1.1 504 "),
        ("/half-a-head", "HTTP/1.1 504 "),
        ("/interim", "HTTP/1.1 50"),
        ("/deaf", "HTTP/1.1 504 "),
        // The head has gone out: the body is cut off, and nobody takes it for whole.
        ("/body", "HTTP/1.1 200 "),
        ("/chunks", "HTTP/1.1 200 "),
    ];
    let visits = cases
        .iter()
        .flat_map(|case| std::iter::repeat_n(case, DOZEN));
    let visits = visits.map(async |(path, begin)| {
        let answer = visit(&gate, path).await;
        assert!(answer.starts_with(begin), "{path}: {answer}");
        assert!(!answer.ends_with("\r\n0\r\n\r\n"), "{path}: {answer}");
        assert!(answer.len() < 5000, "{path}: {}", answer.len());
    });
    let all = crate::support::together(visits);
    let browser = gate.browser();
    let others = async {
        loop {
            let answer =
                tokio::time::timeout(Duration::from_secs(5), browser.get("/").send()).await;
            assert_eq!(answer.expect("an answer in time").status(), 200);
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        _ = all => (),
        () = others => unreachable!("it goes on for ever"),
    }
    // And nothing of it is left, at the app neither.
    served_until_all_have_ended(&gate, before).await;
}
