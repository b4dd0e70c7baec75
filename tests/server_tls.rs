//! Promises of the listeners: TLS, limits of connections, drain. Through real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "support/tls.rs"]
mod tls;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cloakroom::base::clock::{Clock, Stopwatch};
use cloakroom::base::meter::Count;
use cloakroom::gateway::Arrival;
use cloakroom::headers::strict::Fault;
use cloakroom::server::tls::{CertificateSet, TlsSettings, TlsVersion};
use cloakroom::upstream::visitor::Incoming;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tls::{Ca, Plan, Server, TestBody, connect, credulous_client, shown_hosts, text};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const SHORT: Duration = Duration::from_millis(250);
const LONG: Duration = Duration::from_secs(30);

/// Tells which way the request came.
async fn hello(arrival: Rc<Arrival>, request: Request<Incoming>) -> Response<TestBody> {
    let sni = arrival.sni.as_deref().unwrap_or("-");
    text(format!(
        "{:?} {sni} {}",
        request.version(),
        arrival.peer.ip()
    ))
}

fn localhost(ca: &Ca) -> Plan {
    Plan::new(vec![ca.issue("localhost", &["localhost"])])
}

/// Fails the test when `future` takes longer than any limit that it could be waiting for.
async fn soon<F: Future>(future: F) -> F::Output {
    let soon = tokio::time::timeout(Duration::from_secs(10), future);
    soon.await.expect("took too long")
}

/// Reads until the peer closes, in whatever way it does.
async fn closes(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = soon(stream.read_to_end(&mut all)).await;
    all
}

type H1 = http1::SendRequest<Empty<Bytes>>;
type H2 = http2::SendRequest<Empty<Bytes>>;

async fn h1(server: &Server, ca: &Ca) -> H1 {
    let stream = connect(server.https, "localhost", ca.client(&["http/1.1"]));
    let io = TokioIo::new(soon(stream).await.unwrap());
    let (sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection.with_upgrades());
    sender
}

async fn h2(server: &Server, ca: &Ca) -> (H2, tokio::task::JoinHandle<Result<(), hyper::Error>>) {
    let stream = connect(server.https, "localhost", ca.client(&["h2"]));
    let io = TokioIo::new(soon(stream).await.unwrap());
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://localhost{path}"))
        .header("host", "localhost")
        .body(Empty::new())
        .unwrap()
}

async fn body(response: hyper::Result<Response<hyper::body::Incoming>>) -> String {
    let collected = soon(response.unwrap().into_body().collect()).await;
    String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap()
}

// === TLS ===

#[tokio::test]
async fn alpn_chooses_the_protocol_and_the_arrival_tells_the_host() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);

    let mut sender = h1(&server, &ca).await;
    assert_eq!(
        body(sender.send_request(get("/")).await).await,
        "HTTP/1.1 localhost 127.0.0.1"
    );

    let (mut sender, _connection) = h2(&server, &ca).await;
    assert_eq!(
        body(sender.send_request(get("/")).await).await,
        "HTTP/2.0 localhost 127.0.0.1"
    );
    assert_eq!(server.count(Count::Handshakes), 2);
}

#[tokio::test]
async fn a_client_without_alpn_speaks_http_1() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);
    let mut stream = connect(server.https, "localhost", ca.client(&[]))
        .await
        .unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let answer = closes(&mut stream).await;
    assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn an_unknown_protocol_is_refused_by_its_alert() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);
    for alpn in ["http/1.0", "spdy/3", "h2c", "acme-tls/1"] {
        let refused = connect(server.https, "localhost", ca.client(&[alpn])).await;
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("NoApplicationProtocol"), "{alpn}: {error}");
    }
}

#[tokio::test]
async fn tls_1_2_is_spoken_unless_the_settings_say_otherwise() {
    let ca = Ca::new();
    for (min_version, expected) in [(TlsVersion::Tls12, true), (TlsVersion::Tls13, false)] {
        let server = Server::start(
            Plan {
                min_version,
                ..localhost(&ca)
            },
            hello,
        );
        let connected = connect(server.https, "localhost", ca.tls12_client()).await;
        assert_eq!(connected.is_ok(), expected, "{min_version:?}");
    }
}

