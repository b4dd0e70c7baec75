//! One line of the access log: what it tells and how it is written.

use std::io::Write;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Version};
use time::OffsetDateTime;

use super::super::reason::Reason;
use crate::base::clock::{Stopwatch, Time};

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
    /// What the ticket came to.
    pub reason: Reason,
    /// The session's ID at the site.
    pub session: Option<String>,
    /// The user's id.
    pub user: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// Why we answered ourselves.
    pub refusal: Option<&'static str>,
    /// How long the app took to its response head.
    pub app: Option<Duration>,
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
        fields.raw("time", &Rfc3339(self.time), true);
        fields.text("request_id", &self.request_id);
        fields.raw("client_ip", &self.client_ip, true);
        fields.text("method", self.method.as_str());
        fields.text("host", &self.host);
        fields.text("path", &self.path);
        fields.raw("protocol", &format_args!("{:?}", self.version), true);
        fields.raw("status", &self.status, false);
        fields.raw("bytes", &bytes, false);
        fields.millis("duration_ms", self.since.elapsed());
        if let Some(app) = self.app {
            fields.millis("app_ms", app);
        }
        if let Some(site) = &self.site {
            fields.text("site", site);
        }
        fields.text("reason", self.reason.word());
        for (name, value) in [("session", &self.session), ("user", &self.user)] {
            if let Some(value) = value {
                fields.text(name, value);
            }
        }
        if let Some(refusal) = self.refusal {
            fields.text("refusal", refusal);
        }
        fields.end();
    }
}

/// A time as RFC 3339 has it, always to the millisecond, so that lines sort as text.
struct Rfc3339(Time);

impl std::fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let secs = i64::try_from(self.0.as_secs()).unwrap_or(i64::MAX);
        let time = OffsetDateTime::from_unix_timestamp(secs).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = time.to_calendar_date();
        let (hour, minute, second) = time.to_hms();
        let (month, millis) = (u8::from(month), self.0.as_millis() % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"
        )
    }
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

    fn name(&mut self, name: &str) {
        let separator = if self.format == Format::Json {
            b','
        } else {
            b' '
        };
        if !self.first {
            self.out.push(separator);
        }
        self.first = false;
        match self.format {
            Format::Json => self.put(format_args!("\"{name}\":")),
            Format::Text => self.put(format_args!("{name}=")),
        }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
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
        for char in value.chars() {
            match char {
                '"' | '\\' => self.out.extend_from_slice(&[b'\\', char as u8]),
                ' '..='~' => self.out.push(char as u8),
                _ => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        self.put(format_args!("\\u{unit:04x}"));
                    }
                }
            }
        }
        self.out.push(b'"');
    }

    fn raw(&mut self, name: &str, value: &dyn std::fmt::Display, quoted: bool) {
        self.name(name);
        if quoted && self.format == Format::Json {
            self.put(format_args!("\"{value}\""));
        } else {
            self.put(format_args!("{value}"));
        }
    }

    fn millis(&mut self, name: &str, span: Duration) {
        self.raw(
            name,
            &format_args!("{:.3}", span.as_secs_f64() * 1000.0),
            false,
        );
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a Vec cannot fail.
        let _ = self.out.write_fmt(text);
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
