//! From finished settings to the login page of a site.

use super::fault::StartFault;
use crate::config::{settings, users_file};
use crate::login::form::FormLogin;
use crate::login::form::users::Users;

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
        carry: settings.carry,
    }))
}
