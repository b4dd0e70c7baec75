//! What a login service is told of the request that it is asked about: `X-Forwarded-Method` and `-Uri` as Traefik and Caddy
//! write them, `X-Original-Method` and `-URL` as nginx is told to.
//!
//! We write them when we ask one, and read them when we are one. Read they are as a whole: who asks writes some of them and
//! passes on what the visitor made up under the names of the others, so those that are there must say one thing.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");

/// Tells in `headers` that the question is about `method` and `target`, path and query, at `authority`. The forwarding
/// headers proper are for [`ForwardedPolicy`](super::forwarded::ForwardedPolicy).
pub fn write(headers: &mut HeaderMap, method: &Method, target: &str, authority: &str) {
    let fields = [
        (X_FORWARDED_METHOD, method.as_str().to_owned()),
        (X_ORIGINAL_METHOD, method.as_str().to_owned()),
        (X_FORWARDED_URI, target.to_owned()),
        (X_ORIGINAL_URL, format!("https://{authority}{target}")),
    ];
    for (name, value) in fields {
        // Both came in a request that was read before. If they ever cannot be written, no header is better than half of one.
        headers.extend(HeaderValue::try_from(value).map(|value| (name, value)));
    }
}

/// The request that somebody asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    /// Its method.
    pub method: Method,
    /// Its host, with the port if it has one. `None`: the one that the question itself is for.
    pub authority: Option<String>,
    /// Its path and query.
    pub target: String,
    /// Who asks can do nothing with another answer than 2xx, 401 and 403, as nginx.
    pub is_for_nginx: bool,
}

/// Why nobody can tell what is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// Nothing tells the path.
    #[error("it has neither X-Forwarded-Uri nor X-Original-URL, which the proxy must write")]
    NoTarget,
    /// Nothing tells the method.
    #[error("it has neither X-Forwarded-Method nor X-Original-Method, which the proxy must write")]
    NoMethod,
    /// Two say different things: one of them is the visitor's.
    #[error("its X-Forwarded-* and X-Original-* headers contradict each other, or one came twice")]
    Contradiction,
    /// One of them is nothing of its kind.
    #[error("one of its X-Forwarded-* and X-Original-* headers cannot be read")]
    Malformed,
    /// The visitor came without TLS, and brings no ticket then.
    #[error("it is about a request without TLS")]
    NoTls,
}

impl Original {
    /// What the question in `headers` is about.
    ///
    /// # Errors
    /// When that cannot be told in one way.
    pub fn read(headers: &HeaderMap) -> Result<Self, Untold> {
        let url = one(headers, X_ORIGINAL_URL)?.map(Url::parse).transpose()?;
        let uri = one(headers, X_ORIGINAL_URI)?;
        let forwarded_uri = one(headers, X_FORWARDED_URI)?;
        let targets = [url.as_ref().map(|url| url.target), uri, forwarded_uri];
        let target = agreed(targets)?.ok_or(Untold::NoTarget)?;
        let methods = [X_FORWARDED_METHOD, X_ORIGINAL_METHOD];
        let [forwarded, original] = methods.map(|name| one(headers, name));
        let method = agreed([forwarded?, original?])?.ok_or(Untold::NoMethod)?;
        let proto = one(headers, X_FORWARDED_PROTO)?;
        let schemes = [proto, url.as_ref().and_then(|url| url.scheme)];
        // What Traefik calls a WebSocket over TLS is one.
        let is_tls = |scheme: &str| {
            ["https", "wss"]
                .iter()
                .any(|tls| scheme.eq_ignore_ascii_case(tls))
        };
        if !schemes.into_iter().flatten().all(is_tls) {
            return Err(Untold::NoTls);
        }
        let host = one(headers, X_FORWARDED_HOST)?;
        let authorities = [host, url.as_ref().and_then(|url| url.authority)];
        Ok(Self {
            method: Method::from_bytes(method.as_bytes()).map_err(|_| Untold::Malformed)?,
            authority: agreed(authorities)?.map(str::to_owned),
            target: checked(target)?.to_owned(),
            is_for_nginx: url.is_some() || uri.is_some(),
        })
    }
}

/// `X-Original-URL`: all of a URL, or its path and query alone.
struct Url<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    target: &'a str,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Result<Self, Untold> {
        if text.starts_with('/') {
            return Ok(Self {
                scheme: None,
                authority: None,
                target: text,
            });
        }
        let (scheme, rest) = text.split_once("://").ok_or(Untold::Malformed)?;
        let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(Untold::Malformed)?;
        Ok(Self {
            scheme: Some(scheme),
            authority: Some(authority),
            target,
        })
    }
}

