//! What must be true of a token of the provider's (RFC 7519, RFC 8725; OpenID Connect Core 1.0, 3.1.3.7; Back-Channel
//! Logout 1.0, 2.6). What cannot be read, or is signed in a way that proves nothing, is refused before anything in it is
//! looked at.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, crypto};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fault::OidcFault;
use super::keys::{Keys, algorithm};
use crate::base::clock::Time;

/// How far clocks may be apart.
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// The longest token, in bytes.
const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// The longest name of a user (OpenID Connect Core 1.0, 2), of a session or of a token, in bytes.
const NAME_BYTES_MAX: usize = 255;

/// How long after it was issued a logout token counts, whatever it says itself: so long its name is remembered.
const LOGOUT_LIFE: Duration = Duration::from_secs(3600);

const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// A token whose parts can be told, and of which nothing is known yet.
pub(super) struct Jws<'t> {
    algorithm: Algorithm,
    key: Option<String>,
    kind: Option<String>,
    /// What was signed.
    signed: &'t str,
    claims: &'t str,
    signature: &'t str,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

impl<'t> Jws<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, OidcFault> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(OidcFault::Malformed("it is too long"));
        }
        let parts = || {
            let (signed, signature) = token.rsplit_once('.')?;
            let (head, claims) = signed.split_once('.')?;
            Some((signed, head, claims, signature)).filter(|_| !claims.contains('.'))
        };
        let not_three = OidcFault::Malformed("it does not have three parts");
        let (signed, head, claims, signature) = parts().ok_or(not_three)?;
        let head: Head = part(head)?;
        // RFC 7515, 4.1.11: whatever it is, it must be understood, and nothing is.
        if head.crit.is_some() {
            return Err(OidcFault::Malformed("it demands an extension"));
        }
        Ok(Self {
            algorithm: algorithm(&head.alg)?,
            key: head.kid,
            kind: head.typ,
            signed,
            claims,
            signature,
        })
    }

    /// Whether another set of keys may have what this one lacks.
    pub(super) fn may_be_newer(&self, fault: &OidcFault) -> bool {
        match fault {
            OidcFault::UnknownKey => true,
            OidcFault::Signature => self.key.is_none(),
            _ => false,
        }
    }

    /// What it says, if one of the provider's keys signed that.
    pub(super) fn verified(&self, keys: &Keys) -> Result<Map<String, Value>, OidcFault> {
        let message = self.signed.as_bytes();
        let mut found = keys.find(self.key.as_deref(), self.algorithm)?;
        let signed = found.any(|key| {
            let verdict = crypto::verify(self.signature, message, key, self.algorithm);
            verdict.is_ok_and(|is_signed| is_signed)
        });
        if !signed {
            return Err(OidcFault::Signature);
        }
        part(self.claims)
    }

    /// # Errors
    /// When it says that it is something else than one of `kinds`.
    pub(super) fn check_kind(&self, kinds: &[&str]) -> Result<(), OidcFault> {
        let Some(kind) = &self.kind else {
            return Ok(());
        };
        // RFC 7515, 4.1.9: it may be written with the type that most have.
        let kind = kind.to_ascii_lowercase();
        let kind = kind.strip_prefix("application/").unwrap_or(&kind);
        if kinds.contains(&kind) {
            Ok(())
        } else {
            Err(OidcFault::WrongType)
        }
    }
}

/// What `typ` says of an ID token.
pub(super) const ID_KINDS: &[&str] = &["jwt"];

/// What it says of a logout token; many providers say what they say of all.
pub(super) const LOGOUT_KINDS: &[&str] = &["logout+jwt", "jwt"];

fn part<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, OidcFault> {
    let decoded = BASE64URL_NOPAD.decode(text.as_bytes());
    let decoded = decoded.map_err(|_| OidcFault::Malformed("a part is no base64url"))?;
    let read = serde_json::from_slice(&decoded);
    read.map_err(|_| {
        OidcFault::Malformed("a part is no JSON object, or not the one that belongs there")
    })
}

/// What a login expects of its ID token.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    /// `None`: a refresh, which has none.
    pub(super) nonce: Option<&'a str>,
    pub(super) max_age: Option<Duration>,
}

/// What an ID token proves.
#[derive(Debug, PartialEq)]
pub(super) struct Proof {
    pub(super) sub: String,
    pub(super) sid: Option<String>,
    pub(super) auth_time: Option<Time>,
}