/// A ClientHello that offers TLS 1.1 and a cipher suite that TLS 1.1 has.
#[tokio::test]
async fn tls_1_1_gets_a_protocol_version_alert() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);
    let mut hello = vec![3, 2];
    hello.extend([7; 32]); // random
    hello.extend([0]); // no session
    hello.extend([0, 2, 0xc0, 0x09]); // TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA
    hello.extend([1, 0]); // no compression
    let hello_len = u8::try_from(hello.len()).unwrap();
    let mut record = vec![22, 3, 1, 0, hello_len + 4, 1, 0, 0, hello_len];
    record.extend(hello);

    let mut tcp = TcpStream::connect(server.https).await.unwrap();
    tcp.write_all(&record).await.unwrap();

    let answer = closes(&mut tcp).await;
    assert_eq!(answer.first(), Some(&21), "an alert: {answer:?}");
    assert!(
        matches!(answer.get(5..7), Some([2, 70 | 40])),
        "fatal, protocol_version or handshake_failure: {answer:?}"
    );
}

#[tokio::test]
async fn each_host_gets_its_certificate_and_strangers_the_first() {
    let ca = Ca::new();
    let server = Server::start(
        Plan::new(vec![
            ca.issue("first", &["first.example"]),
            ca.issue("wild", &["*.shop.example"]),
            ca.issue("exact", &["www.shop.example", "127.0.0.1"]),
        ]),
        hello,
    );
    for (host, expected) in [
        ("first.example", "first.example"),
        ("unknown.example", "first.example"),
        ("127.0.0.1", "first.example"),
        ("a.shop.example", "*.shop.example"),
        ("A.SHOP.example", "*.shop.example"),
        ("a.b.shop.example", "first.example"),
        ("www.shop.example", "www.shop.example"),
    ] {
        let stream = connect(server.https, host, credulous_client(&[])).await;
        assert_eq!(shown_hosts(&stream.unwrap())[0], expected, "{host}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_dropping_a_connection() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);
    let mut before = h1(&server, &ca).await;
    body(before.send_request(get("/")).await).await;

    let renewed = TlsSettings {
        min_version: TlsVersion::Tls12,
        certificates: vec![ca.issue("renewed", &["localhost", "renewed.example"])],
    };
    let set = CertificateSet::load(&renewed, Clock::system().now()).unwrap();
    server.certificates.replace(set);

    let after = connect(server.https, "localhost", ca.client(&[])).await;
    assert_eq!(
        shown_hosts(&after.unwrap()),
        ["localhost", "renewed.example"]
    );
    before.ready().await.unwrap();
    body(before.send_request(get("/")).await).await;
}

#[tokio::test]
async fn sessions_of_tls_resume_on_every_core() {
    let ca = Ca::new();
    let plan = Plan {
        cores: 2,
        ..localhost(&ca)
    };
    let server = Server::start(plan, hello);
    let client = Arc::new(ca.client(&["http/1.1"]));
    let mut kinds = Vec::new();
    for _ in 0..6 {
        let mut stream = connect(server.https, "localhost", Arc::clone(&client))
            .await
            .unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        closes(&mut stream).await;
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
    }
    let resumed = |kind: &&rustls::HandshakeKind| **kind == rustls::HandshakeKind::Resumed;
    assert_eq!(kinds.iter().filter(resumed).count(), 5, "{kinds:?}");
}

// === Certificates that cannot be used ===

#[test]
fn each_bad_certificate_is_named_with_the_way_out() {
    let ca = Ca::new();
    let good = ca.issue("good", &["good.example"]);
    let other = ca.issue("other", &["other.example"]);
    let expired = ca.issue_with("expired", &["a.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    let early = ca.issue_with("early", &["a.example"], |params| {
        params.not_before = rcgen::date_time_ymd(2190, 1, 1);
        params.not_after = rcgen::date_time_ymd(2191, 1, 1);
    });
    let nameless = ca.issue("nameless", &[]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let junk_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let junk_cert = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let torn = "-----BEGIN CERTIFICATE-----\nAAAA\n";

    let with = |cert_file: std::path::PathBuf, key_file: std::path::PathBuf| {
        let mut settings = good.clone();
        settings.cert_file = cert_file;
        settings.key_file = key_file;
        settings
    };
    let (cert, key) = (&good.cert_file, &good.key_file);
    let folder = ca.folder.path().to_owned();
    for (settings, parts) in [
        (
            with(folder.join("gone.pem"), key.clone()),
            ["cert_file", "gone.pem", "no such file"],
        ),
        (
            with(cert.clone(), folder.join("gone.pem")),
            ["key_file", "gone.pem", "no such file"],
        ),
        (
            with(folder.clone(), key.clone()),
            ["cert_file", "cannot read", "let the user"],
        ),
        (
            with(cert.clone(), folder.clone()),
            ["key_file", "cannot read", "let the user"],
        ),
        (
            with(ca.write("text", "hello"), key.clone()),
            ["cert_file", "no certificate", "text"],
        ),
        (
            with(ca.write("torn", torn), key.clone()),
            ["cert_file", "not a PEM file", "torn"],
        ),
        (
            with(ca.write("junk", junk_cert), key.clone()),
            ["cert_file", "cannot be read", "junk"],
        ),
        (
            with(key.clone(), key.clone()),
            ["cert_file", "no certificate", "good-key.pem"],
        ),
        (
            with(cert.clone(), cert.clone()),
            ["key_file", "no private key", "good.pem"],
        ),
        (
            with(cert.clone(), ca.write("enc", encrypted)),
            ["key_file", "is encrypted", "openssl pkey"],
        ),
        (
            with(cert.clone(), ca.write("jkey", junk_key)),
            ["key_file", "cannot be used", "jkey"],
        ),
        (
            with(cert.clone(), other.key_file),
            ["key_file", "is not the key of", "other-key.pem"],
        ),
        (expired, ["cert_file", "expired on", "renew it"]),
        (early, ["cert_file", "not valid before", "clock"]),
        (nameless, ["cert_file", "names no host", "nameless.pem"]),
    ] {
        let settings = TlsSettings {
            min_version: TlsVersion::Tls12,
            certificates: vec![settings],
        };
        let faults = CertificateSet::load(&settings, Clock::system().now()).unwrap_err();
        let fault = faults[0].to_string();
        assert!(
            parts.iter().all(|part| fault.contains(part)),
            "{fault} has not {parts:?}"
        );
    }
}

#[test]
fn all_bad_certificates_are_reported_at_once() {
    let ca = Ca::new();
    let mut settings = TlsSettings {
        min_version: TlsVersion::Tls12,
        certificates: vec![ca.issue("good", &["a.example"]); 3],
    };
    settings.certificates[0].key_file = "gone".into();
    settings.certificates[2].cert_file = "gone".into();
    let faults = CertificateSet::load(&settings, Clock::system().now()).unwrap_err();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

/// A SEC1 key is what PKCS#8 wraps; cut it out of one that starts with its length and version.
#[test]
fn a_sec1_key_is_read_too() {
    let ca = Ca::new();
    let mut settings = ca.issue("sec1", &["Sec1.example", "10.0.0.1"]);
    let pkcs8 = std::fs::read_to_string(&settings.key_file).unwrap();
    let pkcs8 = rcgen::KeyPair::from_pem(&pkcs8).unwrap().serialize_der();
    let wrapped = pkcs8.windows(3).position(|at| at == [0x30, 0x6b, 0x02]);
    let sec1 = data_encoding::BASE64.encode(&pkcs8[wrapped.unwrap()..]);
    settings.key_file = ca.write(
        "sec1-key.pem",
        &format!("-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n"),
    );
    let settings = TlsSettings {
        min_version: TlsVersion::Tls12,
        certificates: vec![settings],
    };
    let set = CertificateSet::load(&settings, Clock::system().now()).unwrap();
    assert_eq!(set.certificates()[0].hosts, ["sec1.example", "10.0.0.1"]);
}

// === Limits ===

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.handshake_timeout = SHORT;
    let server = Server::start(plan, hello);
    for sent in [&b""[..], &[22, 3, 1, 1]] {
        let mut tcp = TcpStream::connect(server.https).await.unwrap();
        tcp.write_all(sent).await.unwrap();
        closes(&mut tcp).await;
    }
    // The socket closes a moment before the failure is counted.
    let counted = async {
        while server.count(Count::HandshakeFailures) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let counted = tokio::time::timeout(Duration::from_secs(10), counted).await;
    assert!(counted.is_ok(), "both failures are counted");
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.header_timeout = SHORT;
    plan.limits.write_timeout = SHORT;
    let server = Server::start(plan, hello);
    for alpn in ["http/1.1", "h2"] {
        let stream = connect(server.https, "localhost", ca.client(&[alpn])).await;
        closes(&mut stream.unwrap()).await;
    }
    closes(&mut TcpStream::connect(server.http).await.unwrap()).await;
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_on_a_fresh_and_on_a_used_connection() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.header_timeout = SHORT;
    let server = Server::start(plan, hello);
    for used in [false, true] {
        let stream = connect(server.https, "localhost", ca.client(&["http/1.1"]));
        let mut stream = stream.await.unwrap();
        if used {
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = [0; 15];
            soon(stream.read_exact(&mut answer)).await.unwrap();
        }
        let (mut read, mut write) = tokio::io::split(stream);
        let drip = async {
            write.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
            loop {
                tokio::time::sleep(SHORT / 5).await;
                if write.write_all(b"x").await.is_err() || write.flush().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            _ = closes(&mut read) => {}
            () = drip => {}
        }
    }
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_but_not_its_own() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.header_timeout = SHORT;
    plan.limits.keepalive_timeout = SHORT * 5;
    let server = Server::start(plan, hello);

    let mut one = h1(&server, &ca).await;
    let (mut two, two_ends) = h2(&server, &ca).await;
    body(one.send_request(get("/")).await).await;
    body(two.send_request(get("/")).await).await;
    let idle = Stopwatch::start();
    tokio::time::sleep(SHORT * 2).await;
    body(one.send_request(get("/")).await).await;
    body(two.send_request(get("/")).await).await;

    soon(two_ends).await.unwrap().unwrap();
    while one.ready().await.is_ok() {
        soon(tokio::time::sleep(SHORT / 10)).await;
        assert!(idle.elapsed() < SHORT * 30);
    }
    assert!(idle.elapsed() >= SHORT * 6, "{:?}", idle.elapsed());
}

#[tokio::test]
async fn connections_past_the_limit_are_closed_at_once_and_counted() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.connections = 2;
    plan.cores = 2;
    let server = Server::start(plan, hello);
    let first = connect(server.https, "localhost", ca.client(&[])).await;
    let second = connect(server.https, "localhost", ca.client(&[])).await;
    assert!(first.is_ok() && second.is_ok());

    let mut third = TcpStream::connect(server.https).await.unwrap();
    assert_eq!(closes(&mut third).await, b"");
    assert_eq!(server.count(Count::ConnectionsRefused), 1);

    drop(first);
    let again = async {
        while connect(server.https, "localhost", ca.client(&[]))
            .await
            .is_err()
        {
            tokio::task::yield_now().await;
        }
    };
    soon(again).await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.write_timeout = SHORT;
    let handed_out = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handed_out);
    let endless = move |_: Rc<Arrival>, _: Request<Incoming>| {
        let body = Endless(Arc::clone(&count));
        std::future::ready(Response::new(body.boxed_unsync()))
    };
    let server = Server::start(plan, endless);
    let stream = connect(server.https, "localhost", ca.client(&["http/1.1"]));
    let mut stream = stream.await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    soon(server.drain.emptied()).await;
    // What the kernel holds for both ends is of its choosing; what we hold is small beside it.
    let handed_out = handed_out.load(Ordering::Relaxed);
    assert!(handed_out < 32 * 1024 * 1024, "{handed_out}");
}

#[tokio::test]
async fn a_stream_whose_reader_takes_nothing_is_reset_alone() {
    let ca = Ca::new();
    let mut plan = localhost(&ca);
    plan.limits.write_timeout = SHORT;
    let server = Server::start(plan, |arrival, request| async move {
        match request.uri().path() {
            "/endless" => Response::new(Endless(Arc::default()).boxed_unsync()),
            // An app that thinks for longer than a reader may.
            "/slow" => {
                tokio::time::sleep(SHORT * 2).await;
                hello(arrival, request).await
            }
            _ => hello(arrival, request).await,
        }
    });
    let (mut streams, _connection) = h2(&server, &ca).await;

    let stalled = soon(streams.send_request(get("/endless"))).await.unwrap();
    let slow = streams.send_request(get("/slow"));
    let mut stalled = stalled.into_body();
    body(slow.await).await;
    tokio::time::sleep(SHORT).await;

    // What was sent before may still be read; then comes the reset.
    let read_on = async { while let Some(Ok(_)) = stalled.frame().await {} };
    tokio::time::timeout(SHORT * 8, read_on).await.unwrap();
    body(streams.send_request(get("/")).await).await;
}

#[tokio::test]
async fn too_much_of_a_head_gets_431() {
    let ca = Ca::new();
    // Who judges HTTP/1.1 heads tells the handler, which answers.
    let server = Server::start(localhost(&ca), |_, request| async move {
        let mut answer = text("");
        if request.extensions().get() == Some(&Fault::TooLarge) {
            *answer.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        }
        answer
    });
    let many = (0..101).map(|n| (format!("x-{n}"), "1".to_owned()));
    let large = (0..5).map(|n| (format!("x-{n}"), "1".repeat(8 * 1024)));
    for fields in [many.collect::<Vec<_>>(), large.collect()] {
        let request = || {
            let mut request = get("/");
            for (name, value) in &fields {
                let name = http::HeaderName::try_from(name.as_str()).unwrap();
                let value = http::HeaderValue::try_from(value.as_str()).unwrap();
                request.headers_mut().append(name, value);
            }
            request
        };
        let mut sender = h1(&server, &ca).await;
        let answer = soon(sender.send_request(request())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        if fields.len() < 100 {
            let (mut sender, _connection) = h2(&server, &ca).await;
            let refused = match soon(sender.send_request(request())).await {
                Ok(answer) => answer.status() == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                Err(_refused_by_the_client_that_knows_the_limit) => true,
            };
            assert!(refused);
        }
    }
}

// === Faults of the handler ===

#[tokio::test]
async fn a_panic_ends_one_request_and_not_the_core() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), |arrival, request| async move {
        assert!(request.uri().path() != "/panic", "a fault of the handler");
        hello(arrival, request).await
    });
    let mut bystander = h1(&server, &ca).await;
    body(bystander.send_request(get("/")).await).await;
    let (mut streams, _connection) = h2(&server, &ca).await;

    let mut unlucky = h1(&server, &ca).await;
    assert!(soon(unlucky.send_request(get("/panic"))).await.is_err());
    assert!(soon(streams.send_request(get("/panic"))).await.is_err());

    bystander.ready().await.unwrap();
    body(bystander.send_request(get("/")).await).await;
    body(streams.send_request(get("/")).await).await;
    body(h1(&server, &ca).await.send_request(get("/")).await).await;
}

// === Upgrades ===

#[tokio::test]
async fn an_upgraded_connection_is_a_tunnel_that_still_counts() {
    let ca = Ca::new();
    let server = Server::start(
        localhost(&ca),
        |_, mut request: Request<Incoming>| async move {
            let upgrade = request.body_mut().take_upgrade().unwrap();
            tokio::task::spawn_local(async move {
                let upgraded = upgrade.opened().await.ok().unwrap();
                let (mut read, mut write) = tokio::io::split(upgraded);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
            let mut response = text("");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "echo".parse().unwrap());
            response
        },
    );
    let mut request = get("/");
    let headers = request.headers_mut();
    headers.insert("connection", "upgrade".parse().unwrap());
    headers.insert("upgrade", "echo".parse().unwrap());

    let mut sender = h1(&server, &ca).await;
    let response = soon(sender.send_request(request)).await.unwrap();
    let tunnel = hyper::upgrade::on(response).await.unwrap();
    let mut tunnel = TokioIo::new(tunnel);
    tunnel.write_all(b"hello").await.unwrap();
    tunnel.flush().await.unwrap();
    let mut echo = [0; 5];
    soon(tunnel.read_exact(&mut echo)).await.unwrap();

    assert_eq!(&echo, b"hello");
    assert_eq!(server.drain.open(), 1);
    drop(tunnel);
    soon(server.drain.emptied()).await;
}

// === Drain ===

/// A handler that says when it was asked, and answers when it may.
#[derive(Clone, Default)]
struct Gate {
    asked: Arc<Notify>,
    may_answer: Arc<Notify>,
}

impl Gate {
    fn start(&self, plan: Plan) -> Server {
        let gate = self.clone();
        Server::start(plan, move |_, _| {
            let gate = gate.clone();
            async move {
                gate.asked.notify_one();
                gate.may_answer.notified().await;
                text("done")
            }
        })
    }
}

#[tokio::test]
async fn a_drain_finishes_what_is_under_way_and_closes_what_is_idle() {
    let ca = Ca::new();
    let gate = Gate::default();
    let plan = Plan {
        cores: 2,
        ..localhost(&ca)
    };
    let server = gate.start(plan);
    let mut idle = connect(server.https, "localhost", ca.client(&[]))
        .await
        .unwrap();
    let (_idle_h2, idle_h2_ends) = h2(&server, &ca).await;
    let mut one = h1(&server, &ca).await;
    let (mut two, two_ends) = h2(&server, &ca).await;
    let one = tokio::spawn(async move { one.send_request(get("/")).await });
    let two = tokio::spawn(async move { two.send_request(get("/")).await });
    soon(gate.asked.notified()).await;
    soon(gate.asked.notified()).await;

    server.drain.begin();

    closes(&mut idle).await;
    soon(idle_h2_ends).await.unwrap().unwrap();
    let refused = async {
        while TcpStream::connect(server.https).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    soon(refused).await;
    gate.may_answer.notify_one();
    gate.may_answer.notify_one();
    gate.may_answer.notify_waiters();
    let one = one.await.unwrap();
    let connection = one.as_ref().unwrap().headers().get("connection");
    assert_eq!(connection.unwrap(), "close");
    assert_eq!(body(one).await, "done");
    assert_eq!(body(two.await.unwrap()).await, "done");
    soon(two_ends).await.unwrap().unwrap();
    soon(tokio::task::spawn_blocking(|| server.join()))
        .await
        .unwrap();
}

/// Promise: a request that was sent before anybody could know of the drain is answered, and told that it was the last.
#[tokio::test]
async fn a_request_that_has_come_when_the_drain_begins_is_answered() {
    let ca = Ca::new();
    let (held, holds) = std::sync::mpsc::channel();
    let server = Server::start(localhost(&ca), move |_, request: Request<Incoming>| {
        if request.uri().path() == "/hold" {
            // The core does nothing else meanwhile, and hears of requests and of the drain at once.
            held.send(()).unwrap();
            std::thread::sleep(SHORT);
        }
        async {
            tokio::task::yield_now().await;
            text("done")
        }
    });
    let mut idle = Vec::new();
    for _ in 0..16 {
        let stream = connect(server.https, "localhost", ca.client(&[])).await;
        let mut stream = stream.unwrap();
        ask(&mut stream, "/").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"done") {
            soon(stream.read_buf(&mut answer)).await.unwrap();
        }
        idle.push(stream);
    }
    let stream = connect(server.https, "localhost", ca.client(&[])).await;
    let mut busy = stream.unwrap();
    ask(&mut busy, "/hold").await;
    tokio::task::spawn_blocking(move || holds.recv())
        .await
        .unwrap()
        .unwrap();

    for stream in &mut idle {
        ask(stream, "/").await;
    }
    server.drain.begin();

    for mut stream in idle {
        let mut answer = Vec::new();
        soon(stream.read_to_end(&mut answer)).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "lost: {answer:?}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

async fn ask(stream: &mut (impl AsyncWriteExt + Unpin), path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn a_drain_ends_after_its_time_whoever_is_still_there() {
    let ca = Ca::new();
    let gate = Gate::default();
    let plan = Plan {
        drain_timeout: SHORT,
        ..localhost(&ca)
    };
    let server = gate.start(plan);
    let mut sender = h1(&server, &ca).await;
    let answer = tokio::spawn(async move { sender.send_request(get("/")).await });
    soon(gate.asked.notified()).await;

    server.drain.begin();

    assert!(soon(answer).await.unwrap().is_err());
    soon(tokio::task::spawn_blocking(|| server.join()))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_cut_waits_for_nobody() {
    let ca = Ca::new();
    let gate = Gate::default();
    let plan = Plan {
        drain_timeout: LONG,
        ..localhost(&ca)
    };
    let server = gate.start(plan);
    let mut sender = h1(&server, &ca).await;
    let answer = tokio::spawn(async move { sender.send_request(get("/")).await });
    soon(gate.asked.notified()).await;
    let _handshaking = TcpStream::connect(server.https).await.unwrap();

    server.drain.begin();
    server.drain.cut();

    assert!(soon(answer).await.unwrap().is_err());
    soon(tokio::task::spawn_blocking(|| server.join()))
        .await
        .unwrap();
}

// === The plain listener ===

#[tokio::test]
async fn the_plain_listener_redirects_and_serves_nothing() {
    let ca = Ca::new();
    let server = Server::start(localhost(&ca), hello);
    let port = server.https.port();
    let ask = async |head: &str| {
        let mut tcp = TcpStream::connect(server.http).await?;
        tcp.write_all(head.as_bytes()).await?;
        let answer = String::from_utf8(closes(&mut tcp).await).unwrap();
        io::Result::Ok(answer.to_ascii_lowercase())
    };
    for (head, status, field) in [
        (
            "GET /a?b HTTP/1.1\r\nHost: shop.example:80\r\nConnection: close\r\n\r\n",
            "308 ",
            format!("location: https://shop.example:{port}/a?b\r\n"),
        ),
        (
            "HEAD / HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n",
            "308 ",
            format!("location: https://[::1]:{port}/\r\n"),
        ),
        (
            "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 9\r\n\r\n",
            "403 ",
            "connection: close\r\n".to_owned(),
        ),
        (
            "GET / HTTP/1.1\r\nHost: user@shop.example\r\n\r\n",
            "400 ",
            "connection: close\r\n".to_owned(),
        ),
        (
            "GET / HTTP/1.1\r\n\r\n",
            "400 ",
            "connection: close\r\n".to_owned(),
        ),
        (
            "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
            "400 ",
            "connection: close\r\n".to_owned(),
        ),
    ] {
        let answer = ask(head).await.unwrap();
        let expected = format!("http/1.1 {status}");
        assert!(answer.starts_with(&expected), "{head}\n{answer}");
        assert!(answer.contains(&field), "{head}\n{answer}");
        assert!(!answer.contains("strict-transport-security"));
    }
    assert_eq!(server.count(Count::Handshakes), 0);
}

/// A body without an end, which counts what was taken of it.
struct Endless(Arc<AtomicUsize>);

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        const CHUNK: &[u8] = &[7; 16 * 1024];
        self.0.fetch_add(CHUNK.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(CHUNK)))))
    }
}
