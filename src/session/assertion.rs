//! The keys that sign what an app can verify for itself: ES256 (RFC 7518), published as a JWK set (RFC 7517).
//!
//! Each key of the ring has one that is derived from it, so that all nodes have the same and none needs a file. The
//! names of the keys are their thumbprints (RFC 7638): an app may hold keys of several issuers in one set.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Signature};
use aws_lc_rs::{digest, hmac};
use data_encoding::BASE64URL_NOPAD;

use crate::base::framed;

const PURPOSE_KEY: &[u8] = b"cloakroom assertion key v1";

/// A point in its uncompressed form: a byte that says so, and two coordinates.
const POINT_BYTES: usize = 65;

/// Signs assertions.
pub struct AssertionKey {
    pair: EcdsaKeyPair,
    /// The first part of each JWT, encoded, with the dot behind it.
    head: String,
    /// The public key as a JSON object.
    jwk: String,
    id: String,
}

impl AssertionKey {
    /// Derived from the key that `mac` was made of. HMAC is a PRF, and what else it is used for has other purposes.
    /// `None`: the library does not take what it made itself.
    pub(super) fn derive(mac: &hmac::Key) -> Option<Self> {
        // Four in 2^32 numbers are no private key of the curve; then the next one is tried.
        let mut candidates = (0_u8..=3).map(|round| framed::mac(mac, &[PURPOSE_KEY, &[round]]));
        candidates.find_map(|scalar| Self::of(scalar.as_ref()))
    }

    fn of(scalar: &[u8]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
        let public = private.compute_public_key().ok()?;
        let point: &[u8; POINT_BYTES] = public.as_ref().try_into().ok()?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            scalar,
            point,
        );
        let (x, y) = point[1..].split_at(POINT_BYTES / 2);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        // RFC 7638, 3: these members alone, in this order.
        let bare = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let thumbprint = digest::digest(&digest::SHA256, bare.as_bytes());
        let id = BASE64URL_NOPAD.encode(thumbprint.as_ref());
        let head = format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{id}"}}"#);
        Some(Self {
            pair: pair.ok()?,
            head: BASE64URL_NOPAD.encode(head.as_bytes()) + ".",
            jwk: format!(
                r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","kid":"{id}","use":"sig","alg":"ES256"}}"#
            ),
            id,
        })
    }

    /// A JWT of `claims`, a JSON object. `None` when the system has no random numbers.
    pub fn sign(&self, claims: &str) -> Option<String> {
        let mut jwt = self.head.clone();
        BASE64URL_NOPAD.encode_append(claims.as_bytes(), &mut jwt);
        let signature = self.sign_bytes(jwt.as_bytes())?;
        jwt.push('.');
        BASE64URL_NOPAD.encode_append(signature.as_ref(), &mut jwt);
        Some(jwt)
    }

    /// A signature over what is no JWT: it must not begin as one, so that neither can be shown in place of the other.
    /// `None` when the system has no random numbers.
    pub fn sign_bytes(&self, bytes: &[u8]) -> Option<Signature> {
        self.pair.sign(&SystemRandom::new(), bytes).ok()
    }

    /// The name of the key, its thumbprint.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The public key as a JSON object.
    pub fn jwk(&self) -> &str {
        &self.jwk
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    fn key(byte: u8) -> AssertionKey {
        AssertionKey::derive(&hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])).unwrap()
    }

    #[test]
    fn every_node_derives_the_same_key_and_two_rings_two() {
        assert_eq!(key(1).jwk(), key(1).jwk());
        assert_ne!(key(1).jwk(), key(2).jwk());
        // Worked out by another program, and written down so that no version derives another one: the nodes of a rolling upgrade share their keys.
        assert!(key(1).jwk().contains(PINNED), "{}", key(1).jwk());
    }

    const PINNED: &str = "B6VFSaWbxHEqdOXmo80owGlYscSF62-nWP0fuGtWlaY";

    #[test]
    fn a_number_that_is_no_private_key_gives_none() {
        assert!(AssertionKey::of(&[0; 32]).is_none());
        assert!(AssertionKey::of(&[0xff; 32]).is_none());
    }

    #[test]
    fn what_it_signs_verifies_under_the_published_key() {
        let key = key(3);
        let jwt = key.sign(r#"{"sub":"alice"}"#).unwrap();
        let (signed, signature) = jwt.rsplit_once('.').unwrap();
        let jwk: serde_json::Value = serde_json::from_str(key.jwk()).unwrap();
        let part = |name: &str| {
            BASE64URL_NOPAD
                .decode(jwk[name].as_str().unwrap().as_bytes())
                .unwrap()
        };
        let point = [vec![4], part("x"), part("y")].concat();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        public.verify(signed.as_bytes(), &signature).unwrap();
        assert!(public.verify(b"another", &signature).is_err());
        let head = BASE64URL_NOPAD.decode(jwt.split('.').next().unwrap().as_bytes());
        let head: serde_json::Value = serde_json::from_slice(&head.unwrap()).unwrap();
        assert_eq!(head["kid"], jwk["kid"]);
        assert_eq!(head["alg"], "ES256");
    }
}
