//! What the strict reading of an app's answers promises of every input there is. hyper's client, which it stands in for,
//! is the oracle.
//!
//! 1. How the bytes are cut into reads decides nothing.
//! 2. A head that is taken has one reading for the plainest reader: lines that end in CR LF, names that are tokens, one
//!    length.
//! 3. What hyper takes too, it reads the same: status, fields, body, trailers, and where the answer ends.
//! 4. What hyper refuses and we take has its rule in [`only_we_take`].
//! 5. What comes behind the answer stays there, and no answer leaves anything behind for the next.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use cloakroom::upstream::Flaw;
use cloakroom::upstream::scan::{Asked, Left, Scan};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;

use super::wire::{Memory, all_done, fields_in, fields_of, unchunked};

const HEAD_BYTES_MAX: usize = 4096;
/// As many fields as hyper takes.
const FIELDS_MAX: usize = 100;

type Fields = Vec<(String, String)>;

/// One answer, without the fields that frame it.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    status: u16,
    fields: Fields,
    body: Vec<u8>,
    trailers: Fields,
}

/// What was read of one answer.
#[derive(Debug, PartialEq)]
struct Reading {
    /// How many bytes are the answer's, those included that were not understood yet.
    taken: usize,
    ended: bool,
    /// It ends when the connection does, or is no longer HTTP.
    to_end: bool,
    heard: Option<Heard>,
    /// The length that is passed on.
    length: Option<String>,
}

/// Holds for every input: a byte that says what was asked, then what the app sends.
pub fn hold(input: &[u8]) {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    let asked = Asked {
        head: choice & 1 != 0,
        upgrade: choice & 2 != 0,
    };
    let reading = read(bytes, asked, bytes.len().max(1));
    for step in [1, 2, 7] {
        assert_eq!(read(bytes, asked, step), reading, "in pieces of {step}");
    }
    let Ok(reading) = reading else {
        return;
    };
    let taken = &bytes[..reading.taken];
    if let Some(heard) = &reading.heard {
        is_plainly_so(taken, asked, &reading, heard);
    }
    agrees_with_hyper(taken, asked, &reading);
    nothing_is_left_behind(bytes, asked, &reading);
}

fn read(bytes: &[u8], asked: Asked, step: usize) -> Result<Reading, Flaw> {
    let mut scan = Scan::new(HEAD_BYTES_MAX);
    scan.expect(asked);
    read_with(&mut scan, bytes, step)
}

fn read_with(scan: &mut Scan, bytes: &[u8], step: usize) -> Result<Reading, Flaw> {
    let mut buffer = BytesMut::new();
    let mut reading = Reading {
        taken: 0,
        ended: false,
        to_end: false,
        heard: None,
        length: None,
    };
    for part in bytes.chunks(step) {
        buffer.extend_from_slice(part);
        reading.taken += part.len();
        while let Some(head) = scan.head(&mut buffer)? {
            if head.status == StatusCode::EARLY_HINTS {
                continue;
            }
            let length = head.headers.get("content-length");
            reading.length =
                length.map(|length| String::from_utf8_lossy(length.as_bytes()).into_owned());
            reading.heard = Some(Heard {
                status: head.status.as_u16(),
                fields: unframed(head.headers),
                body: Vec::new(),
                trailers: Vec::new(),
            });
        }
        let piece = scan.body(&mut buffer)?;
        if let Some(heard) = &mut reading.heard {
            heard.body.extend_from_slice(&piece.data);
            heard
                .trailers
                .extend(fields_in(&piece.trailers.unwrap_or_default()));
        }
        reading.to_end = matches!(scan.left(), Left::Connection | Left::Switched);
        reading.ended = reading.heard.is_some() && scan.left() == Left::Bytes(0);
        if reading.ended && !buffer.is_empty() {
            break;
        }
    }
    if reading.ended {
        reading.taken -= buffer.len();
    }
    Ok(reading)
}

fn unframed(mut headers: HeaderMap) -> Fields {
    headers.remove("content-length");
    headers.remove("transfer-encoding");
    fields_in(&headers)
}

// === the plainest reader ===

/// Law 2, and that its body is what stands there.
fn is_plainly_so(taken: &[u8], asked: Asked, reading: &Reading, heard: &Heard) {
    let mut rest = taken;
    let (first, fields) = loop {
        let end = rest.windows(4).position(|four| four == b"\r\n\r\n");
        let (head, behind) = rest.split_at(end.expect("a head") + 4);
        rest = behind;
        let (first, fields) = fields_of(head);
        assert!(!first.contains('\t') || first.find('\t') > Some(12));
        if !first[9..].starts_with('1') || first[9..].starts_with("101") {
            break (first, fields);
        }
    };
    let status = first.strip_prefix("HTTP/1.1 ");
    let status = status.or(first.strip_prefix("HTTP/1.0 ")).expect("ours");
    assert_eq!(status[..3], heard.status.to_string());
    assert!(matches!(status.as_bytes().get(3), None | Some(b' ')));
    let values = |name: &str| -> Vec<&str> {
        let fields = fields.iter().filter(|field| field.0 == name);
        fields.map(|(_, value)| &**value).collect()
    };
    let lengths = values("content-length").join(",");
    let mut lengths: Vec<_> = lengths.split(',').map(str::trim).collect();
    lengths.retain(|length| !length.is_empty());
    let numbers = lengths.iter().map(|length| length.parse::<u64>());
    let numbers: Vec<u64> = numbers.map(|number| number.expect("a number")).collect();
    assert!(
        numbers.windows(2).all(|two| two[0] == two[1]),
        "{lengths:?}"
    );
    let codings = values("transfer-encoding");
    assert!(codings.is_empty() || codings.len() == 1 && numbers.is_empty());
    let is_chunked = codings
        .iter()
        .any(|one| one.eq_ignore_ascii_case("chunked"));
    let has_none = asked.head || matches!(heard.status, 101 | 204 | 304);
    if let Some(length) = &reading.length {
        assert_eq!(*length, numbers[0].to_string(), "passed on in one form");
    }
    let body = match (has_none, is_chunked) {
        (true, _) => Vec::new(),
        (false, true) => unchunked(rest),
        (false, false) => rest.to_vec(),
    };
    assert_eq!(heard.body, body);
    if !has_none && codings.is_empty() && reading.ended {
        assert_eq!(numbers.first(), Some(&(body.len() as u64)));
    }
}

