//! The request and the answers that are asked about, from the command line to what the gateway would have read.

use http::header::{COOKIE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri};

use super::ExplainArgs;

/// What is asked about.
pub(super) struct Asked {
    /// The request as it would come over HTTP/1.1.
    pub head: Parts,
    /// `Set-Cookie` fields of the app.
    pub set_cookies: Vec<HeaderValue>,
}

impl Asked {
    /// Reads the arguments, or says which of them no request and no answer can hold.
    pub(super) fn read(args: &ExplainArgs) -> Result<Self, String> {
        let (authority, target) = url(&args.url)?;
        let method = Method::from_bytes(args.method.as_bytes())
            .map_err(|_| format!("--method {}: is no method", args.method))?;
        let (mut head, ()) = Request::new(()).into_parts();
        head.method = method;
        head.uri = target;
        for text in &args.header {
            let (name, value) = text
                .split_once(':')
                .ok_or_else(|| format!("--header {text}: write it as 'Name: value'"))?;
            let read = HeaderName::from_bytes(name.trim().as_bytes());
            let name = read.map_err(|_| format!("--header {text}: {name:?} is no header name"))?;
            head.headers.append(name, field("--header", value)?);
        }
        if !head.headers.contains_key(HOST) {
            head.headers.insert(HOST, field("URL", &authority)?);
        }
        if let Some(cookies) = &args.cookie {
            let value = without_name(cookies, "cookie:");
            head.headers.append(COOKIE, field("--cookie", value)?);
        }
        let lines = args.set_cookie.iter();
        let fields = lines.map(|line| field("--set-cookie", without_name(line, "set-cookie:")));
        Ok(Self {
            head,
            set_cookies: fields.collect::<Result<_, _>>()?,
        })
    }

    /// The URL, as a browser would show it.
    pub(super) fn url(&self) -> String {
        let host = self.head.headers.get(HOST);
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        format!("https://{host}{}", self.head.uri)
    }
}

/// The authority of a URL, and what follows it.
fn url(text: &str) -> Result<(String, Uri), String> {
    let rest = match text.split_once("://") {
        Some(("https", rest)) => rest,
        Some((scheme, _)) => {
            let why = "visitors are served over https alone";
            return Err(format!("{text}: {scheme}: {why}; write https://…"));
        }
        None => text,
    };
    let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let target = match target {
        "" => "/".to_owned(),
        target if target.starts_with('?') => format!("/{target}"),
        target => target.to_owned(),
    };
    let target = target
        .parse()
        .map_err(|fault| format!("{text}: is no URL: {fault}"))?;
    if authority.is_empty() {
        return Err(format!("{text}: names no host"));
    }
    Ok((authority.to_owned(), target))
}

fn field(flag: &str, value: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(value.trim_matches([' ', '\t']).as_bytes())
        .map_err(|_| format!("{flag}: holds a control byte, which no HTTP message can hold"))
}

/// `text` without the name of the field, for those who copy whole lines.
fn without_name<'a>(text: &'a str, name: &str) -> &'a str {
    match text.split_at_checked(name.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(name) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_as_browsers_do() {
        for (text, authority, target) in [
            ("https://a.test", "a.test", "/"),
            ("https://a.test:8443/x?y=1#z", "a.test:8443", "/x?y=1"),
            ("https://a.test?y", "a.test", "/?y"),
            ("a.test/x", "a.test", "/x"),
            ("https://[::1]:1/%2f", "[::1]:1", "/%2f"),
        ] {
            let (found, rest) = url(text).unwrap();
            assert_eq!((&*found, &*rest.to_string()), (authority, target), "{text}");
        }
        for text in ["http://a.test/", "https:///x", "", "https://a.test/a b"] {
            assert!(url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn whole_lines_may_be_pasted() {
        assert_eq!(without_name("Set-Cookie: a=1", "set-cookie:"), " a=1");
        assert_eq!(without_name("a=1", "set-cookie:"), "a=1");
    }
}
