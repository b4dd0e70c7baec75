//! Promises of `cloakroom learn` and the watch behind it: what is seen, by whom, for how long, and what never is.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader as Lines, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use support::{App, DEADLINE, Gate, Reply, Setup, cloakroom, eventually};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

const TCP: &str = "admin = \"127.0.0.1:0\"";
const UNIX: &str = "admin = \"unix:run/admin.sock\"";

/// Begins every value, so that a search for it finds any.
const VALUE: &str = "TOP5ECRET";
const IN_A_PATH: &str = "PATHSECRET";

/// An app that keeps a session and a setting that a script reads.
async fn app() -> App {
    let reply = |_: &support::Seen| {
        Reply::ok("ok")
            .header(
                "set-cookie",
                format!("cart={VALUE}-of-the-cart; HttpOnly; Path=/"),
            )
            .header("set-cookie", format!("theme={VALUE}-of-the-theme; Path=/"))
    };
    App::answering(reply).await
}

async fn gate(app: &App, server: &str) -> Gate {
    let setup = Setup {
        server,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// `cloakroom learn` as a process. It is killed when dropped.
struct Learner {
    child: Child,
    stdout: Option<JoinHandle<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Learner {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let args = ["learn", "--config", "cloakroom.toml"];
        let mut child = cloakroom(folder, &[&args, more].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdout.take().unwrap();
        let stdout = std::thread::spawn(move || {
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        let stderr: Arc<Mutex<String>> = Arc::default();
        let (sink, pipe) = (Arc::clone(&stderr), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in Lines::new(pipe).lines().map_while(Result::ok) {
                *sink.lock().unwrap() += &(line + "\n");
            }
        });
        let stdout = Some(stdout);
        Self {
            child,
            stdout,
            stderr,
        }
    }

    async fn says(&self, what: &str) {
        eventually(what, async || {
            self.stderr.lock().unwrap().contains(what).then_some(())
        })
        .await;
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        // The shell's own kill: a bare machine has no other.
        let mut kill = Command::new("sh");
        let killed = kill.args(["-c", "kill -$1 $0", &pid, name]).status();
        assert!(killed.unwrap().success());
    }

    /// Its end: the exit code, and what it printed on both.
    async fn end(mut self) -> (Option<i32>, String, String) {
        let status = eventually("it ends", async || self.child.try_wait().unwrap()).await;
        let stdout = self.stdout.take().unwrap().join().unwrap();
        (status.code(), stdout, self.stderr.lock().unwrap().clone())
    }
}

impl Drop for Learner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Promise: what visitors do meanwhile comes out as rules, and no value with it.
#[tokio::test]
async fn what_happens_meanwhile_is_learned_and_no_value_is_told() {
    let app = app().await;
    let gate = gate(&app, UNIX).await;
    for signal in ["INT", "TERM"] {
        let learner = Learner::start(gate.folder(), &["--site", "app"]);
        learner.says("watching the cookies of app").await;
        let browser = gate.browser();
        browser.get("/shop").send().await;
        browser.script_writes("/", &format!("seen={VALUE}-of-a-script"));
        browser
            .get(&format!("/shop?echo={VALUE}-of-a-script"))
            .send()
            .await;

        // What a servlet container writes into its links is the value of a cookie.
        let link = format!("/shop;jsessionid={IN_A_PATH}");
        browser.get(&link).send().await;

        learner.signal(signal);
        let (code, block, told) = learner.end().await;

        assert_eq!(code, Some(0), "{told}");
        assert_eq!(app.last().target, link);
        for text in [&block, &told] {
            assert!(!text.contains(IN_A_PATH), "{text}");
        }
        for name in ["[site.cookies]", "cart", "theme", "seen"] {
            assert!(block.contains(name), "{name}: {block}");
        }
        assert!(!block.contains("__Host-session"), "{block}");
        for text in [&block, &told, &gate.printed()] {
            assert!(!text.contains(VALUE), "{text}");
        }
    }
    let printed = gate.printed();
    let begun = printed
        .lines()
        .filter(|line| line.contains("a watch over cookies begins"));
    let peers: Vec<Value> = begun
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["peer"].clone())
        .collect();
    assert_eq!(peers.len(), 2);
    let is_user = |peer: &Value| peer.as_str().is_some_and(|peer| peer.starts_with("uid "));
    assert!(peers.iter().all(is_user), "{peers:?}");
}

#[tokio::test]
async fn a_login_that_is_seen_becomes_a_rule_that_a_gateway_takes_and_that_works() {
    let app = App::answering(|seen| {
        let is_right = String::from_utf8_lossy(&seen.body).contains("right");
        match seen.path() {
            "/account/login" if is_right => Reply::ok("")
                .status(302)
                .header("set-cookie", format!("shop_session={VALUE}; Path=/"))
                .header("set-cookie", "csrftoken=1; Path=/"),
            "/account/login" => Reply::ok("no").header("set-cookie", "csrftoken=1; Path=/"),
            _ => Reply::ok("ok"),
        }
    })
    .await;
    let gate = gate(&app, UNIX).await;
    let watch = Learner::start(gate.folder(), &["--site", "app"]);
    watch.says("watching the cookies of app").await;
    for password in ["wrong", "right"] {
        let body = format!("csrf={VALUE}&e_mail=alice%40{VALUE}&password={password}{VALUE}");
        let browser = gate.browser();
        let call = browser.post("/account/login", body);
        let call = call.header("content-type", "application/x-www-form-urlencoded");
        call.send().await;
    }
    watch.signal("INT");
    let (code, printed, said) = watch.end().await;

    assert_eq!(code, Some(0), "{said}");
    let rule = "login = { method = \"POST\", path = \"/account/login\", user_field = \"e_mail\", \
                success = { status = [302], sets_cookie = \"shop_session\" } }";
    assert!(printed.contains(rule), "{printed}");
    assert!(!printed.contains("try a wrong password"), "{printed}");
    for text in [&printed, &said, &gate.printed()] {
        assert!(!text.contains(VALUE), "{text}");
    }
    // As it is, in a fresh configuration.
    let setup = Setup {
        site: &printed,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();
    let call = browser.post("/account/login", "e_mail=alice&password=right");
    let call = call.header("content-type", "application/x-www-form-urlencoded");
    call.send().await;
    browser.get("/").send().await;
    let user = app.last().header("x-session-user");
    assert_eq!(user.as_deref(), Some("alice"));
}

#[tokio::test]
async fn it_ends_by_itself_and_tells_machines_what_it_saw() {
    let app = app().await;
    let gate = gate(&app, UNIX).await;
    let args = ["--site", "app", "--for", "2s", "--json"];
    let learner = Learner::start(gate.folder(), &args);
    learner.says("watching the cookies of app").await;
    gate.browser().get("/").send().await;

    let (code, told, progress) = learner.end().await;

    assert_eq!(code, Some(0), "{progress}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["site"], "app");
    assert_eq!(told["tally"]["requests"], 1);
    assert_eq!(told["tally"]["cookies"]["cart"]["http_only"], 1);
    let theme = &told["rules"][0];
    assert_eq!(
        (&theme["name"], &theme["mode"]),
        (&"theme".into(), &"keep".into()),
        "{told}"
    );
    assert!(
        theme["reason"].is_string() && told["notes"].is_array(),
        "{told}"
    );
    assert!(progress.contains("2 cookies: cart, theme"), "{progress}");
    assert!(!format!("{told}{progress}").contains(VALUE));
}

#[tokio::test]
async fn where_nothing_was_seen_it_says_so() {
    let app = App::plain().await;
    let gate = gate(&app, UNIX).await;
    let learner = Learner::start(gate.folder(), &["--site", "app", "--for", "500ms"]);
    let (code, block, told) = learner.end().await;
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("no cookies of app were seen in 0 requests"),
        "{told}"
    );
    assert!(
        block.lines().all(|line| line.starts_with('#')) && !block.is_empty(),
        "{block}"
    );
}

#[tokio::test]
async fn whoever_cannot_learn_is_told_why() {
    let app = App::plain().await;
    let mut gate = gate(&app, UNIX).await;
    let learn = async |site: &str| {
        let learner = Learner::start(gate.folder(), &["--site", site, "--for", "500ms"]);
        let (code, block, told) = learner.end().await;
        assert_eq!(block, "");
        (code, told)
    };

    let (code, told) = learn("shop & co").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("no site of that name") && told.contains("has: app"),
        "{told}"
    );

    let token = gate.folder().join("data/admin.token");
    let right = fs::read(&token).unwrap();
    let wrong = "a-token-that-somebody-made-0123456789";
    fs::write(&token, wrong).unwrap();
    let (code, told) = learn("app").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("does not take the token"), "{told}");
    assert!(!told.contains(wrong), "{told}");
    fs::remove_file(&token).unwrap();
    let (code, told) = learn("app").await;
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("makes it at its first start"), "{told}");
    fs::write(&token, right).unwrap();

    gate.kill9();
    let learner = Learner::start(gate.folder(), &["--site", "app"]);
    let (code, _, told) = learner.end().await;
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("does not answer") && told.contains("running"),
        "{told}"
    );

    let file = gate.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap().replace(UNIX, "");
    fs::write(&file, text).unwrap();
    let learner = Learner::start(gate.folder(), &["--site", "app"]);
    let (code, _, told) = learner.end().await;
    assert_eq!(code, Some(78), "{told}");
    assert!(
        told.contains("server.admin") && told.contains("write admin ="),
        "{told}"
    );
}

