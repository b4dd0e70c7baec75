//! `site.login.login_url` and `return_param`: where visitors log in.

use http::Method;

use super::super::settings::LoginPage;
use super::{Check, value};
use crate::login::watch::{LoginRule, Watch};

/// What is written of it.
pub(super) struct Written {
    pub login_url: Option<String>,
    pub return_param: Option<String>,
}

/// The page where visitors of the site at `at` log in. If it is not written, it is where a watched form is sent: that is
/// where most apps show it, too.
pub(super) fn page(
    check: &mut Check<'_>,
    at: usize,
    written: Written,
    watch: Option<&Watch>,
) -> Option<LoginPage> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    let Written {
        login_url,
        return_param,
    } = written;
    if let Some(url) = &login_url {
        check.accept(&key("login_url"), value::page_address(url));
    }
    if let Some(param) = &return_param {
        check.accept(&key("return_param"), value::query_name(param));
    }
    let login = watch.map(|watch| &watch.login);
    let form = login.and_then(form_address);
    let Some(address) = login_url.or_else(|| form.map(str::to_owned)) else {
        if return_param.is_some() {
            let why = "says nothing without a login page";
            check.warn(&key("return_param"), why, "write login_url, or take it out");
        }
        return None;
    };
    Some(LoginPage {
        address,
        return_param,
    })
}

/// Where the form stands that this is sent from, if it is where it is sent to. A servlet container shows it elsewhere.
fn form_address(login: &LoginRule) -> Option<&str> {
    let path = login.path.as_str();
    let is_page = !path.contains('*') && !path.ends_with("/j_security_check");
    (login.method == Method::POST && is_page).then_some(path)
}
