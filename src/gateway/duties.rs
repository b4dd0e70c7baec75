//! What HTTP asks of whoever stands in between: hops that are counted, tunnels that are translated, HEAD without a body.

use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HeaderName, HeaderValue, MAX_FORWARDS,
    STRICT_TRANSPORT_SECURITY,
};
use http::request::Parts;
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body as _;

use super::admit::{AdmitFault, is_websocket_connect};
use super::refusal::Refusal;
use crate::base::meter::{Count, Meter};
use crate::headers::websocket::Handshake;
use crate::headers::{early, hop};
use crate::upstream::visitor::Aside;
use crate::upstream::{Body, UpstreamFault};

/// What is served here, for an OPTIONS that may not go on to an app.
const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Counts this hop off an OPTIONS request that counts them. An answer of our own if it may go no further (RFC 9110
/// 7.6.2). Other methods are not counted, and TRACE is not served.
///
/// # Errors
/// [`AdmitFault::MaxForwards`] when it counts in a way that the next hop may read differently.
pub(super) fn count_hop(head: &mut Parts) -> Result<Option<Response<Body>>, AdmitFault> {
    if head.method != Method::OPTIONS || !head.headers.contains_key(MAX_FORWARDS) {
        return Ok(None);
    }
    let mut counts = head.headers.get_all(MAX_FORWARDS).iter();
    let text = match (counts.next(), counts.next()) {
        (Some(count), None) => count.to_str().ok(),
        _ => None,
    };
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let left: u32 = digits
        .and_then(|text| text.parse().ok())
        .ok_or(AdmitFault::MaxForwards)?;
    if let Some(left) = left.checked_sub(1) {
        head.headers.insert(MAX_FORWARDS, left.into());
        return Ok(None);
    }
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let fields: [(HeaderName, _); 2] = [(ALLOW, METHODS), (CACHE_CONTROL, "no-store")];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(fields);
    Ok(Some(answer))
}

/// Makes a WebSocket that is asked for over HTTP/2 one that the app knows. From here on it is the GET of HTTP/1.1, so
/// that no later step can forget to treat it as one.
pub(super) fn begin_websocket(head: &mut Parts) -> Option<Handshake> {
    if is_websocket_connect(head) {
        return Some(Handshake::begin(head));
    }
    let upgrades = hop::is_websocket_upgrade(&head.method, head.version, &head.headers);
    upgrades.then(|| Handshake::of_visitor(&head.headers))
}

/// Looks at an app's answer as far as it opens a WebSocket. For a visitor who asked over HTTP/2 the app's `101` becomes a
/// `200`.
///
/// # Errors
/// When the app switches to something else, did not prove that it speaks WebSocket, or answers with a success that the
/// visitor would take for an open one.
pub(super) fn accept_upgrade(
    handshake: Option<&Handshake>,
    response: &mut Response<Body>,
) -> Result<(), Refusal> {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switches && !hop::names_websocket(response.headers()) {
        return Err(UpstreamFault::UnaskedUpgrade.into());
    }
    let Some(handshake) = handshake else {
        return Ok(());
    };
    if switches {
        if !handshake.finish(response.headers_mut()) {
            return Err(Refusal::NoWebSocket);
        }
        if handshake.is_ours() {
            *response.status_mut() = StatusCode::OK;
        }
    } else if handshake.is_ours() && response.status().is_success() {
        return Err(Refusal::NoWebSocket);
    }
    Ok(())
}

/// Passes on to the visitor what an app says before its answer, as far as it is a hint and nothing else.
pub(super) fn hint_to<'a>(aside: &'a Aside, meter: &'a Meter) -> impl Fn(HeaderMap) + 'a {
    |mut fields| {
        early::screen(&mut fields);
        if !fields.is_empty() && aside.hint(fields) {
            meter.count(Count::EarlyHints);
        }
    }
}

/// What every answer has, whoever made it: HSTS if it is configured, and no body if HEAD was asked. HTTP/1.1 holds that back
/// by itself, HTTP/2 does not.
pub(super) fn round_off(
    response: &mut Response<Body>,
    method: &Method,
    hsts: Option<&HeaderValue>,
) {
    if let Some(hsts) = hsts {
        let hsts = hsts.clone();
        response
            .headers_mut()
            .insert(STRICT_TRANSPORT_SECURITY, hsts);
    }
    if method != Method::HEAD || response.body().is_end_stream() {
        return;
    }
    if let Some(length) = response.body().size_hint().exact() {
        response
            .headers_mut()
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    *response.body_mut() = Body::empty();
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn options(counts: &[&str]) -> Parts {
        let mut request = Request::builder().method(Method::OPTIONS).uri("/");
        for count in counts {
            request = request.header(MAX_FORWARDS, *count);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn hops_are_counted_down_and_the_last_one_answers() {
        for (count, next) in [("1", "0"), ("10", "9"), ("007", "6")] {
            let mut head = options(&[count]);
            assert!(count_hop(&mut head).unwrap().is_none());
            assert_eq!(head.headers[MAX_FORWARDS], next);
        }
        let answer = count_hop(&mut options(&["0"])).unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert!(answer.headers()[ALLOW].to_str().unwrap().contains("GET"));
    }

    #[test]
    fn a_count_that_is_none_is_refused() {
        let bad: [&[&str]; 6] = [
            &[""],
            &["-1"],
            &["+1"],
            &["1, 1"],
            &["1", "1"],
            &["4294967296"],
        ];
        for counts in bad {
            let fault = count_hop(&mut options(counts)).unwrap_err();
            assert_eq!(fault, AdmitFault::MaxForwards, "{counts:?}");
        }
    }

    #[test]
    fn other_methods_are_not_counted() {
        let mut head = options(&["0"]);
        head.method = Method::GET;
        assert!(count_hop(&mut head).unwrap().is_none());
        assert_eq!(head.headers[MAX_FORWARDS], "0");
    }

    #[test]
    fn an_answer_to_head_tells_its_length_and_has_no_body() {
        let mut answer = Response::new(Body::full("four"));
        round_off(&mut answer, &Method::GET, None);
        assert!(!answer.body().is_end_stream());
        round_off(&mut answer, &Method::HEAD, None);
        assert!(answer.body().is_end_stream());
        assert_eq!(answer.headers()[CONTENT_LENGTH], "4");
    }
}
