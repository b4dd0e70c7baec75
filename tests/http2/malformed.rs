//! Requests that are malformed over HTTP/2, or too large: an error of the stream or a 4xx, and nothing for the app
//! (SECURITY 1.5 P16, 2.3).

use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, HEADERS, block, get,
};
use crate::support::{App, Gate, Setup};

type Field<'a> = (&'a str, &'a str);

/// A GET of `/` with these fields in the place of those of the same name, and after them.
fn with<'a>(usual: &'a [(String, String)], fields: &[Field<'a>]) -> Vec<Field<'a>> {
    let is_replaced =
        |name: &str| name.starts_with(':') && fields.iter().any(|(known, _)| *known == name);
    let replaced = fields.iter().filter(|(name, _)| name.starts_with(':'));
    let kept = usual.iter().filter(|(name, _)| !is_replaced(name));
    let mut all: Vec<_> = replaced.copied().collect();
    all.extend(kept.map(|(name, value)| (&**name, &**value)));
    all.extend(fields.iter().filter(|(name, _)| !name.starts_with(':')));
    all
}

/// Refused: reset, closed or answered 4xx or 501.
fn is_refused(end: &End) -> bool {
    end.is_error() || matches!(end.status(), 400..=499 | 501)
}

async fn still_serves(gate: &Gate) {
    let answer = gate.browser().http2().get("/fine").send().await;
    assert_eq!(answer.status(), 200);
}

fn only_fine(app: &App) {
    let seen = app.seen();
    assert!(seen.iter().all(|seen| seen.path() == "/fine"), "{seen:?}");
}

#[tokio::test]
async fn fields_that_http2_does_not_have_are_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/");
    for field in [
        ("X-Upper", "1"),
        ("x-uppeR", "1"),
        ("connection", "close"),
        ("connection", "x-session-id"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("upgrade", "websocket"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "trailers;q=1"),
    ] {
        let end = Frames::open(&gate)
            .await
            .ask(1, &with(&usual, &[field]))
            .await;
        assert!(is_refused(&end), "{field:?}: {end:?}");
    }
    still_serves(&gate).await;
    only_fine(&app);
}

#[tokio::test]
async fn no_field_smuggles_another_line() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/");
    for field in [
        ("x", "a\r\nx-session-user: evil"),
        ("x", "a\nb"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x", " a"),
        ("x", "a "),
        ("x", "\ta"),
        ("x\r\ny", "a"),
        ("x: y\r\nz", "a"),
        ("x y", "a"),
        ("x:y", "a"),
        ("x\0", "a"),
        ("", "a"),
        ("x\u{e9}", "a"),
        (":path", "/a\r\nx: y"),
        (":path", "/a HTTP/1.1\r\nx: y"),
        (":path", "/a b"),
        (":path", "/a\0"),
        (":path", "a"),
        (":path", ""),
        (":method", "GET / HTTP/1.1\r\nx: y"),
        (":method", "GE T"),
        (":method", ""),
        (":authority", "localhost\r\nx: y"),
        (":authority", "local host"),
        (":authority", "evil@localhost"),
        (":authority", "localhost/x"),
        (":authority", ""),
        (":scheme", "ht tp"),
        (":scheme", "https\r\nx"),
        (":scheme", "ftp"),
        (":scheme", "http"),
        (":scheme", ""),
        (":x", "y"),
        (":status", "200"),
        (":protocol", "websocket"),
    ] {
        let end = Frames::open(&gate)
            .await
            .ask(1, &with(&usual, &[field]))
            .await;
        assert!(is_refused(&end), "{field:?}: {end:?}");
    }
    still_serves(&gate).await;
    only_fine(&app);
}

#[tokio::test]
async fn pseudo_fields_come_once_all_of_them_and_first() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/");
    let usual: Vec<_> = usual
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    let mut rows = Vec::new();
    for missing in [":method", ":scheme", ":path", ":authority"] {
        let fields = usual.iter().filter(|(name, _)| *name != missing);
        rows.push((missing, fields.copied().collect::<Vec<_>>()));
    }
    for doubled in [":method", ":scheme", ":path", ":authority"] {
        let again = usual.iter().find(|(name, _)| *name == doubled);
        rows.push((
            doubled,
            [&usual[..], &[*again.expect("one of four")]].concat(),
        ));
    }
    let late = [&[("x", "y")], &usual[..]].concat();
    rows.push(("a field before them", late));
    for (what, fields) in rows {
        let end = Frames::open(&gate).await.ask(1, &fields).await;
        assert!(is_refused(&end), "{what}: {end:?}");
    }
    still_serves(&gate).await;
    only_fine(&app);
}

