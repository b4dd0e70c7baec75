//! A page of ours for people as it is sent, and text as it stands in one.

use std::fmt;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::upstream::Body;

/// What it is sent as.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// A page of ours as it is sent: it may do what `policy` says, is in no frame, and no cache keeps it.
pub(super) fn whole(status: StatusCode, html: String, policy: &HeaderValue) -> Response<Body> {
    let mut answer = Response::new(Body::full(html));
    *answer.status_mut() = status;
    let fields = [
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // The form's own Origin is told, and nobody else learns where the visitor was going.
        (REFERRER_POLICY, "same-origin"),
        // A page of the app that opened it in a window cannot look into it.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    let headers = answer.headers_mut();
    headers.extend(fields);
    headers.insert(CONTENT_TYPE, HTML);
    headers.insert(CONTENT_SECURITY_POLICY, policy.clone());
    answer
}

/// Text as it stands in HTML, between tags or in a quoted attribute. A line's end stays what it is: read as it stands,
/// one of two letters becomes one of one.
pub(super) struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in self
            .0
            .split_inclusive(['&', '<', '>', '"', '\'', '\r', '\n'])
        {
            let mut letters = piece.chars();
            let escaped = match letters.next_back() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                Some('\'') => "&#39;",
                Some('\r') => "&#13;",
                Some('\n') => "&#10;",
                _ => {
                    f.write_str(piece)?;
                    continue;
                }
            };
            f.write_str(letters.as_str())?;
            f.write_str(escaped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_it_becomes_markup() {
        let escaped = Escaped("a<b>\"c\" & 'd'\r\n").to_string();
        assert_eq!(
            escaped,
            "a&lt;b&gt;&quot;c&quot; &amp; &#39;d&#39;&#13;&#10;"
        );
        assert_eq!(Escaped("plain ö").to_string(), "plain ö");
        assert_eq!(Escaped("").to_string(), "");
    }
}
