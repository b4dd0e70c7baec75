//! An app that keeps every byte it gets, and answers each request as soon as its head is there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{Gate, Setup};

/// The recorder. It ends with the test.
pub struct Recorder {
    addr: SocketAddr,
    /// The bytes of each connection.
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Answers 200 to every request.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let log = Arc::clone(&log);
                let at = {
                    let mut log = log.lock().expect("the log");
                    log.push(Vec::new());
                    log.len() - 1
                };
                tokio::spawn(record(stream, log, at));
            }
        });
        Self { addr, seen, task }
    }

    /// A gateway in front of it.
    pub async fn gate(&self) -> Gate {
        Gate::before(self.addr, Setup::default()).await
    }

    /// The same with lines for `[server]`.
    pub async fn gate_with(&self, server: &str) -> Gate {
        let setup = Setup {
            server,
            ..Setup::default()
        };
        Gate::before(self.addr, setup).await
    }

    /// The same with lines for `[[site]]`.
    pub async fn gate_for_site(&self, site: &str) -> Gate {
        let setup = Setup {
            site,
            ..Setup::default()
        };
        Gate::before(self.addr, setup).await
    }

    /// All bytes, connection after connection.
    pub fn bytes(&self) -> String {
        let seen = self.seen.lock().expect("the log").concat();
        String::from_utf8_lossy(&seen).into_owned()
    }

    /// The request lines that it got, wherever they stand: a smuggled one counts.
    pub fn request_lines(&self) -> Vec<String> {
        let bytes = self.bytes();
        let lines = bytes.split("\r\n");
        let lines = lines.filter(|line| line.ends_with(" HTTP/1.1"));
        lines.map(str::to_owned).collect()
    }

    /// Forgets.
    pub fn clear(&self) {
        let mut seen = self.seen.lock().expect("the log");
        seen.iter_mut().for_each(Vec::clear);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Answers when a request is whole: by its length or by its last chunk, which is all that the gateway sends.
async fn record(mut stream: TcpStream, log: Arc<Mutex<Vec<Vec<u8>>>>, at: usize) {
    let mut pending = Vec::new();
    let mut bytes = [0; 16 * 1024];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        pending.extend_from_slice(&bytes[..count]);
        log.lock().expect("the log")[at].extend_from_slice(&bytes[..count]);
        while let Some(end) = end_of_request(&pending) {
            let head = String::from_utf8_lossy(&pending[..end]).into_owned();
            pending.drain(..end);
            let body = if head.starts_with("HEAD ") { "" } else { "ok" };
            let answer = if head.contains("/304") {
                "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n".to_owned()
            } else {
                format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{body}")
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

fn end_of_request(bytes: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let head = text.find("\r\n\r\n")? + 4;
    if text[..head].contains("\r\ntransfer-encoding: chunked\r\n") {
        return text[head..].find("0\r\n\r\n").map(|end| head + end + 5);
    }
    let length = text[..head]
        .split("\r\n")
        .find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a length"));
    (bytes.len() >= head + length).then_some(head + length)
}