#[tokio::test]
async fn one_host_however_it_is_named() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/fine");
    let authority = usual[2].1.clone();

    for hosts in [
        &[("host", "other.test")][..],
        &[("host", "localhost")],
        &[("host", "evil")],
        &[("host", &authority), ("host", &authority)],
        &[("host", "")],
    ] {
        let end = Frames::open(&gate).await.ask(1, &with(&usual, hosts)).await;
        assert!(is_refused(&end), "{hosts:?}: {end:?}");
    }
    assert!(app.seen().is_empty());

    let end = Frames::open(&gate)
        .await
        .ask(1, &with(&usual, &[("host", &authority)]))
        .await;
    assert_eq!(end.status(), 200, "{end:?}");
    // Somebody translated HTTP/1.1, which has no :authority (RFC 9113 8.3.1).
    let translated: Vec<_> = with(&usual, &[("host", &authority)])
        .into_iter()
        .filter(|(name, _)| *name != ":authority")
        .collect();
    let end = Frames::open(&gate).await.ask(1, &translated).await;
    assert_eq!(end.status(), 200, "{end:?}");
    assert_eq!(app.last().header("host"), Some(authority));

    let end = Frames::open(&gate)
        .await
        .ask(1, &with(&usual, &[(":authority", "other.test")]))
        .await;
    assert_eq!(end.status(), 421, "{end:?}");
}

#[tokio::test]
async fn a_length_that_is_not_the_datas_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/");
    for (length, data) in [
        ("4", "hello"),
        ("6", "hello"),
        ("0", "hello"),
        ("5, 5", "hello"),
        ("+5", "hello"),
        ("05", "hello"),
        ("", "hello"),
        ("0x5", "hello"),
        ("18446744073709551621", "hello"),
    ] {
        let mut frames = Frames::open(&gate).await;
        let fields = with(&usual, &[(":method", "POST"), ("content-length", length)]);
        frames.request(1, 0, &fields).await;
        frames.send(DATA, END_STREAM, 1, data.as_bytes()).await;
        let end = frames.end(1).await;
        assert!(is_refused(&end), "{length:?}: {end:?}");
    }
    for lengths in [
        &[("content-length", "5")][..],
        &[("content-length", "0"), ("content-length", "5")],
    ] {
        let end = Frames::open(&gate)
            .await
            .ask(1, &with(&usual, lengths))
            .await;
        assert!(is_refused(&end), "{lengths:?} and no data: {end:?}");
    }
    still_serves(&gate).await;
    only_fine(&app);
}

#[tokio::test]
async fn an_expectation_that_nobody_can_meet_is_refused() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/fine");
    for expect in [
        &[("expect", "a miracle")][..],
        &[("expect", "y 100-continue")],
        &[("expect", "100-continue"), ("expect", "100-continue")],
    ] {
        let end = Frames::open(&gate)
            .await
            .ask(1, &with(&usual, expect))
            .await;
        assert_eq!(end.status(), 417, "{expect:?}: {end:?}");
    }
    assert!(app.seen().is_empty());

    let mut frames = Frames::open(&gate).await;
    let fields = with(&usual, &[(":method", "POST"), ("expect", "100-continue")]);
    frames.request(1, 0, &fields).await;
    frames.send(DATA, END_STREAM, 1, b"hello").await;
    assert_eq!(frames.end(1).await.status(), 200);
    assert_eq!(
        (app.last().header("expect"), &app.last().body[..]),
        (None, &b"hello"[..])
    );
}

