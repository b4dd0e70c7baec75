//! Where a request comes from, as the browser tells it: Fetch Metadata, `Origin`, `Referer`.
//!
//! Browsers alone can say this truthfully, and only browsers carry other people's tickets, so what any other program
//! writes here harms nobody but itself. Fetch Metadata is asked first, because `Origin` is missing from navigations
//! and `null` under strict referrer policies.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, AsHeaderName, ORIGIN, REFERER};
use http::{HeaderMap, HeaderName, Method};

use crate::base::kept::SameSite;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Where a request comes from. Worked out once, before headers are stripped.
#[derive(Clone, Copy, Debug)]
pub struct Provenance {
    site: Option<FetchSite>,
    origin: Source,
    referer: Source,
    is_top_level: bool,
    is_safe_read: bool,
    is_preflight: bool,
    changes_state: bool,
}

/// `Sec-Fetch-Site`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FetchSite {
    /// Typed, or from a bookmark.
    Nobody,
    SameOrigin,
    SameSite,
    /// Also what we make of a value that we do not know, or of two values.
    CrossSite,
}

/// Whom a header names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Absent,
    Own,
    /// `null`: a sandboxed page, or an origin withheld by referrer policy.
    Opaque,
    Foreign,
}

impl Provenance {
    /// Reads it from the request. `is_own_origin` gets an origin such as `https://shop.example.com:8443` and tells
    /// whether it is one of the site's hosts.
    pub fn of(method: &Method, headers: &HeaderMap, is_own_origin: impl Fn(&str) -> bool) -> Self {
        let origin = source(headers, ORIGIN, |value| is_own_origin(value));
        let referer = source(headers, REFERER, |value| {
            origin_of(value).is_some_and(&is_own_origin)
        });
        let safe_read = method == Method::GET || method == Method::HEAD;
        Self {
            site: fetch_site(headers),
            origin,
            referer,
            is_top_level: says(headers, SEC_FETCH_MODE, "navigate")
                && says(headers, SEC_FETCH_DEST, "document"),
            is_safe_read: safe_read,
            is_preflight: method == Method::OPTIONS
                && origin != Source::Absent
                && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD),
            changes_state: !(safe_read || method == Method::OPTIONS || method == Method::TRACE),
        }
    }

    /// Whether this request could have carried a ticket whose cookie has this `SameSite`. If not, the missing ticket
    /// says nothing about the visitor, and no ticket or kept cookie may be set, replaced or deleted.
    pub fn could_carry(&self, same_site: SameSite) -> bool {
        if self.is_preflight {
            return false;
        }
        match same_site {
            SameSite::None => true,
            SameSite::Lax => !self.is_cross_site() || self.top_level_safe(),
            SameSite::Strict => !self.is_cross_site(),
        }
    }

    /// Whether another site makes this browser change something here, or open a WebSocket (CSRF, CSWSH). Where
    /// headers disagree the stricter one counts. A request without any of them comes from no browser and passes, but
    /// every browser sends `Origin` with a WebSocket, so there the lack of it counts as foreign.
    pub fn crosses_site_changing_state(&self, is_websocket: bool) -> bool {
        if !self.changes_state && !is_websocket {
            return false;
        }
        match self.site {
            Some(FetchSite::CrossSite) => true,
            // A sibling subdomain may be anybody's.
            Some(FetchSite::SameSite) => self.origin != Source::Own,
            // `Origin: null` is what a same-origin form sends under `Referrer-Policy: no-referrer`; an opaque origin
            // proper, such as a sandboxed frame, is marked cross-site.
            Some(FetchSite::SameOrigin | FetchSite::Nobody) => self.origin == Source::Foreign,
            None => match self.origin {
                Source::Own => false,
                Source::Opaque | Source::Foreign => true,
                Source::Absent => is_websocket,
            },
        }
    }

    /// Whether a kept cookie with `SameSite` Lax or Strict may go along: the request is of the same site, as far as
    /// anybody says.
    pub fn same_site_for_jar(&self) -> bool {
        match (self.site, self.origin) {
            (Some(site), _) => site != FetchSite::CrossSite,
            (None, Source::Own) => true,
            (None, Source::Opaque | Source::Foreign) => false,
            (None, Source::Absent) => matches!(self.referer, Source::Own | Source::Absent),
        }
    }

    /// Whether it is a top-level navigation by GET or HEAD, the one cross-site request that Lax cookies go along
    /// with.
    pub fn top_level_safe(&self) -> bool {
        self.is_top_level && self.is_safe_read
    }

    /// Whether it is a top-level navigation, by any method.
    pub fn is_top_level(&self) -> bool {
        self.is_top_level
    }

    /// Whether it is a CORS preflight, which never carries cookies.
    pub fn is_preflight(&self) -> bool {
        self.is_preflight
    }

    /// Whether another site's page sends it, as far as anybody says.
    pub fn is_cross_site(&self) -> bool {
        match self.site {
            Some(site) => site == FetchSite::CrossSite,
            None => matches!(self.origin, Source::Opaque | Source::Foreign),
        }
    }
}

