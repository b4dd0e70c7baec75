//! The one `Cookie` field that the app gets: what its jar keeps for the request, then what the browser may say itself.

use aws_lc_rs::rand;
use bytes::Bytes;
use data_encoding::HEXUPPER;
use http::HeaderValue;
use smallvec::SmallVec;

use super::incoming::{GAP, append, written};
use super::jar::{AppRequest, Chosen, cookies_for};
use super::parse::split_once;
use super::policy::{CookiePolicy, CookieRule};
use crate::base::kept::KeptCookie;

/// As many random bytes as Tomcat's own session ids have.
const PLACEHOLDER_BYTES: usize = 16;
const PLACEHOLDER_CHARS: usize = PLACEHOLDER_BYTES * 2;

impl CookiePolicy {
    /// The field for `request`: what `jar` keeps for it, then the pairs `passed` as the screen gave them. Where both have
    /// a name the jar's cookie wins. `None` when there is nothing. It is the one allocation that screening costs.
    pub fn cookie_field<'p>(
        &self,
        jar: &[KeptCookie],
        request: &AppRequest<'_>,
        passed: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Option<HeaderValue> {
        let mut kept = cookies_for(jar, request);
        // A rule may have changed since: what is passed now is no longer the jar's to answer.
        kept.retain(|cookie| self.rule_for(&cookie.identity.name).mode.is_kept());
        if kept.iter().any(|cookie| cookie.adopted) {
            drop_guesses(&mut kept, passed.clone());
        }
        let is_kept = |name: &[u8]| kept.iter().any(|cookie| *cookie.identity.name == *name);
        let placeholders = self.rules.iter().filter_map(CookieRule::placeholder_name);
        let placeholders: SmallVec<[&[u8]; 2]> = placeholders
            .filter(|name| !is_kept(name) && !passed.clone().any(|pair| name_of(pair) == *name))
            .collect();
        if kept.is_empty() && placeholders.is_empty() {
            return field(written(passed));
        }
        let passed = passed.filter(|pair| !is_kept(name_of(pair)));
        let kept_bytes = kept.iter().map(|cookie| bytes_of(cookie) + GAP.len());
        let placeholder_bytes = placeholders
            .iter()
            .map(|name| name.len() + 1 + PLACEHOLDER_CHARS + GAP.len());
        let passed_bytes = passed.clone().map(|pair| pair.len() + GAP.len());
        let bytes: usize = kept_bytes
            .chain(placeholder_bytes)
            .chain(passed_bytes)
            .sum();
        let mut out = Vec::with_capacity(bytes.saturating_sub(GAP.len()));
        for cookie in &kept {
            append(&mut out, &cookie.identity.name);
            if !cookie.identity.name.is_empty() {
                out.push(b'=');
            }
            out.extend_from_slice(&cookie.value);
        }
        for name in placeholders {
            append_placeholder(&mut out, name);
        }
        passed.for_each(|pair| append(&mut out, pair));
        field(out)
    }
}

/// What a browser brought may be for another path: it goes where there is nothing of its name that is known to be right.
fn drop_guesses<'p>(kept: &mut Chosen<'_>, passed: impl Iterator<Item = &'p [u8]> + Clone) {
    let all = kept.clone();
    let is_right = |other: &KeptCookie, guess: &KeptCookie| {
        let is_nearer = other.identity.path.len() > guess.identity.path.len();
        other.identity.name == guess.identity.name && (!other.adopted || is_nearer)
    };
    kept.retain(|cookie| {
        let name = &*cookie.identity.name;
        !cookie.adopted
            || !all.iter().any(|other| is_right(other, cookie))
                && !passed.clone().any(|pair| name_of(pair) == name)
    });
}

/// The name of a pair that the screen let through: it has one.
fn name_of(pair: &[u8]) -> &[u8] {
    split_once(pair, b'=').map_or(pair, |(name, _)| name)
}

/// What it takes in the field.
fn bytes_of(cookie: &KeptCookie) -> usize {
    let name = &cookie.identity.name;
    name.len() + usize::from(!name.is_empty()) + cookie.value.len()
}

fn field(bytes: Vec<u8>) -> Option<HeaderValue> {
    if bytes.is_empty() {
        return None;
    }
    let mut field = HeaderValue::from_maybe_shared(Bytes::from(bytes)).ok()?;
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
    let mut text = [0; PLACEHOLDER_CHARS];
    HEXUPPER.encode_mut(&value, &mut text);
    out.extend_from_slice(&text);
}
