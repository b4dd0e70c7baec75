//! A page of ours for people: a few words, a link perhaps, and nothing that runs.

use std::fmt;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::upstream::Body;

/// What it is sent as.
pub(super) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// How every page begins, up to its title.
pub(super) const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
     <meta name=\"color-scheme\" content=\"light dark\">";

/// A page.
pub(super) struct Page<'a> {
    pub title: &'a str,
    pub text: &'a str,
    /// An address, and what it is called.
    pub link: Option<(&'a str, &'a str)>,
    /// Where the browser goes by itself.
    pub refresh: Option<&'a str>,
    pub request_id: &'a str,
}

impl Page<'_> {
    /// What such a page may do: nothing. It may be shown in a frame of the site's own, where it may have been asked for.
    pub(super) const fn policy() -> HeaderValue {
        HeaderValue::from_static(
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
        )
    }
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, text) = (Escaped(self.title), Escaped(self.text));
        let refresh = self.refresh.map(|to| {
            let to = Escaped(to);
            format!("<meta http-equiv=\"refresh\" content=\"0; url={to}\">")
        });
        let refresh = refresh.unwrap_or_default();
        write!(
            f,
            "{HEAD}<title>{title}</title>{refresh}</head>\n\
             <body><main><h1>{title}</h1>\n<p>{text}</p>\n"
        )?;
        if let Some((address, words)) = self.link {
            let (address, words) = (Escaped(address), Escaped(words));
            writeln!(
                f,
                "<p><a href=\"{address}\" target=\"_top\">{words}</a></p>"
            )?;
        }
        let id = Escaped(self.request_id);
        writeln!(f, "<p>Request id: {id}</p></main></body></html>")
    }
}

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
        let page = Page {
            title: "a<b",
            text: "\"c\" & 'd'",
            link: Some(("/x?a=1&b=\"><script>", "Log in")),
            refresh: Some("https://a.test/?\"><script>"),
            request_id: "<i>",
        };
        let html = page.to_string();
        assert!(html.contains("<h1>a&lt;b</h1>"), "{html}");
        assert!(
            html.contains("<p>&quot;c&quot; &amp; &#39;d&#39;</p>"),
            "{html}"
        );
        let link = "href=\"/x?a=1&amp;b=&quot;&gt;&lt;script&gt;\"";
        assert!(html.contains(link), "{html}");
        let refresh = "content=\"0; url=https://a.test/?&quot;&gt;&lt;script&gt;\"";
        assert!(html.contains(refresh), "{html}");
        assert!(html.contains("Request id: &lt;i&gt;<"), "{html}");
        assert_eq!(Escaped("plain ö").to_string(), "plain ö");
        assert_eq!(Escaped("").to_string(), "");
    }
}
