//! Somebody who logs in at the provider: a browser over plain HTTP that knows forms and cookies, and nothing else.

use std::sync::Mutex;

use http::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::super::DEADLINE;
use super::super::super::body::{Body, full};
use super::super::super::forms::{encode, hidden};

/// What the provider shows.
#[derive(Debug)]
pub struct Page {
    pub status: StatusCode,
    pub location: Option<String>,
    pub body: String,
}

/// A cookie: its path, its name, its value.
type Held = (String, String, String);

/// A browser at the provider.
pub struct ProviderVisitor {
    issuer: String,
    cookies: Mutex<Vec<Held>>,
}

impl ProviderVisitor {
    pub(super) fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            cookies: Mutex::default(),
        }
    }

    /// Goes to where a login begins, logs in as `user` if asked to, and returns where the provider sends them in the end.
    pub async fn log_in(&self, begin: &str, user: &str) -> String {
        let form = encode(&[("login", user)]);
        self.walk(begin, |_| Some((None, form.clone()))).await
    }

    /// Goes to where a logout begins, says yes, and returns where the provider sends them in the end.
    pub async fn log_out(&self, begin: &str) -> String {
        let confirm = format!("{}/session/end/confirm", self.issuer);
        let answer = |page: &Page| {
            let secret = hidden(&page.body, "xsrf")?;
            let form = encode(&[("xsrf", &secret), ("logout", "yes")]);
            Some((Some(confirm.clone()), form))
        };
        self.walk(begin, answer).await
    }

    /// Follows redirects within the provider, and answers each page with a form: to an address, or to the page's own.
    async fn walk(
        &self,
        begin: &str,
        answer: impl Fn(&Page) -> Option<(Option<String>, String)>,
    ) -> String {
        let mut address = begin.to_owned();
        let mut page = self.get(&address).await;
        for _ in 0..20 {
            if let Some(location) = &page.location {
                address = match location.strip_prefix('/') {
                    Some(path) => format!("{}/{path}", self.issuer),
                    None => location.clone(),
                };
                if !address.starts_with(&self.issuer) {
                    return address;
                }
                page = self.get(&address).await;
            } else {
                assert_eq!(page.status, StatusCode::OK, "{address}: {}", page.body);
                let (to, form) = answer(&page).expect("a page with a form");
                address = to.unwrap_or(address);
                page = self.send("POST", &address, full(form)).await;
            }
        }
        panic!("no end of redirects, at last to {address}");
    }

    /// A GET.
    pub async fn get(&self, address: &str) -> Page {
        self.send("GET", address, full("")).await
    }

    pub(super) async fn send(&self, method: &str, address: &str, body: Body) -> Page {
        let path = address.strip_prefix(&self.issuer);
        let path = path.unwrap_or_else(|| panic!("{address} is not the provider's"));
        let host = self.issuer.trim_start_matches("http://");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(COOKIE, self.cookie_line(path))
            .body(body)
            .expect("a request");
        let exchange = async {
            let stream = TcpStream::connect(host).await.expect("the provider");
            let io = TokioIo::new(stream);
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
                .await
                .expect("a connection");
            tokio::spawn(connection);
            let answer = sender.send_request(request).await.expect("an answer");
            let (head, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            (head, body)
        };
        let answer = tokio::time::timeout(DEADLINE, exchange).await;
        let (head, body) = answer.expect("the provider answers in time");
        for line in head.headers.get_all(SET_COOKIE) {
            self.receive(line.to_str().expect("a cookie"));
        }
        let location = head.headers.get(LOCATION);
        Page {
            status: head.status,
            location: location.map(|to| to.to_str().expect("an address").to_owned()),
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    fn cookie_line(&self, path: &str) -> String {
        let cookies = self.cookies.lock().expect("the cookies");
        let sent = cookies.iter().filter(|(of, ..)| path.starts_with(of));
        let pairs: Vec<_> = sent
            .map(|(_, name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    fn receive(&self, line: &str) {
        let mut parts = line.split("; ");
        let pair = parts.next().and_then(|pair| pair.split_once('='));
        let (name, value) = pair.expect("a cookie");
        let path = parts.find_map(|part| part.strip_prefix("path="));
        let path = path.unwrap_or("/").to_owned();
        let mut cookies = self.cookies.lock().expect("the cookies");
        cookies.retain(|(of, known, _)| (of, known.as_str()) != (&path, name));
        // It deletes cookies by an empty value.
        if !value.is_empty() {
            cookies.push((path, name.to_owned(), value.to_owned()));
        }
    }
}
