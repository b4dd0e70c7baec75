//! The demo's legacy app: what somebody might have written in 2009 and nobody dares to touch since.
//!
//! It sets cookies without `Secure` or `HttpOnly`, keeps logins in memory, sets a tracker, and shows every header and
//! cookie that reaches it, so that one can see what the gateway does. It speaks the `X-Session-*` directives as well
//! (DESIGN section 5), so that the demo can show a user in the headers. Plain HTTP on loopback only.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::base::secret::random_bytes;

/// Logins held in memory; past it the oldest is forgotten.
const LOGINS_MAX: usize = 10_000;
/// Bytes of a submitted form.
const FORM_BYTES_MAX: usize = 8 * 1024;
/// Connections at a time; more wait.
const CONNECTIONS_MAX: usize = 512;
/// The longest that `/slow?ms=` waits, in milliseconds.
const SLOW_MILLIS_MAX: u64 = 60_000;

type Answer = Response<Either<Full<Bytes>, Incoming>>;

/// Serves the app on `listener`; goes on until it is dropped.
pub async fn serve(listener: TcpListener) {
    let logins = Arc::new(Mutex::new(Logins::default()));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors, most likely: the next round would fail as fast as this one.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let logins = Arc::clone(&logins);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(&logins, request));
            // A connection that breaks concerns nobody but the one who broke it.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(place);
        });
    }
}

async fn answer(logins: &Mutex<Logins>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    Ok(match (request.method(), path.as_str()) {
        (&Method::GET | &Method::HEAD, "/") => {
            page("Requests as they arrive here", &front(&request))
        }
        (&Method::GET | &Method::HEAD, "/login") => page("Log in", LOGIN_FORM),
        (&Method::POST, "/login") => log_in(logins, request).await,
        (&Method::GET | &Method::HEAD, "/account") => account(logins, request.headers()),
        (&Method::POST, "/logout") => log_out(logins, request.headers()),
        (&Method::GET | &Method::HEAD, "/headers") => text(list(request.headers())),
        (&Method::GET | &Method::HEAD, "/theme") => theme(request.uri().query().unwrap_or("")),
        (&Method::GET | &Method::HEAD, "/slow") => slow(request.uri().query().unwrap_or("")).await,
        (&Method::POST | &Method::PUT, "/echo") => echo(request),
        _ => with_status(
            StatusCode::NOT_FOUND,
            page("Not found", "<p>No such page.</p>"),
        ),
    })
}

// === what it does ===

async fn log_in(logins: &Mutex<Logins>, request: Request<Incoming>) -> Answer {
    let Ok(body) = Limited::new(request.into_body(), FORM_BYTES_MAX)
        .collect()
        .await
    else {
        return with_status(
            StatusCode::PAYLOAD_TOO_LARGE,
            page("Too much", "<p>That is no login.</p>"),
        );
    };
    let body = body.to_bytes();
    let form = String::from_utf8_lossy(&body);
    if field(&form, "user").as_deref() != Some("demo")
        || field(&form, "password").as_deref() != Some("demo")
    {
        return page(
            "Log in",
            &format!("<p>Wrong name or password.</p>{LOGIN_FORM}"),
        );
    }
    let id = HEXLOWER.encode(&random_bytes::<16>());
    let mut answer = redirect("/account");
    // As in 2009: no Secure, no HttpOnly, no SameSite, and a tracker that nobody asked for.
    for cookie in [
        format!("LEGACYSESSID={id}; Path=/"),
        "theme=light; Path=/; Max-Age=31536000".to_owned(),
        format!(
            "_ga=GA1.2.{}; Path=/; Max-Age=63072000",
            u32::from_be_bytes(random_bytes())
        ),
    ] {
        append(answer.headers_mut(), SET_COOKIE.as_str(), &cookie);
    }
    append(
        answer.headers_mut(),
        "x-session-login",
        "\"demo\"; name=\"Demo User\"",
    );
    held(logins).add(id);
    answer
}

fn account(logins: &Mutex<Logins>, headers: &HeaderMap) -> Answer {
    let known = cookie(headers, "LEGACYSESSID").is_some_and(|id| held(logins).knows(&id));
    if !known {
        return redirect("/login");
    }
    let body = "<p>You are logged in as <b>demo</b>.</p>\
        <form method=\"post\" action=\"/logout\"><button>Log out</button></form>\
        <p><a href=\"/\">What this app received</a></p>";
    page("Your account", body)
}

