//! Nobody is turned away while the gateway is restarted or upgraded.

use std::fs;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use crate::rig::{Client, Node, Plan, signal};
use crate::support::{App, Reply, cloakroom, eventually};

const TAKEN_OVER: &str = "another process has taken over";

/// What visitors saw.
#[derive(Default)]
struct Load {
    over: AtomicBool,
    answered: AtomicUsize,
    /// Requests that met the end of a connection that was kept alive, and were sent again, as browsers do (RFC 9112,
    /// 9.3.1).
    again: AtomicUsize,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.answered.fetch_add(1, Ordering::SeqCst);
    }

    async fn more(&self, count: usize) {
        let goal = self.answered.load(Ordering::SeqCst) + count;
        eventually("more answers", async || {
            (self.answered.load(Ordering::SeqCst) >= goal).then_some(())
        })
        .await;
    }

    /// A new connection for each request; any fault ends the test.
    async fn hurries(self: Arc<Self>, client: Client, port: u16) {
        while self.goes_on() {
            let stream = TcpStream::connect(("127.0.0.1", port))
                .await
                .expect("refused");
            let answer = client.ask(stream, b"", "").await.expect("reset");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            self.count();
        }
    }

    /// One request after the other on each connection, for as long as it lasts.
    async fn stays(self: Arc<Self>, client: Client, port: u16) {
        while self.goes_on() {
            let stream = TcpStream::connect(("127.0.0.1", port))
                .await
                .expect("refused");
            let mut tls = client.connect(stream, b"").await.expect("reset");
            let mut requests = 0;
            while self.goes_on() {
                match keep_asking(&mut tls).await {
                    Ok(last) => {
                        self.count();
                        requests += 1;
                        if last {
                            break;
                        }
                    }
                    Err(_) => {
                        assert!(
                            requests > 0,
                            "a new connection was closed without an answer"
                        );
                        self.again.fetch_add(1, Ordering::SeqCst);
                        break;
                    }
                }
            }
        }
    }
}

/// One request on a connection; tells whether the answer is the last of it.
async fn keep_asking(tls: &mut TlsStream<BufWriter<TcpStream>>) -> io::Result<bool> {
    tls.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    tls.flush().await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tls.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let mut body = [0; 2];
    tls.read_exact(&mut body).await?;
    Ok(head.contains("\r\nconnection: close\r\n"))
}

/// Promise: under load, SIGUSR2 puts a new program in the place of the old one, and every request is answered, by an app
/// that saw each of them once. Sessions live on.
#[tokio::test]
async fn a_new_program_takes_over_and_nobody_notices() {
    let app = App::answering(|seen| match seen.path() {
        "/begin" => Reply::ok("ok").header("set-cookie", "kept=yes"),
        _ => Reply::ok("ok"),
    })
    .await;
    let versions = tempfile::tempdir().unwrap();
    let program = versions.path().join("current");
    let binary = cloakroom(versions.path(), &[]).get_program().to_owned();
    let (first, second) = (
        versions.path().join("first"),
        versions.path().join("second"),
    );
    for version in [&first, &second] {
        if fs::hard_link(&binary, version).is_err() {
            fs::copy(&binary, version).unwrap();
        }
    }
    std::os::unix::fs::symlink(&first, &program).unwrap();
    let mut plan = Plan::at("\"127.0.0.1:0\", \"unix:https.sock\"")
        .with("admin = \"unix:admin.sock\"\ndrain_timeout = \"60s\"");
    plan.program = Some(program.clone());
    let mut node = Node::start(&app, plan).await;
    let port = node.port();
    let client = node.client();
    let ticket = begin_session(&client, port).await;
    let before = app.seen().len();

    let load = Arc::new(Load::default());
    let mut visitors = Vec::new();
    for _ in 0..4 {
        let hurries = Arc::clone(&load).hurries(client.clone(), port);
        visitors.push(tokio::spawn(hurries));
        let stays = Arc::clone(&load).stays(client.clone(), port);
        visitors.push(tokio::spawn(stays));
    }
    load.more(100).await;
    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(&second, &program).unwrap();
    signal(node.pid(), "USR2");
    let taken_over = node.says(TAKEN_OVER).await;
    assert!(node.ended().await.success());
    load.more(100).await;
    // And once more, with a successor that has inherited what it passes on.
    let successor = u32::try_from(taken_over["pid"].as_u64().unwrap()).unwrap();
    let runs = fs::read_link(format!("/proc/{successor}/exe")).unwrap();
    assert_eq!(runs.file_name(), second.file_name());
    signal(successor, "USR2");
    eventually("the next successor takes over", async || {
        let lines = node.lines();
        let all = lines.iter().filter(|line| line["message"] == TAKEN_OVER);
        (all.count() == 2).then_some(())
    })
    .await;
    eventually("the first successor ends", async || {
        let stopped = node.lines().into_iter();
        (stopped.filter(|line| line["message"] == "stopped").count() == 2).then_some(())
    })
    .await;
    load.more(100).await;
    load.over.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.expect("nobody is turned away");
    }

    let answered = load.answered.load(Ordering::SeqCst);
    assert_eq!(
        app.seen().len() - before,
        answered,
        "each reached the app once"
    );
    // The connections that were kept alive ended twice, by their last answers or between two.
    assert!(load.again.load(Ordering::SeqCst) <= 8);
    let stream = UnixStream::connect(node.path("https.sock")).await.unwrap();
    let fields = format!("Cookie: {ticket}\r\n");
    client.ask(stream, b"", &fields).await.unwrap();
    assert_eq!(app.last().cookie("kept").as_deref(), Some("yes"));
    assert!(UnixStream::connect(node.path("admin.sock")).await.is_ok());
}

