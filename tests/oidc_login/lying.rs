//! A provider of the tests' own, which says whatever a test wants, and a shop whose customers log in there.

#![allow(dead_code, reason = "another test uses the rest of it")]

#[path = "../oidc_provider/liar.rs"]
pub mod liar;

use std::time::Duration;

use cloakroom::base::clock::Clock;
use cloakroom::base::secret::Secret;
use cloakroom::login::oidc::{Issuer, OidcSettings, Provider, Roots};
use serde_json::{Value, json};

use self::liar::Liar;
use super::*;
use crate::support::forms::encode;

fn settings(issuer: &str, client: &str, secret: &str) -> OidcSettings {
    OidcSettings {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: client.to_owned(),
        client_secret: Some(Secret::new(secret.to_owned())),
        scopes: vec!["openid".to_owned()],
        groups_claim: "groups".to_owned(),
        roots: Roots::System,
        timeout: Duration::from_secs(10),
    }
}

fn provider(settings: OidcSettings) -> Provider {
    Provider::new(settings).unwrap()
}

/// What the wall clock says.
pub fn now() -> u64 {
    Clock::system().now().as_secs()
}

/// A shop whose provider may lie.
pub struct Den {
    pub gate: Gate,
    pub liar: Liar,
}

impl Den {
    /// Before this app.
    pub async fn before(app: &App) -> Self {
        let liar = Liar::start().await;
        let site = site(&liar.issuer, "");
        let setup = Setup {
            site: &site,
            ..Setup::default()
        };
        let gate = Gate::with(app, setup).await;
        Self { gate, liar }
    }

    /// Begins a login, has the provider vouch with these changes, and ends it.
    pub async fn log_in(&self, browser: &Browser, changes: Value) -> Answer {
        let page = "/.cloakroom/login";
        let sent = browser.get(page).navigating().send().await;
        assert_eq!(sent.status(), 303, "{}", sent.text());
        let there = sent.header("location").unwrap();
        let param = |name: &str| {
            let (_, rest) = there.split_once(&format!("{name}=")).unwrap();
            rest.split('&').next().unwrap().to_owned()
        };
        let mut claims = self.liar.claims(json!({
            "nonce": param("&nonce"), "iat": now(), "exp": now() + 300, "auth_time": now(),
        }));
        let all = claims.as_object_mut().unwrap();
        all.extend(changes.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        self.liar.brings(self.liar.key.sign(json!({}), claims));
        let state = param("&state");
        let back = format!("/.cloakroom/callback?code=c&state={state}");
        coming(browser, &back).send().await
    }

    /// A logout token with these changes.
    pub fn logout_token(&self, changes: Value) -> String {
        let mut claims = self.liar.logout(json!({"iat": now(), "exp": now() + 120}));
        let all = claims.as_object_mut().unwrap();
        all.extend(changes.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        self.liar.key.sign(json!({"typ": "logout+jwt"}), claims)
    }

    /// Sends a logout token, as the provider does.
    pub async fn told(&self, token: &str) -> Answer {
        let nobody = self.gate.browser();
        nobody
            .post(
                "/.cloakroom/backchannel-logout",
                encode(&[("logout_token", token)]),
            )
            .header("content-type", "application/x-www-form-urlencoded")
            .send()
            .await
    }
}