/// Promise: a watch holds up no drain, even where visitors do.
#[tokio::test]
async fn a_gateway_that_drains_ends_the_watch_and_what_was_seen_counts() {
    let release = Arc::new(Notify::new());
    let released = Arc::clone(&release);
    let app = App::serving(move |request| {
        let released = Arc::clone(&released);
        async move {
            if request.uri().path() == "/slow" {
                released.notified().await;
            }
            let line = format!("cart={VALUE}; HttpOnly; Path=/");
            Reply::ok("ok").header("set-cookie", line).into_response()
        }
    })
    .await;
    let gate = gate(&app, UNIX).await;
    let learner = Learner::start(gate.folder(), &["--site", "app"]);
    learner.says("watching").await;
    let browser = gate.browser();
    browser.get("/").send().await;
    learner.says("cart").await;

    let slow = browser.get("/slow").send();
    let drain = async {
        eventually("the request is under way", async || {
            let last = app.seen().last().cloned();
            last.filter(|seen| seen.path() == "/slow")
        })
        .await;
        gate.signal("TERM");
        let (code, block, told) = learner.end().await;
        assert_eq!(code, Some(0), "{told}");
        assert!(told.contains("the gateway ended the watch"), "{told}");
        assert!(block.contains("cart"), "{block}");
        release.notify_one();
    };
    let (answer, ()) = tokio::join!(slow, drain);

    assert_eq!(answer.text(), "ok");
}

