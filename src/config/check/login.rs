//! `[site.login]`: how an app's own login and logout are known.

use super::super::file::{self, LoginMethod};
use super::super::settings::{LoginRule, LogoutRule, Signs, Site, Watch};
use super::{Check, value};
use crate::cookie::attributes::TicketCookieSettings;

/// The watch of the site at `at`, whose path is `site_path`.
pub(super) fn watch(
    check: &mut Check<'_>,
    at: usize,
    mirror: file::Login,
    site_path: &str,
) -> Option<Watch> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    if mirror.method != LoginMethod::Watch {
        for name in ["login", "logout", "carry"] {
            let says_something = name == "carry" && mirror.method != LoginMethod::None;
            if check.origins.is_written(&key(name)) && !says_something {
                let why = "says nothing without method = \"watch\"";
                check.warn(&key(name), why, "set the method or take it out");
            }
        }
        return None;
    }
    let Some(login) = mirror.login else {
        let way_out = "write login = { path = \"/login\", user_field = \"username\", success = { status = [302] } }";
        check.fault(&key("login"), "missing: what a login looks like", way_out);
        return None;
    };
    let login = LoginRule {
        method: login.method,
        path: path(check, &key("login.path"), login.path, site_path),
        user_field: user_field(check, &key("login.user_field"), login.user_field),
        success: signs(check, &key("login.success"), login.success),
    };
    let logout = mirror.logout.map(|rule| LogoutRule {
        method: rule.method,
        path: path(check, &key("logout.path"), rule.path, site_path),
        query: query(check, &key("logout.query"), rule.query),
        success: signs(check, &key("logout.success"), rule.success),
    });
    if let Some(rule) = &logout
        && rule.path == login.path
        && rule.query.is_none()
        && rule.method.is_none_or(|method| method == login.method)
    {
        let why = "every login would be taken for a logout";
        let way_out = "give logout another path or method, or a query";
        check.fault(&key("logout"), why, way_out);
    }
    Some(Watch {
        carry: mirror.carry.unwrap_or(true),
        login,
        logout,
    })
}

fn path(check: &mut Check<'_>, key: &str, text: Option<String>, site_path: &str) -> String {
    let Some(text) = text else {
        check.fault(key, "missing", "write for example path = \"/login\"");
        return String::new();
    };
    let sound = check.accept(key, value::one_path(&text)).is_some();
    if sound && !value::path_covers(site_path, &text) {
        let why = format!("lies outside of the site, which is at {site_path:?}");
        check.fault(key, why, "write the whole path, as browsers ask for it");
    }
    text
}

fn user_field(check: &mut Check<'_>, key: &str, text: Option<String>) -> String {
    let text = text.unwrap_or_default();
    if text.trim().is_empty() {
        let way_out = "write the name of the form's field, for example user_field = \"username\"";
        check.fault(key, "names no field", way_out);
    }
    text
}

fn query(check: &mut Check<'_>, key: &str, text: Option<String>) -> Option<String> {
    let text = text?;
    let is_pair = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'?' | b'#');
    if text.is_empty() || !text.bytes().all(is_pair) {
        let way_out = "write it as it stands in the address, for example \"action=logout\"";
        check.fault(key, "not one pair of a query", way_out);
    }
    Some(text)
}

fn signs(check: &mut Check<'_>, key: &str, mirror: file::Signs) -> Signs {
    let status_key = format!("{key}.status");
    let cookie_key = format!("{key}.sets_cookie");
    let is_at_fault = [&status_key, &cookie_key]
        .into_iter()
        .any(|key| check.origins.is_spoiled(key));
    if mirror.status.is_none() && mirror.sets_cookie.is_none() && !is_at_fault {
        let why = "says nothing: a failure would look the same";
        check.fault(key, why, "write for example success = { status = [302] }");
    }
    if mirror.status.as_ref().is_some_and(Vec::is_empty) {
        let way_out = "write for example status = [302], or take it out";
        check.fault(&status_key, "no answer has one of no statuses", way_out);
    }
    let mut statuses = Vec::new();
    for (nth, status) in mirror.status.into_iter().flatten().enumerate() {
        match u16::try_from(status) {
            Ok(status) if (100..=599).contains(&status) => statuses.push(status),
            _ => {
                let way_out = "write one from 100 to 599";
                check.fault(&format!("{status_key}[{nth}]"), "no HTTP status", way_out);
            }
        }
    }
    if let Some(name) = &mirror.sets_cookie {
        check.accept(&cookie_key, value::cookie_pattern(name));
    }
    Signs {
        status: statuses,
        sets_cookie: mirror.sets_cookie,
    }
}

/// Warns where a user whom one site's login binds is shown to another: that site believes in logins it never saw.
pub(super) fn users_stay(check: &mut Check<'_>, sites: &[Site], cookie: &TicketCookieSettings) {
    for (at, site) in sites.iter().enumerate() {
        if !site.has_login() {
            continue;
        }
        for other in sites.iter().filter(|other| other.name != site.name) {
            let chooses = other.binds_users() || !other.accept_users_from.is_empty();
            let is_told = other.header_preset.is_some()
                || other
                    .headers
                    .iter()
                    .any(|(_, text)| text.contains("{user.") || text.contains("{assertion}"));
            if !chooses && is_told && share_a_ticket(site, other, cookie) {
                let why = format!(
                    "its users reach the site {:?} too, which has no login of its own",
                    other.name
                );
                let way_out = "give that site a [site.login], or a [site.headers] without {user...}, or write accept_users_from there if it is meant";
                check.warn(&format!("site[{at}].login.method"), why, way_out);
            }
        }
    }
}

/// Whether one ticket can come to both sites.
pub(super) fn share_a_ticket(one: &Site, other: &Site, cookie: &TicketCookieSettings) -> bool {
    let meet = |a: &str, b: &str| match (a.strip_prefix("*."), b.strip_prefix("*.")) {
        (Some(suffix), Some(other)) => value::is_within(other, suffix),
        (Some(suffix), None) => b != suffix && value::is_within(b, suffix),
        (None, _) => a == b,
    };
    cookie.domain.is_some()
        || one.hosts.iter().any(|a| {
            let mut others = other.hosts.iter();
            others.any(|b| meet(a, b) || meet(b, a))
        })
}