#[tokio::test]
async fn trailers_that_are_malformed_end_the_stream() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/");
    for (trailer, ends) in [
        (("transfer-encoding", "chunked"), true),
        (("connection", "close"), true),
        (("X-Upper", "1"), true),
        ((":path", "/other"), true),
        (("x", "a\r\nb"), true),
        (("x", "y"), false),
    ] {
        let flags = if ends { END_STREAM } else { 0 };
        let mut frames = Frames::open(&gate).await;
        frames
            .request(1, 0, &with(&usual, &[(":method", "POST")]))
            .await;
        frames.send(DATA, 0, 1, b"hello").await;
        frames.request(1, flags, &[trailer]).await;
        let end = frames.end(1).await;
        assert!(is_refused(&end), "{trailer:?}: {end:?}");
    }
    still_serves(&gate).await;
    only_fine(&app);
}

// === too large ===

#[tokio::test]
async fn each_limit_has_its_status() {
    let app = App::plain().await;
    let setup = Setup {
        server: "[server.limits]\nbody_bytes = \"1KiB\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let usual = get(&gate, "/");

    let target = |bytes: usize| format!("/{}", "t".repeat(bytes - 1));
    let (fits, too_long) = (target(8 * 1024), target(8 * 1024 + 1));
    let end = Frames::open(&gate)
        .await
        .ask(1, &with(&usual, &[(":path", &fits)]))
        .await;
    assert_eq!(end.status(), 200, "{end:?}");
    let end = Frames::open(&gate)
        .await
        .ask(1, &with(&usual, &[(":path", &too_long)]))
        .await;
    assert_eq!(end.status(), 414, "{end:?}");

    let names: Vec<_> = (0..101).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = names.iter().map(|name| (&**name, "1")).collect();
    let end = Frames::open(&gate).await.ask(1, &with(&usual, &many)).await;
    assert_eq!(end.status(), 431, "{end:?}");

    // Larger than one frame, so that it takes a CONTINUATION.
    for bytes in [33_000, 40_000] {
        let large = "y".repeat(bytes);
        let head = block(&with(&usual, &[("x-large", &large)]));
        let mut frames = Frames::open(&gate).await;
        frames.send(HEADERS, END_STREAM, 1, &head[..16_000]).await;
        frames.send(CONTINUATION, 0, 1, &head[16_000..32_000]).await;
        frames
            .send(CONTINUATION, END_HEADERS, 1, &head[32_000..])
            .await;
        let end = frames.end(1).await;
        assert_eq!(end.status(), 431, "{bytes}: {end:?}");
    }

    let seen = app.seen().len();
    let post = with(&usual, &[(":method", "POST"), ("content-length", "1025")]);
    let mut frames = Frames::open(&gate).await;
    frames.request(1, 0, &post).await;
    assert_eq!(frames.end(1).await.status(), 413, "announced");
    let mut frames = Frames::open(&gate).await;
    frames
        .request(1, 0, &with(&usual, &[(":method", "POST")]))
        .await;
    frames.send(DATA, END_STREAM, 1, &[b'x'; 1025]).await;
    assert_eq!(frames.end(1).await.status(), 413, "found out");
    assert_eq!(app.seen().len(), seen);
}

#[tokio::test]
async fn a_refused_head_request_gets_no_body() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    let usual = get(&gate, "/.cloakroom/none");

    let end = Frames::open(&gate)
        .await
        .ask(1, &with(&usual, &[(":method", "HEAD")]))
        .await;

    assert_eq!(end, End::Answered(404, String::new()));
}
