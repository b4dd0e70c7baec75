use super::*;

const LIMIT: usize = 4096;

/// What was read of one answer.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    /// How many bytes are the answer's, those included that were not understood yet.
    taken: usize,
    ended: bool,
    heard: Option<Heard>,
}

/// One answer, without the fields that frame it.
#[derive(Clone, Debug, PartialEq)]
struct Heard {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: HeaderMap,
}

/// Reads `text` in steps of `step` bytes.
fn read(text: &[u8], asked: Asked, step: usize) -> Result<Reading, Flaw> {
    let mut scan = Scan::new(LIMIT);
    scan.expect(asked);
    let mut buffer = BytesMut::new();
    let mut reading = Reading::default();
    for part in text.chunks(step) {
        buffer.extend_from_slice(part);
        reading.taken += part.len();
        while let Some(head) = scan.head(&mut buffer)? {
            if head.status == StatusCode::EARLY_HINTS {
                continue;
            }
            reading.heard = Some(Heard {
                status: head.status.as_u16(),
                headers: head.headers,
                body: Vec::new(),
                trailers: HeaderMap::new(),
            });
        }
        let piece = scan.body(&mut buffer)?;
        if let Some(heard) = &mut reading.heard {
            heard.body.extend_from_slice(&piece.data);
            heard.trailers.extend(piece.trailers.unwrap_or_default());
        }
        reading.ended = matches!(scan.state, State::Idle);
        if reading.ended && !buffer.is_empty() {
            break;
        }
    }
    if reading.ended {
        reading.taken -= buffer.len();
    }
    Ok(reading)
}

/// How much of `text`, read in steps of `step` bytes, is one answer, and whether the answer has ended.
fn scanned(text: &[u8], asked: Asked, step: usize) -> Result<(usize, bool), Flaw> {
    read(text, asked, step).map(|reading| (reading.taken, reading.ended))
}

fn check(text: &str, asked: Asked, expected: Result<(usize, bool), Flaw>) {
    for step in [1, 2, 7, text.len()] {
        let outcome = scanned(text.as_bytes(), asked, step);
        assert_eq!(outcome, expected, "{text:?} by {step}");
    }
}

/// Promise: however the bytes come, the same of them are the answer.
#[test]
fn an_answer_ends_where_its_head_says() {
    let get = Asked::default();
    let head = Asked { head: true, ..get };
    let upgrade = Asked {
        upgrade: true,
        ..get
    };
    let table = [
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "X",
            true,
        ),
        (get, "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n", "X", true),
        (
            get,
            "HTTP/1.1 200 \r\nContent-Length: 2, 2\r\ncontent-length:2\r\n\r\nok",
            "X",
            true,
        ),
        (
            get,
            "HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n",
            "ok",
            true,
        ),
        (
            get,
            "HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n",
            "0",
            true,
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            "hello",
            true,
        ),
        (
            head,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "0\r\n\r\n",
            true,
        ),
        (
            get,
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
            "H",
            true,
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\nx: \u{e4}\t\r\nTransfer-Encoding:\tChunked \r\n\r\n2\r\nok\r\nA;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
            "H",
            true,
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n",
            "\r\n",
            true,
        ),
        (get, "HTTP/1.1 200 OK\r\n\r\nto the end", "", false),
        (
            get,
            "HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n1",
            "2",
            true,
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nto the end",
            "",
            false,
        ),
        (
            upgrade,
            "HTTP/1.1 101 Switching Protocols\r\n\r\nany\nthing\0",
            "",
            false,
        ),
        (
            get,
            "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\nmuch",
            "",
            false,
        ),
    ];
    for (asked, answer, surplus, ended) in table {
        let text = [answer, surplus].concat();
        check(&text, asked, Ok((answer.len(), ended)));
    }
}

