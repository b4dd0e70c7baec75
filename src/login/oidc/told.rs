//! What is asked for in a login, and what comes of it.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::clock::Time;
use crate::base::secret::Secret;

/// What a login asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Our callback, as the provider knows it.
    pub redirect_uri: &'a str,
    /// What comes back with the answer.
    pub state: &'a str,
    /// What stands in the ID token of this login alone.
    pub nonce: &'a str,
    /// [`challenge`](super::challenge) of the PKCE verifier.
    pub challenge: &'a str,
    /// How long ago the user may have proved who they are; then the ID token must tell.
    pub max_age: Option<Duration>,
    /// `prompt`: `login` for a proof now, whatever the provider remembers.
    pub prompt: Option<&'a str>,
}

/// What came back from a login, and what is known of it.
#[derive(Clone, Copy)]
pub struct Redemption<'a> {
    /// The code of the callback.
    pub code: &'a str,
    /// The PKCE verifier.
    pub verifier: &'a str,
    /// As in [`Ask`].
    pub redirect_uri: &'a str,
    /// As in [`Ask`].
    pub nonce: &'a str,
    /// As in [`Ask`].
    pub max_age: Option<Duration>,
}

/// What a provider tells of a user.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Profile {
    /// A name for people: `name`, else `preferred_username`.
    pub name: Option<String>,
    /// An e-mail address, unless the provider says that it is not verified; never a key.
    pub email: Option<String>,
    /// The groups, in order and each once.
    pub groups: Vec<String>,
    /// All other claims that are about the user, rather than about the token, and that fit.
    pub claims: Map<String, Value>,
}

/// What a login brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens {
    /// Who it is; with the issuer, the key of the user.
    pub sub: String,
    /// What is told of them.
    pub profile: Profile,
    /// The provider's session.
    pub sid: Option<String>,
    /// When the user proved who they are.
    pub auth_time: Option<Time>,
    /// What [`Provider::refresh`](super::Provider::refresh) needs.
    pub refresh_token: Option<Secret<String>>,
    /// When fresh tokens are due.
    pub access_expires: Option<Time>,
    /// The hint for [`Provider::logout_url`](super::Provider::logout_url).
    pub id_token: Option<Secret<String>>,
}

/// What a refresh brings.
#[derive(Clone, Debug, PartialEq)]
pub struct Refreshed {
    /// What is told of the user now; `None`: nothing was told, and what is known stays.
    pub profile: Option<Profile>,
    /// The next refresh token; `None`: the one that was used stays good.
    pub refresh_token: Option<Secret<String>>,
    /// When fresh tokens are due.
    pub access_expires: Option<Time>,
    /// The new hint, where there is one.
    pub id_token: Option<Secret<String>>,
}

/// What a provider says has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// All sessions of this user …
    pub sub: Option<String>,
    /// … or, where it is told, those of this session of the provider's.
    pub sid: Option<String>,
    /// The token's own name: it counts once.
    pub jti: String,
    /// Until when its name must be remembered.
    pub expires: Time,
}
