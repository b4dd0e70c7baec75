//! The request as the app gets it: nothing that a visitor made up, and what we vouch for.

use std::mem::take;
use std::sync::Arc;

use http::header::{COOKIE, Entry, HOST, HeaderValue};
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, Request, Version};
use smallvec::SmallVec;

use super::admit::Admitted;
use super::site::{AppHost, Site};
use super::visit::Visit;
use super::{Arrival, Gateway};
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::cookie::jar::AppRequest;
use crate::cookie::screen::OBSOLETE_FIELDS;
use crate::headers::fetch::Provenance;
use crate::headers::forwarded::{ForwardedPolicy, Hops, Origin};
use crate::headers::identity::{Facts, Stamp, UserFacts};
use crate::headers::{fold, hop};
use crate::session::{SessionId, User};

/// What a request is for and from whom: what the steps before have found.
pub(super) struct Call<'a> {
    pub arrival: &'a Arrival,
    pub admitted: &'a Admitted,
    pub site: &'a Site,
    pub visit: &'a Visit,
    /// The user whom somebody named on this request, if the session does not say it.
    pub named: Option<&'a User>,
    /// Whether the browser could have sent our own cookies along.
    pub could_carry: bool,
    pub hops: &'a Hops,
    /// The HTTP version that the visitor speaks.
    pub version: Version,
    pub request_id: Arc<str>,
    pub session_id: Option<SessionId>,
    pub now: Time,
}

/// What the jar must know of a request.
pub(crate) fn jar_request<'a>(
    site: &'a Site,
    admitted: &'a Admitted,
    path: &'a str,
    from: &Provenance,
    now: Time,
) -> AppRequest<'a> {
    AppRequest {
        host: match &site.host {
            AppHost::Keep => &admitted.host,
            AppHost::Fixed { host, .. } => host,
        },
        visitor_host: &admitted.host,
        path,
        same_site: from.same_site_for_jar(),
        top_level: from.is_top_level(),
        top_level_safe: from.top_level_safe(),
        now,
    }
}

/// How a request is introduced to the app.
pub(crate) struct Introduction<'a> {
    pub stamp: &'a Stamp,
    pub forwarded: &'a ForwardedPolicy,
    pub hops: &'a Hops,
    pub origin: Origin<'a>,
    pub request_id: &'a str,
    pub facts: Facts<'a>,
}

impl Introduction<'_> {
    /// Makes `head` what the app gets, but for cookies and Host. The order matters: names that only we may write go
    /// first, then what concerns this connection alone, and ours come last, so that no `Connection` token can take them
    /// away again (RFC 9110 7.6.1). True when somebody tried to write what only we may.
    pub fn write(&self, head: &mut Parts) -> bool {
        let headers = &mut head.headers;
        let spoofed = self.stamp.strip(headers);
        fold::remove_where(headers, |name| OBSOLETE_FIELDS.contains(&name));
        let upgrades = hop::is_websocket_upgrade(&head.method, head.version, headers);
        hop::strip_request(headers);
        if upgrades {
            hop::keep_websocket_upgrade(headers);
        }
        self.forwarded
            .write(headers, self.hops, &self.origin, self.request_id);
        self.stamp.write(headers, &self.facts);
        spoofed
    }
}

impl Call<'_> {
    /// The user, if this site may see them. A site with a login of its own sees whom it or an accepted one
    /// bound.
    pub fn user(&self) -> Option<&User> {
        if self.named.is_some() {
            return self.named;
        }
        let record = self.visit.record().filter(|record| !record.waits())?;
        let user = record.user.as_ref()?;
        self.site.sees_users_of(&user.site).then_some(user)
    }

    /// Makes `head` what the app gets, `cookies` in it, and tells the Cookie fields that came.
    pub fn rewrite(
        &self,
        gateway: &Gateway,
        head: &mut Parts,
        cookies: Option<HeaderValue>,
    ) -> SmallVec<[HeaderValue; 1]> {
        let assertion = self.assertion(gateway);
        let introduction = Introduction {
            stamp: &self.site.stamp,
            forwarded: &gateway.forwarded,
            hops: self.hops,
            origin: Origin {
                peer: self.arrival.peer.ip(),
                host: &self.admitted.authority,
                port: self.arrival.local.port(),
                version: self.version,
            },
            request_id: &self.request_id,
            facts: self.facts(assertion.as_deref()),
        };
        if introduction.write(head) {
            self.tell_spoofed(gateway);
        }
        let headers = &mut head.headers;
        let came = put_cookies(headers, cookies);
        let host = match &self.site.host {
            // As it came with HTTP/1.1.
            AppHost::Keep
                if headers
                    .get(HOST)
                    .is_some_and(|host| *host == *self.admitted.authority) =>
            {
                None
            }
            AppHost::Keep => HeaderValue::from_str(&self.admitted.authority).ok(),
            AppHost::Fixed { field, .. } => Some(field.clone()),
        };
        if let Some(host) = host {
            headers.insert(HOST, host);
        }
        // Only what comes after the authority is sent, byte for byte as it came.
        let target = take(&mut head.uri).into_parts().path_and_query;
        head.uri = Uri::from(target.unwrap_or(PathAndQuery::from_static("/")));
        head.version = Version::HTTP_11;
        came
    }

    #[cold]
    fn tell_spoofed(&self, gateway: &Gateway) {
        gateway.meter.count(Count::SpoofedHeaders);
        tracing::warn!(
            request_id = &*self.request_id,
            "a header that only the gateway may write was removed"
        );
    }

    /// The user, signed, for a site that asks for it.
    fn assertion(&self, gateway: &Gateway) -> Option<Arc<str>> {
        if !self.site.stamp.asserts() {
            return None;
        }
        let (user, now) = (self.user()?, self.now);
        let with = (&**gateway.desk.ring.load(), now, &*gateway.meter);
        let session = self.session_id.as_ref();
        gateway.assertions.of(self.site, user, session, with)
    }

    pub(super) fn facts<'f>(&'f self, assertion: Option<&'f str>) -> Facts<'f> {
        let record = self.visit.record();
        let user = self.user().map(|user| UserFacts {
            id: &user.id,
            issuer: user.issuer.as_deref(),
            name: user.name.as_deref(),
            email: user.email.as_deref(),
            groups: &user.groups,
            claims: Some(&user.claims),
        });
        Facts {
            session_id: self.session_id.as_ref().map(SessionId::as_str),
            user,
            data: record.map(|record| &record.data),
            created: self.visit.created(),
            auth_time: self.user().map(|user| user.auth_time),
            is_new: self.visit.is_new(),
            client_ip: self.hops.client_ip,
            assertion,
        }
    }
}

/// The request as it is sent, out of a head that stays where it is: as a whole it would be copied from step to step.
pub(super) fn take_request<B>(head: &mut Parts, body: B) -> Request<B> {
    let mut request = Request::new(body);
    *request.method_mut() = take(&mut head.method);
    *request.uri_mut() = take(&mut head.uri);
    *request.version_mut() = head.version;
    *request.headers_mut() = take(&mut head.headers);
    *request.extensions_mut() = take(&mut head.extensions);
    request
}

/// Puts the one field into the place of those that came, and tells these.
fn put_cookies(headers: &mut HeaderMap, field: Option<HeaderValue>) -> SmallVec<[HeaderValue; 1]> {
    let came = match headers.entry(COOKIE) {
        Entry::Occupied(entry) => entry.remove_entry_mult().1.collect(),
        Entry::Vacant(_) => SmallVec::new(),
    };
    if let Some(field) = field {
        headers.insert(COOKIE, field);
    }
    came
}
