//! `site.sign_requests`: what holds an assertion to the one request that it came with.
//!
//! The body is part of it where it is short and its length was told beforehand; it is waited for then. One that streams
//! goes up as it comes, and what the signature does not cover the app can see.

use http::request::Parts;

use super::Gateway;
use super::access_log::Line;
use super::refusal::Refusal;
use super::site::Site;
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::headers::signature::{Base, CONTENT_DIGEST, Signer, digest};
use crate::upstream::Body;

/// The longest body that is waited for; forms are shorter.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// How long a signature is good for. It is made for this request and sent at once.
const LIFE_SECS: u64 = 60;

impl Gateway {
    /// Signs the request that `head` and `body` are, if it tells an assertion.
    ///
    /// # Errors
    /// The body is refused, or did not come.
    pub(super) async fn sign(
        &self,
        site: &Site,
        head: &mut Parts,
        body: &mut Body,
        line: &Line,
    ) -> Result<(), Refusal> {
        if site.stamp.signed(&head.headers).is_none() {
            return Ok(());
        }
        if body.length().is_some_and(|bytes| bytes <= BODY_BYTES_MAX) {
            body.hold(usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX))
                .await?;
            if let Some(digest) = body.held().and_then(digest) {
                head.headers.insert(CONTENT_DIGEST, digest);
            }
        }
        if self.write_signature(site, head, line).is_some() {
            self.meter.count(Count::RequestsSigned);
        } else {
            self.meter.count(Count::AssertionsFailed);
            let (request_id, site) = (&*line.request_id, &*site.name);
            tracing::warn!(request_id, site, "a request could not be signed");
        }
        Ok(())
    }

    fn write_signature(&self, site: &Site, head: &mut Parts, line: &Line) -> Option<()> {
        // Not the time of the request: its body may have come since.
        let now = self.clock.now();
        let ring = self.desk.ring.load();
        let key = ring.assertion_key(now)?;
        let signer = Signer {
            key_id: key.id(),
            created: now,
            expires: Time::from_secs(now.as_secs() + LIFE_SECS),
            nonce: &line.request_id,
        };
        let told = site.stamp.signed(&head.headers)?;
        let digest = CONTENT_DIGEST;
        let fields = told.chain(std::iter::once(&digest));
        let base = Base::of((&head.method, &head.uri, &head.headers), fields, &signer)?;
        let signature = key.sign_bytes(base.as_bytes())?;
        base.write(signature.as_ref(), &mut head.headers)
            .then_some(())
    }
}
