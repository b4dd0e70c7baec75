//! Unix sockets, sockets of systemd, and IPv6.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::Stdio;

use tokio::net::{TcpStream, UnixStream};

use crate::rig::{Node, Plan, command};
use crate::support::{App, eventually};

const OK: &str = "HTTP/1.1 200";

/// Promise: a Unix socket is there with its permissions, replaces one that was left behind, and goes in the end.
#[tokio::test]
async fn a_unix_socket_serves_and_goes() {
    let app = App::plain().await;
    let plan = || Plan::at("\"unix:run/https.sock|0660\", \"127.0.0.1:0\"");
    let mut node = Node::start(&app, plan()).await;
    let path = node.path("run/https.sock");
    assert!(
        node.listening()[0].ends_with("run/https.sock"),
        "{:?}",
        node.listening()
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o660
    );
    let client = node.client();
    for _ in 0..8 {
        let stream = UnixStream::connect(&path).await.unwrap();
        let answer = client
            .ask(stream, b"", "X-Forwarded-For: 192.0.2.1\r\n")
            .await;
        assert!(answer.unwrap().starts_with(OK));
    }
    let seen = app.last();
    // Who the visitor is, nobody knows, and nobody was believed.
    assert_eq!(seen.header("x-forwarded-for").unwrap(), "0.0.0.0");
    assert_eq!(seen.header("x-forwarded-port").unwrap(), "443");

    assert!(node.stop().await.success());
    assert!(!path.exists());
    drop(UnixListener::bind(&path).unwrap());
    let node = node.another(plan()).await;
    let stream = UnixStream::connect(&path).await.unwrap();
    assert!(
        node.client()
            .ask(stream, b"", "")
            .await
            .unwrap()
            .starts_with(OK)
    );
}

/// Promise: who comes through a Unix socket is believed if the list says so.
#[tokio::test]
async fn a_proxy_at_a_unix_socket_is_believed_if_it_is_listed() {
    let app = App::plain().await;
    let plan = Plan::at("\"unix:https.sock\"").with("trusted_proxies = [\"unix:\"]");
    let node = Node::start(&app, plan).await;
    let stream = UnixStream::connect(node.path("https.sock")).await.unwrap();
    let claim = "X-Forwarded-For: 192.0.2.1\r\n";
    node.client().ask(stream, b"", claim).await.unwrap();
    let logged = eventually("the access log", async || {
        let lines = node.lines().into_iter();
        lines.rev().find(|line| line["client_ip"] == "192.0.2.1")
    });
    logged.await;
}

/// Promise: the plain listener redirects from a Unix socket too.
#[tokio::test]
async fn the_plain_listener_takes_a_unix_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let app = App::plain().await;
    let plan = Plan::at("\"127.0.0.1:0\"").with("http = [\"unix:http.sock\"]");
    let node = Node::start(&app, plan).await;
    let path = node.path("http.sock");
    let mut stream = UnixStream::connect(path).await.unwrap();
    let head = b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
}

/// Promise: sockets of systemd are served by their names, TCP and Unix, and the service manager is told how it goes.
#[tokio::test]
async fn sockets_of_systemd_are_served() {
    let app = App::plain().await;
    let folder = tempfile::tempdir().unwrap();
    let told = UnixDatagram::bind(folder.path().join("notify")).unwrap();
    told.set_nonblocking(true).unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let unix = UnixListener::bind(folder.path().join("web.sock")).unwrap();
    let mut plan = Plan::at("\"systemd:tls\", \"systemd:local\"")
        .passing("other", std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .passing("tls", tcp)
        .passing("local", unix);
    let notify = folder.path().join("notify").display().to_string();
    plan.variables.push(("NOTIFY_SOCKET", notify));

    let mut node = Node::start(&app, plan).await;

    let client = node.client();
    // Both cores take from the one socket.
    for _ in 0..6 {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        assert!(client.ask(stream, b"", "").await.unwrap().starts_with(OK));
        let stream = UnixStream::connect(folder.path().join("web.sock"))
            .await
            .unwrap();
        assert!(client.ask(stream, b"", "").await.unwrap().starts_with(OK));
    }
    let port_told = app.seen()[0].header("x-forwarded-port").unwrap();
    assert_eq!(port_told, port.to_string());
    node.says("closing sockets that no listener of the configuration names")
        .await;
    hears(&told, "READY=1\n").await;
    assert!(node.stop().await.success());
    hears(&told, "STOPPING=1\n").await;
    assert!(folder.path().join("web.sock").exists(), "it is not ours");
}

async fn hears(told: &UnixDatagram, expected: &str) {
    eventually(expected, async || {
        let mut message = [0; 256];
        let bytes = told.recv(&mut message).ok()?;
        let message = String::from_utf8_lossy(&message[..bytes]);
        assert_eq!(message, expected);
        Some(())
    })
    .await;
}

/// Promise: a socket that was not passed is named, with the way out.
#[tokio::test]
async fn a_socket_that_was_not_passed_is_named() {
    let app = App::plain().await;
    let node = Node::start(&app, Plan::at("\"127.0.0.1:0\"")).await;
    let file = node.path("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("\"127.0.0.1:0\"", "\"systemd:tls\"")).unwrap();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = Plan::default().passing("http", other);
    let mut command = command(node.path("").as_path(), plan);
    let ended = command.stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cloakroom.toml:3:10: server.https[0]: no socket"),
        "{said}"
    );
    assert!(
        said.contains("no socket tls was passed to us (passed: systemd:http);"),
        "{said}"
    );
}

/// Promise: `[::]` is for IPv4 too, whatever the machine's bindv6only says; visitors over IPv4 are seen as such.
#[tokio::test]
async fn everywhere_is_everywhere() {
    let app = App::plain().await;
    let node = Node::start(&app, Plan::at("\"[::]:0\"")).await;
    for (to, seen) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1")] {
        let stream = TcpStream::connect((to, node.port())).await.unwrap();
        node.client().ask(stream, b"", "").await.unwrap();
        assert_eq!(app.last().header("x-forwarded-for").unwrap(), seen);
    }
}

/// Promise: beside a listener for IPv4 on the same port, `[::]` is for IPv6 alone, in either order.
#[tokio::test]
async fn both_families_can_have_a_listener_each() {
    let app = App::plain().await;
    for beside in ["0.0.0.0", "127.0.0.1"] {
        let port = free_port();
        let (six, four) = (format!("\"[::]:{port}\""), format!("\"{beside}:{port}\""));
        for https in [format!("{six}, {four}"), format!("{four}, {six}")] {
            let mut node = Node::start(&app, Plan::at(https)).await;
            for to in ["127.0.0.1", "::1"] {
                let stream = TcpStream::connect((to, port)).await.unwrap();
                node.client().ask(stream, b"", "").await.unwrap();
                assert_eq!(app.last().header("x-forwarded-for").unwrap(), to);
            }
            node.stop().await;
        }
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("[::]:0").unwrap();
    listener.local_addr().unwrap().port()
}