fn log_out(logins: &Mutex<Logins>, headers: &HeaderMap) -> Answer {
    if let Some(id) = cookie(headers, "LEGACYSESSID") {
        held(logins).remove(&id);
    }
    let mut answer = redirect("/");
    append(
        answer.headers_mut(),
        SET_COOKIE.as_str(),
        "LEGACYSESSID=; Path=/; Max-Age=0",
    );
    append(answer.headers_mut(), "x-session-logout", "?1");
    answer
}

fn theme(query: &str) -> Answer {
    let Some(theme) = field(query, "set").filter(|theme| {
        (1..=32).contains(&theme.len()) && theme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }) else {
        return with_status(
            StatusCode::BAD_REQUEST,
            text("say /theme?set=NAME, a NAME of letters and digits\n".to_owned()),
        );
    };
    let mut answer = text(format!("theme is now {theme}\n"));
    append(
        answer.headers_mut(),
        "x-session-set",
        &format!("theme=\"{theme}\""),
    );
    answer
}

async fn slow(query: &str) -> Answer {
    let millis = field(query, "ms")
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(1000);
    tokio::time::sleep(Duration::from_millis(u64::min(millis, SLOW_MILLIS_MAX))).await;
    text("at last\n".to_owned())
}

fn echo(request: Request<Incoming>) -> Answer {
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    let mut answer = Response::new(Either::Right(request.into_body()));
    // Never as HTML: what came in is not ours to have run.
    let plain = HeaderValue::from_static("application/octet-stream");
    let kind = kind.filter(|kind| {
        !kind
            .as_bytes()
            .to_ascii_lowercase()
            .windows(4)
            .any(|w| w == b"html")
    });
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, kind.unwrap_or(plain));
    answer.headers_mut().insert(
        "x-content-type-options",
        HeaderValue::from_static("nosniff"),
    );
    answer
}

/// The ids of those who are logged in, oldest first.
#[derive(Default)]
struct Logins {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Logins {
    fn add(&mut self, id: String) {
        self.known.insert(id.clone());
        self.order.push_back(id);
        if self.order.len() > LOGINS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn knows(&self, id: &str) -> bool {
        self.known.contains(id)
    }

    fn remove(&mut self, id: &str) {
        self.known.remove(id);
        self.order.retain(|known| known != id);
    }
}

/// The logins. A panic of another holder cannot leave them half changed in a way that matters here.
fn held(logins: &Mutex<Logins>) -> std::sync::MutexGuard<'_, Logins> {
    logins.lock().unwrap_or_else(PoisonError::into_inner)
}

// === what it shows ===

const LOGIN_FORM: &str = "<form method=\"post\" action=\"/login\">\
    <p><label>Name <input name=\"user\" value=\"demo\"></label></p>\
    <p><label>Password <input name=\"password\" type=\"password\" value=\"demo\"></label></p>\
    <p><button>Log in</button></p></form>";

fn front(request: &Request<Incoming>) -> String {
    let headers = request.headers();
    let mut html = String::from(
        "<p><a href=\"/login\">Log in</a> (demo, demo) &middot; \
        <a href=\"/account\">Account</a> &middot; <a href=\"/headers\">Headers as text</a> &middot; \
        <a href=\"/theme?set=dark\">Theme: dark</a></p>",
    );
    html.push_str("<h2>Cookies</h2>");
    let cookies = cookies(headers);
    if cookies.is_empty() {
        html.push_str("<p>None.</p>");
    } else {
        rows(
            &mut html,
            cookies
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
    }
    html.push_str("<h2>Headers</h2>");
    let lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
        .collect();
    rows(
        &mut html,
        lines.iter().map(|(name, value)| (*name, &**value)),
    );
    html
}

fn rows<'a>(html: &mut String, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    html.push_str("<table>");
    for (name, value) in pairs {
        // Writing into a String cannot fail.
        let _ = write!(
            html,
            "<tr><th>{}</th><td>{}</td></tr>",
            Escaped(name),
            Escaped(value)
        );
    }
    html.push_str("</table>");
}

fn list(headers: &HeaderMap) -> String {
    let mut lines = String::new();
    for (name, value) in headers {
        let _ = writeln!(
            lines,
            "{name}: {}",
            String::from_utf8_lossy(value.as_bytes())
        );
    }
    lines
}

/// `body` is HTML already.
fn page(title: &str, body: &str) -> Answer {
    let title = Escaped(title);
    let html = format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>body{{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto}}\
         th{{text-align:left;padding-right:1em;vertical-align:top}}td{{overflow-wrap:anywhere}}</style>\
         <h1>{title}</h1>{body}</html>\n"
    );
    answer_of(html, "text/html; charset=utf-8")
}

