use super::*;

const LIMIT: usize = 4096;

/// How much of `text`, read in steps of `step` bytes, is one answer, those bytes included that were not understood yet;
/// and whether the answer has ended.
fn scanned(text: &[u8], asked: Asked, step: usize) -> Result<(usize, bool), Flaw> {
    let mut scan = Scan::new(LIMIT);
    scan.expect(asked);
    let mut buffer = BytesMut::new();
    let mut taken = 0;
    for part in text.chunks(step) {
        buffer.extend_from_slice(part);
        taken += part.len();
        // Early hints are heads too.
        while scan.head(&mut buffer)?.is_some() {}
        scan.body(&mut buffer)?;
        if matches!(scan.state, State::Idle) {
            return Ok((taken - buffer.len(), true));
        }
    }
    Ok((taken, false))
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
