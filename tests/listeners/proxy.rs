//! The PROXY protocol: who the visitor is, and who may say so.

use std::io;
use std::time::Duration;

use cloakroom::base::clock::Stopwatch;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::rig::{Node, Plan};
use crate::support::{App, Seen, eventually};

const TRUSTING: &str = "trusted_proxies = [\"127.0.0.1\", \"192.0.2.99\"]\nproxy_protocol = true\nadmin = \"unix:admin.sock\"\n\
                        [server.limits]\nhandshake_timeout = \"1s\"";
const VISITOR: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 5555 8444\r\n";

async fn trusting(app: &App) -> Node {
    Node::start(app, Plan::at("\"127.0.0.1:0\"").with(TRUSTING)).await
}

fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let bytes = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [
        b"\r\n\r\n\0\r\nQUIT\n",
        &[command, family][..],
        &bytes,
        rest,
    ]
    .concat()
}

/// Who the app was told the visitor is, for and through which port.
fn told(seen: &Seen) -> (String, String) {
    let one = |name| seen.header(name).unwrap_or_default();
    (one("x-forwarded-for"), one("x-forwarded-port"))
}

async fn refused(node: &Node) -> u64 {
    let mut line = UnixStream::connect(node.path("admin.sock")).await.unwrap();
    line.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut text = String::new();
    line.read_to_string(&mut text).await.unwrap();
    let name = "cloakroom_proxy_headers_refused_total ";
    let count = text.lines().find_map(|line| line.strip_prefix(name));
    count.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

/// Promise: the visitor is whom the trusted proxy names, in both versions, for the app and in the log.
#[tokio::test]
async fn the_visitor_is_whom_the_header_names() {
    let app = App::plain().await;
    let node = trusting(&app).await;
    let client = node.client();
    let six = "2001:db8::7"
        .parse::<std::net::Ipv6Addr>()
        .unwrap()
        .octets();
    let mut eighteen = [six, six].concat();
    eighteen.extend([0x15, 0xB3, 0x20, 0xFC]);
    // With an extension: what is in it does not matter, but it is read.
    eighteen.extend([0x04, 0, 3, 1, 2, 3]);
    for (header, visitor, port) in [
        (VISITOR.to_vec(), "192.0.2.7", "8444"),
        (
            b"PROXY TCP6 2001:db8::9 ::1 1 443\r\n".to_vec(),
            "2001:db8::9",
            "443",
        ),
        (
            b"PROXY TCP6 ::ffff:192.0.2.8 ::1 1 443\r\n".to_vec(),
            "192.0.2.8",
            "443",
        ),
        (
            version_2(0x21, 0x11, &[192, 0, 2, 10, 10, 0, 0, 1, 1, 2, 3, 4]),
            "192.0.2.10",
            "772",
        ),
        (version_2(0x21, 0x21, &eighteen), "2001:db8::7", "8444"),
    ] {
        let answer = client.ask(
            node.tcp().await,
            &header,
            "X-Forwarded-For: 203.0.113.1\r\n",
        );
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert_eq!(told(&app.last()), (visitor.to_owned(), port.to_owned()));
        let logged = eventually("the access log", async || {
            let lines = node.lines().into_iter();
            lines.rev().find(|line| line["client_ip"] == visitor)
        });
        logged.await;
    }
    assert_eq!(refused(&node).await, 0);
}

/// Promise: the proxy that speaks for itself is itself and nobody else, and what a visitor behind it claims about others
/// counts only if that visitor is a trusted proxy too.
#[tokio::test]
async fn forwarding_headers_are_believed_of_the_one_who_is_named() {
    let app = App::plain().await;
    let node = trusting(&app).await;
    let client = node.client();
    let port = node.port().to_string();
    let claim = "X-Forwarded-For: 203.0.113.1\r\n";
    let own = "127.0.0.1";
    for (header, told_for) in [
        (&b"PROXY UNKNOWN\r\n"[..], own),
        (b"PROXY UNKNOWN 192.0.2.7 192.0.2.7 1 1\r\n", own),
        (&version_2(0x20, 0x00, &[]), own),
        (
            &version_2(0x20, 0x11, &[192, 0, 2, 7, 10, 0, 0, 1, 1, 2, 3, 4]),
            own,
        ),
        (&version_2(0x21, 0x00, &[]), own),
        (
            b"PROXY TCP4 192.0.2.99 10.0.0.1 1 443\r\n",
            "203.0.113.1, 192.0.2.99",
        ),
        (VISITOR, "192.0.2.7"),
    ] {
        client.ask(node.tcp().await, header, claim).await.unwrap();
        let (visitor, at) = told(&app.last());
        assert_eq!(visitor, told_for);
        if told_for == own {
            assert_eq!(at, port);
        }
    }
}

/// Promise: who is not listed is closed before a byte of it is read, and so is who brings no header or a bad one.
#[tokio::test]
async fn nobody_else_gets_in() {
    let app = App::plain().await;
    let elsewhere =
        "trusted_proxies = [\"192.0.2.99\"]\nproxy_protocol = true\nadmin = \"unix:admin.sock\"";
    let node = Node::start(&app, Plan::at("\"127.0.0.1:0\"").with(elsewhere)).await;
    let fault = node.client().ask(node.tcp().await, VISITOR, "").await;
    fault.unwrap_err();
    assert_eq!(refused(&node).await, 1);

    let node = trusting(&app).await;
    for begin in [
        &b""[..],
        b"PROXY TCP4 1.1.1.1 1.1.1.1 1 99999\r\n",
        b"PROXY TCP4 0.0.0.0 1.1.1.1 1 1\r\n",
        &version_2(0x21, 0x12, &[1; 12]),
        &version_2(0x21, 0x11, &[1; 5000]),
        &[0xFF; 300],
    ] {
        node.client()
            .ask(node.tcp().await, begin, "")
            .await
            .unwrap_err();
    }
    assert_eq!(refused(&node).await, 6);
    assert!(app.seen().is_empty());
}

/// How long the gateway bears with one who sends `sent` and waits.
async fn borne(node: &Node, sent: &[u8]) -> Duration {
    let clock = Stopwatch::start();
    let mut stream = node.tcp().await;
    let _ = stream.write_all(sent).await;
    let mut rest = Vec::new();
    let _: io::Result<usize> = stream.read_to_end(&mut rest).await;
    clock.elapsed()
}

/// Promise: who sends a piece of a header is cut off when the time for the handshake is over, and not before; others
/// are served meanwhile.
#[tokio::test]
async fn a_header_that_does_not_end_is_cut_off_in_time() {
    let app = App::plain().await;
    let node = trusting(&app).await;
    let whole = version_2(0x21, 0x11, &[192, 0, 2, 10, 10, 0, 0, 1, 1, 2, 3, 4]);
    let cuts = (0..whole.len()).step_by(5).map(|at| &whole[..at]);
    let cuts = cuts.chain((1..VISITOR.len()).step_by(9).map(|at| &VISITOR[..at]));
    let waits = crate::support::together(cuts.map(|cut| borne(&node, cut)));
    let served = async {
        let client = node.client();
        client.ask(node.tcp().await, VISITOR, "").await.unwrap();
    };
    let (waits, ()) = tokio::join!(waits, served);
    assert!(waits.len() > 10);
    for wait in waits {
        let right = Duration::from_millis(900)..Duration::from_secs(20);
        assert!(right.contains(&wait), "{wait:?}");
    }
}

/// Promise: a header buys nobody time: who is silent behind it, or stalls in the handshake, is cut off, dozens at once, and
/// others are served meanwhile.
#[tokio::test]
async fn who_is_silent_behind_a_header_is_cut_off() {
    let app = App::plain().await;
    let node = trusting(&app).await;
    let hello = [VISITOR, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"].concat();
    let all = [VISITOR, &hello].repeat(12);
    let waits = crate::support::together(all.into_iter().map(|sent| borne(&node, sent)));
    let served = async {
        let client = node.client();
        client.ask(node.tcp().await, VISITOR, "").await.unwrap();
    };
    tokio::join!(waits, served);
}

/// Promise: random bytes harm nobody.
#[tokio::test]
async fn noise_harms_nobody() {
    let app = App::plain().await;
    let node = trusting(&app).await;
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut noise = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let mut sent = Vec::new();
    for round in 0..120 {
        let mut bytes = match round % 4 {
            0 => VISITOR.to_vec(),
            1 => version_2(0x21, 0x21, &[1; 36]),
            2 => b"PROXY TCP4 ".to_vec(),
            _ => Vec::new(),
        };
        for _ in 0..3 {
            let at = usize::from(noise()) % (bytes.len() + 1);
            bytes.insert(at, noise());
        }
        bytes.extend((0..noise()).map(|_| noise()));
        sent.push(bytes);
    }
    crate::support::together(sent.iter().map(|bytes| borne(&node, bytes))).await;
    let answer = node
        .client()
        .ask(node.tcp().await, VISITOR, "")
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Promise: through a Unix socket the header counts without a list, since its permissions say who may connect.
#[tokio::test]
async fn a_unix_socket_needs_no_list() {
    let app = App::plain().await;
    let plan = Plan::at("\"unix:https.sock\"").with("proxy_protocol = true");
    let node = Node::start(&app, plan).await;
    let stream = UnixStream::connect(node.path("https.sock")).await.unwrap();
    node.client().ask(stream, VISITOR, "").await.unwrap();
    assert_eq!(
        told(&app.last()),
        ("192.0.2.7".to_owned(), "8444".to_owned())
    );
}

/// Promise: without proxy_protocol a header is no header.
#[tokio::test]
async fn a_header_that_nobody_asked_for_is_not_taken() {
    let app = App::plain().await;
    let plan = Plan::at("\"127.0.0.1:0\"").with("trusted_proxies = [\"127.0.0.1\"]");
    let node = Node::start(&app, plan).await;
    let stream: TcpStream = node.tcp().await;
    node.client().ask(stream, VISITOR, "").await.unwrap_err();
    assert!(app.seen().is_empty());
}
