//! What a provider signs with: the public keys of its JWK set (RFC 7517), each for the algorithms that it is made for.
//! Whatever else the set holds is left out: symmetric keys, keys for encryption, kinds that nobody here knows.

use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::endpoint::{Address, Client, Question};
use super::fault::OidcFault;

/// How many keys of a set are looked at.
const KEYS_MAX: usize = 64;

/// How many keys one token is tried with.
const TRIES_MAX: usize = 8;

/// The keys of a provider.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    kind: Kind,
    /// The one algorithm that the set says it is for.
    only: Option<Algorithm>,
    key: DecodingKey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

#[derive(Deserialize)]
pub(super) struct Set {
    keys: Vec<Value>,
}

/// One of the set.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Fetches them.
    pub(super) async fn fetch(client: &Client, address: &Address) -> Result<Self, OidcFault> {
        let answer = client.ask(address, Question::Get).await?;
        Ok(Self::of(answer.json()?))
    }

    pub(super) fn of(set: Set) -> Self {
        let keys = set.keys.into_iter().take(KEYS_MAX);
        let read = |key| serde_json::from_value(key).ok().and_then(Jwk::read);
        Self(keys.filter_map(read).collect())
    }

    /// Those that may have signed something under this name and with this algorithm.
    ///
    /// # Errors
    /// That none has the name, or that none of those is for the algorithm.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<impl Iterator<Item = &DecodingKey>, OidcFault> {
        let is_named = move |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let is_for = move |key: &&Key| key.is_for(algorithm);
        let mut named = self.0.iter().filter(is_named).peekable();
        if named.peek().is_none() {
            return Err(OidcFault::UnknownKey);
        }
        let mut found = named.filter(is_for).take(TRIES_MAX).peekable();
        match (found.peek(), id) {
            (Some(_), _) => Ok(found.map(|key| &key.key)),
            (None, Some(_)) => Err(OidcFault::Algorithm),
            // It may have got one since.
            (None, None) => Err(OidcFault::UnknownKey),
        }
    }
}

impl Key {
    fn is_for(&self, algorithm: Algorithm) -> bool {
        let kind = match algorithm {
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 => Kind::Rsa,
            Algorithm::PS256 | Algorithm::PS384 | Algorithm::PS512 => Kind::Rsa,
            Algorithm::ES256 => Kind::P256,
            Algorithm::ES384 => Kind::P384,
            Algorithm::EdDSA => Kind::Ed25519,
            // Symmetric ones, and those that nobody here knows yet.
            _ => return false,
        };
        self.kind == kind && self.only.is_none_or(|only| only == algorithm)
    }
}

impl Jwk {
    /// `None`: nothing that signatures are verified with here.
    fn read(self) -> Option<Key> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let operations = self.key_ops.as_ref();
        let verifies = operations.is_none_or(|all| all.iter().any(|one| one == "verify"));
        if !signs || !verifies {
            return None;
        }
        let only = self.alg.as_deref().map(algorithm).transpose().ok()?;
        let x = self.x.as_deref();
        let (kind, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => {
                let key = DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?);
                (Kind::Rsa, key)
            }
            ("EC", Some(curve @ ("P-256" | "P-384"))) => {
                let is_short = curve == "P-256";
                let kind = if is_short { Kind::P256 } else { Kind::P384 };
                (
                    kind,
                    DecodingKey::from_ec_components(x?, self.y.as_deref()?),
                )
            }
            ("OKP", Some("Ed25519")) => (Kind::Ed25519, DecodingKey::from_ed_components(x?)),
            _ => return None,
        };
        Some(Key {
            id: self.kid,
            kind,
            only,
            key: key.ok()?,
        })
    }
}

