//! What an app says before its answer, `103 Early Hints` (RFC 8297), on its way to the visitor.
//!
//! A hint is for the browser to fetch things early: `Link` above all. It is no answer, so nothing in it may act as one.

use http::HeaderMap;

use super::{directive, fold, hop};

/// Removes what may not go on: what a trailer may not hold either, as cookies, lengths and what steers the answer; what
/// ends at this connection; and every name of ours. The policy that hinted things are fetched under stays. An app that asks for
/// something here asks too early: it is not heard.
pub fn screen(headers: &mut HeaderMap) {
    hop::strip_response(headers);
    drop(directive::take(headers));
    fold::remove_where(headers, |name| {
        hop::is_unfit_for_trailers(name) && !name.starts_with("content-security-policy")
    });
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn a_hint_brings_links_and_nothing_that_acts() {
        let rows = [
            ("link", true),
            ("content-security-policy", true),
            ("x-app", true),
            ("set-cookie", false),
            ("set_cookie", false),
            ("set-cookie2", false),
            ("x-session-login", false),
            ("x_session_logout", false),
            ("connection", false),
            ("x-hop", false),
            ("transfer-encoding", false),
            ("content-length", false),
            ("location", false),
            ("clear-site-data", false),
            ("strict-transport-security", false),
        ];
        let mut headers = HeaderMap::new();
        for (name, _) in rows {
            let value = if name == "connection" { "x-hop" } else { "1" };
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        screen(&mut headers);
        for (name, passes) in rows {
            assert_eq!(headers.contains_key(name), passes, "{name}");
        }
    }
}
