//! Redirects that name the app's own address are turned to the address that visitors know.

use http::header::{CONTENT_LOCATION, Entry, LOCATION};
use http::{HeaderMap, HeaderValue};

/// Whether there is anything to turn. Most responses lead nowhere.
pub fn is_in(headers: &HeaderMap) -> bool {
    headers.contains_key(LOCATION) || headers.contains_key(CONTENT_LOCATION)
}

/// Turns `Location` and `Content-Location` to `https://public_authority` where they name the app itself: an http or
/// https URL with the app's host and port (`app_authority`, a port being optional), or the `http://` URL of the
/// public host that an app makes when it does not know of the TLS in front of it. The rest of the URL stays byte for
/// byte, as does every other value: a redirect elsewhere is the app's business.
pub fn rewrite(headers: &mut HeaderMap, app_authority: &str, public_authority: &str) {
    for name in [LOCATION, CONTENT_LOCATION] {
        if let Entry::Occupied(mut entry) = headers.entry(name) {
            for value in entry.iter_mut() {
                if let Some(turned) = turned(value.as_bytes(), app_authority, public_authority) {
                    *value = turned;
                }
            }
        }
    }
}

fn turned(url: &[u8], app_authority: &str, public_authority: &str) -> Option<HeaderValue> {
    let (default_port, rest) = if let Some(rest) = after(url, b"http://") {
        (HTTP, rest)
    } else {
        (HTTPS, after(url, b"https://")?)
    };
    // A browser reads `\` as `/` here, so the authority ends there too.
    let length = rest
        .iter()
        .position(|byte| b"/?#\\".contains(byte))
        .unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(length)?;
    let named = Named::parse(authority)?;

    let app = Named::parse(app_authority.as_bytes())?;
    let names_app = named.is_host(&app)
        && named.port.unwrap_or(default_port) == app.port.unwrap_or(default_port);
    let names_us_plainly = || {
        let public = Named::parse(public_authority.as_bytes())?;
        let public_port = public.port.unwrap_or(HTTPS);
        let port = named.port.unwrap_or(HTTP);
        Some(named.is_host(&public) && (port == HTTP || port == public_port))
    };
    let names_us = names_app || (default_port == HTTP && names_us_plainly()?);
    if !names_us {
        return None;
    }
    let mut turned = Vec::with_capacity(8 + public_authority.len() + rest.len());
    turned.extend_from_slice(b"https://");
    turned.extend_from_slice(public_authority.as_bytes());
    turned.extend_from_slice(rest);
    HeaderValue::from_maybe_shared(bytes::Bytes::from(turned)).ok()
}

const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// A host and a port, as an authority names them.
struct Named<'a> {
    host: &'a [u8],
    port: Option<u16>,
}

impl<'a> Named<'a> {
    /// Nothing with a user name in it, and nothing whose port is no number.
    fn parse(authority: &'a [u8]) -> Option<Self> {
        if authority.contains(&b'@') {
            return None;
        }
        let colon = authority.iter().rposition(|byte| *byte == b':');
        let bracket = authority.iter().rposition(|byte| *byte == b']');
        let Some(colon) = colon.filter(|colon| bracket.is_none_or(|bracket| bracket < *colon))
        else {
            return (!authority.is_empty()).then_some(Self {
                host: authority,
                port: None,
            });
        };
        let (host, port) = authority.split_at_checked(colon)?;
        let port = match port.get(1..)? {
            b"" => None,
            digits if digits.iter().all(u8::is_ascii_digit) => {
                Some(std::str::from_utf8(digits).ok()?.parse().ok()?)
            }
            _ => return None,
        };
        (!host.is_empty()).then_some(Self { host, port })
    }

    fn is_host(&self, other: &Self) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
    }
}

