//! Every row of SECURITY 2.3 that a visitor can send: refused with the connection closed, or one normal form.

use crate::recorder::Recorder;
use crate::support::{Gate, exchange};

/// What an attacker hopes to be read as a request of its own.
const NEXT: &str = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";

fn post(fields: &str, body: &str) -> String {
    format!("POST /first HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n{body}{NEXT}")
}

fn chunked(body: &str) -> String {
    post("Transfer-Encoding: chunked", body)
}

/// Asserts that `bytes` get `status` and nothing else, and that the connection is closed.
async fn refused(gate: &Gate, app: &Recorder, bytes: impl AsRef<[u8]>, status: &str) {
    let bytes = bytes.as_ref();
    let what = bytes.escape_ascii().to_string();
    let answer = exchange(gate, bytes).await;
    let lower = answer.to_ascii_lowercase();
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status} ")),
        "{what}: {answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{what}: {answer}");
    for field in [
        "x-request-id: ",
        "strict-transport-security: ",
        "connection: close",
        "content-security-policy: ",
        "cache-control: no-store",
    ] {
        assert!(lower.contains(field), "{what}: no {field} in {answer}");
    }
    let smuggled = app.request_lines();
    assert!(
        !smuggled.iter().any(|line| line.contains("smuggled")),
        "{what}: {smuggled:?}"
    );
}

/// Asserts that `bytes`, text in which each character is one byte, never reach the app at all.
async fn never_passes(gate: &Gate, app: &Recorder, text: &str, status: &str) {
    let bytes: Vec<u8> = text.chars().map(|byte| byte as u8).collect();
    refused(gate, app, &bytes, status).await;
    assert_eq!(app.bytes(), "", "{}", bytes.escape_ascii());
}

#[tokio::test]
async fn two_lengths_are_none() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for fields in [
        "Content-Length: 6\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 6",
        "Content-Length: 6\r\nX: y\r\nTransfer-Encoding: chunked",
        "Content-Length: 0\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 0\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 0",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 1_0",
        "Content-Length: 0x5",
        "Content-Length: 05",
        "Content-Length: 5.0",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551621",
        "Content-Length: 99999999999999999999999999",
        "Content-Length\u{85}: 5",
        "Content-Length : 5",
        "Content-Length: 5\n",
    ] {
        let request = post(fields, "0\r\n\r\n");
        never_passes(&gate, &app, &request, "400").await;
    }
}

#[tokio::test]
async fn a_transfer_coding_is_chunked_or_none() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for (fields, status) in [
        ("Transfer-Encoding : chunked", "400"),
        ("Transfer-Encoding\u{a0}: chunked", "400"),
        ("Transfer-Encoding\t: chunked", "400"),
        ("Transfer-Encoding: \x0bchunked", "400"),
        ("Transfer-Encoding: \u{a0}chunked", "400"),
        ("Transfer-Encoding: chunked\rX", "400"),
        ("Transfer-Encoding: chunked\r\r", "400"),
        ("Transfer-Encoding: ,chunked", "400"),
        ("Transfer-Encoding: chunked,", "400"),
        ("Transfer-Encoding: gzip, chunked", "400"),
        ("Transfer-Encoding: chunked, identity", "400"),
        ("Transfer-Encoding: \"chunked\"", "400"),
        ("Transfer-Encoding: 'chunked' ;q=1", "400"),
        ("Transfer-Encoding: chunked;x=y", "400"),
        ("Transfer-Encoding:\r\n chunked", "400"),
        ("Transfer-Encoding:\r\n\tchunked", "400"),
        (" Transfer-Encoding: chunked", "400"),
        ("Transfer-Encoding:", "400"),
        ("X: y\nTransfer-Encoding: chunked", "400"),
        ("X: y\rTransfer-Encoding: chunked", "400"),
        (
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "400",
        ),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "400"),
        ("Transfer-Encoding: xchunked", "501"),
        ("Transfer-Encoding: identity", "501"),
        ("Transfer-Encoding: gzip", "501"),
    ] {
        let request = post(fields, "0\r\n\r\n");
        never_passes(&gate, &app, &request, status).await;
    }
    let old = format!(
        "POST / HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}"
    );
    never_passes(&gate, &app, &old, "400").await;
}

