//! Fields that belong to one connection and end here (RFC 9110 7.6.1), and trailers that may not pass.
//!
//! Fields of ours are written after these functions ran: a visitor's `Connection: x-session-user` then finds nothing
//! to remove.

use http::header::{CONNECTION, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::fold::{NameList, remove_where};

/// What describes the body.
const DESCRIBES: [&str; 3] = ["content-length", "content-type", "transfer-encoding"];
const DESCRIBES_IN_ANY_SPELLING: NameList = NameList::new(&DESCRIBES, &[]);

/// Fields meant for the far end. A `Connection` field must not name them, so one that does is not obeyed: no hop may
/// take an app's `Host`, `Origin` or `Authorization` away by naming it.
const END_TO_END: NameList = NameList::new(
    &[
        "age",
        "allow",
        "authorization",
        "date",
        "etag",
        "expires",
        "forwarded",
        "from",
        "host",
        "last-modified",
        "location",
        "origin",
        "pragma",
        "range",
        "referer",
        "retry-after",
        "strict-transport-security",
        "trailer",
        "user-agent",
        "vary",
        "via",
        "www-authenticate",
        "x-frame-options",
        "x-request-id",
    ],
    &[
        "accept",
        "access-control",
        "cache-control",
        "clear-site-data",
        "content",
        "cookie",
        "cookie2",
        "cross-origin",
        "if",
        "sec",
        "set-cookie",
        "set-cookie2",
        "x-forwarded",
    ],
);

/// What RFC 9110 6.5.1 keeps out of trailers: framing, routing, request modifiers, authentication, response control
/// and how content is to be read.
const UNFIT_FOR_TRAILERS: NameList = NameList::new(
    &[
        "age",
        "authentication-info",
        "authorization",
        "cache-control",
        "clear-site-data",
        "connection",
        "cookie",
        "cookie2",
        "date",
        "expect",
        "expires",
        "forwarded",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "range",
        "referer",
        "refresh",
        "retry-after",
        "set-cookie",
        "set-cookie2",
        "strict-transport-security",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-http-method-override",
    ],
    &[
        "access-control",
        "content",
        "cross-origin",
        "http2",
        "if",
        "proxy",
        "sec",
    ],
);

/// Removes what ends here on the way to the app: the fields that `Connection` names, itself, its companions, and
/// `Expect`, which we answer ourselves. `TE: trailers` is the one thing that is put back, `Trailer` stays.
///
/// A `Content-Length` beside `Transfer-Encoding` goes too (RFC 9112 6.1): the body is what the coding said, and its
/// length, sent on alone, would be believed by the app. So does another spelling of what describes the body: a CGI-like
/// app reads `Content_Length` as `Content-Length`.
pub fn strip_request(headers: &mut HeaderMap) {
    let wants_trailers = tokens(headers, &TE).any(|token| is_token(token, "trailers"));
    strip_connection(headers, |name| {
        name == "expect" || (DESCRIBES_IN_ANY_SPELLING.holds(name) && !DESCRIBES.contains(&name))
    });
    if wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// Removes what ends here on the way to the visitor. `Trailer` stays.
pub fn strip_response(headers: &mut HeaderMap) {
    strip_connection(headers, |_| false);
}

/// Removes what concerns the connection, and what is `doomed` besides. The names that came are judged one by one: there
/// are fewer of them than of names that may not pass.
fn strip_connection(headers: &mut HeaderMap, doomed: impl Fn(&str) -> bool) {
    for name in nominated(headers) {
        headers.remove(name);
    }
    let is_coded = headers.contains_key(TRANSFER_ENCODING);
    remove_where(headers, |name| {
        ends_here(name) || (is_coded && name == "content-length") || doomed(name)
    });
}

fn ends_here(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
            | "proxy-authenticate"
            | "proxy-authorization"
    )
}

/// The fields that `Connection` names and that may go. Empty, and so free, for the usual `keep-alive` and `close`.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    tokens(headers, &CONNECTION)
        .filter(|token| {
            !["keep-alive", "close", "upgrade", "te", "transfer-encoding"]
                .iter()
                .any(|known| is_token(token, known))
        })
        .filter_map(|token| HeaderName::from_bytes(token).ok())
        .filter(|name| !END_TO_END.holds(name.as_str()))
        .collect()
}

/// Whether the request asks to become a WebSocket (RFC 6455 4.1): GET, HTTP/1.1, `Connection` with the token
/// `upgrade`, and `Upgrade` with `websocket` and nothing beside it.
pub fn is_websocket_upgrade(method: &Method, version: Version, headers: &HeaderMap) -> bool {
    if method != Method::GET || version != Version::HTTP_11 {
        return false;
    }
    names_websocket(headers) && tokens(headers, &CONNECTION).any(|token| is_token(token, "upgrade"))
}

