//! Who is told what: a few pages may be open to everybody who reaches the listener, all else needs the token.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::base::clock::Time;
use crate::base::secret::Secret;

/// Refusals are logged no oftener; what comes between is counted.
const LOGGED_EVERY: Duration = Duration::from_secs(1);

/// A page that may be open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The process runs.
    Livez,
    /// Visitors may be sent here.
    Readyz,
    /// What was counted.
    Metrics,
}

impl Page {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Livez, Self::Readyz, Self::Metrics];

    /// Its name; `/` before it makes the path.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Livez => "livez",
            Self::Readyz => "readyz",
            Self::Metrics => "metrics",
        }
    }

    /// The page at `path`.
    pub(super) fn at(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::ALL.iter().copied().find(|page| page.name() == name)
    }
}

/// Knows the token, and what is open without it.
pub struct Door {
    /// SHA-256 of the token: hashes are of one length, and where two differ tells nothing about what they are of.
    hash: Secret<[u8; 32]>,
    token_file: PathBuf,
    open: Vec<Page>,
    /// Held for no longer than it takes to read and set it.
    refusals: Mutex<Refusals>,
}

#[derive(Default)]
struct Refusals {
    logged: Option<Time>,
    unlogged: u64,
}

impl Door {
    /// `token` stands in `token_file`; the pages of `open` are shown without it.
    pub fn new(token: &Secret<String>, token_file: &Path, open: Vec<Page>) -> Self {
        Self {
            hash: Secret::new(hash(token.expose().as_bytes())),
            token_file: token_file.to_owned(),
            open,
            refusals: Mutex::default(),
        }
    }

    /// Whether `page` is shown to everybody.
    pub(super) fn is_open(&self, page: Option<Page>) -> bool {
        page.is_some_and(|page| self.open.contains(&page))
    }

    /// Whether a request with these fields brings the token.
    pub(super) fn takes(&self, headers: &HeaderMap) -> bool {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return false;
        };
        let Some((scheme, token)) = field.to_str().ok().and_then(|text| text.split_once(' '))
        else {
            return false;
        };
        let shown = hash(token.trim_matches(' ').as_bytes());
        let is_it = verify_slices_are_equal(&shown, self.hash.expose()).is_ok();
        is_it && scheme.eq_ignore_ascii_case("bearer")
    }

    /// What whoever was refused is told.
    pub(super) fn hint(&self) -> String {
        format!(
            "This needs the token that stands in {} (admin.token_file), sent as: Authorization: Bearer TOKEN",
            self.token_file.display()
        )
    }

    /// Logs a refusal, unless one was logged a moment ago.
    pub(super) fn note_refusal(&self, path: &str, now: Time) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = refusals
            .logged
            .is_none_or(|logged| now.since(logged) >= LOGGED_EVERY);
        if !is_due {
            refusals.unlogged += 1;
            return;
        }
        let unlogged = std::mem::take(&mut refusals.unlogged);
        refusals.logged = Some(now);
        drop(refusals);
        let path: String = path.chars().take(64).collect();
        tracing::warn!(path, unlogged, "server.admin was asked without its token");
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn door() -> Door {
        let token = Secret::new(TOKEN.to_owned());
        Door::new(&token, Path::new("data/admin.token"), vec![Page::Livez])
    }

    #[test]
    fn exactly_one_bearer_with_exactly_the_token_is_taken() {
        let door = door();
        let takes = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
            }
            door.takes(&headers)
        };
        for good in ["Bearer", "bearer", "BEARER", "Bearer "] {
            assert!(takes(&[&format!("{good} {TOKEN}")]), "{good}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            TOKEN,
            "Bearer 0123456789abcdef0123456789abcde",
            "Bearer 0123456789abcdef0123456789abcdef0",
            "Bearer 0123456789ABCDEF0123456789ABCDEF",
            "Basic 0123456789abcdef0123456789abcdef",
            "Bearer, 0123456789abcdef0123456789abcdef",
        ] {
            assert!(!takes(&[bad]), "{bad}");
        }
        let right = format!("Bearer {TOKEN}");
        assert!(!takes(&[]));
        assert!(!takes(&[&right, &right]), "one reader takes the first");
    }

    #[test]
    fn only_what_is_listed_is_open() {
        let door = door();
        assert!(door.is_open(Page::at("/livez")));
        for path in [
            "/readyz",
            "/metrics",
            "/",
            "livez",
            "/livez/",
            "/api/v1/learn",
        ] {
            assert!(!door.is_open(Page::at(path)), "{path}");
        }
        assert!(!door.hint().contains(TOKEN) && door.hint().contains("data/admin.token"));
    }
}
