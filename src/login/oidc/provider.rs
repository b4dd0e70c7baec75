//! What is asked of a provider.

use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::fault::{OidcFault, RefreshFault};
use super::settings::OidcSettings;
use crate::base::clock::Time;
use crate::base::secret::Secret;

/// The provider of a site: shared by all cores, and kept by a reload that leaves its settings alone.
#[derive(Debug)]
pub struct Provider {
    settings: OidcSettings,
}

/// What a login asks for.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// Our callback, as the provider knows it.
    pub redirect_uri: &'a str,
    /// What comes back with the answer.
    pub state: &'a str,
    /// What stands in the ID token of this login alone.
    pub nonce: &'a str,
    /// [`challenge`] of the PKCE verifier.
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
    /// What [`Provider::refresh`] needs.
    pub refresh_token: Option<Secret<String>>,
    /// When fresh tokens are due.
    pub access_expires: Option<Time>,
    /// The hint for [`Provider::logout_url`].
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

/// Why there is no provider to be had.
#[derive(Debug, thiserror::Error)]
pub enum ProviderFault {
    /// rustls refuses what it is given.
    #[error("TLS to the OpenID provider cannot be set up")]
    Tls(#[source] rustls::Error),
    /// A certificate that can be no root.
    #[error("a certificate in ca_file cannot be a root")]
    Root(#[source] rustls::Error),
    /// The same, of all of them.
    #[error("the trusted certificates cannot be used")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}

/// The PKCE challenge (S256) of a verifier.
pub fn challenge(verifier: &str) -> String {
    let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
    BASE64URL_NOPAD.encode(hash.as_ref())
}

impl Provider {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When its certificates cannot be verified with what the settings say.
    pub fn new(settings: OidcSettings) -> Result<Self, ProviderFault> {
        Ok(Self { settings })
    }

    /// What it was made of.
    pub const fn settings(&self) -> &OidcSettings {
        &self.settings
    }

    /// Where the visitor is sent to log in.
    ///
    /// # Errors
    /// When it cannot be found out where that is.
    pub async fn authorize_url(&self, ask: &Ask<'_>, now: Time) -> Result<String, OidcFault> {
        let _ = (ask, now);
        Err(OidcFault::UnknownKey)
    }

    /// Whether the `iss` of a callback (RFC 9207) is this provider, so that none is taken for another. It may be left
    /// out only by a provider that does not announce it.
    ///
    /// # Errors
    /// [`OidcFault::WrongIssuer`], or that it cannot be found out.
    pub async fn check_callback_issuer(
        &self,
        iss: Option<&str>,
        now: Time,
    ) -> Result<(), OidcFault> {
        let _ = (iss, now);
        Err(OidcFault::UnknownKey)
    }

    /// Redeems the code of a callback, and verifies what comes for it.
    ///
    /// # Errors
    /// Why nobody has logged in.
    pub async fn redeem(&self, what: &Redemption<'_>, now: Time) -> Result<Tokens, OidcFault> {
        let _ = (what.code, now);
        Err(OidcFault::UnknownKey)
    }

    /// Asks for fresh tokens of the user `sub`. Only one may do so at a time for one refresh token: a provider that
    /// rotates them takes a second use for theft.
    ///
    /// # Errors
    /// [`RefreshFault`] tells what is over from what is not known.
    pub async fn refresh(
        &self,
        refresh_token: &Secret<String>,
        sub: &str,
        now: Time,
    ) -> Result<Refreshed, RefreshFault> {
        let _ = (refresh_token, sub, now);
        Err(RefreshFault::Unknown(OidcFault::UnknownKey))
    }

    /// Where the visitor is sent to log out at the provider too, and to come back to `back`; `None`: the provider has no
    /// such page.
    ///
    /// # Errors
    /// When it cannot be found out.
    pub async fn logout_url(
        &self,
        id_token: Option<&Secret<String>>,
        back: &str,
        state: Option<&str>,
        now: Time,
    ) -> Result<Option<String>, OidcFault> {
        let _ = (id_token, back, state, now);
        Err(OidcFault::UnknownKey)
    }

    /// Verifies a logout token (OpenID Connect Back-Channel Logout 1.0). That its `jti` counts once is for the caller.
    ///
    /// # Errors
    /// Why it ends nothing.
    pub async fn read_logout_token(
        &self,
        token: &str,
        now: Time,
    ) -> Result<LogoutToken, OidcFault> {
        let _ = (token, now);
        Err(OidcFault::UnknownKey)
    }
}
