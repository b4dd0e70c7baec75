//! `[site.login]`: how an app's own login and logout are known.

mod rules;

use std::time::Duration;

use super::super::file::{self, LoginMethod};
use super::super::settings::{Method, Site};
use super::super::units::Span;
use super::{Check, value};
use crate::cookie::attributes::TicketCookieSettings;
use crate::cookie::name::NamePattern;
use crate::login::attempts::Limits;
use crate::login::normalise::Normalise;
use crate::login::presets::{self, Preset, PresetLogout, PresetSigns, PresetWho};
use crate::login::told::Told;
use crate::login::watch::Watch;

use self::rules::Place;

/// Buckets that take longer to empty would lock people out for good, as far as these can tell.
const WINDOW_MAX: Duration = Duration::from_secs(86_400);

/// How many logins may fail at the site at `at`.
pub(super) fn limits(check: &mut Check<'_>, at: usize, mirror: &file::Login) -> Limits {
    let key = format!("site[{at}].login.attempt_window");
    Limits {
        per_account: mirror.attempts_per_account,
        per_address: mirror.attempts_per_address,
        window: window(check, &key, mirror.attempt_window),
    }
}

/// The watch of the site at `at`, whose path is `site_path`.
pub(super) fn watch(
    check: &mut Check<'_>,
    at: usize,
    mirror: file::Login,
    site_path: &str,
) -> Option<Watch> {
    let key = |name: &str| format!("site[{at}].login.{name}");
    if mirror.method != LoginMethod::Watch {
        for name in [
            "preset",
            "base",
            "login",
            "logout",
            "carry",
            "attempts_per_account",
            "attempts_per_address",
            "attempt_window",
        ] {
            let is_limit = name.starts_with("attempt") && mirror.method == LoginMethod::Form;
            let carries = name == "carry" && mirror.method != LoginMethod::None;
            let says_something = is_limit || carries;
            if check.origins.is_written(&key(name)) && !says_something {
                let why = "says nothing without method = \"watch\"";
                check.warn(&key(name), why, "set the method or take it out");
            }
        }
        return None;
    }
    let preset = mirror.preset.as_deref().and_then(presets::find);
    let limits = limits(check, at, &mirror);
    let base = base(check, &key("base"), mirror.base, preset, site_path);
    let login = match (mirror.login, preset) {
        (None, None) => {
            let way_out = "write preset = \"django\" (or that of another app), or login = { path = \"/login\", user_field = \"username\", success = { status = [302] } }";
            check.fault(&key("login"), "missing: what a login looks like", way_out);
            return None;
        }
        (written, None) => written.unwrap_or_default(),
        (written, Some(preset)) => with_login(written.unwrap_or_default(), preset, &base),
    };
    let mut place = Place {
        check,
        key: key("login"),
        site_path,
    };
    let mut login = place.login(login);
    login.told = preset.and_then(|preset| preset.told.and_then(told));
    let logout = match (mirror.logout, preset.and_then(|preset| preset.logout)) {
        (written, None) => written,
        (written, Some(preset)) => Some(with_logout(written.unwrap_or_default(), preset, &base)),
    };
    place.key = key("logout");
    let logout = logout.map(|rule| place.logout(rule));
    if let Some(rule) = &logout
        && rule.path == login.path
        && rule.query.is_none()
        && (rule.method.as_ref()).is_none_or(|method| *method == login.method)
    {
        let why = "every login would be taken for a logout";
        let way_out = "give logout another path or method, or a query";
        check.fault(&key("logout"), why, way_out);
    }
    Some(Watch {
        carry: mirror.carry.unwrap_or(true),
        login,
        logout,
        limits,
    })
}

/// The folder of the app, without a slash at its end.
fn base(
    check: &mut Check<'_>,
    key: &str,
    written: Option<String>,
    preset: Option<&Preset>,
    site_path: &str,
) -> String {
    let site_folder = site_path.trim_end_matches('/');
    let Some(text) = written else {
        return site_folder.to_owned();
    };
    if preset.is_none() {
        let why = "says nothing without a preset, as paths that are written are whole";
        check.fault(key, why, "take it out");
    }
    // One fault is enough: the paths are not judged by a folder that is none.
    if check.accept(key, value::one_path(&text)).is_none() {
        return site_folder.to_owned();
    }
    if !value::path_covers(site_path, &text) {
        let why = format!("lies outside of the site, which is at {site_path:?}");
        let way_out = "write the folder of the app, as browsers ask for it";
        check.fault(key, why, way_out);
        return site_folder.to_owned();
    }
    text.trim_end_matches('/').to_owned()
}

fn window(check: &mut Check<'_>, key: &str, written: Span) -> Duration {
    let window = check.at_least(key, written.0, Duration::from_secs(1), "\"1s\"");
    if window > WINDOW_MAX {
        check.fault(
            key,
            "whoever mistyped would be locked out for days",
            "write at most \"24h\"",
        );
    }
    window
}

/// What is written stands; the rest is the preset's.
fn with_login(mut rule: file::LoginRule, preset: &Preset, base: &str) -> file::LoginRule {
    rule.path
        .get_or_insert(format!("{base}{}", preset.login_path));
    rule.shared_path.get_or_insert(preset.shared_path);
    match preset.who {
        PresetWho::Field(field, normalise) if rule.user.is_none() => {
            rule.user_field.get_or_insert(field.to_owned());
            rule.normalise.get_or_insert(match normalise {
                Normalise::None => file::Normalise::None,
                Normalise::Trim => file::Normalise::Trim,
                Normalise::Lowercase => file::Normalise::Lowercase,
                Normalise::TrimLowercase => file::Normalise::TrimLowercase,
                Normalise::MediaWiki => file::Normalise::MediaWiki,
                Normalise::DokuWiki => file::Normalise::DokuWiki,
            });
        }
        PresetWho::Fixed(user) if rule.user_field.is_none() => {
            rule.user.get_or_insert(user.to_owned());
        }
        PresetWho::Field(..) | PresetWho::Fixed(_) => {}
    }
    rule.success.get_or_insert_with(|| mirrored(preset.success));
    rule
}

/// The names in presets are patterns.
fn told((cookie, form): (&str, Told)) -> Option<(NamePattern, Told)> {
    NamePattern::parse(cookie).ok().map(|cookie| (cookie, form))
}

fn with_logout(mut rule: file::LogoutRule, preset: PresetLogout, base: &str) -> file::LogoutRule {
    if rule.path.is_none() {
        rule.path = Some(format!("{base}{}", preset.path));
        rule.query = rule.query.or(preset.query.map(str::to_owned));
        rule.method.get_or_insert(match preset.is_get {
            true => Method::Get,
            false => Method::Post,
        });
    }
    rule.success.get_or_insert_with(|| mirrored(preset.success));
    rule
}

fn mirrored(signs: PresetSigns) -> file::Signs {
    file::Signs {
        status: (!signs.status.is_empty()).then(|| signs.status.to_vec()),
        location: None,
        sets_cookie: signs.sets_cookie.map(str::to_owned),
        deletes_cookie: signs.deletes_cookie.map(str::to_owned),
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
pub(in crate::config::check) fn share_a_ticket(
    one: &Site,
    other: &Site,
    cookie: &TicketCookieSettings,
) -> bool {
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
