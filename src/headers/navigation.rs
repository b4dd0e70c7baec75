//! Who waits for an answer: a person who can be sent to another page, or a program that must be told.
//!
//! A script that asks for data must not be redirected: `fetch` follows to the login page and takes its HTML for data,
//! or fails at a cross-origin step with nothing to go by; an `EventSource` tries again for ever; an image shows nothing
//! whatever comes. So only a navigation that loses nothing is redirected. The table is in docs/LOGIN.md.
//!
//! Fetch Metadata decides where it came: a page cannot write it. Where it did not, because the browser is old or is no
//! browser, `Accept` and `X-Requested-With` decide.

use http::header::{ACCEPT, HeaderName, HeaderValue};
use http::{HeaderMap, Method};

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// The fields that decide, for `Vary`.
pub const DECISIVE: &str = "Sec-Fetch-Mode, Sec-Fetch-Dest, Accept, X-Requested-With";

/// What can be done with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person whose browser asks for a page and loses nothing if it is sent to another.
    Visitor,
    /// A person whose browser sends a form, or acts by another method: elsewhere that would be lost.
    Sender,
    /// A person who looks at a frame within another page.
    Framed,
    /// A program: a script of a page, an image, a WebSocket, a command line.
    Program,
}

/// Who waits for the answer to a request with this head. `upgrades`: it asks for a WebSocket.
pub fn audience(method: &Method, headers: &HeaderMap, upgrades: bool) -> Audience {
    if upgrades {
        return Audience::Program;
    }
    let mode = Said::of(headers, SEC_FETCH_MODE, &["navigate"]);
    let dest = Said::of(headers, SEC_FETCH_DEST, &["document"]);
    let frame = Said::of(headers, SEC_FETCH_DEST, &["iframe", "frame"]);
    let shown = match (mode, dest) {
        // Browsers of before 2020 say the one and not the other.
        (Said::Yes, Said::Yes | Said::Nothing) | (Said::Nothing, Said::Yes) => Audience::Visitor,
        (Said::Yes | Said::Nothing, Said::No) if frame == Said::Yes => return Audience::Framed,
        (Said::Nothing, Said::Nothing) if reads_html(headers) => Audience::Visitor,
        _ => return Audience::Program,
    };
    if *method == Method::GET || *method == Method::HEAD {
        shown
    } else {
        Audience::Sender
    }
}

/// What a field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It did not come.
    Nothing,
    Yes,
    /// It says something else, or two things.
    No,
}

impl Said {
    fn of(headers: &HeaderMap, name: HeaderName, words: &[&str]) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Nothing,
            (Some(one), None) if words.iter().any(|word| *one == **word) => Self::Yes,
            _ => Self::No,
        }
    }
}

/// Whether HTML is named among what is accepted; `*/*` is what every program says.
fn reads_html(headers: &HeaderMap) -> bool {
    // Android's web views write the name of their program here, with navigations too.
    let by_script = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"XMLHttpRequest");
    if headers.get_all(X_REQUESTED_WITH).iter().any(by_script) {
        return false;
    }
    let accepts = headers.get_all(ACCEPT).iter();
    let mut ranges = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    ranges.any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let is_html = ["text/html", "application/xhtml+xml"]
            .iter()
            .any(|html| kind.eq_ignore_ascii_case(html));
        is_html && !parts.any(is_never)
    })
}

/// `q=0`: not acceptable (RFC 9110 12.4.2).
fn is_never(parameter: &str) -> bool {
    parameter
        .split_once('=')
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"))
        .is_some_and(|(_, weight)| weight.trim().parse() == Ok(0.0_f32))
}

#[cfg(test)]
mod tests {
    use super::Audience::{Framed, Program, Sender, Visitor};
    use super::*;

    fn of(method: &str, fields: &str, upgrades: bool) -> Audience {
        let fields = fields.split('|').map(str::trim).filter(|f| !f.is_empty());
        let headers = fields
            .map(|field| {
                let (name, value) = field.split_once(": ").unwrap();
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            })
            .collect();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        audience(&method, &headers, upgrades)
    }

    /// The table of docs/LOGIN.md.
    #[test]
    fn only_a_navigation_that_loses_nothing_is_sent_elsewhere() {
        let html = "accept: text/html,application/xhtml+xml,*/*;q=0.8";
        let xhr = "x-requested-with: XMLHttpRequest";
        let rows = [
            // Fetch Metadata.
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: document",
                Visitor,
            ),
            (
                "HEAD",
                "sec-fetch-mode: navigate | sec-fetch-dest: document",
                Visitor,
            ),
            ("GET", "sec-fetch-mode: navigate", Visitor),
            ("GET", "sec-fetch-dest: document", Visitor),
            (
                "POST",
                "sec-fetch-mode: navigate | sec-fetch-dest: document",
                Sender,
            ),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: iframe",
                Framed,
            ),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: frame",
                Framed,
            ),
            (
                "POST",
                "sec-fetch-mode: navigate | sec-fetch-dest: iframe",
                Framed,
            ),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: object",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: cors | sec-fetch-dest: empty",
                Program,
            ),
            (
                "POST",
                "sec-fetch-mode: cors | sec-fetch-dest: empty",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: same-origin | sec-fetch-dest: empty",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: no-cors | sec-fetch-dest: image",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: no-cors | sec-fetch-dest: script",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: websocket | sec-fetch-dest: websocket",
                Program,
            ),
            ("GET", "sec-fetch-mode: cors", Program),
            ("GET", "sec-fetch-dest: empty", Program),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-mode: cors",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: Navigate | sec-fetch-dest: document",
                Program,
            ),
            // It outweighs the others: an image says text/html nowhere, but a script may say what it likes.
            (
                "GET",
                "sec-fetch-mode: cors | sec-fetch-dest: empty | accept: text/html",
                Program,
            ),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: document | accept: */*",
                Visitor,
            ),
            (
                "GET",
                "sec-fetch-mode: navigate | sec-fetch-dest: document | x-requested-with: com.example.app",
                Visitor,
            ),
            // Without it.
            ("GET", html, Visitor),
            ("HEAD", html, Visitor),
            ("GET", "accept: TEXT/HTML;level=1", Visitor),
            (
                "GET",
                "accept: image/png | accept: text/html;q=0.1",
                Visitor,
            ),
            (
                "GET",
                "accept: text/html | x-requested-with: com.example.app",
                Visitor,
            ),
            ("POST", html, Sender),
            ("GET", "accept: text/html;q=0", Program),
            ("GET", "accept: text/html; q=0.000, */*", Program),
            ("GET", "accept: application/json", Program),
            ("GET", "accept: text/event-stream", Program),
            ("GET", "accept: text/htmlx", Program),
            ("GET", "accept: */*", Program),
            ("GET", "", Program),
            ("POST", "", Program),
            ("DELETE", "accept: */*", Program),
        ];
        for (method, fields, expected) in rows {
            assert_eq!(of(method, fields, false), expected, "{method} {fields}");
            assert_eq!(of(method, fields, true), Program, "WebSocket {fields}");
        }
        for by_script in ["XMLHttpRequest", "xmlhttprequest"] {
            let fields = format!("{html} | x-requested-with: {by_script}");
            assert_eq!(of("GET", &fields, false), Program);
        }
        assert_eq!(of("POST", &format!("{html} | {xhr}"), false), Program);
    }
}
