use super::*;

const LIMITS: Limits = Limits {
    head_bytes: 2048,
    fields: 20,
    target_bytes: 512,
};

/// The end of a scan over everything at once, checked to be the same when it comes in pieces.
fn scan(bytes: &[u8]) -> Scanned {
    let whole = Scanner::new(LIMITS).scan(bytes);
    for step in [1, 2, 3, 7] {
        assert_eq!(in_pieces(bytes, step), whole, "in pieces of {step}");
    }
    whole
}

fn in_pieces(bytes: &[u8], step: usize) -> Scanned {
    let mut scanner = Scanner::new(LIMITS);
    let (mut passed, mut shown) = (0, 0);
    loop {
        shown = bytes.len().min(shown + step);
        let scanned = scanner.scan(&bytes[passed..shown]);
        passed += scanned.passed;
        if scanned.end != End::More || shown == bytes.len() {
            return Scanned {
                passed,
                end: scanned.end,
            };
        }
    }
}

fn fault(bytes: impl AsRef<[u8]>) -> Option<Fault> {
    match scan(bytes.as_ref()).end {
        End::BadHead(fault) | End::BadBody(fault) => Some(fault),
        End::More | End::Upgrade => None,
    }
}

/// A GET with these lines beside Host.
fn with(lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

#[test]
fn sound_messages_pass_whole_and_one_after_another() {
    let messages = [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD /a?b=c&d=%20 HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost:a\r\n\r\n",
        "GET http://a/b HTTP/1.1\r\nHost: \ta \t\r\nX:\r\nY: \x09é\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-Continue\r\n\r\nhe\r\n\0",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "PUT /ü HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n\
         0000000a;x=\"y\"\r\n0123456789\r\n1\r\n\n\r\n00\r\nX-Sum: 1\r\nY:\r\n\r\n",
        "M-SEARCH /[x]|\"{} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    ];
    for message in messages {
        let scanned = scan(message.as_bytes());
        assert_eq!(scanned.end, End::More, "{message:?}");
        assert_eq!(scanned.passed, message.len(), "{message:?}");
    }
    let all = messages.concat();
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(all.as_bytes()).passed, all.len());
    assert_eq!(scanner.heads(), messages.len() as u64);
    assert!(scanner.is_between_messages());
}

#[test]
fn a_head_passes_only_whole_and_a_body_as_it_comes() {
    let mut scanner = Scanner::new(LIMITS);
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    for shown in 0..head.len() {
        assert_eq!(scanner.scan(&head[..shown]).passed, 0);
        assert!(scanner.is_between_messages());
    }
    assert_eq!(scanner.scan(head).passed, head.len());
    assert!(!scanner.is_between_messages());
    assert_eq!(scanner.scan(b"hel").passed, 3);
    assert_eq!(scanner.scan(b"loGET").passed, 2);
}

#[test]
fn what_has_two_readings_is_refused() {
    let long = "x".repeat(600);
    let table: Vec<(String, Fault)> = [
        ("\r\nGET / HTTP/1.1\r\n", Fault::RequestLine),
        ("\nGET / HTTP/1.1\r\n", Fault::RequestLine),
        (" GET / HTTP/1.1\r\n", Fault::RequestLine),
        ("\x16\x03\x01", Fault::RequestLine),
        ("GET\r\n", Fault::RequestLine),
        ("GET /\r\n", Fault::RequestLine),
        ("GET  / HTTP/1.1\r\n", Fault::RequestLine),
        ("GET /  HTTP/1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/1.1 \r\n", Fault::RequestLine),
        ("GET\t/ HTTP/1.1\r\n", Fault::RequestLine),
        ("GET /a b HTTP/1.1\r\n", Fault::RequestLine),
        ("G@T / HTTP/1.1\r\n", Fault::RequestLine),
        ("GET / http/1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/1.1.1\r\n", Fault::RequestLine),
        ("GET / HTTP/2.0\r\n", Fault::Version),
        ("GET / HTTP/1.2\r\n", Fault::Version),
        ("PRI * HTTP/2.0\r\n", Fault::Version),
        ("GET /\r HTTP/1.1\r\n", Fault::RequestLine),
        ("GET /a\tb HTTP/1.1\r\n", Fault::Target),
        ("GET /\0 HTTP/1.1\r\n", Fault::RequestLine),
        ("GET /a#b HTTP/1.1\r\n", Fault::Target),
        ("GET a HTTP/1.1\r\n", Fault::Target),
        ("GET ?a HTTP/1.1\r\n", Fault::Target),
        ("GET a:80 HTTP/1.1\r\n", Fault::Target),
        ("GET http:///b HTTP/1.1\r\n", Fault::Target),
        ("CONNECT a:80 HTTP/1.1\r\n", Fault::Method),
        ("TRACE / HTTP/1.1\r\n", Fault::Method),
        ("GET / HTTP/1.1\n", Fault::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\n", Fault::LineEnd),
        ("GET / HTTP/1.1\r\nHost: a\r\n\n", Fault::LineEnd),
        ("GET / HTTP/1.1\r\n\r\n", Fault::Host),
        ("GET / HTTP/1.1\r\nHost: a\r\nHOST: a\r\n", Fault::Host),
        ("GET / HTTP/1.1\r\n Host: a\r\n", Fault::Field),
    ]
    .into_iter()
    .map(|(bytes, fault)| (bytes.to_owned(), fault))
    .chain(
        [
            ("X : y", Fault::Field),
            (": y", Fault::Field),
            ("X", Fault::Field),
            ("X\x0b: y", Fault::Field),
            ("X: y\r\n folded", Fault::Field),
            ("X: y\r\n\tfolded", Fault::Field),
            ("X: a\rb", Fault::Field),
            ("X: a\r\r", Fault::Field),
            ("X: a\0", Fault::Field),
            ("X: a\x7f", Fault::Field),
            ("X\u{a0}: y", Fault::Field),
            ("Content-Length\u{85}: 5", Fault::Field),
            ("Content-Length:", Fault::Length),
            ("Content-Length: +5", Fault::Length),
            ("Content-Length: -5", Fault::Length),
            ("Content-Length: 010", Fault::Length),
            ("Content-Length: 1_0", Fault::Length),
            ("Content-Length: 0x5", Fault::Length),
            ("Content-Length: 5, 5", Fault::Length),
            ("Content-Length: 5, 0", Fault::Length),
            ("Content-Length: 18446744073709551621", Fault::Length),
            ("Content-Length: 1000000000000000000", Fault::Length),
            ("Content-Length: 5\r\nContent-Length: 5", Fault::Length),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
                Fault::Length,
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 5",
                Fault::Length,
            ),
            ("Transfer-Encoding: x\r\nContent-Length: 5", Fault::Length),
            ("Transfer-Encoding:", Fault::Length),
            ("Transfer-Encoding: \"chunked\"", Fault::Length),
            ("Transfer-Encoding: ,chunked", Fault::Length),
            ("Transfer-Encoding: gzip, chunked", Fault::Length),
            ("Transfer-Encoding: chunked, chunked", Fault::Length),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
                Fault::Length,
            ),
            ("Transfer-Encoding: chunked\u{a0}", Fault::Length),
            ("Transfer-Encoding: \x0bchunked", Fault::Field),
            ("Transfer-Encoding: xchunked", Fault::Coding),
            ("Transfer-Encoding: identity", Fault::Coding),
            ("Expect: y 100-continue", Fault::Expectation),
            ("Expect: 100-continue, x", Fault::Expectation),
            ("Expect:", Fault::Expectation),
            (
                "Expect: 100-continue\r\nExpect: 100-continue",
                Fault::Expectation,
            ),
        ]
        .map(|(lines, fault)| (with(&format!("{lines}\r\n")), fault)),
    )
    .chain([
        (format!("GET /{long}"), Fault::TargetTooLong),
        (format!("GET /{long} HTTP/1.1\r\n"), Fault::TargetTooLong),
        (with(&format!("X: {}", long.repeat(4))), Fault::TooLarge),
        (
            with(&format!("{}\r\n", "x: y\r\n".repeat(20))),
            Fault::TooLarge,
        ),
        (
            "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            Fault::Length,
        ),
    ])
    .collect();
    for (bytes, expected) in table {
        // Kestrel's `latin1` bytes: the table is text, the wire is not.
        let bytes: Vec<u8> = bytes.chars().map(|byte| byte as u8).collect();
        let scanned = scan(&bytes);
        assert_eq!(
            scanned.end,
            End::BadHead(expected),
            "{}",
            bytes.escape_ascii()
        );
        assert_eq!(scanned.passed, 0, "{}", bytes.escape_ascii());
    }
}

