//! `[site.login]` with `method = "forward"`: a service that is asked names the user.

use std::path::PathBuf;
use std::time::Duration;

use http::uri::PathAndQuery;

use super::super::file::{self, LoginMethod};
use super::super::settings::{Forward, Namer, NamingHeaders, Site};
use super::listen::positive;
use super::{Check, value};
use crate::cookie::attributes::TicketCookieSettings;
use crate::cookie::name::NamePattern;
use crate::login::forward::RecheckScope;
use crate::upstream::{Address, TlsSettings};

/// A yes that is good for longer would outlive a logout by more than anybody expects.
const RECHECK_MAX: Duration = Duration::from_secs(3600);

/// Warns of keys that say nothing by another method.
pub(super) fn only_there(check: &mut Check<'_>, at: usize, mirror: &file::Login) {
    if mirror.method == LoginMethod::Forward {
        return;
    }
    let usual = file::Login::default();
    for (name, is_meant) in [
        ("url", !mirror.url.is_empty()),
        (
            "ca_file",
            !mirror.ca_file.is_empty() && mirror.method != LoginMethod::Oidc,
        ),
        ("cookies", !mirror.cookies.is_empty()),
        ("timeout", mirror.timeout.0 != usual.timeout.0),
        ("recheck", mirror.recheck.0 != usual.recheck.0),
        ("recheck_scope", mirror.recheck_scope != usual.recheck_scope),
    ] {
        if is_meant {
            let why = match name {
                "ca_file" => "says nothing without method = \"forward\" or \"oidc\"",
                _ => "says nothing without method = \"forward\"",
            };
            let key = format!("site[{at}].login.{name}");
            check.warn(&key, why, "set the method or take it out");
        }
    }
}

/// The service of the site at `at`, which names users in `headers`.
pub(super) fn forward(
    check: &mut Check<'_>,
    at: usize,
    mirror: &file::Login,
    headers: NamingHeaders,
) -> Forward {
    let key = |name: &str| format!("site[{at}].login.{name}");
    let timeout = positive(check, &key("timeout"), mirror.timeout);
    let recheck = mirror.recheck.0;
    if recheck > RECHECK_MAX {
        let why = "whoever logged out at the service would be logged in here for so long";
        check.fault(&key("recheck"), why, "write at most \"1h\"");
    }
    let cookies = cookies(check, &key("cookies"), &mirror.cookies);
    let url = if mirror.url.is_empty() {
        let way_out = value::SERVICE_URL;
        check.fault(&key("url"), "missing: who is asked", way_out);
        None
    } else {
        check.accept(&key("url"), value::service_url(&mirror.url))
    };
    // With a fault the settings are good for nothing, and the other faults are to be found all the same.
    let nowhere = || {
        (
            Address::Unix(PathBuf::new()),
            PathAndQuery::from_static("/"),
        )
    };
    let (address, target) = url.unwrap_or_else(nowhere);
    let speaks_tls = matches!(address, Address::Tls { .. });
    let ca_file =
        (!mirror.ca_file.is_empty()).then(|| check.file(&key("ca_file"), &mirror.ca_file));
    if ca_file.is_some() && !speaks_tls && address != nowhere().0 {
        let why = "the service is not spoken to over TLS";
        check.fault(
            &key("ca_file"),
            why,
            "write https:// in url, or take it out",
        );
    }
    Forward {
        address,
        target,
        tls: speaks_tls.then(|| TlsSettings {
            ca_file,
            ..TlsSettings::default()
        }),
        headers,
        cookies,
        timeout,
        recheck,
        scope: mirror.recheck_scope,
    }
}

fn cookies(check: &mut Check<'_>, key: &str, names: &[String]) -> Vec<NamePattern> {
    let mut patterns = Vec::new();
    for (nth, name) in names.iter().enumerate() {
        let key = format!("{key}[{nth}]");
        let way_out = "write the name of the service's cookie, for example \"authelia_session\"";
        match NamePattern::parse(name) {
            Err(fault) => check.fault(&key, fault.to_string(), way_out),
            Ok(_) if name.starts_with('*') => {
                let why = "would take cookies of the app from it, and send them to the service";
                check.fault(&key, why, way_out);
            }
            Ok(pattern) => patterns.push(pattern),
        }
    }
    patterns
}

/// Whether the services get what they need, and nothing that is ours; and whether their no means anything.
pub(super) fn judge(check: &mut Check<'_>, sites: &[Site], ticket: &TicketCookieSettings) {
    for (at, site) in sites.iter().enumerate() {
        let Some(Namer::Forward(service)) = &site.namer else {
            continue;
        };
        let ours = ticket.name.as_bytes();
        if let Some(nth) = service.cookies.iter().position(|name| name.matches(ours)) {
            let key = format!("site[{at}].login.cookies[{nth}]");
            let why = "is the ticket, which no service gets";
            check.fault(&key, why, "name the service's own cookies");
        }
        if !site.rules.iter().any(|rule| rule.require.user.is_some()) {
            let why = "no rule of the site demands a user: whom the service turns away is served as nobody";
            let way_out = "write [[site.rule]] with path = \"/*\" and require = { user = true }";
            check.warn(&format!("site[{at}].login.method"), why, way_out);
        }
        let tells_apart = service.scope == RecheckScope::Session && service.recheck.is_zero();
        if tells_apart {
            let key = format!("site[{at}].login.recheck_scope");
            let why = "says nothing with recheck = \"0\", by which every request is asked about";
            check.warn(&key, why, "take one of them out");
        }
    }
}
