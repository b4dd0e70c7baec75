//! The app behind the gateway: a real HTTP server in the test process that remembers what it was sent.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::body::{Body, BoxError, full};

/// A request as the app received it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: Method,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Seen {
    /// A request of which the head alone is known.
    pub fn of(head: &http::request::Parts) -> Self {
        Self {
            method: head.method.clone(),
            target: head.uri.to_string(),
            headers: head.headers.clone(),
            body: Bytes::new(),
            trailers: HeaderMap::new(),
        }
    }

    /// The path alone.
    pub fn path(&self) -> &str {
        let end = self.target.find('?').unwrap_or(self.target.len());
        &self.target[..end]
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).into_iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    /// The value of a field that may come once.
    pub fn header(&self, name: &str) -> Option<String> {
        let values = self.all(name);
        assert!(values.len() <= 1, "{name} came {} times", values.len());
        values.into_iter().next()
    }

    /// The cookies as the app would read them, in their order.
    pub fn cookies(&self) -> Vec<(String, String)> {
        let line = self.header("cookie").unwrap_or_default();
        let pairs = line.split("; ").filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or(("", pair)))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The value of one cookie.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let mut cookies = self.cookies().into_iter();
        cookies
            .find(|(known, _)| known == name)
            .map(|(_, value)| value)
    }

    /// Every field of head and trailers whose name, read as a CGI-like app does, begins with `prefix`.
    pub fn folded(&self, prefix: &str) -> Vec<(String, String)> {
        let fields = self.headers.iter().chain(&self.trailers);
        fields
            .filter(|(name, _)| fold(name.as_str()).starts_with(&fold(prefix)))
            .map(|(name, value)| (name.to_string(), format!("{value:?}")))
            .collect()
    }
}

fn fold(name: &str) -> String {
    let folded = name.chars().map(|character| {
        if character.is_ascii_alphanumeric() {
            character.to_ascii_lowercase()
        } else {
            '-'
        }
    });
    folded.collect()
}

/// What the app answers.
#[derive(Debug)]
pub struct Reply(Response<Bytes>);

impl Reply {
    /// 200 with a text.
    pub fn ok(text: impl Into<Bytes>) -> Self {
        Self(Response::new(text.into()))
    }

    /// Another status.
    pub fn status(mut self, status: u16) -> Self {
        *self.0.status_mut() = StatusCode::from_u16(status).expect("a status");
        self
    }

    /// One more field.
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().parse().expect("a header value");
        self.0.headers_mut().append(name, value);
        self
    }
}

impl Reply {
    /// The same as a response of any server.
    pub fn into_response(self) -> Response<Body> {
        self.0.map(full)
    }
}

/// A running app. It ends with the test, or when it is stopped.
pub struct App {
    addr: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl App {
    /// An app that answers `ok` to everything.
    pub async fn plain() -> Self {
        Self::answering(|_| Reply::ok("ok")).await
    }

    /// An app that answers as `reply` says, after it has read the whole request.
    pub async fn answering(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::answering_at(free(), reply).await
    }

    /// The same on a given address, for an app that comes back.
    pub async fn answering_at(
        addr: SocketAddr,
        reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let reply = Arc::new(reply);
        Self::start(addr, move |request, log: Log| {
            let reply = Arc::clone(&reply);
            async move {
                let seen = read(request).await?;
                let Reply(answer) = reply(&seen);
                log.lock().expect("the log").push(seen);
                Ok(answer.map(full))
            }
        })
        .await
    }

    /// An app that handles requests as they come, bodies unread; it remembers the heads.
    pub async fn serving<F>(handle: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let handle = Arc::new(handle);
        Self::start(free(), move |request, log: Log| {
            let handle = Arc::clone(&handle);
            let (head, body) = request.into_parts();
            log.lock().expect("the log").push(Seen::of(&head));
            let request = Request::from_parts(head, body);
            async move { Ok(handle(request).await) }
        })
        .await
    }

    /// Stands before a real app at `to` and remembers what that app is sent. Of a WebSocket it remembers the head.
    pub async fn forwarding(to: SocketAddr) -> Self {
        Self::start(free(), move |mut request, log: Log| async move {
            let upgrade = hyper::upgrade::on(&mut request);
            let seen = read(request).await?;
            log.lock().expect("the log").push(seen.clone());
            forward(to, &seen, upgrade).await
        })
        .await
    }

    async fn start<F>(
        addr: SocketAddr,
        handle: impl Fn(Request<Incoming>, Log) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind(addr).await.expect("a port for the app");
        let addr = listener.local_addr().expect("the app's address");
        let seen = Log::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&seen), Arc::new(handle)));
        Self { addr, seen, task }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Everything it was sent so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the log").clone()
    }

    /// The latest request.
    pub fn last(&self) -> Seen {
        self.seen().pop().expect("the app was asked")
    }

    /// Stops it: the port refuses, open connections are cut.
    pub async fn stop(self) -> SocketAddr {
        self.task.abort();
        let _ = self.task.await;
        self.addr
    }
}

type Log = Arc<Mutex<Vec<Seen>>>;

fn free() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

async fn serve<H, F>(listener: TcpListener, log: Log, handle: Arc<H>)
where
    H: Fn(Request<Incoming>, Log) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<Body>, BoxError>> + Send + 'static,
{
    // Dropping the set cuts every connection.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (log, handle) = (Arc::clone(&log), Arc::clone(&handle));
        connections.spawn(async move {
            let service = service_fn(|request| handle(request, Arc::clone(&log)));
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let _ = connection.await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn read(request: Request<Incoming>) -> Result<Seen, BoxError> {
    let (head, body) = request.into_parts();
    let mut seen = Seen::of(&head);
    let body = body.collect().await?;
    seen.trailers = body.trailers().cloned().unwrap_or_default();
    seen.body = body.to_bytes();
    Ok(seen)
}

async fn forward(
    to: SocketAddr,
    seen: &Seen,
    upgrade: OnUpgrade,
) -> Result<Response<Body>, BoxError> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let mut request = Request::builder()
        .method(&seen.method)
        .uri(&seen.target)
        .body(full(seen.body.clone()))?;
    *request.headers_mut() = seen.headers.clone();
    // The body is whole here, so its length frames it.
    request.headers_mut().remove("transfer-encoding");
    let mut answer = sender.send_request(request).await?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        let other = hyper::upgrade::on(&mut answer);
        tokio::spawn(tunnel(upgrade, other));
        return Ok(answer.map(|_| full(Bytes::new())));
    }
    let (mut head, body) = answer.into_parts();
    head.headers.remove("connection");
    head.headers.remove("transfer-encoding");
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, full(body)))
}

async fn tunnel(one: OnUpgrade, other: OnUpgrade) -> Result<(), BoxError> {
    let (one, other) = (one.await?, other.await?);
    let (mut one, mut other) = (TokioIo::new(one), TokioIo::new(other));
    tokio::io::copy_bidirectional(&mut one, &mut other).await?;
    Ok(())
}
