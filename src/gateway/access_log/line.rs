//! One line of the access log: what it tells and how it is written.

use std::cell::RefCell;
use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Version};
use time::OffsetDateTime;

use super::super::reason::Reason;
use crate::base::clock::{Stopwatch, Time};
use crate::base::plain::{push_digits, push_ip, push_number};
use crate::session::SessionId;

/// How the lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// `key=value`, for people.
    Text,
}

/// What is told of one request.
#[derive(Debug)]
pub struct Line {
    /// When it arrived.
    pub time: Time,
    /// Runs since then.
    pub since: Stopwatch,
    /// Our name for the request, also in error answers and sent to the app.
    pub request_id: Arc<str>,
    /// Who asked.
    pub client_ip: IpAddr,
    /// How.
    pub method: Method,
    /// With which version of HTTP.
    pub version: Version,
    /// Which host, as it was asked for.
    pub host: String,
    /// Which path, without the query: queries carry tokens.
    pub path: String,
    /// Which site, by name.
    pub site: Option<Arc<str>>,
    /// What the browser calls itself, at a site that logs users in; not told here.
    pub agent: Option<HeaderValue>,
    /// What the ticket came to.
    pub reason: Reason,
    /// The session's ID at the site.
    pub session: Option<SessionId>,
    /// The user's id.
    pub user: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Why we answered ourselves.
    pub refusal: Option<&'static str>,
    /// How long the app took to its response head.
    pub app: Option<Duration>,
}

macro_rules! key {
    ($name:literal) => {
        Key {
            json: concat!(",\"", $name, "\":"),
            text: concat!(" ", $name, "="),
        }
    };
}

// === impl Line ===

impl Line {
    pub(super) fn append(&self, out: &mut Vec<u8>, format: Format, bytes: u64) {
        let mut fields = Fields {
            out,
            format,
            first: true,
        };
        fields.begin();
        fields.quoted(key!("time"), |out| push_time(out, self.time));
        fields.text(key!("request_id"), &self.request_id);
        fields.quoted(key!("client_ip"), |out| push_ip(out, self.client_ip));
        fields.plain(key!("method"), self.method.as_str());
        fields.text(key!("host"), &self.host);
        fields.text(key!("path"), &self.path);
        fields.plain(key!("protocol"), protocol(self.version));
        fields.number(key!("status"), self.status.into());
        fields.number(key!("bytes"), bytes);
        fields.millis(key!("duration_ms"), self.since.elapsed());
        if let Some(app) = self.app {
            fields.millis(key!("app_ms"), app);
        }
        if let Some(site) = &self.site {
            fields.text(key!("site"), site);
        }
        fields.plain(key!("reason"), self.reason.word());
        if let Some(session) = &self.session {
            fields.plain(key!("session"), session.as_str());
        }
        if let Some(user) = &self.user {
            fields.text(key!("user"), user);
        }
        if let Some(refusal) = self.refusal {
            fields.text(key!("refusal"), refusal);
        }
        fields.end();
    }
}

/// How the versions of HTTP are called.
const fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// Appends a time as RFC 3339 has it, always to the millisecond, so that lines sort as text.
fn push_time(out: &mut Vec<u8>, time: Time) {
    thread_local! {
        /// The second that was written last, as text: the lines of a busy second share it.
        static SECOND: RefCell<(u64, Vec<u8>)> = const { RefCell::new((0, Vec::new())) };
    }
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != time.as_secs() || text.is_empty() {
            *second = time.as_secs();
            text.clear();
            push_second(text, *second);
        }
        out.extend_from_slice(text);
    });
    out.push(b'.');
    push_digits::<3>(out, time.as_millis() % 1000);
    out.push(b'Z');
}

fn push_second(out: &mut Vec<u8>, second: u64) {
    let second = i64::try_from(second).unwrap_or(i64::MAX);
    let time = OffsetDateTime::from_unix_timestamp(second).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    push_digits::<4>(out, u64::from(year.unsigned_abs()));
    for (before, part) in [
        (b'-', u8::from(month)),
        (b'-', day),
        (b'T', hour),
        (b':', minute),
        (b':', second),
    ] {
        out.push(before);
        push_digits::<2>(out, part.into());
    }
}

