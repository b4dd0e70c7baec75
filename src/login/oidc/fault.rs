//! Why a provider's word does not make anybody a user. Each reason has a word of its own, which logs and metrics show.

use std::fmt;
use std::sync::Arc;

use super::endpoint::EndpointFault;

/// The longest error code that is shown, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// Why something that the provider has to do with did not come about.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OidcFault {
    /// Nobody answered, not in time, or with an error of their own: trying again later is worth it.
    #[error("the OpenID provider did not answer")]
    NoAnswer(#[source] Arc<EndpointFault>),
    /// An answer that is none of the protocol's.
    #[error("the OpenID provider's answer cannot be used")]
    BadAnswer(#[source] Arc<EndpointFault>),
    /// An answer that is JSON and lacks something, or holds what it must not.
    #[error("the OpenID provider's answer cannot be used: {0}")]
    Incomplete(&'static str),
    /// The discovery document is of another issuer.
    #[error("the discovery document is of another issuer than the one configured")]
    OtherProvider,
    /// An address in the discovery document that is reached without TLS.
    #[error("{0} of the discovery document is no https URL")]
    Insecure(&'static str),
    /// The provider says no, with a code of OAuth.
    #[error("the OpenID provider refuses: {0}")]
    Refused(ErrorCode),
    /// A token that is no token.
    #[error("the token cannot be read: {0}")]
    Malformed(&'static str),
    /// `"alg": "none"`.
    #[error("the token is not signed (alg \"none\")")]
    Unsigned,
    /// HS256 and its like: whoever knows the public key or our secret could make such a token.
    #[error("the token's algorithm is symmetric, and anybody could compute it from a public key")]
    Symmetric,
    /// An algorithm that we do not take, or that the key is not for.
    #[error("the token's algorithm is not one that its key is for")]
    Algorithm,
    /// The provider publishes no such key.
    #[error("the provider publishes no key of the token's name")]
    UnknownKey,
    /// Not what the key signed.
    #[error("the token's signature is wrong")]
    Signature,
    /// A token for something else, by its `typ`.
    #[error("the token is of another type")]
    WrongType,
    /// `iss`.
    #[error("the issuer is another one")]
    WrongIssuer,
    /// `aud`.
    #[error("the token is meant for somebody else")]
    WrongAudience,
    /// `azp`.
    #[error("the token was issued to somebody else")]
    WrongParty,
    /// `nonce`.
    #[error("the token belongs to another login")]
    WrongNonce,
    /// `sub`.
    #[error("the user is another one")]
    WrongSubject,
    /// `exp`, or for a logout token an `iat` long ago.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf`.
    #[error("the token is from the future")]
    FromTheFuture,
    /// `auth_time`.
    #[error("the provider vouches for a login that is longer ago than was asked for")]
    LongAgo,
    /// Used before.
    #[error("it was used before")]
    Replayed,
    /// Too many or too long claims or groups.
    #[error("the provider tells more of the user than a session may hold: {0}")]
    TooMuch(&'static str),
    /// No `events`, or none of the back-channel logout.
    #[error("the token is no logout token")]
    NoLogout,
    /// A logout token with a `nonce`, so that it might be taken for an ID token.
    #[error("the logout token holds a nonce")]
    LogoutNonce,
    /// A logout token that names nobody.
    #[error("the logout token names neither a user nor a session")]
    Nobody,
}

impl OidcFault {
    /// The word for it in logs and metrics.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoAnswer(_) => "no-answer",
            Self::BadAnswer(_) | Self::Incomplete(_) => "bad-answer",
            Self::OtherProvider => "other-provider",
            Self::Insecure(_) => "insecure-endpoint",
            Self::Refused(_) => "refused",
            Self::Malformed(_) => "malformed",
            Self::Unsigned => "unsigned",
            Self::Symmetric => "symmetric-algorithm",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown-key",
            Self::Signature => "signature",
            Self::WrongType => "wrong-type",
            Self::WrongIssuer => "wrong-issuer",
            Self::WrongAudience => "wrong-audience",
            Self::WrongParty => "wrong-party",
            Self::WrongNonce => "wrong-nonce",
            Self::WrongSubject => "wrong-subject",
            Self::Expired => "expired",
            Self::FromTheFuture => "from-the-future",
            Self::LongAgo => "long-ago",
            Self::Replayed => "replayed",
            Self::TooMuch(_) => "too-much",
            Self::NoLogout => "no-logout",
            Self::LogoutNonce => "logout-nonce",
            Self::Nobody => "nobody",
        }
    }

    /// Whether trying again later may help: the provider is down, and said nothing.
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::NoAnswer(_))
    }
}

/// Why there are no new tokens.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RefreshFault {
    /// The provider says that the grant is over (`invalid_grant`), or the tokens are of another user: the session must
    /// end.
    #[error("the login has ended at the OpenID provider")]
    Over(#[source] OidcFault),
    /// It could not be found out: the provider was silent, answered nonsense, or refuses us rather than the user. The
    /// session goes on, and another try is made later.
    #[error("the OpenID provider was asked in vain for new tokens")]
    Unknown(#[source] OidcFault),
}

impl RefreshFault {
    /// What happened.
    pub const fn fault(&self) -> &OidcFault {
        match self {
            Self::Over(fault) | Self::Unknown(fault) => fault,
        }
    }
}

/// The `error` of an answer of OAuth, as it may stand in a log: whatever is no code is `invalid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorCode(String);

impl ErrorCode {
    /// Of any text.
    pub fn of(text: &str) -> Self {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let is_code = !text.is_empty() && text.len() <= CODE_BYTES_MAX && text.bytes().all(plain);
        Self(if is_code { text } else { "invalid" }.to_owned())
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
