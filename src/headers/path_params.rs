//! Session IDs that servlet containers write into URLs, as in `/shop;jsessionid=1A2B`: taken out of paths on the way in,
//! and out of redirects on the way back.
//!
//! An ID in a URL is one that an attacker can hand to a victim, and that histories, logs and `Referer` fields keep. So
//! whatever some container reads as a parameter of a listed name goes, in every spelling. What is not named stays byte
//! for byte. Links in pages are not looked at here: a container writes none of them to a visitor that has its cookie.

use std::borrow::Cow;

use bytes::Bytes;
use http::header::{CONTENT_LOCATION, HeaderName, LOCATION, REFRESH};
use http::{HeaderMap, HeaderValue};

/// The names of path parameters that are taken out of URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathParams(Vec<Box<str>>);

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamNameFault {
    /// Nothing.
    #[error("a parameter has a name")]
    Empty,
    /// What ends a name in a path, or cannot stand there.
    #[error("not a plain name: letters, digits and !#$'*+-.^_`|~ alone")]
    NotAToken,
}

impl PathParams {
    /// Takes the names; their case does not matter.
    ///
    /// # Errors
    /// The first name that is none.
    pub fn parse<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ParamNameFault> {
        let names = names.into_iter().map(|name| {
            if name.is_empty() {
                return Err(ParamNameFault::Empty);
            }
            // A token (RFC 9110 5.6.2) without what is read as an escape, or parts two parameters in some containers.
            let is_plain =
                |byte: u8| byte.is_ascii_alphanumeric() || b"!#$'*+-.^_`|~".contains(&byte);
            name.bytes()
                .all(is_plain)
                .then(|| name.into())
                .ok_or(ParamNameFault::NotAToken)
        });
        names.collect::<Result<_, _>>().map(Self)
    }

    /// The names of all of them.
    pub fn union<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut names: Vec<Box<str>> = Vec::new();
        for name in all.into_iter().flat_map(|params| &params.0) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Self(names)
    }

    /// `path` without the parameters, or `None` if it has none of them. What this returns has none.
    pub fn strip(&self, path: &[u8]) -> Option<Vec<u8>> {
        if self.0.is_empty() || !path.contains(&b';') {
            return None;
        }
        let mut kept = Vec::with_capacity(path.len());
        for (nth, segment) in path.split(|byte| *byte == b'/').enumerate() {
            if nth > 0 {
                kept.push(b'/');
            }
            let mut pieces = segment.split(|byte| *byte == b';');
            kept.extend_from_slice(pieces.next().unwrap_or_default());
            for piece in pieces.filter(|piece| !self.names(piece)) {
                kept.push(b';');
                kept.extend_from_slice(piece);
            }
        }
        (kept.len() < path.len()).then_some(kept)
    }

    /// Whether a reader takes `piece`, which stood behind a semicolon, for one of the parameters. Tomcat and Jetty read
    /// `name=value`; Undertow decodes the name and lets a comma end it; earlier ones part parameters at `&` as well.
    fn names(&self, piece: &[u8]) -> bool {
        piece.split(|byte| *byte == b'&').any(|part| {
            let decoded = decode(part);
            let end = decoded.iter().position(|byte| b"=,".contains(byte));
            let name = decoded.get(..end.unwrap_or(decoded.len()));
            let is_name =
                |known: &str| name.is_some_and(|name| known.as_bytes().eq_ignore_ascii_case(name));
            self.0.iter().any(|known| is_name(known))
        })
    }

    /// Takes the parameters out of `Location`, `Content-Location` and `Refresh`, where they are relative or name an
    /// authority that `is_ours`: an ID of a foreign server is that server's business.
    pub fn strip_redirects(&self, headers: &mut HeaderMap, is_ours: impl Fn(&str) -> bool) {
        if self.0.is_empty() {
            return;
        }
        for name in [LOCATION, CONTENT_LOCATION] {
            self.strip_field(headers, &name, |url| self.strip_url(url, &is_ours));
        }
        self.strip_field(headers, &REFRESH, |value| {
            let (before, url, after) = refresh_url(value)?;
            let url = self.strip_url(url, &is_ours)?;
            Some([before, &url, after].concat())
        });
    }

    fn strip_field(
        &self,
        headers: &mut HeaderMap,
        name: &HeaderName,
        strip: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        let http::header::Entry::Occupied(mut entry) = headers.entry(name) else {
            return;
        };
        for value in entry.iter_mut() {
            let stripped = strip(value.as_bytes());
            // What is left of a field value is one, as nothing but its own bytes and dots are in it.
            let stripped =
                stripped.and_then(|url| HeaderValue::from_maybe_shared(Bytes::from(url)).ok());
            if let Some(stripped) = stripped {
                *value = stripped;
            }
        }
    }

    fn strip_url(&self, url: &[u8], is_ours: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
        let start = path_start(url, is_ours)?;
        let (before, rest) = url.split_at_checked(start)?;
        let end = rest.iter().position(|byte| b"?#".contains(byte));
        let (path, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        let stripped = self.strip(path)?;
        // With the first segment gone, `/;jsessionid=1/evil.test` would be another host, and `;jsessionid=1/x` a path
        // from the root. A dot segment is nothing to anybody (RFC 3986 4.2). Browsers take `\` for `/`, and do not see
        // tabs at all (URL standard 4.4).
        let is_slash = |byte: &u8| matches!(byte, b'/' | b'\\');
        let seen: Vec<u8> = stripped
            .iter()
            .copied()
            .filter(|byte| *byte != b'\t')
            .take(2)
            .collect();
        let dot: &[u8] = match (path.first(), seen.as_slice()) {
            _ if !before.is_empty() => b"",
            (Some(b';'), []) => b".",
            (Some(b';'), [first, ..]) if is_slash(first) => b".",
            (_, [first, second]) if is_slash(first) && is_slash(second) => b"/.",
            _ => b"",
        };
        Some([before, dot, &stripped, after].concat())
    }
}

