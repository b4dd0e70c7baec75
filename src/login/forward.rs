//! A service that is asked over HTTP who a visitor is, by the conventions of nginx' `auth_request`, Traefik's `ForwardAuth`
//! and Caddy's `forward_auth`: what its answers mean. Who asks it, and when, is for the gateway.
//!
//! "No" and no answer are two things. A service that is down, slow or broken has not said that anybody is logged out.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::header::LoginHeaders;
use super::named::{Named, Unnamed};

/// The longest address that a visitor is sent to, in bytes.
const LOCATION_BYTES_MAX: usize = 4096;

/// What `[site.login]` with `method = "forward"` says of the service's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardLogin {
    /// In which headers it names users.
    pub headers: LoginHeaders,
    /// How long a yes is good for requests of the same session; zero: for the one alone.
    pub recheck: Duration,
    /// For what it is.
    pub scope: RecheckScope,
}

/// `site.login.recheck_scope`: for which requests of a session a yes is good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecheckScope {
    /// For those of the same method and address: the service may tell addresses apart.
    #[default]
    Address,
    /// For all: the service says who somebody is, and what they may have is for our rules.
    Session,
}

/// What the service says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Who it is.
    Named(Named),
    /// It lets them pass and names nobody.
    Nobody,
    /// It does not let them pass.
    No(No),
}

/// The answer of a service that does not let somebody pass, as far as the visitor may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct No {
    /// 403: it knows who they are, and they may not. Otherwise a login may help.
    pub is_final: bool,
    /// Where it sends them to log in.
    pub location: Option<String>,
    /// How else they may prove who they are.
    pub challenges: Vec<HeaderValue>,
    /// What it tells people, and what kind of text that is.
    pub page: Option<(HeaderValue, Bytes)>,
}

/// Why its answer tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// Neither yes nor no.
    #[error("it answered {0}, which is neither yes nor no")]
    Status(StatusCode),
    /// It says yes, and who it is cannot be told.
    #[error(transparent)]
    Unnamed(#[from] Unnamed),
}

impl ForwardLogin {
    /// What an answer of `status` with these headers says.
    ///
    /// # Errors
    /// When it says nothing that could be acted on.
    pub fn hear(&self, status: StatusCode, headers: &HeaderMap) -> Result<Said, Unsaid> {
        match status.as_u16() {
            200..=299 => {
                let named = self.headers.read(headers)?;
                Ok(named.map_or(Said::Nobody, Said::Named))
            }
            300..=303 | 307 | 308 | 401 | 403 => Ok(Said::No(No::of(status, headers))),
            _ => Err(Unsaid::Status(status)),
        }
    }
}

impl No {
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        let mut locations = headers.get_all(LOCATION).iter();
        let location = match (locations.next(), locations.next()) {
            (Some(location), None) => location.to_str().ok().filter(|text| leads_on(text)),
            _ => None,
        };
        Self {
            is_final: status.as_u16() == 403,
            location: location.map(str::to_owned),
            challenges: match status.as_u16() {
                401 => headers.get_all(WWW_AUTHENTICATE).iter().cloned().collect(),
                _ => Vec::new(),
            },
            page: None,
        }
    }

    /// The same with the text that came with it, if people can read it as it is.
    #[must_use]
    pub fn showing(mut self, headers: &HeaderMap, body: Bytes) -> Self {
        let kind = headers.get(CONTENT_TYPE).filter(|kind| is_text(kind));
        let is_plain = !headers.contains_key(CONTENT_ENCODING);
        self.page = kind
            .filter(|_| is_plain && !body.is_empty())
            .map(|kind| (kind.clone(), body));
        self
    }
}

/// Whether a browser that follows `location` goes to a page of the web, and everybody reads the same one in it.
fn leads_on(location: &str) -> bool {
    if location.len() > LOCATION_BYTES_MAX {
        return false;
    }
    if !location
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'\\')
    {
        return false;
    }
    let after = |scheme: &str| {
        let (start, rest) = location.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    match after("https://").or_else(|| after("http://")) {
        Some(rest) => !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':', '@']),
        // A path of the site's own. With two slashes it would be another host.
        None => location.starts_with('/') && !location.starts_with("//"),
    }
}

fn is_text(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    ["text/html", "text/plain"]
        .iter()
        .any(|text| essence.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn hear(status: u16, fields: &[(&'static str, &str)]) -> Result<Said, Unsaid> {
        let login = ForwardLogin {
            headers: LoginHeaders {
                user: HeaderName::from_static("remote-user"),
                groups: None,
                name: None,
                email: None,
            },
            recheck: Duration::ZERO,
            scope: RecheckScope::Address,
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        login.hear(StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[test]
    fn yes_no_and_nothing_are_told_apart() {
        let named = Said::Named(Named {
            id: "alice".to_owned(),
            ..Named::default()
        });
        for status in [200, 202, 204, 299] {
            assert_eq!(hear(status, &[("remote-user", "alice")]), Ok(named.clone()));
            assert_eq!(hear(status, &[]), Ok(Said::Nobody));
        }
        for status in [300, 302, 303, 307, 308, 401, 403] {
            // Who is not let pass is nobody, whatever else is said.
            let said = hear(status, &[("remote-user", "alice")]);
            assert!(matches!(said, Ok(Said::No(_))), "{status}");
        }
        for status in [304, 305, 400, 404, 407, 418, 429, 500, 502, 503, 504, 599] {
            let fault = Unsaid::Status(StatusCode::from_u16(status).unwrap());
            assert_eq!(hear(status, &[("remote-user", "alice")]), Err(fault));
        }
        let twice = hear(200, &[("remote-user", "alice"), ("remote-user", "root")]);
        assert_eq!(twice, Err(Unsaid::Unnamed(Unnamed::Twice)));
    }

    #[test]
    fn visitors_are_sent_to_pages_of_the_web_alone() {
        let rows = [
            ("https://auth.test/?rd=https://shop.test/", true),
            ("HTTP://auth.test", true),
            ("/login?rd=/", true),
            ("//evil.test/", false),
            ("/\\evil.test/", false),
            ("https:\\\\evil.test", false),
            ("https:///evil.test", false),
            ("https:evil.test", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("login", false),
            ("", false),
            ("https://auth.test/ x", false),
        ];
        for (location, expected) in rows {
            let Ok(Said::No(no)) = hear(302, &[("location", location)]) else {
                panic!("{location}");
            };
            let expected = expected.then_some(location);
            assert_eq!(no.location.as_deref(), expected, "{location}");
        }
        let long = format!("https://auth.test/{}", "a".repeat(4096));
        for fields in [
            &[("location", &*long)][..],
            &[("location", "/a"), ("location", "/b")],
        ] {
            let Ok(Said::No(no)) = hear(302, fields) else {
                panic!("{fields:?}");
            };
            assert_eq!(no.location, None);
        }
    }
}