/// Whether `Upgrade` says `websocket` and nothing beside it.
pub fn names_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = tokens(headers, &UPGRADE);
    let first = upgrades.next();
    first.is_some_and(|token| is_token(token, "websocket")) && upgrades.next().is_none()
}

/// Puts back the two fields of a WebSocket upgrade, after the strip and only when [`is_websocket_upgrade`] said so.
pub fn keep_websocket_upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether a trailer of this name must be dropped, in whatever spelling: an app that merges trailers into its headers
/// would take it for the real one.
pub fn is_unfit_for_trailers(name: &str) -> bool {
    UNFIT_FOR_TRAILERS.holds(name)
}

/// The comma-separated, trimmed, non-empty members of all fields of this name.
fn tokens<'a>(headers: &'a HeaderMap, name: &'a HeaderName) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|token| !token.is_empty())
}

fn is_token(token: &[u8], lower: &str) -> bool {
    token.eq_ignore_ascii_case(lower.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    fn names(headers: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn what_belongs_to_the_connection_ends_here() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Hop"),
            ("connection", "x-other , ,\u{9}close"),
            ("x-hop", "1"),
            ("x-other", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic eDp5"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABk"),
            ("expect", "100-continue"),
            ("trailer", "x-sum"),
            ("accept", "*/*"),
        ]);
        strip_request(&mut headers);
        assert_eq!(names(&headers), ["accept", "trailer"]);
    }

    #[test]
    fn a_nominated_end_to_end_field_stays() {
        for name in [
            "host",
            "cookie",
            "authorization",
            "content-type",
            "content-length",
            "x-forwarded-for",
            "x_forwarded_for",
            "origin",
            "sec-fetch-site",
            "if-none-match",
            "set-cookie",
            "cache-control",
        ] {
            let mut headers = map(&[(name, "1"), ("x-hop", "1")]);
            let nominated = format!("close, {}, x-hop", name.to_ascii_uppercase());
            headers.insert(CONNECTION, nominated.parse().unwrap());
            strip_request(&mut headers);
            assert_eq!(names(&headers), [name]);
        }
    }

    #[test]
    fn a_length_beside_a_coding_does_not_go_on() {
        let mut headers = map(&[("transfer-encoding", "chunked"), ("content-length", "5")]);
        strip_request(&mut headers);
        assert!(headers.is_empty());

        let mut headers = map(&[("content-length", "5")]);
        strip_response(&mut headers);
        assert_eq!(names(&headers), ["content-length"]);
    }

    #[test]
    fn only_trailers_is_left_of_te() {
        for (te, left) in [
            ("trailers", Some("trailers")),
            ("gzip;q=0.5, Trailers", Some("trailers")),
            ("trailersx", None),
            ("deflate", None),
        ] {
            let mut headers = map(&[("te", te), ("connection", "te")]);
            strip_request(&mut headers);
            let now = headers.get(TE).map(|value| value.to_str().unwrap());
            assert_eq!(now, left, "{te}");
        }
    }

    #[test]
    fn a_websocket_is_asked_for_in_one_way_only() {
        let good = &[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
        ];
        let get = Method::GET;
        assert!(is_websocket_upgrade(&get, Version::HTTP_11, &map(good)));
        assert!(!is_websocket_upgrade(&get, Version::HTTP_10, &map(good)));
        assert!(!is_websocket_upgrade(&get, Version::HTTP_2, &map(good)));
        assert!(!is_websocket_upgrade(
            &Method::POST,
            Version::HTTP_11,
            &map(good)
        ));
        for bad in [
            &[("connection", "close"), ("upgrade", "websocket")],
            &[("connection", "upgrade"), ("upgrade", "h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket, h2c")],
            &[("connection", "upgrade"), ("upgrade", "websocket/13")],
            &[("connection", "upgrade"), ("x-upgrade", "websocket")],
        ] {
            assert!(
                !is_websocket_upgrade(&get, Version::HTTP_11, &map(bad)),
                "{bad:?}"
            );
        }

        let mut headers = map(good);
        strip_request(&mut headers);
        assert!(headers.is_empty());
        keep_websocket_upgrade(&mut headers);
        assert_eq!(
            headers,
            map(&[("connection", "upgrade"), ("upgrade", "websocket")])
        );
    }

    #[test]
    fn trailers_carry_no_framing_routing_or_credentials() {
        for name in [
            "content-length",
            "content_length",
            "transfer-encoding",
            "host",
            "cookie",
            "set-cookie",
            "authorization",
            "proxy-authorization",
            "if-match",
            "sec-fetch-site",
        ] {
            assert!(is_unfit_for_trailers(name), "{name}");
        }
        for name in [
            "server-timing",
            "x-checksum",
            "digest",
            "grpc-status",
            "etag",
        ] {
            assert!(!is_unfit_for_trailers(name), "{name}");
        }
    }
}