/// The algorithm of this name (RFC 7518, 3.1; RFC 8037; RFC 9864), if it is one that only the provider can sign with.
///
/// # Errors
/// What is wrong with it.
pub(super) fn algorithm(name: &str) -> Result<Algorithm, OidcFault> {
    Ok(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" | "Ed25519" => Algorithm::EdDSA,
        _ if name.eq_ignore_ascii_case("none") => return Err(OidcFault::Unsigned),
        "HS256" | "HS384" | "HS512" => return Err(OidcFault::Symmetric),
        _ => return Err(OidcFault::Algorithm),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";

    fn found(keys: Value, id: Option<&str>, algorithm: Algorithm) -> Result<usize, &'static str> {
        let keys = Keys::of(serde_json::from_value(json!({"keys": keys})).unwrap());
        let found = keys.find(id, algorithm).map(Iterator::count);
        found.map_err(|fault| fault.word())
    }

    #[test]
    fn a_key_is_for_the_algorithms_of_its_kind() {
        let keys = json!([
            {"kty": "RSA", "kid": "r", "n": X, "e": "AQAB"},
            {"kty": "RSA", "kid": "s", "n": X, "e": "AQAB", "alg": "PS256", "use": "sig"},
            {"kty": "EC", "kid": "e", "crv": "P-256", "x": X, "y": X, "key_ops": ["verify"]},
            {"kty": "OKP", "kid": "o", "crv": "Ed25519", "x": X},
        ]);
        for (id, algorithm, count) in [
            (Some("r"), Algorithm::RS256, Ok(1)),
            (Some("r"), Algorithm::PS512, Ok(1)),
            (Some("s"), Algorithm::PS256, Ok(1)),
            (Some("s"), Algorithm::RS256, Err("algorithm")),
            (Some("r"), Algorithm::ES256, Err("algorithm")),
            (Some("e"), Algorithm::ES256, Ok(1)),
            (Some("e"), Algorithm::ES384, Err("algorithm")),
            (Some("e"), Algorithm::HS256, Err("algorithm")),
            (Some("o"), Algorithm::EdDSA, Ok(1)),
            (Some("x"), Algorithm::RS256, Err("unknown-key")),
            (None, Algorithm::PS256, Ok(2)),
            (None, Algorithm::ES384, Err("unknown-key")),
        ] {
            let found = found(keys.clone(), id, algorithm);
            assert_eq!(found, count, "{id:?} {algorithm:?}");
        }
    }

    #[test]
    fn what_signs_nothing_is_left_out() {
        let keys = json!([
            {"kty": "RSA", "kid": "k", "n": X, "e": "AQAB", "use": "enc"},
            {"kty": "RSA", "kid": "k", "n": X, "e": "AQAB", "alg": "RSA-OAEP"},
            {"kty": "RSA", "kid": "k", "n": X, "e": "AQAB", "key_ops": ["encrypt"]},
            {"kty": "RSA", "kid": "k", "e": "AQAB"},
            {"kty": "EC", "kid": "k", "crv": "P-521", "x": X, "y": X},
            {"kty": "oct", "kid": "k", "k": "c2VjcmV0"},
            {"kty": "AKP", "kid": "k", "pub": "..."},
            {"kty": 7}, 7, null,
        ]);
        assert_eq!(found(keys, Some("k"), Algorithm::RS256), Err("unknown-key"));
    }

    #[test]
    fn a_set_is_read_to_a_limit() {
        let key = json!({"kty": "EC", "crv": "P-256", "x": X, "y": X});
        let mut keys = vec![json!({}); KEYS_MAX];
        keys.push(key.clone());
        assert!(found(keys.into(), None, Algorithm::ES256).is_err());
        let many = vec![key; TRIES_MAX + 1];
        assert_eq!(found(many.into(), None, Algorithm::ES256), Ok(TRIES_MAX));
    }

    #[test]
    fn each_odd_algorithm_has_its_own_reason() {
        for (name, word) in [
            ("none", "unsigned"),
            ("NonE", "unsigned"),
            ("HS256", "symmetric-algorithm"),
            ("HS512", "symmetric-algorithm"),
            ("ES512", "algorithm"),
            ("rs256", "algorithm"),
            ("", "algorithm"),
        ] {
            assert_eq!(algorithm(name).unwrap_err().word(), word, "{name}");
        }
    }
}
