//! `site.upstream`, and what of `[site.upstream_options]` is about several apps and about their health.

use http::uri::PathAndQuery;

use super::super::file;
use super::super::keys::WEIGHT_MAX;
use super::super::settings::{App, Attendance, Balance, UpstreamHost};
use super::listen::positive;
use super::{Check, value};
use crate::upstream::{Address, MEMBERS_MAX};

/// The apps of a site.
pub(super) fn apps(check: &mut Check<'_>, at: usize, mirrors: &[file::App]) -> Vec<App> {
    let key = format!("site[{at}].upstream");
    if mirrors.is_empty() {
        let way_out = "write for example upstream = [\"http://127.0.0.1:3000\"]";
        check.fault(&key, "no app behind the site", way_out);
    }
    if mirrors.len() > MEMBERS_MAX {
        let why = format!("more than {MEMBERS_MAX} upstreams");
        check.fault(&key, why, "put a balancer before some of them");
    }
    let mut apps: Vec<App> = Vec::new();
    for (nth, mirror) in mirrors.iter().enumerate() {
        let Some(app) = app(check, &format!("{key}[{nth}]"), mirror) else {
            continue;
        };
        if apps.iter().any(|earlier| earlier.address == app.address) {
            let way_out = "take one of them out; weight gives one a larger share";
            check.fault(&format!("{key}[{nth}]"), "is in the list already", way_out);
        }
        apps.push(app);
    }
    if !apps.is_empty() && apps.iter().all(|app| app.drain) {
        let why = "every upstream is drained: nobody is served";
        check.warn(&key, why, "take drain out of one of them");
    }
    apps
}

fn app(check: &mut Check<'_>, key: &str, mirror: &file::App) -> Option<App> {
    let (url_key, text) = match mirror {
        file::App::Address(text) => (key.to_owned(), text),
        file::App::Table(table) => {
            let url_key = format!("{key}.url");
            let Some(url) = &table.url else {
                let way_out = "write for example url = \"http://127.0.0.1:3000\"";
                check.fault(&url_key, "missing", way_out);
                return None;
            };
            (url_key, url)
        }
    };
    let table = match mirror {
        file::App::Address(_) => &file::AppTable::default(),
        file::App::Table(table) => table,
    };
    let weight_key = format!("{key}.weight");
    if table.weight == 0 {
        let why = "an upstream with no share";
        check.fault(&weight_key, why, "write drain = true, or backup = true");
    } else if table.weight > WEIGHT_MAX {
        let way_out = format!("write a whole number from 1 to {WEIGHT_MAX}");
        check.fault(&weight_key, "too much", way_out);
    }
    let address = match check.accept(&url_key, value::upstream_address(text))? {
        Address::Unix(path) => Address::Unix(check.base.join(path)),
        other => other,
    };
    Some(App {
        address,
        weight: table.weight,
        drain: table.drain,
        backup: table.backup,
    })
}

/// How requests are shared out among `apps`.
pub(super) fn balance(
    check: &mut Check<'_>,
    at: usize,
    options: &file::UpstreamOptions,
    session: Attendance,
) -> Balance {
    let key = |name: &str| format!("site[{at}].upstream_options.{name}");
    if options.sticky && session == Attendance::Off {
        let why = "sessions keep to an upstream, and this site has none (session = \"off\")";
        check.fault(&key("sticky"), why, "take one of them out");
    }
    let health = (!options.health.is_empty()).then(|| options.health.clone());
    if let Some(path) = &health
        && (!path.starts_with('/') || path.parse::<PathAndQuery>().is_err())
    {
        let way_out = "write for example health = \"/healthz\"";
        check.fault(&key("health"), "is no path", way_out);
    }
    // Who writes health = "" knows.
    if health.is_none() && !check.origins.is_written(&key("health")) {
        for name in ["health_interval", "health_timeout", "rise", "fall"] {
            if check.origins.is_written(&key(name)) {
                let why = "has no effect: nothing is probed without health";
                check.warn(
                    &key(name),
                    why,
                    "write for example health = \"/healthz\", or take it out",
                );
            }
        }
    }
    for (name, value) in [
        ("rise", options.rise),
        ("fall", options.fall),
        ("max_fails", options.max_fails),
    ] {
        check.at_least(&key(name), value, 1, "1");
    }
    Balance {
        sticky: options.sticky,
        health,
        health_interval: positive(check, &key("health_interval"), options.health_interval),
        health_timeout: positive(check, &key("health_timeout"), options.health_timeout),
        rise: options.rise,
        fall: options.fall,
        max_fails: options.max_fails,
        fail_timeout: positive(check, &key("fail_timeout"), options.fail_timeout),
        slow_start: options.slow_start.0,
    }
}

/// With several upstreams there is no one that `host = "upstream"` could mean.
pub(super) fn one_host(check: &mut Check<'_>, at: usize, host: &UpstreamHost, apps: &[App]) {
    let hosts = || apps.iter().map(|app| app.address.authority());
    let first = hosts().next();
    if *host == UpstreamHost::Upstream && hosts().any(|other| Some(other) != first) {
        let why = "the upstreams have several";
        let way_out = "write the one that all of them are sent, or \"keep\"";
        check.fault(&format!("site[{at}].host"), why, way_out);
    }
}
