//! Who the request came from and through whom: `X-Forwarded-*`, `Forwarded` (RFC 7239), `X-Request-Id`, `Via`.
//!
//! Only a listed proxy is believed, and the list is empty by default. Reading and writing are two steps because what
//! a trusted proxy said must be read before the names are stripped.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::header::{FORWARDED, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::fold::{self, Claim};
use crate::base::plain::{push_ip, push_number};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest `X-Request-Id` that is taken over, in bytes.
const REQUEST_ID_BYTES_MAX: usize = 64;

/// The longest address as text: an IPv6 address that ends in an IPv4 one.
const ADDRESS_BYTES_MAX: usize = 45;
/// How many fields are written for the app, those of the session among them: the map grows once.
const FIELDS_WRITTEN: usize = 10;
/// What we call ourselves in `Via`.
const OWN_NAME: &str = "cloakroom";
/// How often a request may have been here before. Gateways of ours may stand behind one another, so once is no circle.
const PASSES_MAX: usize = 3;

/// Whose word counts.
#[derive(Clone, Debug, Default)]
pub struct ForwardedPolicy {
    /// The proxies in front of us. Empty by default: then nobody's word counts and the peer is the visitor.
    pub trusted: Vec<IpNet>,
}

/// What came before us, as far as it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hops {
    /// The visitor's address.
    pub client_ip: IpAddr,
    /// The request's id, if a trusted proxy gave it a plain one.
    pub request_id: Option<String>,
    /// `X-Forwarded-For` of a trusted peer, in one line.
    earlier_for: Option<String>,
    /// `Forwarded` of a trusted peer, in one line.
    earlier_forwarded: Option<String>,
}

/// How the request reached us.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The other end of the connection.
    pub peer: IpAddr,
    /// The authority the visitor asked for, as sent, with its port if it had one.
    pub host: &'a str,
    /// The port the visitor asked for.
    pub port: u16,
    /// The HTTP version of the request.
    pub version: Version,
}

impl Hops {
    /// Nobody came before `peer`, whatever it says.
    pub fn of(peer: IpAddr) -> Self {
        Self {
            client_ip: peer.to_canonical(),
            request_id: None,
            earlier_for: None,
            earlier_forwarded: None,
        }
    }
}

impl ForwardedPolicy {
    /// What came before us. Call it before anything is stripped.
    pub fn read(&self, headers: &HeaderMap, peer: IpAddr) -> Hops {
        if !self.trusts(peer) {
            return Hops::of(peer);
        }
        Hops {
            client_ip: self.client_ip(headers, peer),
            request_id: self.request_id(headers, peer),
            earlier_for: one_line(headers, &X_FORWARDED_FOR),
            earlier_forwarded: one_line(headers, &FORWARDED).filter(|line| closes_its_quotes(line)),
        }
    }

    /// The visitor's address: the peer, or, if the peer is trusted, the last address in `X-Forwarded-For` that is not
    /// a trusted proxy. The list is read from its end, because everything before the first stranger is hearsay; it
    /// ends at the first entry that is no address.
    pub fn client_ip(&self, headers: &HeaderMap, peer: IpAddr) -> IpAddr {
        let mut ip = peer.to_canonical();
        if !self.trusts(ip) {
            return ip;
        }
        let lines = headers.get_all(X_FORWARDED_FOR);
        for line in lines.iter().rev() {
            for entry in line.as_bytes().rsplit(|byte| *byte == b',') {
                let Some(earlier) = address(entry) else {
                    return ip;
                };
                ip = earlier;
                if !self.trusts(ip) {
                    return ip;
                }
            }
        }
        ip
    }

