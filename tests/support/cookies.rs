//! The cookie store of a browser, as far as tests need one (RFC 6265bis 5.6 to 5.8).
//!
//! It is written anew rather than taken from the gateway, so that both do not err alike. `SameSite` is left to the
//! tests: they say in headers where a request comes from and choose what it carries.

use cloakroom::base::clock::{Clock, Time};
use std::time::Duration;

/// One cookie as the browser holds it.
#[derive(Clone, Debug)]
pub struct Held {
    pub name: String,
    pub value: String,
    domain: String,
    host_only: bool,
    path: String,
    secure: bool,
    pub http_only: bool,
    expires: Option<Time>,
}

/// What the browser holds.
#[derive(Clone)]
pub struct CookieStore {
    held: Vec<Held>,
    clock: Clock,
}

impl CookieStore {
    pub fn new() -> Self {
        let clock = Clock::system();
        Self {
            held: Vec::new(),
            clock,
        }
    }

    /// Takes a Set-Cookie line in; one that a browser would refuse is ignored.
    pub fn receive(&mut self, host: &str, request_path: &str, line: &str) {
        let now = self.clock.now();
        let Some(cookie) = read(host, request_path, line, now) else {
            return;
        };
        // One for the host alone and one for the domain of the same name are two.
        let identity = |held: &Held| {
            let Held {
                name, domain, path, ..
            } = held;
            (name.clone(), domain.clone(), held.host_only, path.clone())
        };
        self.held.retain(|held| identity(held) != identity(&cookie));
        if cookie.expires.is_none_or(|expires| expires > now) {
            self.held.push(cookie);
        }
    }

    /// The same for a line that a script assigns to `document.cookie`: it neither makes nor touches an `HttpOnly` one.
    pub fn write(&mut self, host: &str, page_path: &str, line: &str) {
        let refused = read(host, page_path, line, self.clock.now()).is_none_or(|cookie| {
            let mut held = self.held.iter();
            let same = |held: &Held| {
                (&held.name, &held.domain, &held.path)
                    == (&cookie.name, &cookie.domain, &cookie.path)
            };
            cookie.http_only || held.any(|held| held.http_only && same(held))
        });
        if !refused {
            self.receive(host, page_path, line);
        }
    }

    /// The Cookie line for a request, longest path first.
    pub fn line_for(&self, host: &str, path: &str) -> Option<String> {
        let now = self.clock.now();
        let mut due: Vec<_> = self
            .held
            .iter()
            .filter(|held| held.expires.is_none_or(|expires| expires > now))
            .filter(|held| held.domain == host || (!held.host_only && within(host, &held.domain)))
            .filter(|held| path_matches(path, &held.path))
            .collect();
        due.sort_by_key(|held| std::cmp::Reverse(held.path.len()));
        let pairs: Vec<_> = due
            .iter()
            .map(|held| format!("{}={}", held.name, held.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// Everything held.
    pub fn held(&self) -> &[Held] {
        &self.held
    }
}

fn read(host: &str, request_path: &str, line: &str, now: Time) -> Option<Held> {
    let mut parts = line.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let mut cookie = Held {
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        domain: host.to_owned(),
        host_only: true,
        path: default_path(request_path),
        secure: false,
        http_only: false,
        expires: None,
    };
    let mut max_age_seen = false;
    for attribute in parts {
        let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                cookie.domain = value.trim_start_matches('.').to_ascii_lowercase();
                cookie.host_only = false;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "secure" => cookie.secure = true,
            "httponly" => cookie.http_only = true,
            "max-age" => {
                let secs: i64 = value.parse().ok()?;
                max_age_seen = true;
                let life = Duration::from_secs(u64::try_from(secs).unwrap_or(0));
                cookie.expires = Some(now.plus(life));
            }
            "expires" if !max_age_seen => {
                let when = httpdate::parse_http_date(value).ok()?;
                let since = when.duration_since(std::time::UNIX_EPOCH).ok()?;
                cookie.expires = Some(Time::from_secs(since.as_secs()));
            }
            _ => {}
        }
    }
    let lower = cookie.name.to_ascii_lowercase();
    let host_prefix_kept = cookie.secure && cookie.host_only && cookie.path == "/";
    let refused = (lower.starts_with("__host-") && !host_prefix_kept)
        || (lower.starts_with("__secure-") && !cookie.secure)
        || (!cookie.host_only && host != cookie.domain && !within(host, &cookie.domain));
    (!refused).then_some(cookie)
}

fn within(host: &str, domain: &str) -> bool {
    let prefix = host.strip_suffix(domain);
    prefix.is_some_and(|prefix| prefix.ends_with('.'))
}

fn path_matches(path: &str, cookie_path: &str) -> bool {
    let rest = path.strip_prefix(cookie_path);
    rest.is_some_and(|rest| rest.is_empty() || cookie_path.ends_with('/') || rest.starts_with('/'))
}

fn default_path(request_path: &str) -> String {
    match request_path.rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => request_path[..end].to_owned(),
    }
}