fn after<'a>(url: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = url.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(value: &[u8], app: &str, public: &str) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_bytes(value).unwrap());
        headers.insert(CONTENT_LOCATION, HeaderValue::from_bytes(value).unwrap());
        headers.insert("refresh", HeaderValue::from_bytes(value).unwrap());
        rewrite(&mut headers, app, public);
        assert_eq!(headers["refresh"].as_bytes(), value);
        assert_eq!(headers[LOCATION], headers[CONTENT_LOCATION]);
        headers[LOCATION].as_bytes().to_vec()
    }

    #[test]
    fn the_apps_own_address_becomes_the_public_one() {
        for (app, public, from, to) in [
            (
                "127.0.0.1:3000",
                "shop.example.com",
                "http://127.0.0.1:3000/a?b#c",
                "https://shop.example.com/a?b#c",
            ),
            (
                "127.0.0.1:3000",
                "shop.example.com",
                "https://127.0.0.1:3000/a",
                "https://shop.example.com/a",
            ),
            (
                "127.0.0.1:3000",
                "shop.example.com:8443",
                "http://127.0.0.1:3000",
                "https://shop.example.com:8443",
            ),
            (
                "127.0.0.1:3000",
                "shop.example.com",
                "http://127.0.0.1:3000?x",
                "https://shop.example.com?x",
            ),
            (
                "app.internal:80",
                "shop.example.com",
                "http://app.internal/",
                "https://shop.example.com/",
            ),
            (
                "app.internal",
                "shop.example.com",
                "http://app.internal:80/",
                "https://shop.example.com/",
            ),
            (
                "app.internal:443",
                "shop.example.com",
                "https://app.internal/",
                "https://shop.example.com/",
            ),
            (
                "App.Internal:3000",
                "shop.example.com",
                "HTTP://aPP.internal:3000/",
                "https://shop.example.com/",
            ),
            (
                "[::1]:3000",
                "shop.example.com",
                "http://[::1]:3000/x",
                "https://shop.example.com/x",
            ),
            (
                "app:3000",
                "shop.example.com",
                "http://shop.example.com/x",
                "https://shop.example.com/x",
            ),
            (
                "app:3000",
                "shop.example.com",
                "http://shop.example.com:80/x",
                "https://shop.example.com/x",
            ),
            (
                "app:3000",
                "shop.example.com",
                "http://shop.example.com:443/x",
                "https://shop.example.com/x",
            ),
            (
                "app:3000",
                "shop.example.com:8443",
                "http://shop.example.com:8443/x",
                "https://shop.example.com:8443/x",
            ),
            (
                "app:3000",
                "shop.example.com:8443",
                "http://SHOP.example.com/x",
                "https://shop.example.com:8443/x",
            ),
        ] {
            let got = location(from.as_bytes(), app, public);
            assert_eq!(String::from_utf8_lossy(&got), to, "{from}");
        }
        let got = location(
            b"http://app:3000/\xff%zz\\?\xc3",
            "app:3000",
            "shop.example.com",
        );
        assert_eq!(got, b"https://shop.example.com/\xff%zz\\?\xc3");
    }

    #[test]
    fn every_other_value_stays_byte_for_byte() {
        for value in [
            "/a",
            "",
            "a/b",
            "//app:3000/x",
            "http:/app:3000/x",
            "ftp://app:3000/",
            "http://app:3001/",
            "http://app/",
            "https://app/",
            "http://app:3000@evil.test/",
            "http://user@app:3000/",
            "http://app:3000.evil.test/",
            "http://app:+3000/",
            "http://app:99999/",
            "http://app.evil.test:3000/",
            "http://:3000/",
            "http://",
            "https://shop.example.com/x",
            "https://shop.example.com:443/x",
            "http://shop.example.com:8080/x",
            "http://shop.example.com.evil.test/x",
            "https://elsewhere.example/?next=http://app:3000/",
        ] {
            let got = location(value.as_bytes(), "app:3000", "shop.example.com");
            assert_eq!(String::from_utf8_lossy(&got), value);
        }
    }
}
