//! What the strict reading of HTTP/1.1 promises of every input there is. hyper, which reads behind it, is the oracle:
//! whatever passes, it reads too, and each message ends for it where it ended here.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use cloakroom::headers::strict::{End, Limits, Scanner};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;

const LIMITS: Limits = Limits {
    head_bytes: 8 * 1024,
    fields: 100,
    target_bytes: 4 * 1024,
};

/// A message as the scanner delimits it.
#[derive(Debug)]
struct Message {
    head: Vec<u8>,
    /// As on the wire, chunks and all.
    body: Vec<u8>,
    whole: bool,
}

/// Holds for every input.
pub fn hold(input: &[u8]) {
    let (messages, end) = byte_by_byte(input);
    let passed: Vec<u8> = messages
        .iter()
        .flat_map(|message| message.head.iter().chain(&message.body))
        .copied()
        .collect();
    assert!(
        input.starts_with(&passed),
        "what passes is what came, from its beginning"
    );
    for step in [2, 5, input.len().max(1)] {
        assert_eq!(
            in_pieces(input, step),
            (passed.len(), messages.len(), end),
            "in pieces of {step}"
        );
    }
    for message in &messages {
        is_canonical(&message.head);
    }
    agrees_with_hyper(&passed, &messages);
}

/// How many bytes pass, in how many messages, and how it ends.
fn in_pieces(input: &[u8], step: usize) -> (usize, usize, End) {
    let mut scanner = Scanner::new(LIMITS);
    let (mut passed, mut shown) = (0, 0);
    loop {
        shown = input.len().min(shown + step);
        loop {
            let scanned = scanner.scan(&input[passed..shown]);
            passed += scanned.passed;
            match scanned.end {
                End::Upgrade => scanner.decline_upgrade(),
                End::More if shown < input.len() => break,
                end => return (passed, scanner.heads() as usize, end),
            }
        }
    }
}

fn byte_by_byte(input: &[u8]) -> (Vec<Message>, End) {
    let mut scanner = Scanner::new(LIMITS);
    let mut messages: Vec<Message> = Vec::new();
    let mut passed = 0;
    let mut end = End::More;
    for shown in 1..=input.len() {
        let before = scanner.heads();
        let scanned = scanner.scan(&input[passed..shown]);
        let piece = &input[passed..passed + scanned.passed];
        passed += scanned.passed;
        if scanner.heads() > before {
            messages.push(Message {
                head: piece.to_vec(),
                body: Vec::new(),
                whole: false,
            });
        } else if let Some(message) = messages.last_mut() {
            message.body.extend_from_slice(piece);
        } else {
            assert!(piece.is_empty(), "a body before any head");
        }
        end = match scanned.end {
            End::Upgrade => {
                scanner.decline_upgrade();
                End::More
            }
            end => end,
        };
        if let Some(message) = messages.last_mut()
            && scanner.is_between_messages()
        {
            message.whole = true;
        }
        if end != End::More {
            break;
        }
    }
    (messages, end)
}

/// A head that passed has one reading for whoever splits lines at LF, at CR LF or at CR, and fields at colons.
fn is_canonical(head: &[u8]) {
    let text: String = head.iter().map(|byte| *byte as char).collect();
    assert!(text.ends_with("\r\n\r\n"), "{text:?}");
    assert_eq!(text.matches("\r\n").count(), text.matches('\n').count());
    assert_eq!(text.matches("\r\n").count(), text.matches('\r').count());
    let lines: Vec<&str> = text.split("\r\n").collect();
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert_eq!(words.len(), 3, "{text:?}");
    assert!(matches!(words[2], "HTTP/1.0" | "HTTP/1.1"), "{text:?}");
    let (mut lengths, mut codings, mut hosts) = (0, 0, 0);
    for line in &lines[1..lines.len() - 2] {
        let (name, value) = line.split_once(':').expect("a colon");
        let is_token =
            |byte: char| byte.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(byte);
        assert!(!name.is_empty() && name.chars().all(is_token), "{line:?}");
        assert!(
            !value
                .chars()
                .any(|byte| byte.is_ascii_control() && byte != '\t')
        );
        match name.to_ascii_lowercase().as_str() {
            "content-length" => lengths += 1,
            "transfer-encoding" => {
                codings += 1;
                assert_eq!(
                    value.trim_matches([' ', '\t']).to_ascii_lowercase(),
                    "chunked"
                );
            }
            "host" => hosts += 1,
            _ => {}
        }
    }
    assert!(lengths + codings <= 1, "{text:?}");
    assert!(
        hosts == 1 || (hosts == 0 && words[2] == "HTTP/1.0"),
        "{text:?}"
    );
}