impl Provenance {
    /// Whether a page of the very origin sends it. Where nobody says so, it does not.
    pub fn is_same_origin(&self) -> bool {
        match self.site {
            Some(site) => site == FetchSite::SameOrigin && self.origin != Source::Foreign,
            None => self.origin == Source::Own,
        }
    }

    /// What [`Provenance::is_cross_site`] goes by.
    pub const fn testimony(&self) -> &'static str {
        match (self.site, self.origin) {
            (Some(FetchSite::CrossSite), _) => {
                "Sec-Fetch-Site says cross-site, or what no browser says"
            }
            (Some(FetchSite::SameSite), _) => "Sec-Fetch-Site says same-site",
            (Some(FetchSite::SameOrigin), _) => "Sec-Fetch-Site says same-origin",
            (Some(FetchSite::Nobody), _) => "Sec-Fetch-Site says none: typed, or a bookmark",
            (None, Source::Own) => "Origin is one of the site's hosts",
            (None, Source::Opaque) => "Origin is null",
            (None, Source::Foreign) => "Origin is none of the site's hosts",
            (None, Source::Absent) => {
                "neither Sec-Fetch-Site nor Origin came, so it is no browser, or an old one"
            }
        }
    }
}

fn fetch_site(headers: &HeaderMap) -> Option<FetchSite> {
    let mut values = headers.get_all(SEC_FETCH_SITE).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return Some(FetchSite::CrossSite);
    }
    Some(match value.as_bytes() {
        b"none" => FetchSite::Nobody,
        b"same-origin" => FetchSite::SameOrigin,
        b"same-site" => FetchSite::SameSite,
        _ => FetchSite::CrossSite,
    })
}

fn source(headers: &HeaderMap, name: impl AsHeaderName, is_own: impl Fn(&str) -> bool) -> Source {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Source::Absent;
    };
    match value.to_str() {
        Ok(text) if values.next().is_none() => match text {
            "null" => Source::Opaque,
            _ if is_own(text) => Source::Own,
            _ => Source::Foreign,
        },
        _ => Source::Foreign,
    }
}

/// The origin of an absolute URL, as written.
fn origin_of(url: &str) -> Option<&str> {
    let authority_at = url.find("://")? + 3;
    let authority = url.get(authority_at..)?;
    let length = authority
        .find(['/', '?', '#', '\\'])
        .unwrap_or(authority.len());
    url.get(..authority_at + length)
}

fn says(headers: &HeaderMap, name: HeaderName, value: &str) -> bool {
    let mut values = headers.get_all(name).iter();
    values.next().is_some_and(|first| first == value) && values.next().is_none()
}

#[cfg(test)]
mod tests;
