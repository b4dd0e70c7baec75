//! Our own pages, below `/.cloakroom/` of each site: which there are, and what they answer.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::access_log::Line;
use super::admit::Admitted;
use super::form_page::Asked;
use super::refusal::Refusal;
use super::site::Site;
use super::{Arrival, Gateway};
use crate::headers::forwarded::Hops;
use crate::session::AssertionKey;
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

impl Gateway {
    /// Answers a request for a page of ours. Only the pages that log in and out touch a session.
    ///
    /// # Errors
    /// [`Refusal::OwnPath`] where there is no page.
    pub(super) async fn own_page(
        &self,
        site: &Site,
        (head, body): (&Parts, Incoming),
        admitted: &Admitted,
        (arrival, hops): (&Arrival, &Hops),
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let form = site.form.as_ref().map(|form| Asked {
            site,
            form,
            head,
            admitted,
            arrival,
            hops,
        });
        match (site.own_page(&admitted.path), form) {
            (Some("/jwks.json"), _) if site.stamp.asserts() => Ok(self.public_keys(&head.method)),
            (Some("/login"), Some(asked)) => self.login_page(asked, body, line).await,
            (Some("/logout"), Some(asked)) => self.logout_page(asked, line).await,
            _ => Err(Refusal::OwnPath),
        }
    }

    /// The keys that assertions are verified with. They are no secret, and the same for everybody.
    fn public_keys(&self, method: &Method) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        let ring = self.desk.ring.load();
        let keys: Vec<&str> = ring.assertion_keys().map(AssertionKey::jwk).collect();
        let text = format!("{{\"keys\":[{}]}}\n", keys.join(","));
        let mut answer = Response::new(Body::full(Bytes::from(text)));
        let fields = [
            (CONTENT_TYPE, "application/jwk-set+json"),
            // A new key is here for session.keys.activate_after before it signs, ten minutes as a rule.
            (CACHE_CONTROL, "public, max-age=300"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
        answer.headers_mut().extend(fields);
        answer
    }
}

/// The answer to a method that a page does not have; `methods` are those that it has.
pub(super) fn not_allowed(methods: &'static str) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    let allow = HeaderValue::from_static(methods);
    answer.headers_mut().insert(ALLOW, allow);
    answer
}
