//! Our own pages, below `/.cloakroom/` of each site: which there are, and what they answer.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::Gateway;
use super::admit::Admitted;
use super::refusal::Refusal;
use super::site::Site;
use crate::session::AssertionKey;
use crate::upstream::Body;

impl Gateway {
    /// Answers a request for a page of ours. It begins no session and touches none.
    ///
    /// # Errors
    /// [`Refusal::OwnPath`] where there is no page.
    pub(super) fn own_page(
        &self,
        site: &Site,
        head: &Parts,
        admitted: &Admitted,
    ) -> Result<Response<Body>, Refusal> {
        match site.own_page(&admitted.path) {
            Some("/jwks.json") if site.stamp.asserts() => Ok(self.public_keys(&head.method)),
            _ => Err(Refusal::OwnPath),
        }
    }

    /// The keys that assertions are verified with. They are no secret, and the same for everybody.
    fn public_keys(&self, method: &Method) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            let allow = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(ALLOW, allow);
            return answer;
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
