//! An app that says what a test tells it to, and a gateway that does nothing but forward.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cloakroom::upstream::visitor::Upgrade;
use cloakroom::upstream::{
    Address, Body, BodyFault, BodyLimits, Pool, UpstreamFault, UpstreamSettings, tunnel, visitor,
};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// Longer than anything here takes, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// A wait in which nothing is expected to happen.
pub const A_WHILE: Duration = Duration::from_millis(150);

/// Runs a test as the gateway runs: on one thread, in a `LocalSet`.
pub fn on_one_core(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(LocalSet::new().run_until(async {
        tokio::time::timeout(PATIENCE, test)
            .await
            .expect("the test hangs");
    }));
}

/// Settings for `app` with deadlines that nothing reaches.
pub fn settings(app: &TcpListener) -> UpstreamSettings {
    let address = app.local_addr().unwrap();
    UpstreamSettings::new(Address::parse(&format!("http://{address}")).unwrap())
}

pub async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// Limits that nothing reaches.
pub fn no_limits() -> BodyLimits {
    BodyLimits {
        bytes_max: None,
        between_reads: Duration::ZERO,
        rate_min: 0,
        rate_grace: Duration::ZERO,
    }
}

pub fn get(path: &str) -> Request<Body> {
    request("GET", path, Body::empty())
}

pub fn request(method: &str, path: &str, body: Body) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("host", "app")
        .body(body)
        .unwrap()
}

/// The whole body as text.
pub async fn text(response: Response<Body>) -> Result<String, BodyFault> {
    let bytes = response.into_body().collect().await?.to_bytes();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// One end of a raw connection.
pub struct Raw<S = TcpStream>(pub S);

impl Raw {
    /// The next connection to `app`.
    pub async fn accept(app: &TcpListener) -> Self {
        Self(app.accept().await.unwrap().0)
    }

    pub async fn connect(address: std::net::SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub async fn write(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Everything up to and with `end`.
    pub async fn read_until(&mut self, end: &str) -> String {
        let mut read = Vec::new();
        while !read.ends_with(end.as_bytes()) {
            match self.0.read_u8().await {
                Ok(byte) => read.push(byte),
                Err(_) => panic!(
                    "{end:?} expected after {:?}",
                    String::from_utf8_lossy(&read)
                ),
            }
        }
        String::from_utf8(read).unwrap()
    }

    pub async fn read_head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    /// Everything until the other side closes, cleanly or not.
    pub async fn read_to_end(&mut self) -> String {
        let mut read = Vec::new();
        let _ = self.0.read_to_end(&mut read).await;
        String::from_utf8_lossy(&read).into_owned()
    }

    /// Reads a request head and answers it.
    pub async fn answer(&mut self, response: &str) -> String {
        let head = self.read_head().await;
        self.write(response).await;
        head
    }
}

/// A gateway that only forwards; its address. A fault becomes the status 599 and its name.
pub async fn gateway(settings: UpstreamSettings, limits: BodyLimits) -> std::net::SocketAddr {
    let listener = listen().await;
    let address = listener.local_addr().unwrap();
    let (pool, settings) = (Pool::new(), Arc::new(settings));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (pool, settings) = (pool.clone(), Arc::clone(&settings));
            let service = hyper::service::service_fn(move |request| {
                let (pool, settings) = (pool.clone(), Arc::clone(&settings));
                async move { Ok::<_, UpstreamFault>(forward(&pool, &settings, request, limits).await) }
            });
            tokio::task::spawn_local(async move {
                let _ = hyper_util::server::conn::auto::Builder::new(OnThisCore)
                    .serve_connection_with_upgrades(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// Spawns what need not be `Send`.
#[derive(Clone)]
pub struct OnThisCore;

impl<F: Future + 'static> hyper::rt::Executor<F> for OnThisCore {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

async fn forward(
    pool: &Pool,
    settings: &Arc<UpstreamSettings>,
    mut request: Request<Incoming>,
    limits: BodyLimits,
) -> Response<Body> {
    let visitor = Upgrade::Http1(hyper::upgrade::on(&mut request));
    request.headers_mut().remove("expect");
    let request = request.map(|body| {
        let body = visitor::Incoming::http1(body, None, None);
        Body::visitor(body, limits).screening_trailers(Arc::new(screen))
    });
    match pool.send(settings, request).await {
        Ok(mut response) => {
            if let Some(side) = tunnel::app_side(&mut response) {
                tokio::task::spawn_local(async move {
                    let moved = AtomicBool::new(false);
                    side.carry(visitor, A_WHILE, &moved, std::future::pending())
                        .await
                });
            }
            response.map(|body| body.screening_trailers(Arc::new(screen)))
        }
        Err(unanswered) => {
            let name = match &unanswered.fault {
                UpstreamFault::VisitorBody(fault) => format!("{fault:?}"),
                other => format!("{other:?}"),
            };
            let mut response = Response::new(Body::full(name));
            *response.status_mut() = StatusCode::from_u16(599).unwrap();
            response
        }
    }
}

fn screen(trailers: &mut HeaderMap) {
    trailers.remove("x-forbidden");
}
