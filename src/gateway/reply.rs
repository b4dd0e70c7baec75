//! The response on its way out: our ticket, the app's cookies that pass, and caching that cannot leak.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::{CACHE_CONTROL, HeaderName, HeaderValue, SET_COOKIE, VARY};
use http::{HeaderMap, Response, StatusCode};

use super::admit::Admitted;
use super::news::TicketNews;
use super::site::Site;
use crate::base::clock::Time;
use crate::cookie::attributes::TicketCookie;
use crate::cookie::expire;
use crate::headers::{clear_site_data, hop, location};
use crate::session::{Expiry, KeyRing, Place, Record, Scope, Terms, Ticket};
use crate::upstream::Body;

/// How tickets are written.
#[derive(Debug)]
pub struct TicketDesk {
    /// Signs and verifies them. Replaced whole when its file is read again, for every configuration.
    pub ring: Arc<ArcSwap<KeyRing>>,
    /// The cookie they travel in.
    pub cookie: TicketCookie,
    /// How long sessions live.
    pub terms: Terms,
    /// Whether the cookie ends with the browser session.
    pub expire_at_browser_close: bool,
    /// Whether a logout has the browser forget what the site keeps in it.
    pub clear_site_data: bool,
}

impl TicketDesk {
    /// Where a ticket is good that comes from or goes to `host`.
    pub fn place<'a>(&'a self, host: &'a str) -> Place<'a> {
        let settings = self.cookie.settings();
        let scope = match &settings.domain {
            Some(domain) => Scope::Domain(domain),
            None => Scope::Host(host),
        };
        Place {
            cookie: &settings.name,
            scope,
        }
    }

    /// Writes what the visitor of `host` must be told into a response head, and makes sure that no cache hands one
    /// visitor's response to another.
    pub fn write(&self, headers: &mut HeaderMap, news: &TicketNews, host: &str, now: Time) {
        let set = |ticket, record: Option<&_>| self.set(ticket, record, &self.place(host), now);
        let cookie = match news {
            TicketNews::Give(ticket, record) => set(ticket, record.as_deref()),
            TicketNews::Delete => Some(self.cookie.delete()),
            // The app says that this response is the same for everybody: let caches have it.
            TicketNews::Offer(_) | TicketNews::Renew(..) | TicketNews::Keep
                if is_shared(headers) =>
            {
                return;
            }
            TicketNews::Offer(ticket) => set(ticket, None),
            TicketNews::Renew(ticket, record) => set(ticket, record.as_deref()),
            TicketNews::Keep => return vary_by_cookie(headers),
        };
        headers.extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
        if self.clear_site_data && matches!(news, TicketNews::Delete) {
            clear_site_data::clear(headers);
        }
        make_private(headers);
        vary_by_cookie(headers);
    }

    /// Deletions of cookies that bear our name and are not ours: they stand elsewhere in the browser, for another Domain
    /// or Path, and hide ours there.
    pub fn shadow_deletions(&self, host: &str, path: &str) -> Vec<HeaderValue> {
        self.deletions_elsewhere(self.cookie.name(), host, path)
    }

    /// The same of the owner's mark.
    pub fn mark_shadow_deletions(&self, host: &str, path: &str) -> Vec<HeaderValue> {
        self.deletions_elsewhere(&self.cookie.mark_name(), host, path)
    }

    fn deletions_elsewhere(&self, name: &str, host: &str, path: &str) -> Vec<HeaderValue> {
        let settings = self.cookie.settings();
        let ours = (settings.domain.as_deref(), settings.path.as_str());
        expire::deletions(name.as_bytes(), host, path, Some(ours))
    }

