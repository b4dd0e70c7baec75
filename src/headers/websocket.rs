//! The handshake of a WebSocket with an app (RFC 6455), which proves that it speaks the protocol: else a page could have
//! it read a stream of bytes as whatever it does speak.
//!
//! A visitor over HTTP/1.1 brings a key of their own. The extended CONNECT of HTTP/2 (RFC 8441) has none; an app wants
//! one, so we make it. Either way the app is held to its answer.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use data_encoding::BASE64;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::hop;
use crate::base::secret::random_bytes;

/// What RFC 6455 4.2.2 appends to a key.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A handshake with an app.
#[derive(Debug)]
pub struct Handshake {
    /// The one `Sec-WebSocket-Accept` that answers the key; none: there is no sound key, so nothing answers it.
    accept: Option<String>,
    is_ours: bool,
}

impl Handshake {
    /// Makes an extended CONNECT the GET that opens a WebSocket in HTTP/1.1. Whatever the visitor says of keys goes.
    pub fn begin(head: &mut Parts) -> Self {
        let key = BASE64.encode(&random_bytes::<16>());
        let accept = proof_of(&key);
        head.method = Method::GET;
        head.version = Version::HTTP_11;
        hop::keep_websocket_upgrade(&mut head.headers);
        head.headers.remove(SEC_WEBSOCKET_ACCEPT);
        // Base64 is a header value.
        if let Ok(key) = HeaderValue::from_str(&key) {
            head.headers.insert(SEC_WEBSOCKET_KEY, key);
        }
        Self {
            accept: Some(accept),
            is_ours: true,
        }
    }

    /// The visitor's own: their upgrade of HTTP/1.1 goes on as it came.
    pub fn of_visitor(headers: &HeaderMap) -> Self {
        let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let key = keys.next().and_then(|key| key.to_str().ok());
        let key = key.filter(|_| keys.next().is_none());
        Self {
            accept: key.map(|key| proof_of(key.trim())),
            is_ours: false,
        }
    }

    /// Whether we make it in the name of a visitor who speaks HTTP/2.
    pub const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Whether the app's `101` answers the key, once. What only HTTP/1.1 has is taken out if the visitor does not speak
    /// it.
    pub fn finish(&self, headers: &mut HeaderMap) -> bool {
        let mut answers = headers.get_all(SEC_WEBSOCKET_ACCEPT).iter();
        let answer = answers.next().map(HeaderValue::as_bytes);
        let accept = self.accept.as_deref().map(str::as_bytes);
        let answered = answer.is_some() && answer == accept && answers.next().is_none();
        if self.is_ours {
            headers.remove(SEC_WEBSOCKET_ACCEPT);
            headers.remove(UPGRADE);
        }
        answered
    }
}

fn proof_of(key: &str) -> String {
    let proof = [key.as_bytes(), GUID].concat();
    BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &proof).as_ref())
}

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
pub fn accept_of(key: &HeaderValue) -> Option<HeaderValue> {
    let key = key.to_str().ok()?;
    HeaderValue::try_from(proof_of(key.trim())).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let accept = proof_of("dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_connect_becomes_an_upgrade_with_a_key_of_ours() {
        let request = Request::builder()
            .method(Method::CONNECT)
            .version(Version::HTTP_2)
            .uri("https://shop.test/ws")
            .header(SEC_WEBSOCKET_KEY, "theirs")
            .header(SEC_WEBSOCKET_KEY, "theirs, too");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let handshake = Handshake::begin(&mut head);

        assert!(hop::is_websocket_upgrade(
            &head.method,
            head.version,
            &head.headers
        ));
        let keys: Vec<_> = head.headers.get_all(SEC_WEBSOCKET_KEY).iter().collect();
        let [key] = keys[..] else {
            panic!("one key: {keys:?}");
        };
        let right = proof_of(key.to_str().unwrap());

        let says = |accepts: &[&str]| {
            let mut headers = HeaderMap::new();
            for accept in accepts {
                headers.append(SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap());
            }
            handshake.finish(&mut headers)
        };
        assert!(says(&[&right]));
        assert!(!says(&[]));
        assert!(!says(&[&right, &right]));
        assert!(!says(&["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]));
    }

    #[test]
    fn a_visitor_who_brings_one_key_is_answered_with_its_accept() {
        let right = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
        let answers = |keys: &[&str], accept: Option<&str>| {
            let mut asked = HeaderMap::new();
            for key in keys {
                asked.append(SEC_WEBSOCKET_KEY, key.parse().unwrap());
            }
            let accept = accept.map(|accept| (SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap()));
            let mut answer: HeaderMap = accept.into_iter().collect();
            Handshake::of_visitor(&asked).finish(&mut answer)
        };
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        assert!(answers(&[key], Some(right)));
        assert!(!answers(&[key], None));
        assert!(!answers(&[key], Some("wrong")));
        assert!(!answers(&[], Some(right)));
        assert!(!answers(&[], None));
        assert!(!answers(&[key, key], Some(right)));
    }
}
