//! One question to a login service, and what it says.

use std::mem::take;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, HOST, HeaderName, ORIGIN, REFERER, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};
use http_body_util::BodyExt as _;

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::named::Promised;
use super::super::refusal::Refusal;
use super::{Naming, Service, ServiceFault};
use crate::base::meter::Count;
use crate::headers::forwarded::Origin;
use crate::headers::original;
use crate::login::forward::{Said, Unsaid};
use crate::upstream::Body;

/// How much of what it says to people is read.
const PAGE_BYTES_MAX: usize = 64 << 10;

/// What of the visitor's head the service is told as it came: who asks for what in which way, and proof that is none of
/// ours. Whatever else came may be for the app alone, or made up to be taken for something that we say.
const TOLD: [HeaderName; 10] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    AUTHORIZATION,
    ORIGIN,
    REFERER,
    USER_AGENT,
    HeaderName::from_static("x-requested-with"),
    HeaderName::from_static("sec-fetch-mode"),
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-site"),
];

impl Gateway {
    /// What the service says of whoever sends the request. `cookies` are its own. Those that it sets are promised to the
    /// visitor, whatever it says.
    pub(super) async fn ask_service(
        &self,
        service: &Service,
        naming: &Naming<'_>,
        cookies: Option<HeaderValue>,
        promised: &mut Promised,
        line: &Line,
    ) -> Result<Said, Refusal> {
        self.meter.count(Count::ServiceAsked);
        let question = self.question(service, naming, cookies, line);
        let exchange = exchange(service, naming, question);
        // One deadline for all of it: each part has its own, and together they could take for ever.
        let answer = tokio::time::timeout(service.timeout, exchange).await;
        let answer = answer.map_err(|_| ServiceFault::Late).flatten();
        let (said, headers) = answer.map_err(|fault| Refusal::Service(Box::new(fault)))?;
        promised.cookies = self.take_cookies(service, naming, &headers, line);
        match said {
            Ok(said) => Ok(said),
            // It let somebody pass whom it cannot name in a way that we could read: that is nobody.
            Err(Unsaid::Unnamed(reason)) => {
                self.meter.count(Count::NamesRefused);
                let request_id = &*line.request_id;
                let site = &*naming.site.name;
                tracing::warn!(request_id, site, %reason, "nobody is logged in: who is named cannot be told");
                Ok(Said::Nobody)
            }
            Err(unsaid) => {
                promised.cookies = Vec::new();
                Err(Refusal::Service(Box::new(unsaid.into())))
            }
        }
    }

    /// A GET without a body, with nothing of the app's and nothing of ours in it.
    fn question(
        &self,
        service: &Service,
        naming: &Naming<'_>,
        cookies: Option<HeaderValue>,
        line: &Line,
    ) -> Request<Body> {
        let mut headers = HeaderMap::new();
        for name in TOLD {
            for value in naming.head.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let authority = &naming.admitted.authority;
        let origin = Origin {
            peer: naming.arrival.peer.ip(),
            host: authority,
            port: naming.arrival.local.port(),
            version: line.version,
        };
        self.forwarded
            .write(&mut headers, naming.hops, &origin, &line.request_id);
        original::write(
            &mut headers,
            &naming.head.method,
            naming.target(),
            authority,
        );
        headers.insert(HOST, service.host.clone());
        headers.extend(cookies.map(|cookies| (COOKIE, cookies)));
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = Uri::from(service.target.clone());
        *request.headers_mut() = headers;
        request
    }
}

type Heard = (Result<Said, Unsaid>, HeaderMap);

async fn exchange(
    service: &Service,
    naming: &Naming<'_>,
    question: Request<Body>,
) -> Result<Heard, ServiceFault> {
    let answer = naming.pool.send(&service.upstream, question).await?;
    let (mut head, body) = answer.into_parts();
    let said = service.login.hear(head.status, &head.headers);
    let body = read(body).await;
    let said = match (said, body) {
        (Ok(Said::No(no)), Some(body)) => Ok(Said::No(no.showing(&head.headers, body))),
        (said, _) => said,
    };
    Ok((said, take(&mut head.headers)))
}

/// All of a short body, so that the connection can be used again; `None` for a long or a broken one. What the answer says
/// stands in its head.
async fn read(mut body: Body) -> Option<Bytes> {
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        if all.len() + data.len() > PAGE_BYTES_MAX {
            return None;
        }
        all.extend_from_slice(&data);
    }
    Some(all.freeze())
}
