//! `[site.login]` with `method = "oidc"`: an OpenID provider says who it is.

use std::time::Duration;

use super::super::file::{self, LoginMethod};
use super::super::settings::{Attendance, Engine, Oidc, Site};
use super::listen::positive;
use super::{Check, store};
use crate::login::oidc::Issuer;

/// A login that takes longer is none that anybody still means.
const LOGIN_TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// So long a visitor waits for us to hear from the provider.
const PROVIDER_TIMEOUT_MAX: Duration = Duration::from_secs(60);

/// The provider of the site at `at`, if it has one.
pub(super) fn oidc(
    check: &mut Check<'_>,
    at: usize,
    mirror: &file::Login,
    session: Attendance,
) -> Option<Oidc> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    if mirror.method != LoginMethod::Oidc {
        let usual = file::Login::default();
        for (name, is_meant) in [
            ("issuer", !mirror.issuer.is_empty()),
            ("client_id", !mirror.client_id.is_empty()),
            ("client_secret", !mirror.client_secret.expose().is_empty()),
            ("client_secret_file", !mirror.client_secret_file.is_empty()),
            ("scopes", mirror.scopes != usual.scopes),
            ("groups_claim", mirror.groups_claim != usual.groups_claim),
            (
                "login_timeout",
                mirror.login_timeout.0 != usual.login_timeout.0,
            ),
            (
                "provider_timeout",
                mirror.provider_timeout.0 != usual.provider_timeout.0,
            ),
        ] {
            if is_meant {
                let why = "says nothing without method = \"oidc\"";
                check.warn(&key(name), why, "set the method or take it out");
            }
        }
        return None;
    }
    if session == Attendance::Off {
        let why = "without sessions (session = \"off\") nobody can be logged in";
        check.fault(&key("method"), why, "take one of them out");
    }
    let issuer = issuer(check, &key("issuer"), &mirror.issuer);
    if mirror.client_id.is_empty() {
        let way_out = "write the id under which the provider knows this gateway";
        check.fault(&key("client_id"), "missing: who asks", way_out);
    }
    let (path, here) = (key("client_secret"), &mirror.client_secret);
    let client_secret = store::text(check, &path, here, &mirror.client_secret_file);
    if client_secret.is_none() {
        let why =
            "is missing, so this is a public client, and anybody may ask the provider in its name";
        let way_out = "write client_secret_file, unless the provider knows it as a public client";
        check.warn(&key("client_secret"), why, way_out);
    }
    for (nth, scope) in mirror.scopes.iter().enumerate() {
        // RFC 6749, 3.3.
        let is_octet = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if scope.is_empty() || !scope.bytes().all(is_octet) {
            let way_out = "write each by itself, for example scopes = [\"openid\", \"groups\"]";
            check.fault(&key(&format!("scopes[{nth}]")), "no scope", way_out);
        }
    }
    if mirror.groups_claim.is_empty() {
        let way_out = "write the name of the claim, or take it out for \"groups\"";
        check.fault(&key("groups_claim"), "names no claim", way_out);
    }
    let login_timeout = positive(check, &key("login_timeout"), mirror.login_timeout);
    let provider_timeout = positive(check, &key("provider_timeout"), mirror.provider_timeout);
    for (name, span, most, written) in [
        ("login_timeout", login_timeout, LOGIN_TIMEOUT_MAX, "\"1h\""),
        (
            "provider_timeout",
            provider_timeout,
            PROVIDER_TIMEOUT_MAX,
            "\"1m\"",
        ),
    ] {
        if span > most {
            let way_out = format!("write at most {written}");
            check.fault(&key(name), "is longer than anybody waits", way_out);
        }
    }
    let ca_file = match mirror.ca_file.as_str() {
        "" => None,
        file => Some(check.file(&key("ca_file"), file)),
    };
    Some(Oidc {
        carry: mirror.carry.unwrap_or(false),
        issuer: issuer?,
        client_id: mirror.client_id.clone(),
        client_secret,
        scopes: mirror.scopes.clone(),
        groups_claim: mirror.groups_claim.clone(),
        ca_file,
        login_timeout,
        provider_timeout,
    })
}

fn issuer(check: &mut Check<'_>, key: &str, text: &str) -> Option<Issuer> {
    if text.is_empty() {
        let way_out =
            "write the issuer of the provider, as its /.well-known/openid-configuration has it";
        check.fault(key, "missing: which provider", way_out);
        return None;
    }
    match Issuer::parse(text) {
        Ok(issuer) => Some(issuer),
        Err(fault) => {
            let way_out = "write it as the provider's /.well-known/openid-configuration has it";
            check.fault(key, fault.to_string(), way_out);
            None
        }
    }
}

/// Says what the cookie engine cannot do for users of a provider.
pub(super) fn engine_can(check: &mut Check<'_>, sites: &[Site], engine: &Engine) {
    if !matches!(engine, Engine::Cookie { .. }) {
        return;
    }
    for (at, _) in sites
        .iter()
        .enumerate()
        .filter(|(_, site)| site.oidc.is_some())
    {
        let why = "with engine = \"cookie\" the provider's tokens are not kept: groups stay as they were at the login, \
                   a logout at the provider ends no session here (backchannel-logout answers 501), and the provider \
                   asks before it logs anybody out";
        let way_out = "choose another session.store.engine";
        check.warn(&format!("site[{at}].login.method"), why, way_out);
    }
}