/// The head of an answer that goes on, and then its lines.
struct Stream {
    head: String,
    lines: BufReader<TcpStream>,
}

impl Stream {
    async fn open(gate: &Gate, version: &str) -> Self {
        let stream = TcpStream::connect(gate.admin_address().await)
            .await
            .unwrap();
        let mut lines = BufReader::new(stream);
        let token = gate.admin_token();
        let request = format!(
            "GET /api/v1/learn?site=%61pp {version}\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        );
        lines.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(lines.read_line(&mut head).await.unwrap(), 0, "{head}");
        }
        Self { head, lines }
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(DEADLINE, self.lines.read_line(&mut line));
        assert_ne!(read.await.unwrap().unwrap(), 0, "it ended");
        line
    }

    /// The next tally, past the sizes of chunks.
    async fn tally(&mut self) -> Value {
        loop {
            let line = self.line().await;
            if line.starts_with('{') {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn the_stream_tells_a_tally_at_once_and_then_goes_on() {
    let app = app().await;
    let gate = gate(&app, TCP).await;
    for version in ["HTTP/1.1", "HTTP/1.0"] {
        let mut stream = Stream::open(&gate, version).await;
        assert!(stream.head.contains(" 200 "), "{}", stream.head);
        let head = stream.head.to_lowercase();
        assert!(
            head.contains("content-type: application/x-ndjson"),
            "{head}"
        );
        assert!(head.contains("cache-control: no-store"), "{head}");
        assert_eq!(stream.tally().await["requests"], 0);
        gate.browser().get("/").send().await;
        let seen = loop {
            let tally = stream.tally().await;
            if tally["requests"] == 1 && tally["cookies"]["cart"]["set"] == 1 {
                break tally;
            }
        };
        assert!(!seen.to_string().contains(VALUE), "{seen}");
    }

    let token = gate.admin_token();
    for (line, status) in [
        ("POST /api/v1/learn?site=app", "405"),
        ("HEAD /api/v1/learn?site=app", "405"),
        ("GET /api/v1/learn", "404"),
        ("GET /api/v1/learn?site=", "404"),
        ("GET /api/v1/learn?site=App", "404"),
        ("GET /api/v1/learn/?site=app", "404"),
    ] {
        let request =
            format!("{line} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
        let answer = gate.admin_says(&request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
    }
    let unknown = gate.admin_knowing("/api/v1/learn?site=x").await;
    let body = unknown.split("\r\n\r\n").nth(1).unwrap();
    let told: Value = serde_json::from_str(body).unwrap();
    assert_eq!(told["sites"], serde_json::json!(["app"]));
    let untold = gate.admin("/api/v1/learn?site=app").await;
    assert!(untold.starts_with("HTTP/1.1 401 "), "{untold}");
}

#[tokio::test]
async fn there_are_four_watches_at_a_time_and_each_ends_with_its_reader() {
    let app = app().await;
    let gate = gate(&app, TCP).await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        let mut stream = Stream::open(&gate, "HTTP/1.1").await;
        stream.tally().await;
        streams.push(stream);
    }

    let fifth = gate.admin_knowing("/api/v1/learn?site=app").await;
    assert!(fifth.starts_with("HTTP/1.1 429 "), "{fifth}");
    assert!(
        fifth.contains("{\"error\":\"4 watches are on already"),
        "{fifth}"
    );
    eventually("others are answered beside", async || {
        let answer = gate.admin("/readyz").await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;

    let ended = || gate.printed().matches("a watch over cookies ends").count();
    assert_eq!(ended(), 0);
    streams.pop();
    eventually("the watch ends with its reader", async || {
        (ended() == 1).then_some(())
    })
    .await;
    let mut stream = Stream::open(&gate, "HTTP/1.1").await;
    assert!(stream.head.contains(" 200 "), "{}", stream.head);
    stream.tally().await;
    for stream in &mut streams {
        stream.tally().await;
    }
    assert_eq!(ended(), 1, "the others go on");
}

/// Promise: who takes nothing of what is sent loses the seat, and nothing is heaped up meanwhile.
#[tokio::test]
async fn a_reader_who_takes_nothing_is_cut_off() {
    let reply = |seen: &support::Seen| {
        let page: usize = seen.path()[1..].parse().unwrap();
        let mut reply = Reply::ok("ok");
        for nth in 0..20 {
            let name = format!("{page}-{nth}-{}", "n".repeat(100));
            let path = "p".repeat(60);
            reply = reply.header("set-cookie", format!("{name}=x; Path=/{path}"));
        }
        reply
    };
    let app = App::answering(reply).await;
    let gate = gate(&app, UNIX).await;
    let socket = gate.folder().join("run/admin.sock");
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let token = gate.admin_token();
    let request = format!(
        "GET /api/v1/learn?site=app HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 12]).await.unwrap();
    let browser = gate.browser();
    for page in 0..10 {
        browser.get(&format!("/{page}")).send().await;
    }

    eventually("it is cut off", async || {
        gate.printed()
            .contains("a watch over cookies ends")
            .then_some(())
    })
    .await;

    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    let _ = tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .unwrap();
    assert!(rest.len() > 50_000, "{}", rest.len());
}
