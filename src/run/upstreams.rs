//! From the settings of a site to the set of apps behind it.

use http::HeaderValue;
use http::uri::PathAndQuery;

use crate::base::clock::Time;
use crate::config::settings;
use crate::gateway::site::AppHost;
use crate::upstream::{
    BalanceSettings, HealthSettings, MemberSettings, Tls, UpstreamSettings, Upstreams,
};

/// The apps of `site`, which are sent `host`. What is drained is so from `now` on.
pub(super) fn upstreams(
    site: &settings::Site,
    host: &AppHost,
    tls: Option<Tls>,
    now: Time,
) -> Upstreams {
    let options = &site.upstream;
    let members = options.apps.iter().map(|app| MemberSettings {
        upstream: UpstreamSettings {
            address: app.address.clone(),
            connect_timeout: options.connect_timeout,
            response_timeout: options.response_timeout,
            idle_timeout: options.idle_timeout,
            connections: options.connections,
            streams: options.streams,
            body_timeout: options.body_timeout,
            stream_timeout: options.stream_timeout,
            header_bytes: options.header_bytes,
            tls: tls.clone(),
        },
        weight: app.weight,
        drain: app.drain,
        backup: app.backup,
    });
    let balance = &options.balance;
    let settings = BalanceSettings {
        sticky: balance.sticky,
        max_fails: balance.max_fails,
        fail_timeout: balance.fail_timeout,
        slow_start: balance.slow_start,
        health: health(site, host),
    };
    Upstreams::new(site.name.as_str().into(), members.collect(), settings, now)
}

fn health(site: &settings::Site, host: &AppHost) -> Option<HealthSettings> {
    let balance = &site.upstream.balance;
    let target = balance.health.as_deref()?;
    let host = match host {
        AppHost::Fixed { field, .. } => field.clone(),
        // Any host of the site's will do: an app that serves one of them by name serves the first.
        AppHost::Keep => {
            let first = site.hosts.first().map_or("localhost", String::as_str);
            HeaderValue::from_str(first.trim_start_matches("*.")).ok()?
        }
    };
    Some(HealthSettings {
        target: target.parse::<PathAndQuery>().ok()?,
        host,
        interval: balance.health_interval,
        timeout: balance.health_timeout,
        rise: balance.rise,
        fall: balance.fall,
    })
}
