//! What of a head says where a message ends. Each side of the gateway frames its own messages (RFC 9112, 6), so these
//! fields are written from the body that we really hold, and never passed on.

use bytes::{Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts as ResponseParts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};

use super::address::Address;
use super::body::Body;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Writes the framing of a request: `length` bytes, or chunks when it is not known.
pub(super) fn frame_request<B>(request: &mut Request<B>, length: Option<u64>) {
    *request.version_mut() = Version::HTTP_11;
    if request.uri().authority().is_some() || request.uri().path_and_query().is_none() {
        *request.uri_mut() = origin_form(request.uri());
    }
    let has_content = length != Some(0) || expects_content(request.method());
    let headers = request.headers_mut();
    headers.remove(TRANSFER_ENCODING);
    match length {
        None => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        // Apps ask for a length, be it zero, where content is usual (RFC 9110, 8.6).
        Some(length) if has_content => {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Some(_) => {
            headers.remove(CONTENT_LENGTH);
        }
    }
}

/// The head of `request` as HTTP/2 says it: `Host` becomes the authority, and the fields that belong to a connection of
/// HTTP/1.1 are left out (RFC 9113, 8.2.2 and 8.3.1).
///
/// # Errors
/// When `Host` is no authority.
pub(super) fn head_for_http_2(
    request: &Request<Body>,
    address: &Address,
) -> Result<Request<()>, http::Error> {
    let mut headers = request.headers().clone();
    let host = headers.remove(HOST);
    let scheme = match address {
        Address::Tls { .. } => Scheme::HTTPS,
        Address::H2c { .. } | Address::Tcp { .. } | Address::Unix(_) => Scheme::HTTP,
    };
    let authority = match &host {
        Some(host) => Authority::try_from(host.as_bytes())?,
        None => Authority::try_from(address.authority())?,
    };
    let path = request.uri().path_and_query().cloned();
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
        .build()?;
    for name in [
        CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
    ] {
        headers.remove(name);
    }
    if headers.get(TE).is_some_and(|te| te != "trailers") {
        headers.remove(TE);
    }
    match request.body().length() {
        None => drop(headers.remove(CONTENT_LENGTH)),
        Some(0) if !expects_content(request.method()) => drop(headers.remove(CONTENT_LENGTH)),
        Some(length) => drop(headers.insert(CONTENT_LENGTH, length.into())),
    }
    let mut head = Request::new(());
    head.method_mut().clone_from(request.method());
    *head.uri_mut() = uri;
    *head.version_mut() = Version::HTTP_2;
    *head.headers_mut() = headers;
    Ok(head)
}

/// The length that a head without a transfer coding tells.
pub(super) fn length_of(headers: &HeaderMap) -> Option<u64> {
    headers
        .contains_key(CONTENT_LENGTH)
        .then(|| stated_length(headers))
        .flatten()
}

/// Whether a response of `status` has no body, whatever its head says (RFC 9112, 6.3).
pub(super) fn is_bodiless(status: StatusCode) -> bool {
    status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED
}

/// Takes the framing out of a response that came over HTTP/2, where it can say nothing (RFC 9113, 8.2.2), but for a sound
/// length of what has content.
pub(super) fn unframe_response(head: &mut ResponseParts) {
    head.version = Version::HTTP_11;
    head.headers.remove(TRANSFER_ENCODING);
    if head.headers.contains_key(CONTENT_LENGTH) {
        let has_length = head.status != StatusCode::NO_CONTENT && !head.status.is_informational();
        match stated_length(&head.headers).filter(|_| has_length) {
            Some(stated) => drop(head.headers.insert(CONTENT_LENGTH, stated.into())),
            None => drop(head.headers.remove(CONTENT_LENGTH)),
        }
    }
}

/// Copies all values into one block of their own. As they come, they are slices of the connection's read buffer and keep
/// all of it alive, for as long as a header table of HTTP/2 remembers one of them.
pub(super) fn detach_values(headers: &mut HeaderMap) {
    let bytes = headers.values().map(HeaderValue::len).sum();
    let mut block = BytesMut::with_capacity(bytes);
    for value in headers.values() {
        block.extend_from_slice(value.as_bytes());
    }
    let mut block: Bytes = block.freeze();
    for value in headers.values_mut() {
        let copy = block.split_to(value.len());
        // The same bytes were a value before, so they are one again.
        if let Ok(copy) = HeaderValue::from_maybe_shared(copy) {
            *value = copy;
        }
    }
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned();
    Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
}

fn expects_content(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// What all of the length fields say, if they say the same.
fn stated_length(headers: &HeaderMap) -> Option<u64> {
    let mut stated = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        for item in value.to_str().ok()?.split(',') {
            let item = item.trim();
            if item.is_empty() || !item.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            let length: u64 = item.parse().ok()?;
            if stated.is_some_and(|other| other != length) {
                return None;
            }
            stated = Some(length);
        }
    }
    stated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(headers: &HeaderMap) -> Vec<String> {
        headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn a_request_is_framed_by_its_body_and_by_nothing_else() {
        let chunked = "transfer-encoding: chunked";
        let table: [(&str, &str, Option<u64>, &[&str]); 8] = [
            ("GET", "content-length: 7", Some(0), &[]),
            ("GET", "transfer-encoding: chunked", Some(0), &[]),
            ("GET", "x: y", None, &["x: y", chunked]),
            ("POST", "content-length: 9", None, &[chunked]),
            (
                "POST",
                "transfer-encoding: gzip",
                Some(3),
                &["content-length: 3"],
            ),
            ("POST", "content-length: 1", Some(3), &["content-length: 3"]),
            (
                "PUT",
                "transfer-encoding: chunked",
                Some(0),
                &["content-length: 0"],
            ),
            ("DELETE", "content-length: 0", Some(0), &[]),
        ];
        for (method, field, length, expected) in table {
            let (name, value) = field.split_once(": ").unwrap();
            let request = http::Request::builder()
                .method(method)
                .version(Version::HTTP_10)
                .header(name, value);
            let mut request = request.body(()).unwrap();
            frame_request(&mut request, length);
            assert_eq!(
                fields(request.headers()),
                expected,
                "{method} {field} {length:?}"
            );
            assert_eq!(request.version(), Version::HTTP_11);
        }
    }

    #[test]
    fn the_target_is_sent_in_origin_form() {
        let table = [
            ("https://shop.example/a?b=c", "/a?b=c"),
            ("https://shop.example", "/"),
            ("/a", "/a"),
            ("*", "*"),
        ];
        for (target, expected) in table {
            let mut request = http::Request::builder().uri(target).body(()).unwrap();
            frame_request(&mut request, Some(0));
            assert_eq!(request.uri().to_string(), expected);
        }
    }

    #[test]
    fn a_response_keeps_no_framing_but_a_sound_length() {
        let table: [(u16, &str, &[&str]); 6] = [
            (200, "content-length: 5", &["content-length: 5"]),
            (200, "content-length: 5, 5", &["content-length: 5"]),
            (200, "content-length: x", &[]),
            (304, "content-length: 9", &["content-length: 9"]),
            (204, "content-length: 5", &[]),
            (200, "transfer-encoding: chunked", &[]),
        ];
        for (status, field, expected) in table {
            let (name, value) = field.split_once(": ").unwrap();
            let response = http::Response::builder().status(status).header(name, value);
            let (mut head, ()) = response.body(()).unwrap().into_parts();
            unframe_response(&mut head);
            assert_eq!(fields(&head.headers), expected, "{status} {field}");
            assert_eq!(head.version, Version::HTTP_11);
        }
    }

    #[test]
    fn detached_values_say_the_same_and_hold_no_other_buffer() {
        let buffer = Bytes::from(vec![b'v'; 8192]);
        let mut headers = HeaderMap::new();
        for (name, range) in [("a", 0..5), ("b", 7..7), ("b", 9..12)] {
            let value = HeaderValue::from_maybe_shared(buffer.slice(range)).unwrap();
            headers.append(name, value);
        }
        assert!(!buffer.is_unique());

        detach_values(&mut headers);

        assert!(buffer.is_unique());
        assert_eq!(fields(&headers), ["a: vvvvv", "b: ", "b: vvv"]);
    }
}
