//! Promises of the administration's listener: what it says, to whom, and what it puts up with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use support::{App, Gate, Reply, Setup, cloakroom, configuration, eventually, write_certificate};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;

const TCP: &str = "admin = \"127.0.0.1:0\"";
const UNIX: &str = "admin = \"unix:run/admin.sock\"";

async fn gate(app: &App, server: &str) -> Gate {
    let setup = Setup {
        server,
        ..Setup::default()
    };
    let gate = Gate::with(app, setup).await;
    ready(&gate).await;
    gate
}

async fn ready(gate: &Gate) {
    eventually("readiness", async || {
        let answer = gate.admin("/readyz").await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_tells_health_and_counts_and_nothing_else() {
    let app = App::plain().await;
    let gate = gate(&app, TCP).await;
    gate.browser().get("/").send().await;
    let ask = async |line: &str| {
        gate.admin_says(&format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await
    };

    let live = ask("GET /livez").await;
    assert!(
        live.starts_with("HTTP/1.1 200 ") && live.ends_with("\r\n\r\nlive\n"),
        "{live}"
    );
    assert!(
        live.to_lowercase().contains("cache-control: no-store"),
        "{live}"
    );
    let ready = ask("GET /readyz?verbose").await;
    assert!(
        ready.starts_with("HTTP/1.1 200 ") && ready.ends_with("\r\n\r\nready\n"),
        "{ready}"
    );
    let head = ask("HEAD /readyz").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let metrics = ask("GET /metrics").await;
    assert!(metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    for line in [
        "cloakroom_requests_total 1",
        "cloakroom_ready 1",
        "# TYPE cloakroom_ready gauge",
    ] {
        assert!(
            metrics.lines().any(|told| told == line),
            "{line}: {metrics}"
        );
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let refused = ask(&format!("{method} /livez")).await;
        assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
        assert!(
            refused.to_lowercase().contains("allow: get, head"),
            "{refused}"
        );
    }
    for path in [
        "/",
        "/livez/",
        "//livez",
        "/metrics/x",
        "/LIVEZ",
        "/api/v1/sessions",
    ] {
        let refused = ask(&format!("GET {path}")).await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{path}: {refused}");
        let absent = gate.admin_knowing(path).await;
        assert!(absent.starts_with("HTTP/1.1 404 "), "{path}: {absent}");
    }
    // On the listener of the visitors these paths are the app's.
    let app_side = gate.browser().get("/metrics").send().await;
    assert!(!app_side.text().contains("cloakroom_"), "{app_side:?}");
}

#[tokio::test]
async fn whoever_sends_too_much_or_too_little_is_cut_off() {
    let app = App::plain().await;
    let gate = gate(&app, TCP).await;

    let large = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "a".repeat(20 << 10)
    );
    assert!(!gate.admin_says(&large).await.starts_with("HTTP/1.1 200 "));
    let many = "X: y\r\n".repeat(200);
    let many = format!("GET /livez HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert!(!gate.admin_says(&many).await.starts_with("HTTP/1.1 200 "));
    assert!(
        !gate
            .admin_says("\x16\x03\x01\x02\x00")
            .await
            .starts_with("HTTP/1.1 200 ")
    );

    // Idlers take all the room there is; they are cut off, and the next is answered.
    let mut idlers = Vec::new();
    for _ in 0..80 {
        idlers.push(
            TcpStream::connect(gate.admin_address().await)
                .await
                .unwrap(),
        );
    }
    let answer = gate
        .admin_says("GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// Promise: a page whose own name points to this machine reads nothing here.
#[tokio::test]
async fn a_name_that_is_not_this_machines_is_not_answered() {
    let app = App::plain().await;
    let gate = gate(&app, TCP).await;
    for (host, status) in [("rebinding.example", "421"), ("127.0.0.1:1", "200")] {
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = gate.admin_says(&request).await;
        assert_eq!(&answer[9..12], status, "{host}: {answer}");
    }
}

/// Promise: what a proxy could read as a request to somebody else is none to us (RFC 9112 3.2).
#[tokio::test]
async fn a_request_says_whom_it_is_for() {
    let app = App::plain().await;
    let gate = gate(&app, TCP).await;
    let answer = gate.admin_says("GET /livez HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = gate.admin_says("GET /livez HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
}

/// Promise: a gateway that drains says so until it ends, and finishes what is under way.
#[tokio::test]
async fn a_gateway_that_drains_is_alive_and_not_ready() {
    let release = Arc::new(Notify::new());
    let released = Arc::clone(&release);
    let app = App::serving(move |_| {
        let released = Arc::clone(&released);
        async move {
            released.notified().await;
            Reply::ok("done").into_response()
        }
    })
    .await;
    let gate = gate(&app, TCP).await;
    let browser = gate.browser();

    let slow = browser.get("/slow").send();
    let drain = async {
        eventually("the request is under way", async || {
            app.seen().last().cloned()
        })
        .await;
        gate.signal("TERM");
        eventually("it is not ready", async || {
            let answer = gate.admin("/readyz").await;
            let told = answer.ends_with("\r\n\r\ndraining\n");
            (answer.starts_with("HTTP/1.1 503 ") && told).then_some(())
        })
        .await;
        assert!(gate.admin("/livez").await.starts_with("HTTP/1.1 200 "));
        release.notify_one();
    };
    let (answer, ()) = tokio::join!(slow, drain);

    assert_eq!(answer.text(), "done");
}

#[tokio::test]
async fn a_unix_socket_is_for_its_user_and_outlives_a_crash() {
    let app = App::plain().await;
    let setup = Setup {
        server: UNIX,
        ..Setup::default()
    };
    let mut gate = Gate::with(&app, setup).await;
    let socket = gate.folder().join("run/admin.sock");
    let ask = async |socket: &Path| {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };

    assert!(ask(&socket).await.starts_with("HTTP/1.1 200 "));
    let mode = fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(healthcheck(gate.folder()), (Some(0), "ready\n".to_owned()));

    gate.kill9();
    assert!(socket.exists());
    let (code, told) = healthcheck(gate.folder());
    assert_eq!(code, Some(1), "{told}");
    gate.restart().await;
    assert!(ask(&socket).await.starts_with("HTTP/1.1 200 "));

    assert!(gate.stop().await.success());
    assert!(!socket.exists(), "it goes with its process");
}

/// What `admin.open` does not name is told only to who has the token.
#[tokio::test]
async fn what_is_not_open_needs_the_token_of_the_file() {
    let app = App::plain().await;
    let server = format!("{TCP}\n[admin]\nopen = [\"livez\", \"metrics\"]");
    let setup = Setup {
        server: &server,
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let address = gate.admin_address().await;
    let file = gate.folder().join("data/admin.token");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let token = gate.admin_token();
    assert_eq!(token.len(), 43);
    let with = async |field: &str| {
        let head = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\n{field}\r\n");
        gate.admin_says(&head).await
    };

    for field in [
        String::new(),
        "Authorization: Bearer wrong\r\n".to_owned(),
        format!("Authorization: Bearer {token}x\r\n"),
        format!("Authorization: Bearer {}\r\n", &token[1..]),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer {token}\r\n").repeat(2),
        format!("X-Authorization: Bearer {token}\r\n"),
    ] {
        let refused = with(&field).await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{field}: {refused}");
        let fields = refused.to_lowercase();
        assert!(
            fields.contains("www-authenticate: bearer realm=\"cloakroom\""),
            "{refused}"
        );
        assert!(
            refused.contains("admin.token") && !refused.contains(&token),
            "{refused}"
        );
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        eventually("readiness", async || {
            let answer = with(&format!("Authorization: {scheme} {token}\r\n")).await;
            answer.starts_with("HTTP/1.1 200 ").then_some(())
        })
        .await;
    }
    let api = gate.admin("/api/v1/learn?site=app").await;
    assert!(api.starts_with("HTTP/1.1 401 "), "{api}");
    let body = api.split("\r\n\r\n").nth(1).unwrap();
    let told: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(told["error"].as_str().unwrap().contains("admin.token"));
    assert!(gate.admin("/livez").await.starts_with("HTTP/1.1 200 "));
    let metrics = gate.admin("/metrics").await;
    assert!(metrics.contains("\ncloakroom_admin_refusals_total 8\n"));

    // Whoever tries over and over does not fill the log.
    for _ in 0..30 {
        with("").await;
    }
    let logged = gate.printed().matches("without its token").count();
    assert!((1..30).contains(&logged), "{logged}");
    assert!(!gate.printed().contains(&token));
}

#[tokio::test]
async fn with_nothing_open_health_is_told_over_the_token_alone() {
    let app = App::plain().await;
    let server = format!("{UNIX}\n[admin]\nopen = []\ntoken_file = \"run/token\"");
    let setup = Setup {
        server: &server,
        ..Setup::default()
    };
    let mut gate = Gate::with(&app, setup).await;
    let socket = gate.folder().join("run/admin.sock");
    let ask = async |path: &str, field: &str| {
        let mut stream = UnixStream::connect(&socket).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let token = fs::read_to_string(gate.folder().join("run/token")).unwrap();
    let field = format!("Authorization: Bearer {}\r\n", token.trim_end());
    for path in ["/livez", "/readyz", "/metrics", "/"] {
        let refused = ask(path, "").await;
        assert!(refused.starts_with("HTTP/1.1 401 "), "{path}: {refused}");
    }
    assert!(ask("/livez", &field).await.starts_with("HTTP/1.1 200 "));
    eventually("readiness", async || {
        let answer = ask("/readyz", &field).await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;

    assert_eq!(healthcheck(gate.folder()), (Some(0), "ready\n".to_owned()));

    // A token of the operator is used as it is; the gateway knows it after a restart.
    let own = "a-token-that-an-operator-made-0123456789";
    fs::write(gate.folder().join("run/token"), format!("{own}\n")).unwrap();
    let (code, told) = healthcheck(gate.folder());
    assert_eq!(code, Some(1));
    assert!(told.contains("token") && !told.contains(own), "{told}");
    assert!(gate.stop().await.success());
    gate.restart().await;
    let field = format!("Authorization: Bearer {own}\r\n");
    assert!(ask("/livez", &field).await.starts_with("HTTP/1.1 200 "));

    fs::remove_file(gate.folder().join("run/token")).unwrap();
    let (code, told) = healthcheck(gate.folder());
    assert_eq!(code, Some(1));
    assert!(told.contains("admin.token_file"), "{told}");
}

#[tokio::test]
async fn a_token_that_is_none_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let run = |server: &str| {
        let setup = Setup {
            server,
            ..Setup::default()
        };
        let text = configuration("127.0.0.1:9".parse().unwrap(), setup);
        fs::write(folder.path().join("cloakroom.toml"), text).unwrap();
        let args = ["run", "--config", "cloakroom.toml"];
        let output = cloakroom(folder.path(), &args).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), told)
    };
    for (written, expected) in [
        ("", "is empty"),
        ("hunter2", "too short"),
        ("hunter2 hunter2 hunter2 hunter2 hunter2", "cannot"),
    ] {
        fs::write(folder.path().join("token"), written).unwrap();
        let (code, told) = run(&format!("{TCP}\n[admin]\ntoken_file = \"token\""));
        assert_eq!(code, Some(78), "{told}");
        assert!(
            told.contains("admin.token_file") && told.contains(expected),
            "{told}"
        );
        assert!(!told.contains("hunter2"), "{told}");
    }
    let (code, told) = run(&format!(
        "{TCP}\n[admin]\ntoken_file = \"/proc/cloakroom/token\""
    ));
    assert_eq!(code, Some(78), "{told}");
    assert!(told.contains("cannot be made"), "{told}");
}

/// There is nothing to guard without the listener.
#[tokio::test]
async fn without_the_listener_no_token_is_made() {
    let app = App::plain().await;
    let gate = Gate::in_front_of(&app).await;
    assert!(gate.folder().join("data/session.keys").exists());
    assert!(!gate.folder().join("data/admin.token").exists());
}

#[tokio::test]
async fn a_token_that_others_can_read_is_told_of() {
    let app = App::plain().await;
    let mut gate = gate(&app, TCP).await;
    assert!(!gate.printed().contains("can be read by others"));
    let file = gate.folder().join("data/admin.token");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(gate.stop().await.success());
    gate.restart().await;
    let printed = gate.printed();
    assert!(
        printed.contains("can be read by others") && printed.contains("admin.token"),
        "{printed}"
    );
}

fn healthcheck(folder: &Path) -> (Option<i32>, String) {
    let args = ["healthcheck", "--config", "cloakroom.toml"];
    let output = cloakroom(folder, &args).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

#[tokio::test]
async fn the_health_check_asks_whichever_listener_there_is() {
    let app = App::plain().await;
    for (server, word) in [(TCP, "ready\n"), ("", "serving\n")] {
        let setup = Setup {
            server,
            ..Setup::default()
        };
        let mut gate = Gate::with(&app, setup).await;
        let file = gate.folder().join("cloakroom.toml");
        let text = fs::read_to_string(&file).unwrap();
        let (code, told) = healthcheck(gate.folder());
        assert_eq!(code, Some(1), "port 0: {told}");
        assert!(told.contains("write a port"), "{told}");
        let mut written = text.replacen("127.0.0.1:0", &gate.https().to_string(), 1);
        if !server.is_empty() {
            ready(&gate).await;
            let admin = gate.admin_address().await.to_string();
            written = written.replacen("127.0.0.1:0", &admin, 1);
        }
        fs::write(&file, written).unwrap();

        assert_eq!(healthcheck(gate.folder()), (Some(0), word.to_owned()));

        assert!(gate.stop().await.success());
        let (code, told) = healthcheck(gate.folder());
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("does not answer"), "{told}");
    }
}

#[tokio::test]
async fn an_address_that_cannot_be_had_is_refused_by_its_key() {
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    fs::write(folder.path().join("file.sock"), "a file of somebody").unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let long = format!("unix:{}/admin.sock", "d".repeat(100));
    for (command, admin, expected) in [
        ("check", "0.0.0.0:9443", "not available in this version"),
        ("check", "localhost", "neither an IP address with a port"),
        ("check", "unix:", "names no file"),
        ("check", &long, "too long for a Unix socket"),
        ("run", "unix:file.sock", "is no socket"),
        (
            "run",
            "unix:/proc/cloakroom/admin.sock",
            "cannot be listened on",
        ),
        ("run", &taken.to_string(), "port in use"),
    ] {
        let server = format!("admin = \"{admin}\"");
        let setup = Setup {
            server: &server,
            ..Setup::default()
        };
        let text = configuration("127.0.0.1:9".parse().unwrap(), setup);
        fs::write(folder.path().join("cloakroom.toml"), text).unwrap();
        let args = [command, "--config", "cloakroom.toml"];
        let output = cloakroom(folder.path(), &args).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        // What another start may cure is no fault of the configuration.
        let code = if expected == "port in use" { 1 } else { 78 };
        assert_eq!(output.status.code(), Some(code), "{admin}: {told}");
        let place = told.contains("cloakroom.toml:") && told.contains("server.admin");
        assert!(place && told.contains(expected), "{admin}: {told}");
    }
}