// === the oracle ===

/// What hyper makes of an answer.
#[derive(Debug, PartialEq)]
enum Outcome {
    Whole(Heard),
    Unfinished,
    Refused(String),
}

fn agrees_with_hyper(taken: &[u8], asked: Asked, reading: &Reading) {
    let whole = |heard: &Option<Heard>| heard.clone().map_or(Outcome::Unfinished, Outcome::Whole);
    let is_switched = reading.to_end && reading.heard.as_ref().is_some_and(|it| it.status == 101);
    let expected = if reading.ended || is_switched {
        whole(&reading.heard)
    } else {
        Outcome::Unfinished
    };
    let outcome = by_hyper(taken, asked, false);
    if let Outcome::Refused(why) = &outcome {
        // hyper may find what is wrong with a line before it is whole, and we when it is.
        let lines = taken.iter().rposition(|byte| *byte == b'\n');
        let lines = by_hyper(&taken[..lines.map_or(0, |end| end + 1)], asked, false);
        let is_early = !reading.ended && !matches!(lines, Outcome::Refused(_));
        assert!(is_early || only_we_take(taken), "{why}: {reading:?}");
        return;
    }
    assert_eq!(outcome, expected);
    // When the app closes: the end of what has no other, or the middle of what has.
    let outcome = by_hyper(taken, asked, true);
    if reading.ended || reading.to_end {
        assert_eq!(outcome, whole(&reading.heard), "when it closes");
    } else {
        let is_refused = matches!(outcome, Outcome::Refused(_));
        assert!(is_refused, "half an answer is whole: {outcome:?}");
    }
    if reading.ended {
        let short = by_hyper(&taken[..taken.len() - 1], asked, false);
        assert_ne!(short, whole(&reading.heard), "it ends before its end");
    }
}

/// Whether there is a rule by which hyper refuses `taken` and we do not.
fn only_we_take(taken: &[u8]) -> bool {
    let text: String = taken.iter().map(|byte| *byte as char).collect();
    // What frames a message does not count for us among the fields.
    let has_many = |head: &str| head.matches("\r\n").count() > FIELDS_MAX;
    // It needs the two largest numbers for itself.
    let has_largest = |head: &str| {
        let most = u64::MAX - 1;
        [most, u64::MAX]
            .iter()
            .any(|length| head.contains(&length.to_string()))
    };
    text.split("\r\n\r\n")
        .any(|head| has_many(head) || has_largest(head))
}

fn by_hyper(bytes: &[u8], asked: Asked, ends: bool) -> Outcome {
    let exchange = async {
        let io = Memory::answering(bytes, ends);
        let (mut sender, connection) = http1::handshake(io).await?;
        let method = if asked.head { "HEAD" } else { "GET" };
        let mut request = Request::builder().method(method).uri("/");
        if asked.upgrade {
            request = request
                .header("connection", "upgrade")
                .header("upgrade", "websocket");
        }
        let request = request.body(Empty::<Bytes>::new()).expect("a request");
        let visit = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?;
            let trailers = body.trailers().map(fields_in).unwrap_or_default();
            Ok(Heard {
                status: head.status.as_u16(),
                fields: unframed(head.headers),
                body: body.to_bytes().to_vec(),
                trailers,
            })
        };
        beside(connection, visit).await
    };
    match all_done(pin!(exchange)) {
        Some(Ok(heard)) => Outcome::Whole(heard),
        Some(Err(fault)) => Outcome::Refused(fault.to_string()),
        None => Outcome::Unfinished,
    }
}

/// What `visit` brings while the connection is driven, which is gone when it has ended.
async fn beside<T>(
    connection: impl Future<Output = hyper::Result<()>>,
    visit: impl Future<Output = hyper::Result<T>>,
) -> hyper::Result<T> {
    let (mut connection, mut visit) = (Some(Box::pin(connection)), pin!(visit));
    std::future::poll_fn(|cx| {
        let driven = connection.as_mut().map(|driven| driven.as_mut().poll(cx));
        if driven.is_some_and(|driven| driven.is_ready()) {
            connection = None;
        }
        visit.as_mut().poll(cx)
    })
    .await
}

// === what follows ===

/// Law 5.
fn nothing_is_left_behind(bytes: &[u8], asked: Asked, reading: &Reading) {
    if !reading.ended {
        return;
    }
    let mut scan = Scan::new(HEAD_BYTES_MAX);
    scan.expect(asked);
    let mut buffer = BytesMut::from(bytes);
    while scan.head(&mut buffer).expect("it was read").is_some() {}
    scan.body(&mut buffer).expect("it was read");
    let rest = &bytes[reading.taken..];
    assert_eq!(buffer, rest, "more was taken, or less");
    assert!(scan.head(&mut buffer).expect("nothing").is_none());
    assert!(scan.body(&mut buffer).expect("nothing").data.is_empty());
    assert_eq!(buffer, rest, "nobody asked for it");
    scan.expect(Asked::default());
    let next = read_with(&mut scan, rest, 3);
    assert_eq!(next, read(rest, Asked::default(), 3));
}
