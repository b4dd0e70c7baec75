//! What the access log says of a request before anything is known of it.

use std::sync::Arc;

use http::HeaderMap;
use http::header::{HOST, HeaderValue, USER_AGENT};
use http::request::Parts;

use super::Gateway;
use super::access_log::{Entry, Line};
use super::reason::Reason;
use super::refusal::{GONE, Refusal};
use super::site::Site;
use crate::headers::forwarded::Hops;

impl Line {
    /// The request is for `site`, where somebody may log in.
    pub(super) fn at(&mut self, site: &Site, headers: &HeaderMap) {
        self.site = Some(Arc::clone(&site.name));
        if site.binds_users() {
            self.agent = headers.get(USER_AGENT).cloned();
        }
    }
}

impl Gateway {
    pub(super) fn begin_line(&self, head: &Parts, hops: &Hops) -> Entry {
        let asked_for = head
            .uri
            .authority()
            .map(|authority| authority.as_str().as_bytes());
        let host = asked_for.or_else(|| head.headers.get(HOST).map(HeaderValue::as_bytes));
        let host = host.unwrap_or_default();
        let host = str::from_utf8(host).map_or_else(
            |_| String::from_utf8_lossy(host).into_owned(),
            str::to_owned,
        );
        let (time, since) = self.clock.start();
        let line = Line {
            time,
            since,
            request_id: hops
                .request_id
                .as_deref()
                .map_or_else(|| self.request_ids.next(), Arc::from),
            client_ip: hops.client_ip,
            method: head.method.clone(),
            version: head.version,
            host,
            path: self.sites.loggable(head.uri.path()),
            site: None,
            agent: None,
            reason: Reason::None,
            session: None,
            user: None,
            // What stands there if the visitor hangs up before there is a response.
            status: GONE,
            refusal: Some(Refusal::VisitorGone.word()),
            app: None,
        };
        Entry::new(line, self.access_log.clone())
    }
}
