//! A gateway whose configuration the tests change, and connections that are kept.

use std::fs;

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::support::body::{Body, BoxError, full};
use super::support::{App, Gate, Setup, eventually};

pub const HSTS: &str = "strict-transport-security";

/// A gateway with an administration, in front of `app`.
pub async fn gate(app: &App, site: &str) -> Gate {
    let setup = Setup {
        server: "admin = \"127.0.0.1:0\"",
        site,
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// Changes the configuration file: `from`, which must be there, becomes `to`.
pub fn edit(gate: &Gate, from: &str, to: &str) {
    let file = gate.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    fs::write(file, text.replacen(from, to, 1)).unwrap();
}

/// Writes `line` before all tables.
pub fn edit_top(gate: &Gate, line: &str) {
    edit(gate, "\n[server]", &format!("{line}\n[server]"));
}

/// Asks the administration for a reload; tells the status and what it says.
pub async fn reload(gate: &Gate) -> (u16, Value) {
    let token = gate.admin_token();
    let answer = gate
        .admin_says(&format!(
            "POST /api/v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

/// Reloads, and it succeeds with nothing left to wait for.
pub async fn reload_well(gate: &Gate) {
    let (status, told) = reload(gate).await;
    assert_eq!(status, 200, "{told}");
    assert_eq!(told["restart_needed"], serde_json::json!([]));
}

/// Reloads by the signal and waits until it is done.
pub async fn reload_by_signal(gate: &Gate) {
    let done = async || {
        metric(gate, "cloakroom_config_reloads_total{result=\"success\"}").await
            + metric(gate, "cloakroom_config_reloads_total{result=\"refused\"}").await
    };
    let before = done().await;
    gate.signal("HUP");
    eventually("the reload", async || (done().await > before).then_some(())).await;
}

/// Waits until `words` are in what the gateway printed: it comes through a pipe.
pub async fn printed(gate: &Gate, words: &str) {
    eventually(words, async || gate.printed().contains(words).then_some(())).await;
}

/// The value of a metric, with its labels.
pub async fn metric(gate: &Gate, name: &str) -> u64 {
    let metrics = gate.admin("/metrics").await;
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {name} in {metrics}"));
    value.parse().unwrap()
}

pub async fn shake_hands(
    gate: &Gate,
    tls: &TlsConnector,
) -> Result<TlsStream<TcpStream>, BoxError> {
    let stream = TcpStream::connect(gate.https()).await?;
    Ok(tls.connect("localhost".try_into()?, stream).await?)
}

/// One connection that is kept.
pub enum Kept {
    H1(http1::SendRequest<Body>),
    H2(http2::SendRequest<Body>),
}

impl Kept {
    pub async fn h1(gate: &Gate) -> Self {
        let io = TokioIo::new(shake_hands(gate, &gate.tls(false)).await.unwrap());
        let (sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Self::H1(sender)
    }

    pub async fn h2(gate: &Gate) -> Self {
        let io = TokioIo::new(shake_hands(gate, &gate.tls(true)).await.unwrap());
        let handshake = http2::handshake(TokioExecutor::new(), io);
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        Self::H2(sender)
    }

    pub async fn get(&mut self, path: &str) -> Result<Response<String>, BoxError> {
        self.send("GET", path, full("")).await
    }

    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Body,
    ) -> Result<Response<String>, BoxError> {
        let request = Request::builder().method(method);
        let answer = match self {
            Self::H1(sender) => {
                let request = request.uri(path).header("host", "localhost");
                sender.ready().await?;
                sender.send_request(request.body(body)?).await?
            }
            Self::H2(sender) => {
                let request = request.uri(format!("https://localhost{path}"));
                sender.clone().send_request(request.body(body)?).await?
            }
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok(Response::from_parts(head, text))
    }

    /// Another user of the same connection, if it can have several.
    pub fn share(&self) -> Self {
        match self {
            Self::H1(_) => panic!("HTTP/1.1 carries one request at a time"),
            Self::H2(sender) => Self::H2(sender.clone()),
        }
    }
}

pub fn hsts(answer: &Response<String>) -> &str {
    answer.headers()[HSTS].to_str().unwrap()
}