/// The one value of `name`.
fn one(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Untold> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| Untold::Malformed),
        (Some(_), Some(_)) => Err(Untold::Contradiction),
    }
}

/// What all of those say that say anything.
fn agreed<'a>(said: impl IntoIterator<Item = Option<&'a str>>) -> Result<Option<&'a str>, Untold> {
    let mut said = said.into_iter().flatten();
    let first = said.next();
    match said.all(|other| Some(other) == first) {
        true => Ok(first),
        false => Err(Untold::Contradiction),
    }
}

/// A path with a query. No browser sends a fragment, and servers differ over one that comes all the same.
fn checked(target: &str) -> Result<&str, Untold> {
    let is_plain = target.starts_with('/')
        && target
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_plain.then_some(target).ok_or(Untold::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Original, Untold> {
        let fields = fields.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        let mut headers = HeaderMap::new();
        fields.for_each(|(name, value)| {
            headers.append(name, value);
        });
        Original::read(&headers)
    }

    fn original(authority: Option<&str>, is_for_nginx: bool) -> Original {
        Original {
            method: Method::GET,
            authority: authority.map(str::to_owned),
            target: "/a?b=1".to_owned(),
            is_for_nginx,
        }
    }

    #[test]
    fn what_one_writes_the_other_reads() {
        let mut headers = HeaderMap::new();
        write(&mut headers, &Method::PUT, "/a?b=1", "shop.test:8443");
        let read = Original::read(&headers).unwrap();
        assert_eq!((read.method.as_str(), &*read.target), ("PUT", "/a?b=1"));
        assert_eq!(read.authority.as_deref(), Some("shop.test:8443"));
    }

    #[test]
    fn each_proxy_is_understood_by_what_it_writes() {
        let rows: [(&[(&str, &str)], _); 4] = [
            (
                &[
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/a?b=1"),
                    ("x-forwarded-host", "shop.test"),
                    ("x-forwarded-proto", "https"),
                ],
                original(Some("shop.test"), false),
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://shop.test/a?b=1"),
                ],
                original(Some("shop.test"), true),
            ),
            (
                &[("x-original-method", "GET"), ("x-original-uri", "/a?b=1")],
                original(None, true),
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "/a?b=1"),
                    ("x-forwarded-host", "shop.test"),
                ],
                original(Some("shop.test"), true),
            ),
        ];
        for (fields, expected) in rows {
            assert_eq!(read(fields), Ok(expected), "{fields:?}");
        }
    }

    /// The visitor writes what the proxy does not: that must win nothing.
    #[test]
    fn what_does_not_agree_or_cannot_be_read_tells_nothing() {
        let proxy = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/admin"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
        ];
        let rows = [
            (
                "x-original-url",
                "https://shop.test/public",
                Untold::Contradiction,
            ),
            (
                "x-original-url",
                "https://other.test/admin",
                Untold::Contradiction,
            ),
            ("x-original-url", "/public", Untold::Contradiction),
            ("x-original-url", "http://shop.test/admin", Untold::NoTls),
            ("x-original-url", "https:/admin", Untold::Malformed),
            ("x-original-uri", "/public", Untold::Contradiction),
            ("x-forwarded-uri", "/admin", Untold::Contradiction),
            ("x-original-method", "POST", Untold::Contradiction),
            ("x-forwarded-host", "shop.test", Untold::Contradiction),
        ];
        for (name, value, fault) in rows {
            let mut fields = proxy.to_vec();
            fields.push((name, value));
            assert_eq!(read(&fields), Err(fault), "{name}: {value}");
        }
        for (nth, value, fault) in [
            (0, "G T", Untold::Malformed),
            (1, "/admin#/public", Untold::Malformed),
            (1, "admin", Untold::Malformed),
            (1, "https://shop.test/admin", Untold::Malformed),
            (1, "/a b", Untold::Malformed),
            (1, "", Untold::Malformed),
            (3, "http", Untold::NoTls),
            (3, "https, http", Untold::NoTls),
        ] {
            let mut fields = proxy;
            fields[nth].1 = value;
            assert_eq!(read(&fields), Err(fault), "{value}");
        }
        assert_eq!(read(&proxy[..1]), Err(Untold::NoTarget));
        assert_eq!(read(&proxy[1..]), Err(Untold::NoMethod));
        assert_eq!(read(&[]), Err(Untold::NoTarget));
    }
}
