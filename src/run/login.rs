//! From finished settings to the login page of a site.

use std::sync::Arc;

use super::fault::StartFault;
use crate::config::{looks_dir, settings, users_file};
use crate::gateway::looks::Looks;
use crate::gateway::oidc::OidcLogin;
use crate::login::form::FormLogin;
use crate::login::form::users::Users;
use crate::login::oidc::{OidcSettings, Provider, Roots};
use crate::login::page::LoginPage;

/// The login page of the site at `at`, if it has one, with its users as they are now.
pub(super) fn form(
    at: usize,
    settings: Option<&settings::Form>,
) -> Result<Option<FormLogin>, StartFault> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let accounts = users_file::read(&settings.users_file).map_err(|source| StartFault::Users {
        key: format!("site[{at}].login.users_file"),
        source,
    })?;
    Ok(Some(FormLogin {
        users: Users::new(accounts, settings.cost),
        second_factor: settings.totp,
        limits: settings.limits,
        carry: settings.carry,
    }))
}

/// How the pages of the site at `at` look, with its folder as it is now.
pub(super) fn looks(at: usize, settings: &settings::Looks) -> Result<Arc<Looks>, Vec<StartFault>> {
    looks_dir::looks(settings).map_err(|faults| {
        let faults = faults.into_iter().map(|fault| StartFault::Looks {
            key: format!("site[{at}].login.templates_dir"),
            source: Box::new(fault),
        });
        faults.collect()
    })
}

/// The provider of the site at `at`, if it has one. Nothing is asked of it yet: it may be down when we start.
pub(super) fn oidc(
    at: usize,
    settings: Option<&settings::Oidc>,
) -> Result<Option<OidcLogin>, StartFault> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let key = |name: &str| format!("site[{at}].login.{name}");
    let secret = settings.client_secret.as_ref();
    let client_secret = secret.map(settings::Text::read).transpose();
    let client_secret = client_secret.map_err(|source| StartFault::Secret {
        key: key("client_secret_file"),
        source,
    })?;
    let roots = settings.ca_file.as_deref().map(Roots::read).transpose();
    let roots = roots.map_err(|source| StartFault::ProviderRoots {
        key: key("ca_file"),
        source: Box::new(source),
    })?;
    let provider = Provider::new(OidcSettings {
        issuer: settings.issuer.clone(),
        client_id: settings.client_id.clone(),
        client_secret,
        scopes: settings.scopes.clone(),
        groups_claim: settings.groups_claim.clone(),
        roots: roots.unwrap_or_default(),
        timeout: settings.provider_timeout,
    });
    let provider = provider.map_err(|source| StartFault::ProviderRoots {
        key: key("ca_file"),
        source: Box::new(source),
    })?;
    Ok(Some(OidcLogin {
        provider: Arc::new(provider),
        login_timeout: settings.login_timeout,
        carry: settings.carry,
    }))
}

/// Where visitors log in, if that is known.
pub(super) fn page(site: &settings::Site) -> Option<LoginPage> {
    let of_app = site.login_page.as_ref().map(|page| LoginPage::App {
        address: page.address.clone(),
        return_param: page.return_param.clone(),
    });
    let ours = || LoginPage::Ours {
        prefix: site.path.trim_end_matches('/').to_owned(),
    };
    let has_ours = site.form.is_some() || site.oidc.is_some();
    of_app.or_else(|| has_ours.then(ours))
}