/// Where the path of `url` begins, if it is a URL of ours: a relative one, or one that names an authority of ours.
fn path_start(url: &[u8], is_ours: impl Fn(&str) -> bool) -> Option<usize> {
    let first_end = url
        .iter()
        .position(|byte| b"/?#;\\:".contains(byte))
        .unwrap_or(url.len());
    // RFC 3986 4.2: what has a colon in its first segment has a scheme.
    let scheme_end = match (url.get(first_end), url.get(..first_end)?) {
        (Some(b':'), scheme) => {
            let is_web =
                scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
            is_web.then_some(first_end + 1)?
        }
        _ => 0,
    };
    let rest = url.get(scheme_end..)?;
    // Browsers take `\` for `/` here.
    let authority = match rest {
        [b'/' | b'\\', b'/' | b'\\', authority @ ..] => authority,
        _ => return (scheme_end == 0).then_some(0),
    };
    let end = authority.iter().position(|byte| b"/?#\\".contains(byte));
    let authority = authority.get(..end.unwrap_or(authority.len()))?;
    is_ours(std::str::from_utf8(authority).ok()?).then_some(scheme_end + 2 + authority.len())
}

/// The URL of a Refresh field such as `5; url=/x` or `5, /x`, and what stands before and after it, as HTML reads it
/// (HTML standard 4.2.5.3, "shared declarative refresh steps").
fn refresh_url(value: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let skip = |from: usize, skipped: &dyn Fn(u8) -> bool| {
        let rest = value.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| skipped(**byte)).count()
    };
    let space = |byte: u8| byte.is_ascii_whitespace();
    let digits = skip(skip(0, &space), &|byte| {
        byte.is_ascii_digit() || byte == b'.'
    });
    let mut start = skip(skip(digits, &space), &|byte| matches!(byte, b';' | b','));
    start = skip(start, &space);
    let word = value.get(start..start + 3);
    if word.is_some_and(|word| word.eq_ignore_ascii_case(b"url")) {
        let sign = skip(start + 3, &space);
        if value.get(sign) == Some(&b'=') {
            start = skip(sign + 1, &space);
        }
    }
    let quote = value
        .get(start)
        .copied()
        .filter(|byte| b"'\"".contains(byte));
    let start = start + usize::from(quote.is_some());
    let (before, rest) = value.split_at_checked(start)?;
    let end = quote.and_then(|quote| rest.iter().position(|byte| *byte == quote));
    let (url, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
    Some((before, url, after))
}

/// `text` with its escapes decoded, once.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let pair = (*byte == b'%').then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?));
        let escaped = pair.flatten().and_then(|pair| u8::try_from(pair).ok());
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    Cow::Owned(decoded)
}

#[cfg(test)]
mod tests;
