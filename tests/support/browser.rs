//! A browser: HTTPS with a cookie store, and a memory of every cookie line that crossed the TLS side.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::{Body, BoxError, full};
use super::cookies::CookieStore;
use super::gate::{Gate, TICKET};

/// A browser of one person.
pub struct Browser {
    at: Arc<Mutex<SocketAddr>>,
    tls: [TlsConnector; 2],
    http2: bool,
    cookies: Mutex<CookieStore>,
    lines: Mutex<Vec<String>>,
}

impl Browser {
    pub(super) fn new(
        at: Arc<Mutex<SocketAddr>>,
        http1: TlsConnector,
        http2: TlsConnector,
    ) -> Self {
        Self {
            at,
            tls: [http1, http2],
            http2: false,
            cookies: Mutex::new(CookieStore::new()),
            lines: Mutex::default(),
        }
    }

    /// The same browser, with what it holds now, at another node.
    pub fn at(&self, node: &Gate) -> Self {
        let cookies = self.cookies.lock().expect("the cookies").clone();
        Self {
            http2: self.http2,
            cookies: Mutex::new(cookies),
            ..node.browser()
        }
    }

    /// From now on it speaks HTTP/2.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// A GET.
    pub fn get(&self, target: &str) -> Call<'_> {
        self.call(Method::GET, target)
    }

    /// A POST of a text.
    pub fn post(&self, target: &str, body: impl Into<Bytes>) -> Call<'_> {
        self.call(Method::POST, target).body(full(body))
    }

    /// Any request.
    pub fn call(&self, method: Method, target: &str) -> Call<'_> {
        Call {
            browser: self,
            host: "localhost".to_owned(),
            method,
            target: target.to_owned(),
            headers: HeaderMap::new(),
            cookies: None,
            body: full(Bytes::new()),
        }
    }

    /// The value of a cookie that it holds.
    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().expect("the cookies");
        let mut held = cookies.held().iter();
        held.find(|held| held.name == name)
            .map(|held| held.value.clone())
    }

    /// The value of a cookie as a script of a page reads it from `document.cookie`.
    pub fn script_reads(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().expect("the cookies");
        let mut held = cookies.held().iter();
        held.find(|held| held.name == name && !held.http_only)
            .map(|held| held.value.clone())
    }

    /// A script of the page at `path` assigns a line to `document.cookie`.
    pub fn script_writes(&self, path: &str, line: &str) {
        let mut cookies = self.cookies.lock().expect("the cookies");
        cookies.write("localhost", path, line);
    }

    /// The ticket that it holds.
    ///
    /// # Panics
    /// When it holds none.
    pub fn ticket(&self) -> String {
        self.cookie(TICKET).expect("the browser holds a ticket")
    }

    /// The Cookie line that holds this browser's ticket alone, for [`Call::holding`].
    pub fn ticket_line(&self) -> String {
        format!("{TICKET}={}", self.ticket())
    }

    /// It holds a cookie that came before the gateway did, or past it: as if `line` had been set by `path` of `host`.
    pub fn plant(&self, host: &str, path: &str, line: &str) {
        let mut cookies = self.cookies.lock().expect("the cookies");
        cookies.receive(host, path, line);
    }

    /// The names of all cookies held, sorted.
    pub fn names(&self) -> Vec<String> {
        let cookies = self.cookies.lock().expect("the cookies");
        let mut names: Vec<_> = cookies
            .held()
            .iter()
            .map(|held| held.name.clone())
            .collect();
        names.sort();
        names
    }

    /// Everything held, as one Cookie line.
    pub fn everything(&self) -> String {
        let cookies = self.cookies.lock().expect("the cookies");
        let pairs = cookies.held().iter();
        let pairs: Vec<_> = pairs
            .map(|held| format!("{}={}", held.name, held.value))
            .collect();
        pairs.join("; ")
    }

    /// Every Cookie and Set-Cookie line that crossed the TLS side, in order.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("the lines").clone()
    }
}

/// One request being put together.
pub struct Call<'a> {
    browser: &'a Browser,
    host: String,
    method: Method,
    target: String,
    headers: HeaderMap,
    cookies: Option<String>,
    body: Body,
}

