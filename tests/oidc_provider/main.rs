//! OpenID Connect as a relying party: against a real provider, and against one that lies.
//!
//! One function for each promise; its name is the promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod real;

mod liar;

mod lies;

mod silence;

use std::time::Duration;

use cloakroom::base::clock::{Clock, Time};
use cloakroom::base::secret::Secret;
use cloakroom::login::oidc::{Issuer, OidcSettings, Provider, Roots};

/// The site of the tests.
const ORIGIN: &str = "https://localhost";
const CALLBACK: &str = "https://localhost/.cloakroom/callback";

/// What the site says of a provider.
fn settings(issuer: &str, client: &str, secret: &str) -> OidcSettings {
    OidcSettings {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: client.to_owned(),
        client_secret: Some(Secret::new(secret.to_owned())),
        scopes: ["openid", "profile", "email", "groups"]
            .map(String::from)
            .to_vec(),
        groups_claim: "groups".to_owned(),
        roots: Roots::System,
        timeout: Duration::from_secs(10),
    }
}

fn provider(settings: OidcSettings) -> Provider {
    Provider::new(settings).unwrap()
}

/// What the wall clock says, as the provider's does.
fn now() -> Time {
    Clock::system().now()
}

/// The value of a parameter of a URL.
fn param(url: &str, name: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(known, _)| *known == name)?;
    let value = value.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&value).decode_utf8();
    Some(decoded.unwrap().into_owned())
}
