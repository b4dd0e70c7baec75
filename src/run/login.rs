//! From finished settings to the login watch of a site.

use http::Method;

use super::fault::StartFault;
use crate::config::{settings, users_file};
use crate::cookie::name::NamePattern;
use crate::login::form::FormLogin;
use crate::login::form::users::Users;
use crate::login::watch::{LoginRule, LogoutRule, Signs, Watch};

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

/// The watch of a site, if it has one, or why a name of a cookie is none.
pub(super) fn watch(settings: Option<&settings::Watch>) -> Result<Option<Watch>, String> {
    let Some(settings) = settings else {
        return Ok(None);
    };
    let login = &settings.login;
    let logout = settings.logout.as_ref();
    Ok(Some(Watch {
        login: LoginRule {
            method: method(login.method),
            path: login.path.clone(),
            user_field: login.user_field.clone(),
            success: signs(&login.success)?,
        },
        logout: match logout {
            Some(rule) => Some(LogoutRule {
                method: rule.method.map(method),
                path: rule.path.clone(),
                query: rule.query.clone(),
                success: signs(&rule.success)?,
            }),
            None => None,
        },
        carry: settings.carry,
    }))
}

fn signs(settings: &settings::Signs) -> Result<Signs, String> {
    let pattern = settings.sets_cookie.as_deref().map(NamePattern::parse);
    Ok(Signs {
        status: settings.status.clone(),
        sets_cookie: pattern.transpose().map_err(|fault| fault.to_string())?,
    })
}

const fn method(method: settings::Method) -> Method {
    match method {
        settings::Method::Get => Method::GET,
        settings::Method::Post => Method::POST,
        settings::Method::Put => Method::PUT,
        settings::Method::Patch => Method::PATCH,
        settings::Method::Delete => Method::DELETE,
    }
}
