//! From finished settings to the login page of a site.

use std::sync::Arc;

use super::fault::StartFault;
use crate::config::{looks_dir, settings, users_file};
use crate::gateway::looks::Looks;
use crate::login::form::FormLogin;
use crate::login::form::users::Users;
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

/// Where visitors log in, if that is known.
pub(super) fn page(site: &settings::Site) -> Option<LoginPage> {
    let of_app = site.login_page.as_ref().map(|page| LoginPage::App {
        address: page.address.clone(),
        return_param: page.return_param.clone(),
    });
    let ours = || LoginPage::Ours {
        prefix: site.path.trim_end_matches('/').to_owned(),
    };
    of_app.or_else(|| site.form.is_some().then(ours))
}
