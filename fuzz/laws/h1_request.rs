//! What the strict reading of HTTP/1.1 promises of every input there is. hyper, which reads behind it, is the oracle:
//! whatever passes, it reads too, and each message ends for it where it ended here.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::pin;
use std::rc::Rc;

use bytes::Bytes;
use cloakroom::headers::strict::{End, Limits, Scanner};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::wire::{Memory, all_done, fields_in, fields_of, unchunked};

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
    let (first, fields) = fields_of(head);
    let words: Vec<&str> = first.split(' ').collect();
    assert_eq!(words.len(), 3, "{first:?}");
    assert!(matches!(words[2], "HTTP/1.0" | "HTTP/1.1"), "{first:?}");
    let values = |name: &str| -> Vec<&str> {
        let fields = fields.iter().filter(|field| field.0 == name);
        fields.map(|(_, value)| &**value).collect()
    };
    let (lengths, codings) = (values("content-length"), values("transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "{fields:?}");
    for coding in codings {
        assert!(coding.eq_ignore_ascii_case("chunked"), "{coding:?}");
    }
    let hosts = values("host").len();
    assert!(
        hosts == 1 || (hosts == 0 && words[2] == "HTTP/1.0"),
        "{fields:?}"
    );
}

/// The bytes that a body carries.
fn carried(message: &Message) -> Vec<u8> {
    let head = String::from_utf8_lossy(&message.head).to_ascii_lowercase();
    if head.contains("\r\ntransfer-encoding:") {
        return unchunked(&message.body);
    }
    message.body.clone()
}

// === the oracle ===

/// A request as hyper read it.
#[derive(Debug)]
struct Read1 {
    target: String,
    method: String,
    version: Version,
    fields: Vec<(String, String)>,
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
                version: head.version,
                fields: fields_in(&head.headers),
                ends: closes || head.version != Version::HTTP_11,
                body: None,
            });
            let body = body.collect().await.expect("hyper reads what passed");
            log.borrow_mut()[at].body = Some(body.to_bytes());
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let io = Memory::asking(passed);
    let written = io.written();
    let connection = pin!(
        http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(LIMITS.head_bytes)
            .serve_connection(io, service)
    );
    if let Some(ended) = all_done(connection) {
        ended.expect("hyper has nothing against what passed");
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
        let (first, fields) = fields_of(&message.head);
        assert_eq!(request.fields, fields);
        // A target with a host in it is written anew by whoever reads it.
        let target = match first.split(' ').nth(1) {
            Some(target) if target.starts_with('/') => latin(&request.target),
            Some(target) => target.to_owned(),
            None => String::new(),
        };
        let read = format!("{} {target} {:?}", request.method, request.version);
        assert_eq!(read, first);
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

/// Its bytes, each as one character.
fn latin(text: &str) -> String {
    text.bytes().map(char::from).collect()
}
