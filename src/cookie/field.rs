//! The one `Cookie` field that the app gets: what its jar keeps for the request, then what the browser may say itself.

use aws_lc_rs::rand;
use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::HeaderValue;

use super::incoming::append;
use super::jar::{AppRequest, cookies_for};
use super::parse::pairs;
use super::policy::{CookiePolicy, CookieRule};
use crate::base::kept::KeptCookie;

/// As many random bytes as Tomcat's own session ids have.
const PLACEHOLDER_BYTES: usize = 16;

impl CookiePolicy {
    /// The field for `request`: what `jar` keeps for it, then `passed` as the screen gave it. Where both have a name the
    /// jar's cookie wins. `None` when there is nothing. What was passed is not copied where nothing is added to it.
    pub fn cookie_field(
        &self,
        jar: &[KeptCookie],
        request: &AppRequest<'_>,
        passed: Bytes,
    ) -> Option<HeaderValue> {
        let mut kept = cookies_for(jar, request);
        // A rule may have changed since: what is passed now is no longer the jar's to answer.
        kept.retain(|cookie| self.rule_for(&cookie.identity.name).mode.is_kept());
        let mut placeholders = self
            .rules
            .iter()
            .filter_map(CookieRule::placeholder_name)
            .peekable();
        if kept.is_empty() && placeholders.peek().is_none() {
            return field(passed);
        }
        let weight: usize = kept.iter().map(|cookie| cookie.weight_bytes()).sum();
        let mut out = Vec::with_capacity(weight + passed.len());
        for cookie in &kept {
            append(&mut out, &cookie.identity.name);
            if !cookie.identity.name.is_empty() {
                out.push(b'=');
            }
            out.extend_from_slice(&cookie.value);
        }
        let is_kept = |name: &[u8]| kept.iter().any(|cookie| *cookie.identity.name == *name);
        for name in placeholders {
            let is_passed = || pairs(std::iter::once(&*passed)).any(|pair| pair.name == name);
            if !is_kept(name) && !is_passed() {
                append_placeholder(&mut out, name);
            }
        }
        for pair in pairs(std::iter::once(&*passed)) {
            if !is_kept(pair.name) {
                append(&mut out, pair.whole);
            }
        }
        field(Bytes::from(out))
    }
}

fn field(bytes: Bytes) -> Option<HeaderValue> {
    if bytes.is_empty() {
        return None;
    }
    let mut field = HeaderValue::from_maybe_shared(bytes).ok()?;
    field.set_sensitive(true);
    Some(field)
}

impl CookieRule {
    fn placeholder_name(&self) -> Option<&[u8]> {
        self.name
            .exact()
            .filter(|_| self.placeholder && self.mode.is_kept())
            .map(str::as_bytes)
    }
}

/// A value that nobody can guess and that no two requests share: a container that took it for the id of a new session
/// would make a session that nobody else can name.
fn append_placeholder(out: &mut Vec<u8>, name: &[u8]) {
    let mut value = [0; PLACEHOLDER_BYTES];
    // Without randomness the app does without a placeholder.
    if rand::fill(&mut value).is_err() {
        return;
    }
    append(out, name);
    out.push(b'=');
    out.extend_from_slice(HEXUPPER.encode(&value).as_bytes());
}
