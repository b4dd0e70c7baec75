//! HTTP message signatures (RFC 9421): what of a request is signed, and the fields that say so.
//!
//! An assertion says who asks; whoever sees one can show it with another request for as long as it is good. A signature over
//! the request holds the two together. What is covered is what the app decides by: method, host, path, query, all that
//! the app is told of the session, and the body where it was here in time ([`digest`], RFC 9530). The scheme is not: the
//! app is reached by another one than we are.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest as hash};
use data_encoding::BASE64;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use crate::base::clock::Time;

/// The digest of the body (RFC 9530).
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

/// The fields that we write. Where we sign, nobody else may: an app that looks for a signature shall find ours alone.
pub const FIELDS: [HeaderName; 3] = [CONTENT_DIGEST, SIGNATURE, SIGNATURE_INPUT];

/// What the signature is called among several, and what for it is, which it covers itself (RFC 9421 2.3).
const LABEL: &str = "cloakroom";

/// When and by which key is signed.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The name of the key.
    pub key_id: &'a str,
    /// When.
    pub created: Time,
    /// Until when it is good.
    pub expires: Time,
    /// What no other signature has.
    pub nonce: &'a str,
}

/// The signature base of a request (RFC 9421 2.5), to be signed with ECDSA over P-256 and SHA-256.
#[derive(Debug)]
pub struct Base {
    text: String,
    /// Where the parameters begin in it.
    params: usize,
}

/// The field that tells `body`'s digest.
pub fn digest(body: &[u8]) -> Option<HeaderValue> {
    let digest = BASE64.encode(hash(&SHA256, body).as_ref());
    HeaderValue::try_from(format!("sha-256=:{digest}:")).ok()
}

impl Base {
    /// Of a request as the app gets it, over those `fields` that it has. `None` if one is not what we write: twice, or
    /// no text.
    pub fn of<'f>(
        (method, target, headers): (&Method, &Uri, &HeaderMap),
        fields: impl Iterator<Item = &'f HeaderName>,
        signer: &Signer<'_>,
    ) -> Option<Self> {
        let host = one(headers, &HOST)?.to_ascii_lowercase();
        // As browsers do, and as libraries make it of an address (RFC 9110 4.2.3).
        let authority = host.strip_suffix(":443").unwrap_or(&host);
        let query = target.query().unwrap_or_default();
        let mut text = format!(
            "\"@method\": {method}\n\"@authority\": {authority}\n\"@path\": {}\n\"@query\": ?{query}\n",
            target.path()
        );
        let mut params = r#"("@method" "@authority" "@path" "@query""#.to_owned();
        for name in fields.filter(|name| headers.contains_key(*name)) {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "\"{name}\": {}", one(headers, name)?);
            let _ = write!(params, " \"{name}\"");
        }
        let (created, expires) = (signer.created.as_secs(), signer.expires.as_secs());
        let (nonce, key_id) = (signer.nonce, signer.key_id);
        let _ = write!(
            params,
            r#");created={created};expires={expires};nonce="{nonce}";keyid="{key_id}";alg="ecdsa-p256-sha256";tag="{LABEL}""#
        );
        text.push_str("\"@signature-params\": ");
        let at = text.len();
        text.push_str(&params);
        Some(Self { text, params: at })
    }

    /// What is signed.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Writes the fields that tell of `signature`, in place of any that are there. False if they cannot be written.
    pub fn write(&self, signature: &[u8], headers: &mut HeaderMap) -> bool {
        let input = format!("{LABEL}={}", &self.text[self.params..]);
        let signature = format!("{LABEL}=:{}:", BASE64.encode(signature));
        let fields = HeaderValue::try_from(input).and_then(|input| {
            let signature = HeaderValue::try_from(signature)?;
            Ok([(SIGNATURE_INPUT, input), (SIGNATURE, signature)])
        });
        fields.is_ok_and(|fields| {
            for (name, value) in fields {
                headers.insert(name, value);
            }
            true
        })
    }
}

/// The value of a field that is there once, as it stands in a signature base.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(value.to_str().ok()?.trim_matches([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNER: Signer<'_> = Signer {
        key_id: "k",
        created: Time::from_secs(1_618_884_473),
        expires: Time::from_secs(1_618_884_533),
        nonce: "n1",
    };

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let fields = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append::<HeaderName>(name, value);
        }
        headers
    }

    fn base(target: &str, fields: &[(&'static str, &str)]) -> Option<String> {
        let names = [
            HeaderName::from_static("x-assertion"),
            HeaderName::from_static("x-name"),
            CONTENT_DIGEST,
        ];
        let request = (&Method::POST, &target.parse().unwrap(), &headers(fields));
        Base::of(request, names.iter(), &SIGNER).map(|base| base.text)
    }

    /// Laid out as the examples of RFC 9421 2.5.
    #[test]
    fn the_base_is_that_of_the_rfc() {
        let params = ";created=1618884473;expires=1618884533;nonce=\"n1\";keyid=\"k\";alg=\"ecdsa-p256-sha256\";tag=\"cloakroom\"";
        let fields = [
            ("host", "WWW.example.com"),
            ("x-assertion", "a.b.c"),
            ("content-digest", "sha-256=:eA==:"),
            ("content-type", "text/plain"),
        ];
        let expected = "\"@method\": POST\n\"@authority\": www.example.com\n\"@path\": /foo%2F/b\n\"@query\": ?param=Value&Pet=dog\n\
             \"x-assertion\": a.b.c\n\"content-digest\": sha-256=:eA==:\n\"@signature-params\": \
             (\"@method\" \"@authority\" \"@path\" \"@query\" \"x-assertion\" \"content-digest\")";
        assert_eq!(
            base("/foo%2F/b?param=Value&Pet=dog", &fields).unwrap(),
            format!("{expected}{params}")
        );
        // Without a query, and with an empty one (RFC 9421 2.2.7).
        for target in ["/foo", "/foo?"] {
            let found = base(target, &fields).unwrap();
            assert!(
                found.contains("\"@path\": /foo\n\"@query\": ?\n"),
                "{found}"
            );
        }
    }

    #[test]
    fn the_port_that_a_browser_leaves_out_is_left_out() {
        for (host, authority) in [
            ("a.test:443", "a.test"),
            ("A.test:8443", "a.test:8443"),
            ("[::1]:443", "[::1]"),
            ("a.test:80", "a.test:80"),
        ] {
            let found = base("/", &[("host", host)]).unwrap();
            assert!(found.contains(&format!("\"@authority\": {authority}\n")));
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_signed() {
        let twice = [("host", "a"), ("x-name", "1"), ("x-name", "2")];
        assert_eq!(base("/", &twice), None);
        assert_eq!(base("/", &[("x-name", "1")]), None, "no host");
        assert_eq!(base("/", &[("host", "a"), ("x-name", "\u{e9}")]), None);
    }

    /// The first is the body of RFC 9421 2.5's examples, whose digest RFC 9530 gives; the second is nothing.
    #[test]
    fn digests_are_those_of_the_rfcs() {
        for (body, expected) in [
            (
                "{\"hello\": \"world\"}",
                "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
            ),
            ("", "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"),
        ] {
            assert_eq!(digest(body.as_bytes()).unwrap(), expected);
        }
    }
}
