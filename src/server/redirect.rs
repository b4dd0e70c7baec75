//! The plain listener: it sends visitors to https and serves nothing.
//!
//! Only GET and HEAD are sent on. Whatever else came here has already crossed the network in the clear, and a
//! client that learns so by an error is mended sooner than one that is silently redirected.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;

use crate::gateway::refusal::message_status;
use crate::gateway::site::is_host;
use crate::headers::strict::Fault;

/// No DNS name is longer (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// Answers a plain request: 308 to the same path on https, 403 for a method that may change something, 400 when it
/// does not say in one plain name which host it means. `port` is that of https; 443 is not written out.
pub fn redirect<B>(request: &Request<B>, port: u16, hosts: &[String]) -> Response<Full<Bytes>> {
    if let Some(fault) = request.extensions().get::<Fault>() {
        return refuse(message_status(fault), "The request is malformed.\n");
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return refuse(
            StatusCode::FORBIDDEN,
            "This service speaks https only, and only GET and HEAD are redirected.\n",
        );
    }
    let host = host(request.uri(), request.headers());
    // A link is built for hosts of ours alone, or anybody could have us send visitors anywhere.
    let is_ours = |host: &str| {
        hosts
            .iter()
            .any(|ours| is_host(host.to_ascii_lowercase().trim_end_matches('.'), ours))
    };
    if host.is_some_and(|host| !is_ours(host)) {
        return refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "This host is not served here.\n",
        );
    }
    let target = host.and_then(|host| location(host, port, request.uri()));
    let Some(target) = target else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "The Host field is missing or bad.\n",
        );
    };
    let mut response = text("Moved to https.\n");
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, target);
    response
}

/// The host that the request names, without its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let mut fields = headers.get_all(HOST).iter();
    let field = fields.next();
    if fields.next().is_some() {
        return None;
    }
    // The absolute form outranks the field (RFC 9112, 3.2.2).
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => field?.to_str().ok()?,
    };
    let (host, port) = split_port(authority)?;
    let port_is_fine = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    (port_is_fine && is_plain_host(host)).then_some(host)
}

fn split_port(authority: &str) -> Option<(&str, Option<&str>)> {
    let end_of_host = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']')?.checked_add(2)?,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at_checked(end_of_host)?;
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port))),
        None => rest.is_empty().then_some((host, None)),
    }
}

/// A DNS name, an IPv4 address or an IPv6 address in brackets. `_` is let through: such names are in use.
fn is_plain_host(host: &str) -> bool {
    if let Some(literal) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return literal.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= LABEL_BYTES_MAX && label.bytes().all(plain)
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

fn location(host: &str, port: u16, uri: &Uri) -> Option<HeaderValue> {
    let authority = match port {
        443 => host.to_owned(),
        _ => format!("{host}:{port}"),
    };
    // Only what the http crate reads as an authority goes into a link of ours.
    let authority: Authority = authority.parse().ok()?;
    let path = match uri.path_and_query() {
        Some(path) if path.as_str().starts_with('/') => path.as_str(),
        // `GET http://example.com?x` has a query and no path.
        Some(path) if path.as_str().starts_with('?') => {
            return HeaderValue::try_from(format!("https://{authority}/{path}")).ok();
        }
        Some(_) => return None,
        None => "/",
    };
    HeaderValue::try_from(format!("https://{authority}{path}")).ok()
}

fn refuse(status: StatusCode, why: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(why);
    *response.status_mut() = status;
    // The rest of what was sent is not worth reading.
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn text(body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<String> {
        ["example.com", "127.0.0.1", "[::1]", "*.example"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn a_host_that_is_not_ours_is_never_linked_to() {
        for (target, host) in [("/a", "evil.test"), ("http://evil.test/a", "example.com")] {
            assert_eq!(
                ask("GET", target, &[host], 443),
                (421, String::new()),
                "{target} {host}"
            );
        }
    }

    fn ask(method: &str, target: &str, hosts: &[&str], port: u16) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(target);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let response = redirect(&request.body(()).unwrap(), port, &ours());
        let location = response.headers().get(LOCATION);
        let location = location.map_or("", |location| location.to_str().unwrap());
        assert_eq!(
            response.headers().contains_key(CONNECTION),
            response.status() != StatusCode::PERMANENT_REDIRECT
        );
        (response.status().as_u16(), location.to_owned())
    }

    #[test]
    fn get_and_head_are_sent_to_https() {
        for (method, target, host, port, expected) in [
            ("GET", "/", "example.com", 443, "https://example.com/"),
            (
                "HEAD",
                "/a?b=c",
                "example.com",
                443,
                "https://example.com/a?b=c",
            ),
            (
                "GET",
                "/",
                "example.com:80",
                8443,
                "https://example.com:8443/",
            ),
            (
                "GET",
                "/",
                "127.0.0.1:8080",
                8443,
                "https://127.0.0.1:8443/",
            ),
            ("GET", "/", "[::1]:8080", 8443, "https://[::1]:8443/"),
            ("GET", "/", "[::1]", 443, "https://[::1]/"),
            (
                "GET",
                "//evil.example/x",
                "a.example",
                443,
                "https://a.example//evil.example/x",
            ),
            (
                "GET",
                "http://b.example/x",
                "a.example",
                443,
                "https://b.example/x",
            ),
            ("GET", "/", "a_b.example.", 443, "https://a_b.example./"),
        ] {
            assert_eq!(
                ask(method, target, &[host], port),
                (308, expected.to_owned()),
                "{method} {target} {host}"
            );
        }
    }

    #[test]
    fn other_methods_are_refused() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            assert_eq!(ask(method, "/", &["example.com"], 443).0, 403, "{method}");
        }
    }

    #[test]
    fn a_host_that_is_not_one_plain_name_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        for hosts in [
            &[][..],
            &[""],
            &["a.example", "a.example"],
            &["a.example, b.example"],
            &["user@evil.example"],
            &["a.example/evil"],
            &["a.example#evil"],
            &["a.example\\evil"],
            &["a.example:"],
            &["a.example:0"],
            &["a.example:port"],
            &["a.example:80:80"],
            &["a.example:99999"],
            &["[::1"],
            &["[::1]x"],
            &["[evil]"],
            &["::1"],
            &["a..example"],
            &["."],
            &["a%2eexample"],
            &["a example"],
            &[long.as_str()],
        ] {
            assert_eq!(ask("GET", "/", hosts, 443).0, 400, "{hosts:?}");
        }
    }
}