    /// An `X-Request-Id` that may be taken over: from a trusted peer, once, 1 to 64 of `A-Z a-z 0-9 . _ -`.
    pub fn request_id(&self, headers: &HeaderMap, peer: IpAddr) -> Option<String> {
        if !self.trusts(peer) {
            return None;
        }
        let mut values = headers.get_all(X_REQUEST_ID).iter();
        let id = values.next()?.to_str().ok()?;
        let is_plain = (1..=REQUEST_ID_BYTES_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        (is_plain && values.next().is_none()).then(|| id.to_owned())
    }

    /// Leaves in `headers` what we know of the way here, and nothing that anybody else claimed about it.
    pub fn write(
        &self,
        headers: &mut HeaderMap,
        hops: &Hops,
        origin: &Origin<'_>,
        request_id: &str,
    ) {
        fold::remove_where(headers, |name| fold::claim(name) == Some(Claim::Forwarding));
        headers.reserve(FIELDS_WRITTEN);
        let mut peer = Vec::with_capacity(ADDRESS_BYTES_MAX);
        push_ip(&mut peer, origin.peer.to_canonical());
        let mut values = Values::default();
        values
            .text
            .reserve(2 * (peer.len() + origin.host.len()) + request_id.len() + 64);
        if let Some(earlier) = &hops.earlier_for {
            values.text.extend_from_slice(earlier.as_bytes());
            values.text.extend_from_slice(b", ");
        }
        values.text.extend_from_slice(&peer);
        values.end(X_FORWARDED_FOR);
        values.text.extend_from_slice(origin.host.as_bytes());
        values.end(X_FORWARDED_HOST);
        push_number(&mut values.text, origin.port.into());
        values.end(X_FORWARDED_PORT);
        push_forwarded(&mut values.text, hops, &peer, origin.host);
        values.end(FORWARDED);
        values.text.extend_from_slice(request_id.as_bytes());
        values.end(X_REQUEST_ID);
        values.insert_into(headers);
        headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers.append(VIA, via(origin.version));
    }

    /// Whether `ip` is that of a listed proxy.
    pub fn trusts(&self, ip: IpAddr) -> bool {
        // A dual-stack socket shows an IPv4 peer as ::ffff:a.b.c.d.
        let ip = ip.to_canonical();
        self.trusted.iter().any(|net| net.contains(&ip))
    }
}

/// Values that are written one behind the other and share one allocation.
#[derive(Default)]
struct Values {
    text: Vec<u8>,
    /// The fields, and where each one's value ends.
    fields: SmallVec<[(HeaderName, usize); 5]>,
}

impl Values {
    /// What was written since the last field is the value of this one.
    fn end(&mut self, name: HeaderName) {
        self.fields.push((name, self.text.len()));
    }

    fn insert_into(self, headers: &mut HeaderMap) {
        let text = Bytes::from(self.text);
        let mut begin = 0;
        for (name, end) in self.fields {
            // What came this far is plain text. If it ever is not, no header is better than a wrong one.
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(begin..end)) {
                headers.insert(name, value);
            }
            begin = end;
        }
    }
}

/// Appends our element of `Forwarded`, behind the earlier ones. `peer` is an address as text.
fn push_forwarded(line: &mut Vec<u8>, hops: &Hops, peer: &[u8], host: &str) {
    let earlier = hops.earlier_forwarded.as_deref().unwrap_or_default();
    if !earlier.is_empty() {
        line.extend_from_slice(earlier.as_bytes());
        line.extend_from_slice(b", ");
    }
    // RFC 7239, 6: an IPv6 address stands in brackets and quotes.
    let (opens, closes): (&[u8], &[u8]) = if peer.contains(&b':') {
        (b"for=\"[", b"]\"")
    } else {
        (b"for=", b"")
    };
    for part in [opens, peer, closes, b";host="] {
        line.extend_from_slice(part);
    }
    let is_token = host
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    if is_token && !host.is_empty() {
        line.extend_from_slice(host.as_bytes());
    } else {
        line.push(b'"');
        for byte in host.bytes() {
            if matches!(byte, b'"' | b'\\') {
                line.push(b'\\');
            }
            line.push(byte);
        }
        line.push(b'"');
    }
    line.extend_from_slice(b";proto=https");
}