#[test]
fn chunks_have_one_grammar() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let table = [
        ("0x5\r\n", Fault::Chunk),
        ("+5\r\n", Fault::Chunk),
        ("-0\r\n", Fault::Chunk),
        ("0_5\r\n", Fault::Chunk),
        (" 5\r\n", Fault::Chunk),
        ("5 \r\n", Fault::Chunk),
        ("5 ;a\r\n", Fault::Chunk),
        ("\r\n", Fault::Chunk),
        (";a\r\n", Fault::Chunk),
        ("5\n", Fault::Chunk),
        ("5\rx", Fault::Chunk),
        ("5;a\nhello", Fault::Chunk),
        ("5;a\rhello", Fault::Chunk),
        ("5;a\0", Fault::Chunk),
        ("2;\nxx\r\n2b\r\n0\r\n\r\nGET ..", Fault::Chunk),
        ("10000000000000005\r\n", Fault::Chunk),
        ("00000000000000005\r\n", Fault::Chunk),
        ("1\r\na\n0\r\n", Fault::Chunk),
        ("1\r\naX", Fault::Chunk),
        ("1\r\na\r\n\r\n", Fault::Chunk),
        ("0\n\n", Fault::Chunk),
        ("0\r\n\n", Fault::Trailers),
        ("0\r\n\rX", Fault::Trailers),
        ("0\r\nX y\r\n", Fault::Trailers),
        ("0\r\n: y\r\n", Fault::Trailers),
        ("0\r\n X: y\r\n", Fault::Trailers),
        ("0\r\nX : y\r\n", Fault::Trailers),
        ("0\r\nX: y\n\r\n", Fault::Trailers),
        ("0\r\nX: y\r\n z\r\n\r\n", Fault::Trailers),
        ("0\r\nX: \0\r\n\r\n", Fault::Trailers),
    ];
    for (body, expected) in table {
        let scanned = scan(format!("{head}{body}").as_bytes());
        assert_eq!(scanned.end, End::BadBody(expected), "{body:?}");
        assert!(scanned.passed >= head.len(), "{body:?}");
    }
    let long = "x".repeat(600);
    assert_eq!(fault(format!("{head}5;{long}")), Some(Fault::Chunk));
    let many = format!("1;{}\r\na\r\n", "x".repeat(400)).repeat(21);
    assert_eq!(fault(format!("{head}{many}")), Some(Fault::Chunk));
    let many = "x: y\r\n".repeat(21);
    assert_eq!(fault(format!("{head}0\r\n{many}")), Some(Fault::Trailers));
    let large = format!("x: {long}\r\n").repeat(4);
    assert_eq!(fault(format!("{head}0\r\n{large}")), Some(Fault::Trailers));
    // 2^32 + 5 is a size like any other: five bytes of it are not the body.
    assert_eq!(
        fault(format!("{head}100000005\r\nhello\r\n0\r\n\r\n")),
        None
    );
}