/// The bytes that a chunked body carries, read by somebody who trusts it.
fn carried(message: &Message) -> Vec<u8> {
    let head = String::from_utf8_lossy(&message.head).to_ascii_lowercase();
    if !head.contains("\r\ntransfer-encoding:") {
        return message.body.clone();
    }
    let mut carried = Vec::new();
    let mut rest = message.body.as_slice();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).expect("a size") as usize;
        if size == 0 {
            break;
        }
        rest = &rest[end + 2..];
        let here = size.min(rest.len());
        carried.extend_from_slice(&rest[..here]);
        rest = rest.get(size + 2..).unwrap_or_default();
    }
    carried
}

// === the oracle ===

/// A request as hyper read it.
#[derive(Debug)]
struct Read1 {
    target: String,
    method: String,
    ends: bool,
    /// `None` while it has not come to its end.
    body: Option<Bytes>,
}

fn agrees_with_hyper(passed: &[u8], messages: &[Message]) {
    let read: Rc<RefCell<Vec<Read1>>> = Rc::default();
    let log = Rc::clone(&read);
    let service = service_fn(move |request: Request<Incoming>| {
        let log = Rc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            let at = log.borrow().len();
            let closes = head.headers.get_all("connection").iter().count() > 0;
            log.borrow_mut().push(Read1 {
                target: head.uri.to_string(),
                method: head.method.to_string(),
                ends: closes || head.version != Version::HTTP_11,
                body: None,
            });
            let body = body.collect().await.expect("hyper reads what passed");
            log.borrow_mut()[at].body = Some(body.to_bytes());
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let io = Memory {
        unread: Bytes::copy_from_slice(passed),
        written: Rc::default(),
    };
    let written = Rc::clone(&io.written);
    let mut connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(LIMITS.head_bytes)
            .serve_connection(io, service)
    );
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    while flag.0.swap(false, Ordering::Relaxed) {
        match connection.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(ended) => ended.expect("hyper has nothing against what passed"),
            Poll::Pending => continue,
        }
        break;
    }

    let written = String::from_utf8_lossy(&written.borrow()).into_owned();
    let answers = written.matches("HTTP/1.").count() - written.matches(" 100 Continue").count();
    assert_eq!(answers, written.matches(" 200 OK").count(), "{written}");
    let read = read.borrow();
    let goes_on = !read.iter().any(|request| request.ends);
    assert!(
        read.len() == messages.len() || (read.len() < messages.len() && !goes_on),
        "{read:?} for {messages:?}"
    );
    for (request, message) in read.iter().zip(messages) {
        let line = [&request.method, " "].concat();
        assert!(
            message.head.starts_with(line.as_bytes()),
            "{request:?}: {message:?}"
        );
        if let Some(body) = &request.body {
            assert!(
                message.whole,
                "hyper ended {request:?}, we did not: {message:?}"
            );
            assert_eq!(*body, carried(message), "{}", request.target);
        }
        assert!(
            request.body.is_some() || !message.whole,
            "we ended {message:?}, hyper did not"
        );
    }
}

/// Everything that passed, and then nothing more.
struct Memory {
    unread: Bytes,
    written: Rc<RefCell<Vec<u8>>>,
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Poll::Pending;
        }
        let here = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(here));
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
