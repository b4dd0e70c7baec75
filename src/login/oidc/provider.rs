//! What is asked of a provider.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};

use super::cached::Cached;
use super::discovery::Discovery;
use super::endpoint::{Address, Client, Question};
use super::fault::{OidcFault, RefreshFault};
use super::grant::Grant;
use super::keys::Keys;
use super::settings::OidcSettings;
use super::token::{self, Expected, ID_KINDS, Jws, LOGOUT_KINDS, Proof};
use super::told::{Ask, LogoutToken, Profile, Redemption, Refreshed, Tokens};
use super::{profile, query};
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::base::secret::Secret;

/// Without it a provider does OAuth, and no OpenID Connect.
const OPENID: &str = "openid";

/// The scope of refresh tokens that are good without the provider's own session.
const OFFLINE: &str = "offline_access";

/// The provider of a site: shared by all cores, and kept by a reload that leaves its settings alone.
#[derive(Debug)]
pub struct Provider {
    settings: OidcSettings,
    client: Client,
    discovery: Cached<Discovery>,
    keys: Cached<Keys>,
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
        let client = Client::new(&settings.roots, settings.timeout)?;
        Ok(Self {
            discovery: Cached::new(client.timeout()),
            keys: Cached::new(client.timeout()),
            client,
            settings,
        })
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
        let discovery = self.discovery(now).await?;
        let scope = self.scope();
        let max_age = ask.max_age.map(|age| age.as_secs().to_string());
        let mut fields = vec![
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", ask.redirect_uri),
            ("scope", &scope),
            ("state", ask.state),
            ("nonce", ask.nonce),
            ("code_challenge", ask.challenge),
            ("code_challenge_method", "S256"),
        ];
        if let Some(max_age) = &max_age {
            fields.push(("max_age", max_age));
        }
        let prompt = prompt(ask.prompt, &scope);
        if let Some(prompt) = &prompt {
            fields.push(("prompt", prompt));
        }
        Ok(query::appended(&discovery.authorization, &fields))
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
        let is_fine = match iss {
            Some(iss) => iss == self.settings.issuer.as_str(),
            None => !self.discovery(now).await?.callbacks_name_issuer,
        };
        is_fine.then_some(()).ok_or(OidcFault::WrongIssuer)
    }

    /// Redeems the code of a callback, and verifies what comes for it.
    ///
    /// # Errors
    /// Why nobody has logged in.
    pub async fn redeem(&self, what: &Redemption<'_>, now: Time) -> Result<Tokens, OidcFault> {
        let discovery = self.discovery(now).await?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", what.code),
            ("redirect_uri", what.redirect_uri),
            ("code_verifier", what.verifier),
        ];
        let grant = Grant::ask(&self.client, &self.settings, &discovery, &fields).await?;
        let id_token = grant.id_token.as_ref();
        let id_token = id_token.ok_or(OidcFault::Incomplete("there is no ID token"))?;
        let expected = self.expected(Some(what.nonce), what.max_age);
        let (proof, mut claims) = self.prove(id_token, &expected, &discovery, now).await?;
        if profile::lacks(&claims, &self.settings)
            && let Some(address) = &discovery.userinfo
        {
            let told = self.userinfo(address, &grant.access_token, &proof.sub);
            profile::join(&mut claims, told.await?);
        }
        Ok(Tokens {
            profile: profile::of(claims, &self.settings.groups_claim)?,
            sub: proof.sub,
            sid: proof.sid,
            auth_time: proof.auth_time,
            access_expires: grant.life().map(|life| now.plus(life)),
            refresh_token: grant.refresh_token,
            id_token: grant.id_token,
        })
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
        let discovery = self.discovery(now).await.map_err(RefreshFault::Unknown)?;
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
        ];
        let grant = Grant::ask(&self.client, &self.settings, &discovery, &fields).await;
        let grant = grant.map_err(RefreshFault::of)?;
        let told = self.told_anew(&grant, sub, &discovery, now).await;
        let is_believed = told.is_ok();
        let profile = match told {
            Err(fault @ OidcFault::WrongSubject) => return Err(RefreshFault::of(fault)),
            // The old refresh token may be good no more, so that the new one counts whatever came along with it.
            Err(fault) => {
                let error = Causes(&fault);
                tracing::warn!(reason = fault.word(), %error, "an OpenID provider gave fresh tokens, and what it says of the user with them is not believed; what was known stays");
                None
            }
            Ok(profile) => profile,
        };
        Ok(Refreshed {
            profile,
            access_expires: grant.life().map(|life| now.plus(life)),
            refresh_token: grant.refresh_token,
            id_token: grant.id_token.filter(|_| is_believed),
        })
    }

    /// What a refresh tells of the user, if that is all that is told of users. Silence is no fault of it: the provider
    /// may have rotated the refresh token, and then the next one is all that keeps the session.
    async fn told_anew(
        &self,
        grant: &Grant,
        sub: &str,
        discovery: &Discovery,
        now: Time,
    ) -> Result<Option<Profile>, OidcFault> {
        let mut claims = Map::new();
        if let Some(id_token) = &grant.id_token {
            let expected = self.expected(None, None);
            match self.prove(id_token, &expected, discovery, now).await {
                Ok((proof, _)) if proof.sub != sub => return Err(OidcFault::WrongSubject),
                Ok((_, proved)) => claims = proved,
                Err(OidcFault::NoAnswer(_)) => return Ok(None),
                Err(fault) => return Err(fault),
            }
        }
        let mut is_whole = grant.id_token.is_some();
        if profile::lacks(&claims, &self.settings)
            && let Some(address) = &discovery.userinfo
        {
            match self.userinfo(address, &grant.access_token, sub).await {
                Ok(told) => profile::join(&mut claims, told),
                Err(OidcFault::WrongSubject) => return Err(OidcFault::WrongSubject),
                Err(_) => return Ok(None),
            }
            is_whole |= !profile::lacks(&claims, &self.settings);
        }
        if !is_whole {
            return Ok(None);
        }
        profile::of(claims, &self.settings.groups_claim).map(Some)
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
        let discovery = self.discovery(now).await?;
        let Some(address) = &discovery.end_session else {
            return Ok(None);
        };
        let mut fields = vec![
            ("client_id", self.settings.client_id.as_str()),
            ("post_logout_redirect_uri", back),
        ];
        if let Some(id_token) = id_token {
            fields.push(("id_token_hint", id_token.expose()));
        }
        if let Some(state) = state {
            fields.push(("state", state));
        }
        Ok(Some(query::appended(address, &fields)))
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
        // What cannot be a logout token asks nobody anything.
        let jws = Jws::parse(token)?;
        jws.check_kind(LOGOUT_KINDS)?;
        let discovery = self.discovery(now).await?;
        let claims = self.verified(&jws, &discovery, now).await?;
        let settings = &self.settings;
        let issuer = settings.issuer.as_str();
        let ended = token::ended(&claims, issuer, &settings.client_id, now)?;
        Ok(LogoutToken {
            sub: ended.sub,
            sid: ended.sid,
            jti: ended.jti,
            expires: ended.expires,
        })
    }

    /// Believes an ID token, or says why not.
    async fn prove(
        &self,
        id_token: &Secret<String>,
        expected: &Expected<'_>,
        discovery: &Discovery,
        now: Time,
    ) -> Result<(Proof, Map<String, Value>), OidcFault> {
        let jws = Jws::parse(id_token.expose())?;
        jws.check_kind(ID_KINDS)?;
        let claims = self.verified(&jws, discovery, now).await?;
        Ok((token::prove(&claims, expected, now)?, claims))
    }

    /// What a token says, once its signature is verified; with newer keys if the known ones lack its.
    async fn verified(
        &self,
        jws: &Jws<'_>,
        discovery: &Discovery,
        now: Time,
    ) -> Result<Map<String, Value>, OidcFault> {
        let fetch = async || Keys::fetch(&self.client, &discovery.keys).await;
        let keys = self.keys.fresh(now, fetch).await?;
        match jws.verified(&keys) {
            Err(fault) if jws.may_be_newer(&fault) => {
                let newer = self.keys.newer(&keys, now, fetch).await?;
                jws.verified(&newer)
            }
            verdict => verdict,
        }
    }

    /// What the UserInfo endpoint tells of `sub`.
    async fn userinfo(
        &self,
        address: &Address,
        token: &Secret<String>,
        sub: &str,
    ) -> Result<Map<String, Value>, OidcFault> {
        let answer = self.client.ask(address, Question::Bearer(token)).await?;
        let claims: Map<String, Value> = answer.json()?;
        // OpenID Connect Core 1.0, 5.3.2: else it may be told of somebody else.
        match claims.get("sub").and_then(Value::as_str) {
            Some(told) if told == sub => Ok(claims),
            Some(_) => Err(OidcFault::WrongSubject),
            None => Err(OidcFault::Incomplete("UserInfo names no sub")),
        }
    }

    async fn discovery(&self, now: Time) -> Result<Arc<Discovery>, OidcFault> {
        let fetch = async || Discovery::fetch(&self.client, &self.settings.issuer).await;
        self.discovery.fresh(now, fetch).await
    }

    fn expected<'a>(&'a self, nonce: Option<&'a str>, max_age: Option<Duration>) -> Expected<'a> {
        Expected {
            issuer: self.settings.issuer.as_str(),
            client_id: &self.settings.client_id,
            nonce,
            max_age,
        }
    }

    fn scope(&self) -> String {
        let scopes = self.settings.scopes.iter().map(String::as_str);
        let others = scopes.filter(|scope| *scope != OPENID);
        let all: Vec<_> = std::iter::once(OPENID).chain(others).collect();
        all.join(" ")
    }
}

/// What the visitor is asked: OpenID Connect Core 1.0, 11, wants consent for tokens that are good without them.
fn prompt(asked: Option<&str>, scope: &str) -> Option<String> {
    let is_offline = scope.split(' ').any(|scope| scope == OFFLINE);
    match asked {
        Some(asked) if is_offline && asked != "none" => Some(format!("{asked} consent")),
        None if is_offline => Some("consent".to_owned()),
        asked => asked.map(str::to_owned),
    }
}

impl RefreshFault {
    fn of(fault: OidcFault) -> Self {
        match &fault {
            OidcFault::Refused(code) if code.as_str() == "invalid_grant" => Self::Over(fault),
            OidcFault::WrongSubject => Self::Over(fault),
            _ => Self::Unknown(fault),
        }
    }
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
