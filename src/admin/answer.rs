//! What each path answers. Nothing here changes anything, and nothing of a visitor is shown.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::{Admin, metrics};

const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Prometheus' text format.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// The answer to `request`.
pub(super) fn answer<B>(admin: &Admin, request: &Request<B>) -> Response<Full<Bytes>> {
    let show: fn(&Admin) -> Response<Full<Bytes>> = match request.uri().path() {
        "/livez" => |_| text(StatusCode::OK, PLAIN, "live\n"),
        "/readyz" => |admin| readiness(&(admin.obstacles)()),
        "/metrics" => |admin| text(StatusCode::OK, METRICS, metrics::written(admin)),
        _ => return text(StatusCode::NOT_FOUND, PLAIN, "There is nothing here.\n"),
    };
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return show(admin);
    }
    let why = "This can only be read.\n";
    let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, PLAIN, why);
    let allowed = HeaderValue::from_static("GET, HEAD");
    refused.headers_mut().insert(ALLOW, allowed);
    refused
}

fn readiness(obstacles: &[String]) -> Response<Full<Bytes>> {
    if obstacles.is_empty() {
        return text(StatusCode::OK, PLAIN, "ready\n");
    }
    let lines: String = obstacles.iter().map(|line| format!("{line}\n")).collect();
    text(StatusCode::SERVICE_UNAVAILABLE, PLAIN, lines)
}

fn text(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