/// All fields of `name` as one list; `None` when there is none, or when one is not plain text.
fn one_line(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut line = String::new();
    for value in headers.get_all(name) {
        let text = value.to_str().ok()?.trim();
        if text.is_empty() {
            continue;
        }
        if !line.is_empty() {
            line.push_str(", ");
        }
        line.push_str(text);
    }
    (!line.is_empty()).then_some(line)
}

/// Whether every quoted string ends. One that does not would swallow the element that we append.
fn closes_its_quotes(line: &str) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in line.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_quoted,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    !is_quoted
}

/// One entry of `X-Forwarded-For`: an address, in brackets or not, with a port or not.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?.trim();
    let ip = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| {
            text.parse::<SocketAddr>()
                .ok()
                .map(|with_port| with_port.ip())
        })
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(ip.to_canonical())
}

/// Whether `Via` says that the request was here too often: an app's address leads back to us (RFC 9110 7.6.3).
pub fn went_in_circles(headers: &HeaderMap) -> bool {
    let entries = headers
        .get_all(VIA)
        .into_iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    // `received-protocol received-by [comment]`
    let is_own = |entry: &[u8]| {
        let mut words = entry.split(|byte| byte.is_ascii_whitespace());
        let mut words = words.by_ref().filter(|word| !word.is_empty());
        words.nth(1) == Some(OWN_NAME.as_bytes())
    };
    entries.filter(|entry| is_own(entry)).count() > PASSES_MAX
}

