//! What each path answers. Nothing here changes anything but by a reload or a drain, and nothing of a visitor is shown.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::sync::Notify;

use super::door::Page;
use super::host::Hosts;
use super::watching::Watching;
use super::{Admin, Coming, metrics, reload, upstreams};
use crate::base::meter::Count;

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Prometheus' text format.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// One JSON value a line.
const JSON_LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const REALM: HeaderValue = HeaderValue::from_static("Bearer realm=\"cloakroom\"");

/// What machines ask begins with it, and is answered in JSON.
const API: &str = "/api/";
const LEARN: &str = "/api/v1/learn";

/// A text, or what goes on until somebody has seen enough.
pub(super) type Body = Either<Full<Bytes>, Watching>;

/// An answer that is there, or one that is worked on.
pub(super) enum Answer {
    Now(Box<Response<Body>>),
    Reload(Coming),
}

impl Answer {
    /// Waits for it.
    pub(super) async fn come(self) -> Response<Body> {
        match self {
            Self::Now(answer) => *answer,
            Self::Reload(coming) => {
                let outcome = coming.await;
                let status = match &outcome {
                    None => StatusCode::SERVICE_UNAVAILABLE,
                    Some(outcome) if outcome.faults.is_empty() => StatusCode::OK,
                    Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
                };
                let told = reload::told(outcome.as_ref());
                text(status, JSON, format!("{told}\n")).map(Either::Left)
            }
        }
    }
}

/// The answer to `request`, which `peer` sends. A body that goes on tells `taken` each time that more of it is taken.
pub(super) fn answer<B>(
    admin: &Arc<Admin>,
    hosts: Hosts,
    request: &Request<B>,
    peer: &str,
    taken: Arc<Notify>,
) -> Answer {
    // RFC 9112 3.2.
    if request.version() == Version::HTTP_11 && !request.headers().contains_key(HOST) {
        let why = "an HTTP/1.1 request says which Host it is for\n";
        return Answer::Now(Box::new(
            text(StatusCode::BAD_REQUEST, PLAIN, why).map(Either::Left),
        ));
    }
    if !hosts.take(request.headers()) {
        return Answer::Now(Box::new(misdirected().map(Either::Left)));
    }
    let path = request.uri().path();
    let page = Page::at(path);
    let door = admin.door.current();
    if !door.is_open(page) && !door.takes(request.headers()) {
        return Answer::Now(Box::new(unauthorized(admin, path).map(Either::Left)));
    }
    let read = [Method::GET, Method::HEAD];
    let answer = match page {
        Some(_) if !read.contains(request.method()) => not_allowed("GET, HEAD").map(Either::Left),
        Some(page) => show(admin, page).map(Either::Left),
        None if path == reload::PATH && request.method() == Method::POST => {
            let by = "POST /api/v1/reload";
            tracing::info!(
                by,
                peer,
                "reloading the configuration, the certificates and the keys"
            );
            return Answer::Reload((admin.reload)());
        }
        None if path == reload::PATH => not_allowed("POST").map(Either::Left),
        None if path.starts_with(upstreams::LIST) => {
            let answer = upstreams::answer(admin, request.method(), path, request.uri().query());
            answer.unwrap_or_else(nothing).map(Either::Left)
        }
        None if path != LEARN => nothing().map(Either::Left),
        None if request.method() != Method::GET => not_allowed("GET").map(Either::Left),
        None => {
            let query = request.uri().query().unwrap_or_default();
            learn(admin, query, peer, taken)
        }
    };
    Answer::Now(Box::new(answer))
}

fn misdirected() -> Response<Full<Bytes>> {
    let why = "server.admin answers to localhost, to loopback addresses and to the address where it listens\n";
    text(StatusCode::MISDIRECTED_REQUEST, PLAIN, why)
}

fn show(admin: &Admin, page: Page) -> Response<Full<Bytes>> {
    match page {
        Page::Livez => text(StatusCode::OK, PLAIN, "live\n"),
        Page::Readyz => readiness(&(admin.obstacles)(), &(admin.config)().notes()),
        Page::Metrics => text(StatusCode::OK, METRICS, metrics::written(admin)),
    }
}

/// `notes`: what keeps no visitor away.
fn readiness(obstacles: &[String], notes: &str) -> Response<Full<Bytes>> {
    if obstacles.is_empty() {
        return text(StatusCode::OK, PLAIN, format!("ready\n{notes}"));
    }
    let lines: String = obstacles.iter().map(|line| format!("{line}\n")).collect();
    text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, lines + notes)
}

/// A watch over the cookies of the site that `query` names, for `peer`.
fn learn(admin: &Arc<Admin>, query: &str, peer: &str, taken: Arc<Notify>) -> Response<Body> {
    let refuse = |status, why: serde_json::Value| text(status, JSON, format!("{why}\n"));
    let wanted = query
        .split('&')
        .find_map(|pair| pair.strip_prefix("site="))
        .map(|name| percent_decode_str(name).decode_utf8_lossy());
    let gateway = admin.gateway.current();
    let mut sites = gateway.site_names();
    let Some(site) = sites.find(|name| wanted.as_deref() == Some(&***name)) else {
        let error = match wanted {
            Some(_) => "there is no site of that name",
            None => "name a site: /api/v1/learn?site=NAME",
        };
        let sites: Vec<&str> = gateway.site_names().map(|name| &**name).collect();
        let why = json!({ "error": error, "sites": sites });
        return refuse(StatusCode::NOT_FOUND, why).map(Either::Left);
    };
    let looking = match gateway.observers().look(Arc::clone(site)) {
        Ok(looking) => looking,
        Err(crowded) => {
            let why = json!({ "error": crowded.to_string() });
            return refuse(StatusCode::TOO_MANY_REQUESTS, why).map(Either::Left);
        }
    };
    let watching = Watching::new((Arc::clone(site), peer), looking, (admin.draining)(), taken);
    dressed(StatusCode::OK, JSON_LINES, Either::Right(watching))
}

fn nothing() -> Response<Full<Bytes>> {
    text(StatusCode::NOT_FOUND, PLAIN, "There is nothing here.\n")
}

/// Says where the token is, and not what it is.
fn unauthorized(admin: &Admin, path: &str) -> Response<Full<Bytes>> {
    admin.meter.count(Count::AdminRefusals);
    let door = admin.door.current();
    door.note_refusal(path, admin.clock.now());
    let hint = door.hint();
    let mut refused = if path.starts_with(API) {
        let why = json!({ "error": hint });
        text(StatusCode::UNAUTHORIZED, JSON, format!("{why}\n"))
    } else {
        text(StatusCode::UNAUTHORIZED, PLAIN, format!("{hint}\n"))
    };
    refused.headers_mut().insert(WWW_AUTHENTICATE, REALM);
    refused
}

pub(super) fn not_allowed(methods: &'static str) -> Response<Full<Bytes>> {
    let why = format!("This takes {methods}.\n");
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, why);
    let allowed = HeaderValue::from_static(methods);
    refused.headers_mut().insert(ALLOW, allowed);
    refused
}

pub(super) fn text(
    status: StatusCode,
    kind: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    dressed(status, kind, Full::new(body.into()))
}

fn dressed<B>(status: StatusCode, kind: HeaderValue, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