#[test]
fn what_can_be_read_in_two_ways_is_not_read() {
    let status = [
        "HTTP/1.1 200 OK\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\n\r\n",
        "HTTP/1.1 200 OK\r\nx: y\r\n\n",
    ];
    for text in status {
        check(text, Asked::default(), Err(Flaw::LineEnd));
    }
    let table = [
        ("SSH-2.0-OpenSSH\r\n", Flaw::StatusLine),
        ("<html>\r\n", Flaw::StatusLine),
        ("\r\nHTTP/1.1 200 OK\r\n", Flaw::StatusLine),
        ("HTTP/3.0 200 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.2 200 OK\r\n", Flaw::StatusLine),
        ("http/1.1 200 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.1  200 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.1 20 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.1 099 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.1 2000 OK\r\n", Flaw::StatusLine),
        ("HTTP/1.1 200 O\rK\r\n", Flaw::StatusLine),
    ];
    for (text, flaw) in table {
        check(text, Asked::default(), Err(flaw));
    }
    let fields = [
        ("x: y\r\n folded\r\n", Flaw::Fold),
        ("\tx: y\r\n", Flaw::Fold),
        ("x : y\r\n", Flaw::Field),
        (": y\r\n", Flaw::Field),
        ("no colon\r\n", Flaw::Field),
        ("x\u{a0}: y\r\n", Flaw::Field),
        ("x\0: y\r\n", Flaw::Field),
        ("x: a\0b\r\n", Flaw::Control),
        ("x: a\rb\r\n", Flaw::Control),
        ("x: a\r\r\n", Flaw::Control),
        ("x: a\x7f\r\n", Flaw::Control),
        ("content-length: +5\r\n", Flaw::Length),
        ("content-length: -5\r\n", Flaw::Length),
        ("content-length: 0x5\r\n", Flaw::Length),
        ("content-length: 5 5\r\n", Flaw::Length),
        ("content-length: \r\n", Flaw::Length),
        ("content-length: 5,\r\n", Flaw::Length),
        ("content-length: 5, 6\r\n", Flaw::Length),
        ("content-length: 5\r\ncontent-length: 6\r\n", Flaw::Length),
        ("content-length: 18446744073709551616\r\n", Flaw::Length),
        ("transfer-encoding: gzip\r\n", Flaw::Coding),
        ("transfer-encoding: gzip, chunked\r\n", Flaw::Coding),
        ("transfer-encoding: chunked, chunked\r\n", Flaw::Coding),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            Flaw::Coding,
        ),
        ("transfer-encoding: xchunked\r\n", Flaw::Coding),
        ("transfer-encoding: \"chunked\"\r\n", Flaw::Coding),
        ("transfer-encoding:\r\n", Flaw::Coding),
        ("transfer-encoding: chunked;q=1\r\n", Flaw::Coding),
        (
            "transfer-encoding: chunked\r\ncontent-length: 5\r\n",
            Flaw::TwoFramings,
        ),
        (
            "content-length: 5\r\nx: y\r\nTransfer-Encoding: chunked\r\n",
            Flaw::TwoFramings,
        ),
        (
            "content-length: 0\r\ntransfer-encoding: identity\r\n",
            Flaw::TwoFramings,
        ),
    ];
    for (field, flaw) in fields {
        let text = format!("HTTP/1.1 200 OK\r\n{field}\r\n");
        check(&text, Asked::default(), Err(flaw));
    }
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    check(old, Asked::default(), Err(Flaw::Coding));
    let unasked = "HTTP/1.1 101 Switching Protocols\r\n\r\n";
    check(unasked, Asked::default(), Err(Flaw::UnaskedUpgrade));
}

#[test]
fn a_chunk_has_one_form() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunks = [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5 ;x\r\nhello\r\n0\r\n\r\n",
        "0_5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;a\0\r\nhello\r\n0\r\n\r\n",
        "5\rXhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        ";x\r\nhello\r\n",
        "\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "0\n\r\n",
    ];
    for chunk in chunks {
        let text = [head, chunk].concat();
        check(&text, Asked::default(), Err(Flaw::Chunk));
    }
    let trailers = [
        ("0\r\n\n", Flaw::LineEnd),
        ("0\r\nXX\r\n\r\n", Flaw::Field),
        ("0\r\nx: y\n\r\n", Flaw::LineEnd),
        ("0\r\nx: y\r\n z\r\n\r\n", Flaw::Fold),
        ("0\r\nx : y\r\n\r\n", Flaw::Field),
    ];
    for (trailer, flaw) in trailers {
        let text = [head, trailer].concat();
        check(&text, Asked::default(), Err(flaw));
    }
    let long = format!("{head}5;{}\r\nhello\r\n", "x".repeat(2000));
    check(&long, Asked::default(), Err(Flaw::Chunk));
}