fn via(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::HTTP_09 | Version::HTTP_10 => "1.0 cloakroom",
        Version::HTTP_2 => "2.0 cloakroom",
        Version::HTTP_3 => "3.0 cloakroom",
        _ => "1.1 cloakroom",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_was_here_too_often_goes_in_circles() {
        for (lines, expected) in [
            (vec![], false),
            (vec!["1.1 cloakroom, 2.0 cloakroom", "1.1 cloakroom"], false),
            (
                vec![
                    "1.1 a, 1.1 cloakroom (x), 2.0 cloakroom",
                    "1.1 cloakroom,1.1\tcloakroom",
                ],
                true,
            ),
            (
                vec!["1.1 cloakrooms, 1.1 cloakroom.test, cloakroom 1, 1.1 x (cloakroom)"],
                false,
            ),
        ] {
            let lines: Vec<_> = lines.into_iter().map(|line| ("via", line)).collect();
            assert_eq!(went_in_circles(&map(&lines)), expected, "{lines:?}");
        }
    }

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "203.0.113.9";

    fn policy() -> ForwardedPolicy {
        ForwardedPolicy {
            trusted: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn written(headers: &mut HeaderMap, peer: &str, host: &str) {
        let hops = policy().read(headers, ip(peer));
        let origin = Origin {
            peer: ip(peer),
            host,
            port: 8443,
            version: Version::HTTP_2,
        };
        policy().write(headers, &hops, &origin, "r1");
    }

    #[test]
    fn the_visitor_is_the_last_stranger_that_trusted_proxies_saw() {
        for (peer, lines, client) in [
            (STRANGER, &["1.2.3.4"][..], STRANGER),
            (PROXY, &[], PROXY),
            (PROXY, &["1.2.3.4"], "1.2.3.4"),
            (PROXY, &["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (PROXY, &["6.6.6.6, 1.2.3.4, 10.2.2.2"], "1.2.3.4"),
            (PROXY, &["6.6.6.6", "1.2.3.4", "10.2.2.2"], "1.2.3.4"),
            (PROXY, &["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
            (PROXY, &["1.2.3.4, unknown"], PROXY),
            (PROXY, &["1.2.3.4, unknown, 10.2.2.2"], "10.2.2.2"),
            (PROXY, &["1.2.3.4,"], PROXY),
            (PROXY, &["1.2.3.4:5000"], "1.2.3.4"),
            (PROXY, &["[2001:db8::1]:5000"], "2001:db8::1"),
            (PROXY, &["[2001:db8::1]"], "2001:db8::1"),
            (PROXY, &["2001:db8::1"], "2001:db8::1"),
            (PROXY, &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("::ffff:203.0.113.9", &["1.2.3.4"], STRANGER),
            ("fd00::1", &["1.2.3.4"], "1.2.3.4"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, HeaderValue::from_static(line));
            }
            assert_eq!(
                policy().client_ip(&headers, ip(peer)),
                ip(client),
                "{peer} {lines:?}"
            );
            assert_eq!(policy().read(&headers, ip(peer)).client_ip, ip(client));
        }
        let nobody = ForwardedPolicy::default();
        let headers = map(&[("x-forwarded-for", "1.2.3.4")]);
        assert_eq!(nobody.client_ip(&headers, ip("127.0.0.1")), ip("127.0.0.1"));
    }

    #[test]
    fn a_stranger_adds_nothing_to_what_we_say() {
        let mut headers = map(&[
            ("x-forwarded-for", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded-uri", "/admin"),
            ("forwarded", "for=6.6.6.6"),
            ("x-real-ip", "6.6.6.6"),
            ("remote-user", "root"),
            ("x-auth-request-user", "root"),
            ("proxy", "http://6.6.6.6"),
            ("x-request-id", "forged"),
            ("via", "1.1 cdn"),
            ("accept", "*/*"),
        ]);
        written(&mut headers, STRANGER, "shop.example.com:8443");
        assert_eq!(
            headers,
            map(&[
                ("x-forwarded-for", STRANGER),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "shop.example.com:8443"),
                ("x-forwarded-port", "8443"),
                (
                    "forwarded",
                    "for=203.0.113.9;host=\"shop.example.com:8443\";proto=https"
                ),
                ("x-request-id", "r1"),
                ("via", "1.1 cdn"),
                ("via", "2.0 cloakroom"),
                ("accept", "*/*"),
            ])
        );
    }

    #[test]
    fn a_trusted_proxy_is_appended_to() {
        let mut headers = map(&[
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "10.2.2.2"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded-host", "elsewhere.example"),
            ("forwarded", "for=1.2.3.4"),
        ]);
        written(&mut headers, "fd00::1", "shop.example.com");
        assert_eq!(headers["x-forwarded-for"], "1.2.3.4, 10.2.2.2, fd00::1");
        assert_eq!(headers["x-forwarded-host"], "shop.example.com");
        assert_eq!(
            headers["forwarded"],
            "for=1.2.3.4, for=\"[fd00::1]\";host=shop.example.com;proto=https"
        );
        assert!(!headers.contains_key("x_forwarded_for"));
    }

    #[test]
    fn an_open_quote_does_not_swallow_our_element() {
        for (earlier, is_kept) in [
            ("for=\"[2001:db8::1]\"", true),
            ("for=\"a\\\"b\"", true),
            ("for=\"", false),
            ("for=\"a\\\"", false),
            ("for=\"a\", for=\"b", false),
        ] {
            let mut headers = map(&[("forwarded", earlier)]);
            written(&mut headers, PROXY, "shop.example.com");
            let ours = "for=10.0.0.1;host=shop.example.com;proto=https";
            let line = if is_kept {
                format!("{earlier}, {ours}")
            } else {
                ours.to_owned()
            };
            assert_eq!(headers["forwarded"], line);
        }
    }

    #[test]
    fn a_request_id_is_believed_from_a_trusted_peer_when_plain() {
        let long = "a".repeat(65);
        for (peer, id, believed) in [
            (PROXY, "abc.DEF_1-2", true),
            (PROXY, &long[..64], true),
            (PROXY, &long[..], false),
            (PROXY, "", false),
            (PROXY, "a b", false),
            (PROXY, "a\"b", false),
            (PROXY, "\u{e9}", false),
            (STRANGER, "abc", false),
        ] {
            let headers = map(&[("x-request-id", id)]);
            let taken = policy().request_id(&headers, ip(peer));
            assert_eq!(taken.as_deref(), believed.then_some(id), "{id}");
        }
        let twice = map(&[("x-request-id", "a"), ("x-request-id", "b")]);
        assert_eq!(policy().request_id(&twice, ip(PROXY)), None);
    }
}