/// A session with a cookie in its jar; the ticket as a browser sends it.
async fn begin_session(client: &Client, port: u16) -> String {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut tls = client.connect(stream, b"").await.unwrap();
    let head = b"GET /begin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    tls.write_all(head).await.unwrap();
    tls.flush().await.unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).await.unwrap();
    let ticket = answer.split("__Host-session=").nth(1).expect("a ticket");
    format!("__Host-session={}", ticket.split(';').next().unwrap())
}

/// Promise: a new program that does not come up changes nothing.
#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing() {
    let app = App::plain().await;
    let mut node = Node::start(&app, Plan::at("\"127.0.0.1:0\", \"unix:https.sock\"")).await;
    let file = node.path("cloakroom.toml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        good.replace("threads = 2", "threads = 2\nthreds = 3"),
    )
    .unwrap();

    signal(node.pid(), "USR2");

    let line = node
        .says("no other process takes over, this one goes on")
        .await;
    assert!(
        line["error"].to_string().contains("exit status: 78"),
        "{line}"
    );
    let told = node
        .lines()
        .iter()
        .any(|line| line.to_string().contains("server.threds"));
    assert!(told, "the fault of the new one is to be read");
    let client = node.client();
    let stream = UnixStream::connect(node.path("https.sock")).await.unwrap();
    assert!(
        client
            .ask(stream, b"", "")
            .await
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    client.ask(node.tcp().await, b"", "").await.unwrap();

    fs::write(&file, good).unwrap();
    signal(node.pid(), "USR2");
    node.says(TAKEN_OVER).await;
    assert!(node.ended().await.success());
    client.ask(node.tcp().await, b"", "").await.unwrap();
}

/// Promise: while systemd holds the socket, who connects during a restart waits and is served.
#[tokio::test]
async fn a_restart_behind_a_socket_of_systemd_refuses_nobody() {
    let app = App::plain().await;
    let folder = tempfile::tempdir().unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = tcp.local_addr().unwrap().port();
    let unix = UnixListener::bind(folder.path().join("web.sock")).unwrap();
    let plan = || {
        Plan::at("\"systemd:tls\", \"systemd:local\"")
            .passing("tls", tcp.try_clone().unwrap())
            .passing("local", unix.try_clone().unwrap())
    };
    let mut node = Node::start(&app, plan()).await;
    let client = node.client();
    let load = Arc::new(Load::default());
    let visitors: Vec<_> = (0..4)
        .map(|_| tokio::spawn(Arc::clone(&load).hurries(client.clone(), port)))
        .collect();
    load.more(20).await;
    for _ in 0..2 {
        assert!(node.stop().await.success());
        let path = folder.path().join("web.sock");
        let waiting = UnixStream::connect(path).await.expect("systemd listens");
        let waiting = tokio::spawn({
            let client = client.clone();
            async move { client.ask(waiting, b"", "").await }
        });
        node = node.another(plan()).await;
        waiting.await.unwrap().expect("who waited is served");
        load.more(20).await;
    }
    load.over.store(true, Ordering::SeqCst);
    for visitor in visitors {
        visitor.await.expect("nobody is turned away");
    }
    let answered = load.answered.load(Ordering::SeqCst);
    assert_eq!(app.seen().len(), answered + 2);
}

/// Promise: who had connected when the gateway was told to stop is served.
#[tokio::test]
async fn who_is_in_the_queue_when_it_stops_is_served() {
    let app = App::plain().await;
    let mut node = Node::start(&app, Plan::at("\"127.0.0.1:0\", \"unix:https.sock\"")).await;
    let client = node.client();
    // It has served before, so it is awake; then it is held, and the queue fills.
    client.ask(node.tcp().await, b"", "").await.unwrap();
    signal(node.pid(), "STOP");
    let mut waiting = Vec::new();
    for _ in 0..20 {
        let (tcp, client) = (node.tcp().await, client.clone());
        waiting.push(tokio::spawn(async move { client.ask(tcp, b"", "").await }));
        let unix = UnixStream::connect(node.path("https.sock")).await.unwrap();
        let client = node.client();
        waiting.push(tokio::spawn(async move { client.ask(unix, b"", "").await }));
    }
    tokio::time::timeout(Duration::from_secs(1), tokio::task::yield_now())
        .await
        .unwrap();
    signal(node.pid(), "TERM");
    signal(node.pid(), "CONT");
    for answer in waiting {
        let answer = answer.await.unwrap().expect("served");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    assert!(node.ended().await.success());
    assert_eq!(app.seen().len(), 41);
}
