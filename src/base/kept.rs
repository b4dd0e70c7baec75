//! One app cookie as a session keeps it: plain data that the record stores and the jar reasons about.
//!
//! It stands on the lowest floor because both need it and neither may know the other. The rules (which request gets
//! it, which answer may set it) are in `cookie/jar.rs`; what was brought by a browser is told apart here, as the record does
//! so too.

use serde::{Deserialize, Serialize};

use super::clock::Time;
use super::{domain, framed};

/// `SameSite` of a cookie (RFC 6265bis 4.1.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SameSite {
    /// Sent with same-site requests only.
    Strict,
    /// Also with top-level navigations by a safe method. The meaning of a cookie that says nothing.
    Lax,
    /// Sent always.
    None,
}

impl SameSite {
    /// The one of the two that lets a cookie go with fewer requests.
    #[must_use]
    pub const fn stricter_of(self, other: Self) -> Self {
        match (self, other) {
            (Self::Strict, _) | (_, Self::Strict) => Self::Strict,
            (Self::Lax, _) | (_, Self::Lax) => Self::Lax,
            (Self::None, Self::None) => Self::None,
        }
    }
}

/// What makes two cookies the same cookie: name, domain and path (RFC 6265bis 5.7).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CookieIdentity {
    /// The name, byte for byte.
    #[serde(with = "bytes_text")]
    pub name: Box<[u8]>,
    /// Lower-case domain: the host that set it, or the Domain attribute.
    pub domain: Box<str>,
    /// The path it is for.
    pub path: Box<str>,
}

/// A kept cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCookie {
    /// Name, domain and path.
    pub identity: CookieIdentity,
    /// The value, byte for byte. Never printed.
    #[serde(with = "bytes_text")]
    pub value: Box<[u8]>,
    /// True when the cookie had no Domain attribute: it goes to this very host only.
    pub host_only: bool,
    /// When it ends by itself; without one it ends with the session.
    pub expires: Option<Time>,
    /// When the cookie of this identity was first set; decides the order and who is evicted first.
    pub created: Time,
    /// What the app asked for; `None` counts as Lax.
    pub same_site: Option<SameSite>,
    /// Whether a browser brought it, and not the app. Then its Domain and Path are a guess, and it gives way to what the
    /// app says of that name for the path of the request that brought it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
}

impl CookieIdentity {
    /// Whether a request for `path`, without a query, carries it as far as the path goes: that is equal, or begins with
    /// the cookie's and goes on at a segment border (RFC 6265bis 5.1.4).
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&*self.path).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/')
        })
    }
}

impl KeptCookie {
    /// Whether it goes to `host`, as far as that goes (RFC 6265bis 5.8.3).
    pub fn is_for_host(&self, host: &str) -> bool {
        let domain = &*self.identity.domain;
        *host == *domain || !self.host_only && domain::matches(host, domain)
    }

    /// What it weighs against a session's limit, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let CookieIdentity { name, domain, path } = &self.identity;
        name.len() + self.value.len() + domain.len() + path.len() + 48
    }
}

impl std::fmt::Debug for KeptCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptCookie")
            .field("identity", &self.identity)
            .field("value", &"<redacted>")
            .finish()
    }
}

/// How much of a path is remembered with what a browser has brought. What is deeper counts as unknown.
const BROUGHT_TO_BYTES_MAX: usize = 256;

/// What a browser once brought and a jar took over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TakenCopy {
    /// Tells it from all others of its name, without its value.
    mark: u64,
    /// The path of the request that brought it.
    brought_to: Box<str>,
}

impl TakenCopy {
    /// Of this cookie, which is for the host that it was brought to, on a request for `path`.
    pub fn of(cookie: &KeptCookie, path: &str) -> Self {
        let end = path.floor_char_boundary(BROUGHT_TO_BYTES_MAX);
        let CookieIdentity { name, domain, .. } = &cookie.identity;
        Self {
            mark: Self::mark(name, &cookie.value, domain),
            brought_to: path.get(..end).unwrap_or(path).into(),
        }
    }

    fn mark(name: &[u8], value: &[u8], host: &str) -> u64 {
        framed::hash64(&[b"cloakroom copy v1", name, value, host.as_bytes()])
    }

    /// The one among `taken` with this name and value that came to `host`.
    pub fn find<'t>(taken: &'t [Self], name: &[u8], value: &[u8], host: &str) -> Option<&'t Self> {
        if taken.is_empty() {
            return None;
        }
        let mark = Self::mark(name, value, host);
        taken.iter().find(|copy| copy.mark == mark)
    }

    /// The folder for which a jar takes `pair` over that came to `host` and `path`: `/`, or where a cookie stands that was
    /// brought, the nearest above `path` in which none was. It did not come with those, so that it stands beneath. `None`
    /// where there is none, or where nobody remembers any more.
    pub fn folder_beside<'p>(
        taken: &[Self],
        jar: &[KeptCookie],
        (name, host): (&[u8], &str),
        path: &'p str,
    ) -> Option<&'p str> {
        let brought = jar.iter().filter(|kept| {
            kept.adopted && *kept.identity.name == *name && *kept.identity.domain == *host
        });
        let others = brought.map(|kept| Self::find(taken, name, &kept.value, host));
        let others = others.collect::<Option<Vec<_>>>()?;
        let is_taken = |folder: &str| {
            others.iter().any(|other| {
                let rest = other.brought_to.strip_prefix(folder);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        let folders = path.match_indices('/').map(|(at, _)| path.get(..at));
        let free = folders.flatten().find(|folder| !is_taken(folder))?;
        Some(if free.is_empty() { "/" } else { free })
    }

    /// Whether the app may mean it, which stands as `guess` in the jar, when it speaks of that name at `said`.
    pub fn may_be_at(&self, guess: &CookieIdentity, said: &CookieIdentity) -> bool {
        let path = &*self.brought_to;
        if said.path == guess.path {
            return true;
        }
        // A character that did not fit has four bytes at most.
        let is_cut = path.len() + 4 > BROUGHT_TO_BYTES_MAX;
        said.covers(path) || is_cut && said.path.starts_with(path)
    }

    /// What it weighs against a session's limit, in bytes.
    pub const fn weight_bytes(&self) -> usize {
        self.brought_to.len() + 48
    }
}

/// A copy that a browser holds of what belongs to a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrowserCopy {
    /// Name, Domain and Path as the browser has them; an empty domain is that of `host` alone.
    #[serde(flatten)]
    pub place: CookieIdentity,
    /// The site whose cookie it is. Empty where an earlier version wrote the record, which did not say.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub site: Box<str>,
    /// The host that answered with it, where there is no domain. Empty for the same reason.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub host: Box<str>,
}

impl BrowserCopy {
    /// What it weighs against a session's limit, in bytes.
    pub fn weight_bytes(&self) -> usize {
        let CookieIdentity { name, domain, path } = &self.place;
        name.len() + domain.len() + path.len() + self.site.len() + self.host.len() + 64
    }
}

/// Bytes as text, one character for each byte, so that a record stays readable and loses nothing.
mod bytes_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(
            &bytes
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<String>(),
        )
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text.chars().map(u8::try_from).collect::<Result<_, _>>();
        bytes.map_err(|_| D::Error::custom("a character past U+00FF stands for no byte"))
    }
}
