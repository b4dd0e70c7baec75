//! What came to one of the pages: from whom, and what a form says.

use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt as _;
use zeroize::Zeroizing;

use super::super::admit::Admitted;
use super::super::refusal::Refusal;
use super::super::site::Site;
use super::super::{Arrival, Gateway};
use crate::base::secret::Secret;
use crate::headers::fetch::Provenance;
use crate::headers::forwarded::Hops;
use crate::login::form::Typed;
use crate::login::typed::{self, Unread};
use crate::upstream::visitor::Incoming;
use crate::upstream::{Body, BodyLimits};

/// The largest form, in bytes.
const BODY_BYTES_MAX: u64 = 8 << 10;
/// What a browser says of a request for a page, where it says something.
const NAVIGATION: [(&str, &str); 2] = [
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
];

/// A request for a page of ours.
#[derive(Clone, Copy)]
pub(in super::super) struct Asked<'a> {
    pub(in super::super) site: &'a Site,
    pub(in super::super) head: &'a Parts,
    pub(in super::super) admitted: &'a Admitted,
    pub(in super::super) arrival: &'a Arrival,
    pub(in super::super) hops: &'a Hops,
}

impl Asked<'_> {
    /// Refuses whoever is no person, as far as the browser tells.
    pub(in super::super) fn is_for_people(&self) -> Result<(), Refusal> {
        let headers: &HeaderMap = &self.head.headers;
        let says =
            |(name, value): (&str, &str)| headers.get_all(name).iter().all(|sent| sent == value);
        if NAVIGATION.into_iter().all(says) {
            Ok(())
        } else {
            Err(Refusal::NotNavigated)
        }
    }

    /// Where it comes from, other hosts of the site counting as foreign.
    pub(in super::super) fn provenance(&self) -> Provenance {
        let own = format!("https://{}", self.admitted.authority);
        Provenance::of(&self.head.method, &self.head.headers, |origin| {
            origin.eq_ignore_ascii_case(&own)
        })
    }
}

/// What a form says.
pub(super) struct Filled {
    pub typed: Typed,
    pub return_to: String,
    pub token: String,
}

impl Filled {
    /// # Errors
    /// When it cannot be read in one way.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unread> {
        let value = |field| typed::value(body, field);
        let user = value("user")?.ok_or(Unread::Missing)?;
        let password = value("password")?.ok_or(Unread::Missing)?;
        let code = value("code")?.unwrap_or(Secret::new(String::new()));
        let text = |field| Ok(value(field)?.map_or_else(String::new, |text| text.expose().clone()));
        Ok(Self {
            typed: Typed {
                user: user.expose().trim().to_owned(),
                password,
                code,
            },
            return_to: text("return_to")?,
            token: text("token")?,
        })
    }
}

impl Gateway {
    /// The body of a form, whole.
    pub(in super::super) async fn read_form(
        &self,
        body: Incoming,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let most = self.body_limits.bytes_max.unwrap_or(BODY_BYTES_MAX);
        let limits = BodyLimits {
            bytes_max: Some(most.min(BODY_BYTES_MAX)),
            ..self.body_limits
        };
        let mut body = Body::visitor(body, limits).refusing_trailers();
        // Made as large as it can get at once: a vector that grows leaves copies behind that nobody wipes.
        let mut bytes = Zeroizing::new(Vec::with_capacity(BODY_BYTES_MAX as usize));
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            if let Ok(data) = frame.into_data() {
                bytes.extend_from_slice(&data);
            }
        }
        Ok(bytes)
    }
}