    fn set(
        &self,
        ticket: &Ticket,
        record: Option<&Record>,
        place: &Place<'_>,
        now: Time,
    ) -> Option<HeaderValue> {
        let created = record.map_or(ticket.issued(), |record| record.created);
        let own_expiry = record.and_then(|record| record.expiry);
        let at_close = match own_expiry {
            Some(Expiry::AtBrowserClose) => true,
            Some(Expiry::IdleSecs(_)) => false,
            None => self.expire_at_browser_close,
        };
        let max_age =
            (!at_close).then(|| self.terms.left(created, now).max(Duration::from_secs(1)));
        let value = self.ring.load().encode(ticket, place, now);
        let set = self.cookie.set(&value, max_age);
        set.inspect_err(|error| tracing::error!(%error, "a ticket could not be sent"))
            .ok()
    }
}

/// Forbids every cache to hand the response to somebody else.
pub(super) fn make_private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    forget_targeted_caching(headers);
}

/// Whether the app marked the response as one for shared caches.
fn is_shared(headers: &HeaderMap) -> bool {
    let (mut shared, mut private) = (false, false);
    let values = headers.get_all(CACHE_CONTROL).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    for directive in values.flat_map(|value| value.split(',')) {
        let directive = directive.trim().to_ascii_lowercase();
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        private |= matches!(name, "private" | "no-store");
        shared |= directive == "public" || directive.starts_with("s-maxage=");
    }
    // Contradictory ones are read as the stricter.
    shared && !private
}

/// Fields that some caches obey before Cache-Control (RFC 9213, and what came before it).
fn forget_targeted_caching(headers: &mut HeaderMap) {
    let targeted = |name: &HeaderName| {
        name.as_str().ends_with("-cache-control")
            || matches!(name.as_str(), "surrogate-control" | "x-accel-expires")
    };
    let found: Vec<_> = headers
        .keys()
        .filter(|name| targeted(name))
        .cloned()
        .collect();
    for name in found {
        headers.remove(name);
    }
}

fn vary_by_cookie(headers: &mut HeaderMap) {
    let names_cookie = headers
        .get_all(VARY)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("cookie"));
    if !names_cookie {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Takes out what concerns our connection to the app alone, and what would show the browser the
/// app's own address or take our ticket away.
pub fn clean(response: &mut Response<Body>, site: &Site, admitted: &Admitted) {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    hop::strip_response(headers);
    if switches {
        hop::keep_websocket_upgrade(headers);
    }
    clear_site_data::narrow(headers);
    if site.rewrite_location && location::is_in(headers) {
        for app in site.upstreams.authorities() {
            location::rewrite(headers, app, &admitted.authority);
        }
    }
    site.strip_path_params
        .strip_redirects(headers, |authority| {
            site.is_own_authority(authority)
                || site
                    .upstreams
                    .authorities()
                    .any(|app| authority.eq_ignore_ascii_case(app))
        });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, values: &[&'static str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_what_the_app_calls_public_is_shared() {
        let rows: [(&[&str], bool); 8] = [
            (&["public, max-age=60"], true),
            (&["Max-Age=0, S-MaxAge=60"], true),
            (&["max-age=60"], false),
            (&[], false),
            (&["public, private"], false),
            (&["public", "no-store"], false),
            (&["private=\"x\", public"], false),
            (&["x-public"], false),
        ];
        for (values, expected) in rows {
            assert_eq!(
                is_shared(&with("cache-control", values)),
                expected,
                "{values:?}"
            );
        }
    }

    #[test]
    fn no_targeted_cache_is_told_to_keep_a_ticket() {
        let mut headers = with("cdn-cache-control", &["public"]);
        headers.extend(with("surrogate-control", &["max-age=600"]));
        headers.extend(with("etag", &["x"]));
        forget_targeted_caching(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["etag"]
        );
    }

    #[test]
    fn vary_is_added_to_and_never_twice() {
        for (given, expected) in [("Accept", 2), ("accept, COOKIE", 1), ("*", 1)] {
            let mut headers = with("vary", &[given]);
            vary_by_cookie(&mut headers);
            vary_by_cookie(&mut headers);
            assert_eq!(headers.get_all(VARY).iter().count(), expected, "{given}");
        }
    }
}
