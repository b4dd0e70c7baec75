//! The jar: which kept cookie goes to the app with which request, and what becomes of a cookie that the app sets.
//!
//! It reasons as the browser would that the cookies are kept from (RFC 6265bis 5.7 and 5.8): the scheme counts as
//! https, the host is the one that the app was sent. Where it holds no opinion: limits of a session and the order of
//! writing are the record's.

use std::cmp::Reverse;

use smallvec::SmallVec;

use super::name::Prefix;
use super::set_cookie::{Ends, Refused, SetCookie};
use crate::base::clock::Time;
use crate::base::domain;
use crate::base::kept::{CookieIdentity, KeptCookie, SameSite};

/// What the jar must know of a request as the app was sent it.
#[derive(Clone, Copy, Debug)]
pub struct AppRequest<'a> {
    /// The host in the `Host` that the app was sent: lower-case ASCII, no port.
    pub host: &'a str,
    /// The host that the visitor asked, in the same form. Another one where a site rewrites `Host`.
    pub visitor_host: &'a str,
    /// The path; a query is not looked at.
    pub path: &'a str,
    /// Whether it came from the same site.
    pub same_site: bool,
    /// Whether it is a navigation of the whole window, by any method.
    pub top_level: bool,
    /// Whether it is a navigation of the whole window by a safe method.
    pub top_level_safe: bool,
    /// The time of the request.
    pub now: Time,
}

/// What a `Set-Cookie` does to the jar.
#[derive(Clone, Debug, PartialEq)]
pub enum JarAct {
    /// Puts a cookie in. One of the same identity that is there keeps its creation time; the record sees to that.
    Put(KeptCookie),
    /// Takes a cookie out.
    Remove {
        /// Which.
        identity: CookieIdentity,
        /// Whether the app means the one for this very host.
        host_only: bool,
    },
}

/// What goes with a request, without an allocation for as many as an app has.
pub type Chosen<'a> = SmallVec<[&'a KeptCookie; 8]>;

/// The cookies of `jar` that `request` carries to the app, those with longer paths first, then the older ones.
pub fn cookies_for<'a>(jar: &'a [KeptCookie], request: &AppRequest<'_>) -> Chosen<'a> {
    let mut found: Chosen<'_> = jar
        .iter()
        .filter(|cookie| goes_with(cookie, request))
        .collect();
    // Stable: what ties in both stays in the order of the jar.
    found.sort_by_key(|cookie| (Reverse(cookie.identity.path.len()), cookie.created));
    found
}

fn goes_with(cookie: &KeptCookie, request: &AppRequest<'_>) -> bool {
    let for_site = match cookie.same_site {
        Some(SameSite::None) => true,
        Some(SameSite::Lax) | None => request.same_site || request.top_level_safe,
        Some(SameSite::Strict) => request.same_site,
    };
    for_site && is_for(cookie, request)
}

/// Whether it is there for such requests, whichever page makes them.
pub(super) fn is_for(cookie: &KeptCookie, request: &AppRequest<'_>) -> bool {
    let for_host = cookie.is_for_host(request.host);
    let alive = cookie.expires.is_none_or(|end| end > request.now);
    alive && for_host && cookie.identity.covers(bare_path(request.path))
}

/// What `set`, which came with the answer to `request`, does to the jar.
pub fn receive(set: &SetCookie<'_>, request: &AppRequest<'_>) -> Result<JarAct, Refused> {
    let (domain, host_only) = match set.domain {
        Some(asked) => accept_domain(asked, request.host)?,
        None => (request.host.to_owned(), true),
    };
    keeps_its_prefix(set)?;
    // RFC 6265bis 5.7: a subresource of a foreign page can set `SameSite=None` cookies alone.
    if set.same_site != Some(SameSite::None) && !request.same_site && !request.top_level {
        return Err(Refused::CrossSite);
    }
    let path = match set.path {
        Some(path) => std::str::from_utf8(path).map_err(|_| Refused::Path)?,
        None => default_path(bare_path(request.path)),
    };
    let identity = CookieIdentity {
        name: set.name.into(),
        domain: domain.into(),
        path: path.into(),
    };
    let expires = match set.ends(request.now) {
        Ends::Past => {
            return Ok(JarAct::Remove {
                identity,
                host_only,
            });
        }
        Ends::At(end) => Some(end),
        Ends::WithSession => None,
    };
    Ok(JarAct::Put(KeptCookie {
        identity,
        value: set.value.into(),
        host_only,
        expires,
        created: request.now,
        same_site: set.same_site,
        adopted: false,
    }))
}

/// The domain of a cookie that asks for `asked`, and whether it is for the host only.
fn accept_domain(asked: &[u8], host: &str) -> Result<(String, bool), Refused> {
    let domain = std::str::from_utf8(asked)
        .ok()
        .filter(|domain| domain.is_ascii())
        .ok_or(Refused::Domain)?
        .to_ascii_lowercase();
    if domain::is_ip(host) || domain::is_public_suffix(&domain) {
        // Nobody lies beneath an address, and what lies beneath a public suffix belongs to others.
        if domain == host {
            return Ok((domain, true));
        }
        return Err(if domain::is_ip(host) {
            Refused::Domain
        } else {
            Refused::PublicSuffix
        });
    }
    if !domain::matches(host, &domain) {
        return Err(Refused::Domain);
    }
    Ok((domain, false))
}

fn keeps_its_prefix(set: &SetCookie<'_>) -> Result<(), Refused> {
    let Some(prefix) = Prefix::of(set.name) else {
        return Ok(());
    };
    let for_one_host = set.domain.is_none() && set.path == Some(b"/");
    let kept = set.secure
        && (for_one_host || !prefix.needs_host())
        && (set.http_only || !prefix.needs_http_only());
    if kept { Ok(()) } else { Err(Refused::Prefix) }
}

/// Without the query.
pub fn bare_path(path: &str) -> &str {
    path.split_once('?').map_or(path, |(path, _)| path)
}

/// RFC 6265bis 5.1.4: up to the last slash, without it.
pub(super) fn default_path(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((front, _)) if front.starts_with('/') => front,
        _ => "/",
    }
}

#[cfg(test)]
mod tests;