#[tokio::test]
async fn a_request_line_and_its_fields_have_one_grammar() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let host = "Host: localhost\r\n";
    for (request, status) in [
        (format!("GET / HTTP/1.1\n{host}\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}\n"), "400"),
        (format!("GET / HTTP/1.1\n{host}\r\n"), "400"),
        (format!("\r\nGET / HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("\nGET / HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!(" GET / HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET  / HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET\t/ HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET /  HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET / HTTP/1.1 \r\n{host}\r\n"), "400"),
        (format!("GET /a b HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET /a#b HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET /\0 HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET / HTTP/1.1\rX\r\n{host}\r\n"), "400"),
        ("GET /\r\n".to_owned(), "400"),
        (format!("GET a HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("G(T / HTTP/1.1\r\n{host}\r\n"), "400"),
        (format!("GET / HTTP/1.2\r\n{host}\r\n"), "505"),
        (format!("GET / HTTP/2.0\r\n{host}\r\n"), "505"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
        (format!("GET / HTTP/11\r\n{host}\r\n"), "400"),
        (
            "CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n".to_owned(),
            "405",
        ),
        (format!("TRACE / HTTP/1.1\r\n{host}\r\n"), "405"),
        (format!("GET / HTTP/1.1\r\n{host}X : y\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X_\0: y\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}: y\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X: \0\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X: \x1b[2J\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X: \x7f\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X: a\rb\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}X: a\r\n b\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n X: a\r\n{host}\r\n"), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\n{host}{host}\r\n"), "400"),
        (
            format!("GET / HTTP/1.1\r\n{host}host: other.test\r\n\r\n"),
            "400",
        ),
        ("\x16\x03\x01\x02\x00\x01\x00\x01".to_owned(), "400"),
    ] {
        never_passes(&gate, &app, &format!("{request}{NEXT}"), status).await;
    }
}

#[tokio::test]
async fn a_chunk_has_one_size_and_one_end() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for body in [
        "0x5\r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "-0\r\n\r\n",
        "0_5\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "5\t;a\r\nhello\r\n0\r\n\r\n",
        "10000000000000005\r\nhello\r\n0\r\n\r\n",
        "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\rhello\r\n0\r\n\r\n",
        "5;a\nhello\r\n0\r\n\r\n",
        "5;\nhello\r\n0\r\n\r\n",
        "5;a\rhello\r\n0\r\n\r\n",
        "2;\nxx\r\n2b\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\rX0\r\n\r\n",
        "0\n\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\n\rX",
        "0\r\nX : y\r\n\r\n",
        "0\r\n X: y\r\n\r\n",
        "0\r\nX: y\n\r\n",
        "0\r\nX: y\r\n\n",
        "0\r\nX: \0\r\n\r\n",
        "\r\n0\r\n\r\n",
        ";x\r\n0\r\n\r\n",
    ] {
        refused(&gate, &app, chunked(body), "400").await;
    }
    // The heads were passed on before the chunks came to light; the bodies never came to an end.
    let seen = app.bytes();
    assert!(!seen.contains("\r\n0\r\n\r\n"), "{seen}");
    let mut lines = app.request_lines();
    lines.retain(|line| line != "POST /first HTTP/1.1");
    assert_eq!(lines, Vec::<String>::new());
    app.clear();
    // More than 2^32 bytes are announced: what comes behind the first is data of that chunk, whatever it looks like.
    let mut raw = crate::support::Raw::tls(&gate, "localhost").await;
    raw.send(chunked("100000005\r\nhello\r\n0\r\n\r\n")).await;
    crate::support::eventually("the data reaches the app", async || {
        app.bytes().contains("GET /smuggled").then_some(())
    })
    .await;
    let data = format!("hello\r\n0\r\n\r\n{NEXT}");
    let chunk = format!("\r\n\r\n{:x}\r\n{data}", data.len());
    let bytes = app.bytes();
    assert!(
        bytes
            .to_ascii_lowercase()
            .contains(&chunk.to_ascii_lowercase()),
        "{bytes}"
    );
}

#[tokio::test]
async fn chunks_are_written_anew_without_their_extensions() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let body = "0005;name=\"a;b\";x\r\nhello\r\n00;last\r\n\r\n";
    let close = "POST /first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                 Transfer-Encoding: CHUNKED\r\n\r\n";
    let answer = exchange(&gate, format!("{close}{body}{NEXT}")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let bytes = app.bytes();
    assert!(
        bytes.ends_with("\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "{bytes}"
    );
    assert_eq!(app.request_lines(), ["POST /first HTTP/1.1"]);
}

#[tokio::test]
async fn a_body_on_a_get_is_one_request_with_its_body() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    let length = NEXT.len();
    let request = format!(
        "GET /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{NEXT}\
         GET /second HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    );
    let answers = exchange(&gate, request).await;
    assert_eq!(answers.matches("HTTP/1.1 200 ").count(), 2, "{answers}");
    let bytes = app.bytes();
    assert!(
        bytes.contains(&format!("content-length: {length}\r\n")),
        "{bytes}"
    );
    assert!(bytes.contains(&format!("\r\n\r\n{NEXT}")), "{bytes}");
    // The recorder reads by length too, so it answered two and not three.
    assert_eq!(bytes.matches("GET /second").count(), 1, "{bytes}");
}

#[tokio::test]
async fn an_expectation_is_100_continue_or_refused() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for fields in [
        "Expect: y 100-continue\r\nContent-Length: 5",
        "Expect: 100-continue, y\r\nContent-Length: 5",
        "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5",
        "Expect: \r\nContent-Length: 5",
        "Expect: 200-ok\r\nContent-Length: 0",
    ] {
        never_passes(&gate, &app, &post(fields, ""), "417").await;
    }
    let folded = post("Expect:\r\n 100-continue\r\nContent-Length: 5", "");
    never_passes(&gate, &app, &folded, "417").await;

    // On a GET with a length it is one request, with that body.
    let request = "GET /first HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                   Connection: close\r\nContent-Length: 5\r\n\r\nhello";
    let answer = exchange(&gate, format!("{request}{NEXT}")).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 1, "{answer}");
    assert_eq!(app.request_lines(), ["GET /first HTTP/1.1"]);
    assert!(app.bytes().ends_with("\r\n\r\nhello"), "{}", app.bytes());
}

/// Who folds names, as CGI does, reads `Transfer_Encoding` as the field that frames a body.
#[tokio::test]
async fn no_other_spelling_of_what_frames_a_body_reaches_the_app() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for field in [
        "Transfer_Encoding: chunked",
        "transfer.encoding: chunked",
        "Content_Length: 0",
        "content~length: 0",
        "CONTENT_LENGTH: 100",
    ] {
        let request = format!(
            "POST /first HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\
             {field}\r\n\r\n{NEXT}",
            NEXT.len()
        );
        let answer = exchange(&gate, request).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{field}: {answer}");
        let bytes = app.bytes().to_ascii_lowercase();
        let length = format!("\r\ncontent-length: {}\r\n", NEXT.len());
        assert!(bytes.contains(&length), "{field}: {bytes}");
        let name = field.split(':').next().unwrap_or_default();
        assert!(
            !bytes.contains(&name.to_ascii_lowercase()),
            "{field}: {bytes}"
        );
        app.clear();
    }
}

/// CVE-2025-55315 and its kin, with the bodies as they were published: what stands in an extension or in a chunk of
/// another's reading is never a request.
#[tokio::test]
async fn a_request_in_an_extension_or_behind_a_bare_line_end_is_none() {
    let app = Recorder::start().await;
    let gate = app.gate().await;
    for body in [
        format!("1;\n{NEXT}\r\nx\r\n0\r\n\r\n"),
        format!("1\n{NEXT}\r\nx\r\n0\r\n\r\n"),
        format!("2;\nxx\r\n{:x}\r\n0\r\n\r\n", NEXT.len()),
        "5\r\nhello\r\n0;\n\r\n\r\n".to_owned(),
        "5\r\nhello\n0\r\n\r\n".to_owned(),
    ] {
        refused(&gate, &app, chunked(&body), "400").await;
    }
}