fn text(body: String) -> Answer {
    answer_of(body, "text/plain; charset=utf-8")
}

fn answer_of(body: String, kind: &'static str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(body.into())));
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn redirect(to: &'static str) -> Answer {
    let mut answer = with_status(StatusCode::FOUND, text(String::new()));
    answer
        .headers_mut()
        .insert(LOCATION, HeaderValue::from_static(to));
    answer
}

fn with_status(status: StatusCode, mut answer: Answer) -> Answer {
    *answer.status_mut() = status;
    answer
}

/// Appends a field whose value this file has made itself; one that could not be a value is left out.
fn append(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}

/// Text that may stand in HTML, also within a quoted attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

// === what it reads ===

/// Naive, as such apps are: split at `;` and `=`.
fn cookies(headers: &HeaderMap) -> Vec<(String, String)> {
    let lines = headers.get_all(COOKIE).into_iter();
    let lines: Vec<_> = lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()))
        .collect();
    let pairs = lines.iter().flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let found = cookies(headers)
        .into_iter()
        .find(|(known, _)| known == name);
    found.map(|(_, value)| value)
}

/// A field of an `application/x-www-form-urlencoded` form or query. The values expected here need no decoding.
fn field(form: &str, name: &str) -> Option<String> {
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_received_becomes_markup() {
        assert_eq!(
            Escaped("<b a=\"x\" b='y'>&").to_string(),
            "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;"
        );
    }

    #[test]
    fn logins_are_bounded_and_the_oldest_goes_first() {
        let mut logins = Logins::default();
        for number in 0..=LOGINS_MAX {
            logins.add(number.to_string());
        }
        assert_eq!(
            (logins.known.len(), logins.order.len()),
            (LOGINS_MAX, LOGINS_MAX)
        );
        assert!(!logins.knows("0") && logins.knows("1"));
    }

    #[test]
    fn a_theme_cannot_smuggle_a_directive() {
        let answer = theme("set=a%22,admin=1");
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let answer = theme("set=dark");
        assert_eq!(answer.headers()["x-session-set"], "theme=\"dark\"");
    }

    #[test]
    fn the_account_is_for_those_who_logged_in() {
        let logins = Mutex::new(Logins::default());
        held(&logins).add("abc".to_owned());
        let mut headers = HeaderMap::new();
        assert_eq!(account(&logins, &headers).status(), StatusCode::FOUND);
        headers.insert(COOKIE, HeaderValue::from_static("a=b; LEGACYSESSID=abc"));
        assert_eq!(account(&logins, &headers).status(), StatusCode::OK);
        log_out(&logins, &headers);
        assert_eq!(account(&logins, &headers).status(), StatusCode::FOUND);
    }

    /// Asks the running app and returns its whole answer.
    async fn ask(request: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let app = tokio::spawn(serve(listener));
        let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        app.abort();
        answer
    }

    #[tokio::test]
    async fn a_login_sets_cookies_as_in_2009() {
        let answer = ask(
            "POST /login HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\
            Content-Length: 23\r\n\r\nuser=demo&password=demo",
        )
        .await;

        assert!(answer.starts_with("HTTP/1.1 302"), "{answer}");
        for name in ["LEGACYSESSID=", "theme=light", "_ga=GA1.2."] {
            assert!(answer.contains(&format!("set-cookie: {name}")), "{answer}");
        }
        assert!(!answer.contains("Secure") && !answer.contains("HttpOnly"));
        assert!(answer.contains("x-session-login: \"demo\"; name=\"Demo User\""));
    }

    #[tokio::test]
    async fn what_it_received_is_shown_escaped() {
        let answer = ask("GET / HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\
            Cookie: a=<script>\r\n\r\n")
        .await;

        assert!(answer.contains("&lt;script&gt;"), "{answer}");
        assert!(!answer.contains("<script>"), "{answer}");
    }

    #[tokio::test]
    async fn what_is_posted_to_it_comes_back() {
        let answer = ask("POST /echo HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\
            Content-Type: text/html\r\nContent-Length: 5\r\n\r\nhello")
        .await;

        assert!(answer.ends_with("hello"), "{answer}");
        assert!(!answer.contains("text/html"), "never as a page: {answer}");
    }
}
