//! A page for people on their way to the provider and back: a few words, a link, and nothing that runs.

use std::fmt;

use http::HeaderValue;

use super::super::page::Escaped;

/// How it begins, up to its title.
const HEAD: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
     <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
     <meta name=\"color-scheme\" content=\"light dark\">";

/// What it may do: nothing.
pub(super) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

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

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, text) = (Escaped(self.title), Escaped(self.text));
        write!(f, "{HEAD}<title>{title}</title>")?;
        if let Some(to) = self.refresh {
            let to = Escaped(to);
            write!(f, "<meta http-equiv=\"refresh\" content=\"0; url={to}\">")?;
        }
        write!(f, "</head>\n<body><main><h1>{title}</h1>\n<p>{text}</p>\n")?;
        if let Some((address, words)) = self.link {
            let (address, words) = (Escaped(address), Escaped(words));
            writeln!(f, "<p><a href=\"{address}\">{words}</a></p>")?;
        }
        let id = Escaped(self.request_id);
        writeln!(f, "<p>Request id: {id}</p></main></body></html>")
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
        assert!(!html.contains("<script") && !html.contains("<i>"), "{html}");
        assert!(html.contains("content=\"0; url=https://a.test/?&quot;&gt;&lt;script&gt;\""));
    }
}