#[test]
fn heads_and_their_number_have_a_limit() {
    let field = format!("x: {}\r\n", "y".repeat(LIMIT));
    let large = format!("HTTP/1.1 200 OK\r\n{field}\r\n");
    check(&large, Asked::default(), Err(Flaw::TooLarge));
    let endless = "x".repeat(LIMIT + 1);
    check(&endless, Asked::default(), Err(Flaw::TooLarge));
    let trailer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{field}\r\n");
    check(&trailer, Asked::default(), Err(Flaw::TooLarge));

    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let last = "HTTP/1.1 204 No Content\r\n\r\n";
    let some = interim.repeat(32) + last;
    check(&some, Asked::default(), Ok((some.len(), true)));
    let flood = interim.repeat(33) + last;
    check(&flood, Asked::default(), Err(Flaw::Interim));
}

#[test]
fn nothing_is_taken_before_it_was_asked_for_and_nothing_after_it() {
    let mut scan = Scan::new(LIMIT);
    let answer = b"HTTP/1.1 204 No Content\r\nx: y\r\n\r\n".as_slice();
    let twice = [answer, answer].concat();
    let mut buffer = BytesMut::from(&*twice);
    assert!(scan.head(&mut buffer).unwrap().is_none());
    assert!(scan.body(&mut buffer).unwrap().data.is_empty());
    assert_eq!(&*buffer, &*twice);
    for left in [answer.len(), 0] {
        scan.expect(Asked::default());
        assert!(scan.head(&mut buffer).unwrap().is_some());
        assert!(scan.body(&mut buffer).unwrap().data.is_empty());
        assert_eq!(buffer.len(), left);
        assert!(matches!(scan.state, State::Idle));
    }
}

/// Promise: what frames an answer on the app's connection goes no further, except for a length that is one.
#[test]
fn an_answer_keeps_no_framing_but_a_sound_length() {
    let table = [
        ("200", "content-length: 5", Some("5"), false),
        ("200", "content-length: 5, 5", Some("5"), false),
        (
            "200",
            "content-length: 5\r\nContent-Length: 05",
            Some("5"),
            false,
        ),
        ("200", "content-length: 0000005", Some("5"), false),
        ("200", "content-length: 0", Some("0"), false),
        ("304", "content-length: 9", Some("9"), false),
        ("204", "content-length: 5", None, false),
        ("200", "transfer-encoding: Chunked", None, false),
        ("200", "transfer-encoding: identity", None, false),
        ("200", "connection: x, Close", None, true),
        ("200", "connection: closed", None, false),
    ];
    for (status, fields, length, closes) in table {
        let text = format!("HTTP/1.1 {status} x\r\n{fields}\r\n\r\n");
        let mut scan = Scan::new(LIMIT);
        scan.expect(Asked::default());
        let head = scan.head(&mut BytesMut::from(&*text)).unwrap().unwrap();
        let stated = head.headers.get(http::header::CONTENT_LENGTH);
        let stated = stated.map(|stated| stated.to_str().unwrap());
        assert_eq!(stated, length, "{text:?}");
        assert_eq!(head.closes, closes, "{text:?}");
        assert!(!head.headers.contains_key(http::header::TRANSFER_ENCODING));
    }
    let mut scan = Scan::new(LIMIT);
    scan.expect(Asked::default());
    let old = "HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n";
    let head = scan.head(&mut BytesMut::from(old)).unwrap().unwrap();
    assert!(head.closes);
}

/// Promise: nothing that outlives a head holds the buffer it came in.
#[test]
fn a_head_and_a_short_body_leave_the_buffer_free() {
    let mut scan = Scan::new(LIMIT);
    scan.expect(Asked::default());
    let mut buffer = BytesMut::with_capacity(1024);
    buffer.extend_from_slice(b"HTTP/1.1 200 OK\r\nx: y\r\ncontent-length: 2\r\n\r\nok");
    let head = scan.head(&mut buffer).unwrap().unwrap();
    let piece = scan.body(&mut buffer).unwrap();
    assert_eq!((&*piece.data, head.headers.len()), (&b"ok"[..], 2));
    assert!(buffer.try_reclaim(1024), "somebody holds the buffer");
}

// === beside hyper ===