#[test]
fn after_an_upgrade_nothing_passes_until_it_is_declined() {
    let request = with("Upgrade: websocket\r\n");
    let bytes = format!("{request}{request}");
    let mut scanner = Scanner::new(LIMITS);
    let scanned = scanner.scan(bytes.as_bytes());
    assert_eq!((scanned.passed, scanned.end), (request.len(), End::Upgrade));
    let again = scanner.scan(request.as_bytes());
    assert_eq!((again.passed, again.end), (0, End::Upgrade));
    scanner.decline_upgrade();
    assert_eq!(scanner.scan(request.as_bytes()).passed, request.len());
    // HTTP/1.0 has no upgrades.
    let old = "GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n";
    assert_eq!(scan(old.as_bytes()).end, End::More);
}

#[test]
fn nothing_passes_behind_a_fault() {
    let bytes = format!("{}GET / HTTP/1.1\n\n{}", with(""), with(""));
    let mut scanner = Scanner::new(LIMITS);
    assert_eq!(scanner.scan(bytes.as_bytes()).passed, with("").len());
    assert_eq!(
        scanner.scan(with("").as_bytes()),
        Scanned {
            passed: 0,
            end: End::BadHead(Fault::LineEnd)
        }
    );
}

#[test]
fn the_request_line_of_a_refused_head_is_told_if_it_is_sound() {
    let table: [(&str, Option<(&str, &str)>); 4] = [
        ("POST /a?b HTTP/1.1\r\nX : y\r\n", Some(("POST", "/a?b"))),
        ("POST /a#b HTTP/1.1\r\n", None),
        ("POST /a HTTP/1.1\n", None),
        ("POST /a", None),
    ];
    for (bytes, expected) in table {
        let expected = expected.map(|(method, target)| (method.as_bytes(), target.as_bytes()));
        assert_eq!(request_line(bytes.as_bytes()), expected, "{bytes:?}");
    }
}