/// Judges an ID token by what it says.
pub(super) fn prove(
    claims: &Map<String, Value>,
    expected: &Expected<'_>,
    now: Time,
) -> Result<Proof, OidcFault> {
    check_origin(claims, expected.issuer, expected.client_id)?;
    check_times(claims, now)?;
    let nonce = claims.get("nonce").and_then(Value::as_str);
    if expected.nonce.is_some() && nonce != expected.nonce {
        return Err(OidcFault::WrongNonce);
    }
    let auth_time = date(claims, "auth_time")?;
    if let Some(max_age) = expected.max_age {
        let told = auth_time.ok_or(OidcFault::LongAgo)?;
        if now.since(told) > max_age.saturating_add(LEEWAY) {
            return Err(OidcFault::LongAgo);
        }
    }
    Ok(Proof {
        sub: name(claims, "sub")?.ok_or(OidcFault::Malformed("there is no sub"))?,
        sid: name(claims, "sid")?,
        auth_time,
    })
}

/// What a logout token ends.
#[derive(Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) sub: Option<String>,
    pub(super) sid: Option<String>,
    pub(super) jti: String,
    pub(super) expires: Time,
}

/// Judges a logout token by what it says.
pub(super) fn ended(
    claims: &Map<String, Value>,
    issuer: &str,
    client_id: &str,
    now: Time,
) -> Result<Ended, OidcFault> {
    check_origin(claims, issuer, client_id)?;
    let (issued, expires) = check_times(claims, now)?;
    let forgotten = issued.plus(LOGOUT_LIFE);
    if forgotten.plus(LEEWAY) <= now {
        return Err(OidcFault::Expired);
    }
    let event = claims.get("events").and_then(|all| all.get(LOGOUT_EVENT));
    if !event.is_some_and(Value::is_object) {
        return Err(OidcFault::NoLogout);
    }
    if claims.contains_key("nonce") {
        return Err(OidcFault::LogoutNonce);
    }
    let (sub, sid) = (name(claims, "sub")?, name(claims, "sid")?);
    if sub.is_none() && sid.is_none() {
        return Err(OidcFault::Nobody);
    }
    Ok(Ended {
        sub,
        sid,
        jti: name(claims, "jti")?.ok_or(OidcFault::Malformed("there is no jti"))?,
        expires: expires.min(forgotten).plus(LEEWAY),
    })
}

/// From whom it is, and for whom.
fn check_origin(
    claims: &Map<String, Value>,
    issuer: &str,
    client_id: &str,
) -> Result<(), OidcFault> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(OidcFault::WrongIssuer);
    }
    let (is_ours, is_shared) = match claims.get("aud") {
        Some(Value::String(one)) => (one == client_id, false),
        Some(Value::Array(all)) => (all.iter().any(|one| one == client_id), all.len() > 1),
        _ => (false, false),
    };
    if !is_ours {
        return Err(OidcFault::WrongAudience);
    }
    match claims.get("azp") {
        Some(party) if party != client_id => Err(OidcFault::WrongParty),
        // Somebody else may use it too, and nothing says that it was meant for us first.
        None if is_shared => Err(OidcFault::WrongParty),
        _ => Ok(()),
    }
}

/// When it was issued, and until when it counts, both of which it must say.
fn check_times(claims: &Map<String, Value>, now: Time) -> Result<(Time, Time), OidcFault> {
    let missing = OidcFault::Malformed("there is no exp or no iat");
    let (expires, issued) = (date(claims, "exp")?, date(claims, "iat")?);
    let (Some(expires), Some(issued)) = (expires, issued) else {
        return Err(missing);
    };
    if expires.plus(LEEWAY) <= now {
        return Err(OidcFault::Expired);
    }
    let begins = date(claims, "nbf")?.unwrap_or(issued).max(issued);
    if begins > now.plus(LEEWAY) {
        return Err(OidcFault::FromTheFuture);
    }
    Ok((issued, expires))
}

/// A NumericDate (RFC 7519, 2): seconds, with a fraction perhaps.
fn date(claims: &Map<String, Value>, claim: &str) -> Result<Option<Time>, OidcFault> {
    let Some(value) = claims.get(claim).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let fraction = || value.as_f64().filter(|secs| *secs >= 0.0);
    // A number past the range becomes the last of it.
    let secs = value
        .as_u64()
        .or_else(|| fraction().map(|secs| secs as u64));
    let secs = secs.ok_or(OidcFault::Malformed("a date is none"))?;
    Ok(Some(Time::from_secs(secs)))
}

/// The name of somebody or something, as it is.
fn name(claims: &Map<String, Value>, claim: &str) -> Result<Option<String>, OidcFault> {
    let Some(value) = claims.get(claim).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let is_name = |text: &&str| {
        let is_long = text.len() > NAME_BYTES_MAX;
        !text.is_empty() && !is_long && !text.chars().any(char::is_control)
    };
    let name = value.as_str().filter(is_name);
    let name = name.ok_or(OidcFault::Malformed("sub, sid or jti is no name"))?;
    Ok(Some(name.to_owned()))
}

#[cfg(test)]
mod tests;