/// What one answer comes to.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Whole(Box<Heard>),
    Unfinished,
    Refused,
}

/// What hyper makes of `text` as the answer to a `GET`, while the connection stays open.
async fn by_hyper(text: Vec<u8>) -> Outcome {
    use http_body_util::{BodyExt, Empty};
    use hyper::client::conn::http1;
    use hyper_util::rt::TokioIo;
    use tokio::io::AsyncWriteExt;

    let (ours, mut theirs) = tokio::io::duplex(64 << 10);
    let (mut sender, connection) = http1::handshake(TokioIo::new(ours)).await.unwrap();
    tokio::task::spawn_local(connection);
    let request = http::Request::new(Empty::<bytes::Bytes>::new());
    let answer = tokio::task::spawn_local(async move {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned().unwrap_or_default();
        Ok::<_, hyper::Error>(Heard {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.to_bytes().to_vec(),
            trailers,
        })
    });
    // The request is on its way before its answer comes.
    tokio::task::yield_now().await;
    theirs.write_all(&text).await.unwrap();
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
    if !answer.is_finished() {
        return Outcome::Unfinished;
    }
    match answer.await.unwrap() {
        Ok(heard) => Outcome::Whole(Box::new(heard.unframed())),
        Err(_) => Outcome::Refused,
    }
}

impl Heard {
    fn unframed(mut self) -> Self {
        self.headers.remove(http::header::CONTENT_LENGTH);
        self.headers.remove(http::header::TRANSFER_ENCODING);
        self
    }
}

fn answers() -> impl proptest::strategy::Strategy<Value = Vec<u8>> {
    use proptest::prelude::*;
    let sound = proptest::sample::select(vec![
        "HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\nhello world!",
        "HTTP/1.1 200 OK\r\nserver: x\r\nContent-Length: 2, 2\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1A;x=y\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nx-sum: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n1\r\na\r\n0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nx: y\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\netag: \"x\"\r\ncontent-length: 7\r\n\r\n",
        "HTTP/1.0 404 Not Found\r\ncontent-length: 1\r\n\r\nx",
        "HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: identity\r\n\r\nx",
    ]);
    let bytes = proptest::sample::select(b"\r\n :;,0159aAxX\0\t+-\"\x7f\x85\n\r".to_vec());
    let change = (0..3_u8, any::<proptest::sample::Index>(), bytes);
    (sound, proptest::collection::vec(change, 0..3)).prop_map(|(sound, changes)| {
        let mut text = sound.as_bytes().to_vec();
        for (kind, at, byte) in changes {
            let at = at.index(text.len());
            match kind {
                0 => text.insert(at, byte),
                1 => drop(text.remove(at)),
                _ => text[at] = byte,
            }
        }
        text
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    /// Promise: an answer that we let through says to hyper what it says to us, and ends where it ends for us, so nothing
    /// of one is ever taken for a part of the next.
    #[test]
    fn hyper_reads_the_same_and_finds_the_end_where_we_do(text in answers(), step in 1_usize..60) {
        let Ok(reading) = read(&text, Asked::default(), step) else {
            return Ok(());
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let set = tokio::task::LocalSet::new();
        let shown = String::from_utf8_lossy(&text).into_owned();
        let whole = set.block_on(&runtime, by_hyper(text[..reading.taken].to_vec()));
        let expected = match reading.heard {
            Some(heard) if reading.ended => Outcome::Whole(Box::new(heard.unframed())),
            _ => Outcome::Unfinished,
        };
        proptest::prop_assert!(
            whole == expected || whole == Outcome::Refused,
            "{whole:?}, not {expected:?} of {shown:?}"
        );
        if reading.ended {
            let short = set.block_on(&runtime, by_hyper(text[..reading.taken - 1].to_vec()));
            proptest::prop_assert!(!matches!(short, Outcome::Whole(_)), "ends before its end: {shown:?}");
        }
    }

    /// Promise: how the bytes are cut into reads decides nothing.
    #[test]
    fn the_reading_does_not_depend_on_the_reads(text in answers(), step in 1_usize..20) {
        let at_once = read(&text, Asked::default(), text.len().max(1));
        let by_steps = read(&text, Asked::default(), step);
        proptest::prop_assert_eq!(at_once, by_steps);
    }
}
