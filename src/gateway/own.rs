//! Our own pages, below `/.cloakroom/` of each site: which there are, and what they answer.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::access_log::Line;
use super::admit::Admitted;
use super::form_page::Asked;
use super::oidc;
use super::path::NormalPath;
use super::refusal::Refusal;
use super::site::Site;
use super::{Arrival, Gateway};
use crate::headers::forwarded::Hops;
use crate::session::AssertionKey;
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

/// Where our own pages are, below a site's prefix.
const OWN: &str = "/.cloakroom";

impl Site {
    /// Which of our own pages the path is, with a slash before it; `None` unless it says so plainly.
    pub fn own_page<'p>(&self, path: &'p NormalPath) -> Option<&'p str> {
        let rest = path.as_str().strip_prefix(self.prefix.as_str())?;
        rest.strip_prefix(OWN)
    }

    /// Whether the path is one of our own pages, which never reach the app in any spelling.
    pub fn is_own_path(&self, path: &NormalPath) -> bool {
        [path.as_str(), path.bare()].into_iter().any(|path| {
            path.strip_prefix(self.prefix.as_str())
                .is_some_and(begins_own)
        })
    }
}

/// Whether what follows a site's prefix is ours. In any case of letters: an app may tell none apart.
fn begins_own(rest: &str) -> bool {
    rest.split_at_checked(OWN.len()).is_some_and(|(own, rest)| {
        own.eq_ignore_ascii_case(OWN) && (rest.is_empty() || rest.starts_with('/'))
    })
}

impl Gateway {
    /// Answers a request for a page of ours. Only those that log in and out, or end sessions, touch one.
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
        let asked = Asked {
            site,
            head,
            admitted,
            arrival,
            hops,
        };
        let page = site.own_page(&admitted.path);
        if let (Some(page), Some(oidc)) = (page, &site.oidc)
            && oidc::is_page(page)
        {
            return self.oidc_page((asked, oidc), page, body, line).await;
        }
        match (page, &site.form) {
            (Some("/session"), _) if self.has_session_page(site) => {
                self.session_page(asked, body, line).await
            }
            (Some("/resume"), _) if site.preserve_post > 0 && site.login_page.is_some() => {
                self.resume_page(asked, body, line).await
            }
            (Some("/jwks.json"), _) if site.stamp.asserts() => Ok(self.public_keys(&head.method)),
            (Some("/auth"), _) => self.auth(asked, line).await,
            (Some("/login"), Some(form)) => self.login_page((asked, form), body, line).await,
            (Some("/logout"), Some(_)) => self.logout_page(asked, line).await,
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