/// The name of a field with all that stands around it.
#[derive(Clone, Copy)]
struct Key {
    json: &'static str,
    text: &'static str,
}

struct Fields<'a> {
    out: &'a mut Vec<u8>,
    format: Format,
    first: bool,
}

impl Fields<'_> {
    fn begin(&mut self) {
        if self.format == Format::Json {
            self.out.push(b'{');
        }
    }

    fn end(&mut self) {
        let end: &[u8] = if self.format == Format::Json {
            b"}\n"
        } else {
            b"\n"
        };
        self.out.extend_from_slice(end);
    }

    fn name(&mut self, key: Key) {
        let text = match self.format {
            Format::Json => key.json,
            Format::Text => key.text,
        };
        // Without what parts it from the one before.
        let text = text.get(usize::from(self.first)..).unwrap_or_default();
        self.first = false;
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A word that needs no escape in either format, and is not empty.
    fn plain(&mut self, key: Key, word: &str) {
        self.quoted(key, |out| out.extend_from_slice(word.as_bytes()));
    }

    fn text(&mut self, key: Key, value: &str) {
        self.name(key);
        let bare = self.format == Format::Text
            && !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'='));
        if bare {
            self.out.extend_from_slice(value.as_bytes());
            return;
        }
        self.out.push(b'"');
        // Everything that a terminal or a log reader could take for more than text is escaped.
        let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        // Without a way out of the loop: then the compiler looks at many bytes at once.
        if value
            .bytes()
            .fold(true, |plain, byte| plain & is_plain(byte))
        {
            self.out.extend_from_slice(value.as_bytes());
        } else {
            value.chars().for_each(|char| self.escaped(char));
        }
        self.out.push(b'"');
    }

    fn escaped(&mut self, char: char) {
        match char {
            '"' | '\\' => self.out.extend_from_slice(&[b'\\', char as u8]),
            ' '..='~' => self.out.push(char as u8),
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    // Writing to a Vec cannot fail.
                    let _ = write!(self.out, "\\u{unit:04x}");
                }
            }
        }
    }

    /// A value that needs no escape; JSON has it in quotes.
    fn quoted(&mut self, key: Key, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(key);
        if self.format == Format::Json {
            self.out.push(b'"');
        }
        write(self.out);
        if self.format == Format::Json {
            self.out.push(b'"');
        }
    }

    fn number(&mut self, key: Key, value: u64) {
        self.name(key);
        push_number(self.out, value);
    }

    /// Milliseconds, to the microsecond.
    fn millis(&mut self, key: Key, span: Duration) {
        self.name(key);
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        push_number(self.out, micros / 1000);
        self.out.push(b'.');
        push_digits::<3>(self.out, micros % 1000);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn line(path: &str, user: Option<&str>) -> Line {
        Line {
            time: Time::from_millis(1_795_545_600_120),
            since: Stopwatch::start(),
            request_id: "r1".into(),
            client_ip: IpAddr::from([127, 0, 0, 1]),
            method: Method::GET,
            version: Version::HTTP_2,
            host: "localhost".to_owned(),
            path: path.to_owned(),
            site: Some("shop".into()),
            agent: None,
            reason: Reason::Live,
            session: None,
            user: user.map(str::to_owned),
            status: 200,
            refusal: None,
            app: Some(Duration::from_micros(1500)),
        }
    }

    #[test]
    fn a_json_line_is_json_whatever_it_carries() {
        let mut out = Vec::new();
        line("/a\"b\\c\u{1b}[2J\n", Some("Jörg 😀")).append(&mut out, Format::Json, 42);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(out.is_ascii());
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["path"], "/a\"b\\c\u{1b}[2J\n");
        assert_eq!(value["user"], "Jörg 😀");
        assert_eq!(value["bytes"], 42);
        assert_eq!(value["time"], "2026-11-24T18:40:00.120Z");
        assert_eq!(value["app_ms"], 1.5);
    }

    #[test]
    fn a_text_line_is_one_line_and_quotes_what_needs_it() {
        let mut out = Vec::new();
        line("/a b\n", None).append(&mut out, Format::Text, 0);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.contains("path=\"/a b\\u000a\" ") && text.contains(" reason=live"),
            "{text}"
        );
        assert_eq!(text.matches('\n').count(), 1);
    }
}