impl Call<'_> {
    /// One more field.
    pub fn header(mut self, name: &'static str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().parse().expect("a header value");
        self.headers.append(name, value);
        self
    }

    /// One more field, of bytes that are no text.
    pub fn raw_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// To another host of the gateway.
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// As somebody who holds just these cookies: the browser's own are neither sent nor changed.
    pub fn holding(mut self, cookies: &str) -> Self {
        self.cookies = Some(cookies.to_owned());
        self
    }

    /// As a browser says that somebody follows a link of the site, or sends a form of its.
    pub fn navigating(self) -> Self {
        self.header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
    }

    /// As a browser says that a script of the site asks.
    pub fn fetching(self) -> Self {
        self.header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
    }

    /// With this body.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sends it and reads the whole answer.
    pub async fn send(self) -> Answer {
        let (head, body) = self.stream().await.into_parts();
        let body = body.collect().await.expect("the whole body");
        Answer {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        }
    }

    /// Sends it and reads the whole answer, or `None` when the gateway was gone before it had answered whole.
    pub async fn try_send(self) -> Option<Answer> {
        let (head, body) = self.try_stream().await.ok()?.into_parts();
        let body = body.collect().await.ok()?;
        Some(Answer {
            status: head.status,
            headers: head.headers,
            trailers: body.trailers().cloned().unwrap_or_default(),
            body: body.to_bytes(),
        })
    }

    /// Sends it and returns as soon as the head of the answer is there.
    pub async fn stream(self) -> Response<Incoming> {
        self.try_stream().await.expect("an answer")
    }

    async fn try_stream(self) -> Result<Response<Incoming>, BoxError> {
        let browser = self.browser;
        let (host, own) = (self.host.clone(), self.cookies.is_none());
        let path = self.target.split('?').next().unwrap_or("/").to_owned();
        let request = self.into_request(&path);
        let answer = browser.exchange(&host, request).await?;
        for line in answer.headers().get_all("set-cookie") {
            let line = String::from_utf8_lossy(line.as_bytes()).into_owned();
            if own {
                let mut cookies = browser.cookies.lock().expect("the cookies");
                cookies.receive(&host, &path, &line);
            }
            browser.remember(line);
        }
        Ok(answer)
    }

    fn into_request(self, path: &str) -> Request<Body> {
        let browser = self.browser;
        let own = browser
            .cookies
            .lock()
            .expect("the cookies")
            .line_for(&self.host, path);
        let cookies = self.cookies.or(own).filter(|line| !line.is_empty());
        let port = browser.at.lock().expect("the address").port();
        let authority = format!("{}:{port}", self.host);
        let target = &self.target;
        let request = Request::builder().method(self.method);
        let request = if browser.http2 {
            request.uri(format!("https://{authority}{target}"))
        } else {
            request.uri(target).header("host", authority)
        };
        let mut request = request.body(self.body).expect("a request");
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        if let Some(line) = cookies {
            let value = line.parse().expect("a Cookie line");
            request.headers_mut().insert("cookie", value);
            browser.remember(line);
        }
        request
    }
}

impl Browser {
    fn remember(&self, line: String) {
        self.lines.lock().expect("the lines").push(line);
    }

    /// One connection for each request: tests shall not depend on who shares one.
    async fn exchange(
        &self,
        host: &str,
        request: Request<Body>,
    ) -> Result<Response<Incoming>, BoxError> {
        let at = *self.at.lock().expect("the address");
        let stream = TcpStream::connect(at).await?;
        let name = host.to_owned().try_into()?;
        let tls = &self.tls[usize::from(self.http2)];
        let stream = tls.connect(name, stream).await?;
        let agreed = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let io = TokioIo::new(stream);
        if self.http2 {
            assert_eq!(agreed.as_deref(), Some(&b"h2"[..]), "ALPN");
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io);
            let (mut sender, connection) = handshake.await?;
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        } else {
            let handshake = hyper::client::conn::http1::handshake(io);
            let (mut sender, connection) = handshake.await?;
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub trailers: HeaderMap,
}

impl Answer {
    /// The status as a number.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first value of a field.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// All values of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).into_iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }

    /// The Set-Cookie lines.
    pub fn set_cookies(&self) -> Vec<String> {
        self.all("set-cookie")
    }

    /// Whether a list field such as Vary or Cache-Control names `token`.
    pub fn lists(&self, name: &str, token: &str) -> bool {
        let values = self.all(name);
        let mut tokens = values.iter().flat_map(|value| value.split(','));
        tokens.any(|known| known.trim().eq_ignore_ascii_case(token))
    }
}
