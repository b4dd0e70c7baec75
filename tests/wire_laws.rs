//! The laws of what is read off a wire before any parser (requests and answers of HTTP/1.1, PROXY headers), held against
//! messages that are nearly sound: sound ones put together from pieces, with odd pieces among them, and then damaged in
//! places.

#[path = "../fuzz/laws/mod.rs"]
#[allow(dead_code, reason = "the laws are asked for as a whole")]
mod laws;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn line() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "GET / HTTP/1.1\r\n",
        "GET /a?b=c HTTP/1.1\r\n",
        "POST /p HTTP/1.1\r\n",
        "HEAD / HTTP/1.0\r\n",
        "OPTIONS * HTTP/1.1\r\n",
        "PUT http://h/x HTTP/1.1\r\n",
        "M /\u{fc} HTTP/1.1\r\n",
        "CONNECT h:1 HTTP/1.1\r\n",
        "GET / HTTP/2.0\r\n",
    ])
    .prop_map(|line| line.as_bytes().to_vec())
}

fn field() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "Host: h\r\n",
        "host:h\r\n",
        "X: y\r\n",
        "Cookie: a=b; c=\"d\"\r\n",
        "Accept:\t*/* \r\n",
        "Connection: keep-alive\r\n",
        "Connection: close\r\n",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 12\r\n",
        "content-length:5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:\tCHUNKED \r\n",
        "Transfer-Encoding: gzip\r\n",
        "X : y\r\n",
        " folded\r\n",
        "X: y\n",
    ])
    .prop_map(|field| field.as_bytes().to_vec())
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    select(vec![
        "",
        "hello",
        "hello world!",
        "5\r\nhello\r\n0\r\n\r\n",
        "5;x=y\r\nhello\r\n0\r\n\r\n",
        "00c\r\nhello world!\r\n000\r\nX: y\r\n\r\n",
        "1\r\n\n\r\n1\r\n\r\r\n0\r\n\r\n",
        "5\r\nhel",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0;\n\r\n",
    ])
    .prop_map(|body| body.as_bytes().to_vec())
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let host = Just(b"Host: h\r\n".to_vec());
    let fields = vec(field(), 0..4);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\n", ""]);
    (line(), host, fields, end, body()).prop_map(|(line, host, fields, end, body)| {
        let fields = fields.concat();
        [line, host, fields, end.as_bytes().to_vec(), body].concat()
    })
}

/// Replaces, inserts or removes one byte.
fn damage(bytes: &mut Vec<u8>, (at, how, byte): &(Index, u8, u8)) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    match how % 3 {
        0 => bytes[at] = *byte,
        1 => bytes.insert(at, *byte),
        _ => drop(bytes.remove(at)),
    }
}

fn damages(bytes: &'static [u8]) -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    vec((any::<Index>(), any::<u8>(), select(bytes.to_vec())), 0..3)
}

// === answers ===

fn answer() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200\r\n",
        "HTTP/1.0 404 Not Found\r\n",
        "HTTP/1.1 204 No Content\r\n",
        "HTTP/1.1 304 Not Modified\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 500 x\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n",
    ]);
    let field = select(vec![
        "x: y\r\n",
        "Server:\tz \r\n",
        "content-length: 0\r\n",
        "content-length: 5\r\n",
        "Content-Length: 5, 5\r\n",
        "Content-Length: 12\r\n",
        "content-length: 05\r\n",
        "transfer-encoding: chunked\r\n",
        "Transfer-Encoding:\tCHUNKED \r\n",
        "transfer-encoding: identity\r\n",
        "connection: close\r\n",
        "connection: upgrade\r\nupgrade: websocket\r\n",
        "x : y\r\n",
        " folded\r\n",
        "x: y\n",
    ]);
    let fields = vec(field, 0..4);
    let end = select(vec!["\r\n", "\r\n", "\r\n", "\n", ""]);
    (line, fields, end, body()).prop_map(|(line, fields, end, body)| {
        let head = [line, &fields.concat(), end].concat();
        [head.as_bytes(), &body].concat()
    })
}

// === PROXY headers ===

fn proxy_header() -> impl Strategy<Value = Vec<u8>> {
    let begin = select(vec![
        &b""[..],
        b"PROXY ",
        b"PROXY TCP4 ",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65535\r\n",
        b"PROXY TCP6 2001:db8::1 ::1 80 443\r\n",
        b"PROXY TCP6 ",
        b"PROXY UNKNOWN",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
        b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x01\x01\x01\x02\x02\x02\x02\0\x50\x01\xbb",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24",
    ]);
    let rest = prop_oneof![
        vec(any::<u8>(), 0..200),
        "[0-9a-f:. +\r\n]{0,120}".prop_map(String::into_bytes),
    ];
    (begin, rest).prop_map(|(begin, rest)| [begin, &rest].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn what_passes_is_read_by_hyper_as_we_read_it(
        messages in vec(message(), 1..4),
        damages in damages(b"\r\n\t :;,0a\0\x0b\x7f\x85\xa0G"),
    ) {
        let mut bytes = messages.concat();
        damages.iter().for_each(|one| damage(&mut bytes, one));
        laws::h1_request::hold(&bytes);
    }

    #[test]
    fn nothing_makes_it_panic(bytes in vec(any::<u8>(), 0..300)) {
        laws::h1_request::hold(&bytes);
    }

    #[test]
    fn an_answer_is_read_as_hyper_reads_it(
        asked in select(b"0012".to_vec()),
        answers in vec(answer(), 1..3),
        damages in damages(b"\r\n :;,0159aAxX\0\t+-\"\x7f\x85"),
    ) {
        let mut bytes = answers.concat();
        damages.iter().for_each(|one| damage(&mut bytes, one));
        bytes.insert(0, asked);
        laws::app_answer::hold(&bytes);
    }

    #[test]
    fn a_proxy_header_is_read_in_its_one_form(
        header in proxy_header(),
        damages in damages(b"\r\n .:+0159PU\0\x20\x21\x31"),
    ) {
        let mut bytes = header;
        damages.iter().for_each(|one| damage(&mut bytes, one));
        laws::proxy_header::hold(&bytes);
    }
}
