//! From finished settings to the service that tells who the visitors of a site are.

use std::sync::Arc;

use http::HeaderValue;

use super::fault::StartFault;
use super::named::headers;
use crate::config::settings;
use crate::cookie::service::ServiceCookies;
use crate::gateway::service::{Lately, Service};
use crate::login::forward::ForwardLogin;
use crate::upstream::{Tls, UpstreamSettings};

/// How many questions may be with the service at once, for each core.
const QUESTIONS_MAX: usize = 64;
/// The largest head of an answer. Session cookies of such services are long, and it is as much as we take from visitors.
const HEADER_BYTES_MAX: usize = 32 << 10;

/// The service of the site at `at`, if it asks one.
pub(super) fn service(
    at: usize,
    namer: Option<&settings::Namer>,
) -> Result<Option<Service>, StartFault> {
    let Some(settings::Namer::Forward(settings)) = namer else {
        return Ok(None);
    };
    let tls = settings.tls.as_ref().map(|tls| {
        Tls::new(tls).map_err(|source| StartFault::UpstreamTls {
            key: format!("site[{at}].login.ca_file"),
            way_out: source.way_out(tls).1,
            source: Box::new(source),
        })
    });
    let authority = settings.address.authority();
    let host = HeaderValue::try_from(&authority).map_err(|_| StartFault::Setting {
        key: format!("site[{at}].login.url"),
        why: format!("{authority:?} is no host"),
    })?;
    Ok(Some(Service {
        login: ForwardLogin {
            headers: headers(&settings.headers),
            recheck: settings.recheck,
            scope: settings.scope,
        },
        cookies: ServiceCookies::new(settings.cookies.clone()),
        upstream: Arc::new(UpstreamSettings {
            connect_timeout: settings.timeout,
            response_timeout: settings.timeout,
            body_timeout: settings.timeout,
            connections: QUESTIONS_MAX,
            header_bytes: HEADER_BYTES_MAX,
            tls: tls.transpose()?,
            ..UpstreamSettings::new(settings.address.clone())
        }),
        target: settings.target.clone(),
        host,
        timeout: settings.timeout,
        lately: Lately::default(),
    }))
}
