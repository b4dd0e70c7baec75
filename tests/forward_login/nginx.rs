//! `/.cloakroom/auth` behind a real nginx with `auth_request`, and a real Caddy with `forward_auth`, where they are installed.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::vouching::{reply, rig};
use crate::support::{App, Gate, eventually};

const TRUSTED: &str = "trusted_proxies = [\"127.0.0.0/8\"]";

struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a program is, if it is installed. `scripts/test` installs it.
fn installed(name: &str) -> Option<PathBuf> {
    let places = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/sbin"];
    let mut places = places.into_iter().map(|place| Path::new(place).join(name));
    places.find(|path| path.exists())
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

async fn listens(at: SocketAddr) {
    eventually("the proxy listens", async || {
        TcpStream::connect(at).await.ok().map(drop)
    })
    .await;
}

/// The snippet of docs/LOGIN.md, in front of `app`, with the gate as the one who is asked.
fn nginx(folder: &Path, port: u16, gate: &Gate, app: &App) -> String {
    let folder = folder.display();
    let (gate, ca) = (gate.https(), gate.folder().join("gate.pem"));
    let (ca, app) = (ca.display(), app.addr());
    format!(
        r#"
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location = /.cloakroom/auth {{
      internal;
      proxy_pass https://{gate};
      proxy_ssl_server_name on;
      proxy_ssl_name localhost;
      proxy_ssl_trusted_certificate {ca};
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
      proxy_set_header Host localhost;
      proxy_set_header X-Original-URL https://localhost$request_uri;
      proxy_set_header X-Original-Method $request_method;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host localhost;
      proxy_set_header X-Forwarded-Proto https;
      proxy_set_header X-Forwarded-Uri $request_uri;
      proxy_set_header X-Forwarded-Method $request_method;
    }}
    location / {{
      auth_request /.cloakroom/auth;
      auth_request_set $user $upstream_http_remote_user;
      auth_request_set $login $upstream_http_location;
      error_page 401 = @login;
      proxy_set_header Remote-User $user;
      proxy_pass http://{app};
    }}
    location @login {{
      if ($login = "") {{ return 401; }}
      return 302 $login;
    }}
  }}
}}
"#
    )
}

fn caddy(port: u16, gate: &Gate, app: &App) -> String {
    let gate_port = gate.https().port();
    let ca = gate.folder().join("gate.pem");
    let (ca, app) = (ca.display(), app.addr());
    format!(
        r#"
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port}, http://localhost:{port} {{
  forward_auth https://localhost:{gate_port} {{
    uri /.cloakroom/auth
    header_up Host localhost
    header_up X-Forwarded-Host localhost
    header_up X-Forwarded-Proto https
    header_up -X-Original-URL
    header_up -X-Original-URI
    header_up -X-Original-Method
    copy_headers Remote-User
    transport http {{
      tls_trusted_ca_certs {ca}
      tls_server_name localhost
    }}
  }}
  reverse_proxy {app}
}}
"#
    )
}

/// Status, head and body of a request in the clear.
async fn ask(at: SocketAddr, head: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).await.expect("the proxy");
    let request = format!(
        "{head}\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n",
        at.port()
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), answer)
}

async fn behaves(at: SocketAddr, gate: &Gate, app: &App, sends_on: bool) {
    let page = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document";
    let (status, answer) = ask(at, &format!("GET /inside?a=1 HTTP/1.1\r\n{page}")).await;
    assert_eq!(status, 302, "{answer}");
    let login = "https://localhost/login?next=%2Finside%3Fa%3D1".to_lowercase();
    assert!(
        answer.to_lowercase().contains(&login),
        "{sends_on} {answer}"
    );
    let (status, answer) = ask(at, "GET /inside HTTP/1.1").await;
    assert_eq!(status, 401, "{answer}");
    assert_eq!(app.seen().len(), 0, "nobody got to the app");

    let browser = gate.browser();
    browser.get("/login?alice&dev").send().await;
    let cookie = format!("Cookie: {}", browser.ticket_line());
    let (status, answer) = ask(
        at,
        &format!("GET /inside HTTP/1.1\r\n{cookie}\r\nRemote-User: root"),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    assert!(!answer.to_lowercase().contains("set-cookie"), "{answer}");
    assert_eq!(app.last().header("remote-user").as_deref(), Some("alice"));
    // What the visitor writes to be taken for what the proxy writes.
    let claims = "X-Original-URL: https://localhost/open/\r\nX-Forwarded-Uri: /open/\r\nX-Original-URI: /inside";
    for (line, expected) in [
        (format!("GET /staff/x HTTP/1.1\r\n{cookie}"), 403),
        (format!("GET /%73taff/x HTTP/1.1\r\n{cookie}"), 403),
        (format!("GET /open/../staff/x HTTP/1.1\r\n{cookie}"), 403),
        (format!("DELETE /read/x HTTP/1.1\r\n{cookie}"), 403),
        (
            format!(
                "POST /inside HTTP/1.1\r\n{cookie}\r\nOrigin: https://evil.test\r\nContent-Length: 0"
            ),
            403,
        ),
        (format!("GET /inside HTTP/1.1\r\n{claims}"), 401),
        ("GET /open/ HTTP/1.1".to_owned(), 200),
    ] {
        let (status, answer) = ask(at, &line).await;
        // nginx makes what it does not know of an answer a 500.
        let is_refused = expected != 200 && [expected, 400, 401, 403, 500].contains(&status);
        assert!(status == expected || is_refused, "{line}: {answer}");
    }
}

#[tokio::test]
async fn nginx_asks_and_does_as_it_is_told() {
    let Some(program) = installed("nginx") else {
        eprintln!("no nginx here: not tested");
        return;
    };
    let (_, gate) = rig(TRUSTED).await;
    let app = App::answering(reply).await;
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let file = folder.path().join("nginx.conf");
    fs::write(&file, nginx(folder.path(), port, &gate, &app)).expect("the configuration");
    let child = Command::new(program)
        .arg("-c")
        .arg(&file)
        .arg("-p")
        .arg(folder.path())
        .stderr(Stdio::null())
        .spawn();
    let _proxy = Proxy(child.expect("nginx starts"));
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    listens(at).await;
    behaves(at, &gate, &app, true).await;
}

#[tokio::test]
async fn caddy_asks_and_does_as_it_is_told() {
    let Some(program) = installed("caddy") else {
        eprintln!("no Caddy here: not tested");
        return;
    };
    let (_, gate) = rig(TRUSTED).await;
    let app = App::answering(reply).await;
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let file = folder.path().join("Caddyfile");
    fs::write(&file, caddy(port, &gate, &app)).expect("the configuration");
    let log = fs::File::create(folder.path().join("log")).expect("a log");
    let child = Command::new(program)
        .args(["run", "--adapter", "caddyfile", "--config"])
        .arg(&file)
        .env("HOME", folder.path())
        .stderr(log)
        .stdout(Stdio::null())
        .spawn();
    let _proxy = Proxy(child.expect("Caddy starts"));
    let at = SocketAddr::from(([127, 0, 0, 1], port));
    listens(at).await;
    behaves(at, &gate, &app, true).await;
}
