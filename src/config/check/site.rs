//! `[[site]]`: who is served, from where, by which rules.

use std::collections::BTreeMap;

use super::super::file;
use super::super::settings::{Attendance, Site, Upstream, UpstreamHost};
use super::assertion::{assertion_issuer, can_sign};
use super::balance::{apps, balance, one_host};
use super::listen::positive;
use super::upstream_tls::upstream_tls;
use super::{Check, value};
use super::{accept, cookies, form, login, login_page, looks, named, oidc, rules};
use crate::cookie::attributes::TicketCookieSettings;
use crate::headers::identity::{Preset, Stamp};
use crate::upstream::Address;

pub(super) fn sites(
    check: &mut Check<'_>,
    mirrors: Vec<file::Site>,
    cookie: &TicketCookieSettings,
) -> Vec<Site> {
    if mirrors.is_empty() {
        let way_out = "write [[site]] with name, hosts and upstream";
        check.fault("site", "no site", way_out);
    }
    let mut claims = Claims::default();
    let sites: Vec<Site> = mirrors
        .into_iter()
        .enumerate()
        .map(|(at, mirror)| site(check, at, mirror, cookie, &mut claims))
        .collect();
    names_differ(check, &sites);
    login::users_stay(check, &sites, cookie);
    accept::accepted_are_known(check, &sites, cookie);
    rules::can_be_met(check, &sites, cookie);
    cookies::mark_is_ours(check, &sites, cookie);
    sites
}

/// The largest `header_bytes` of an app.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// Who has claimed which host and path: the place of the site in the list, and its name.
#[derive(Default)]
struct Claims(BTreeMap<(String, String), (usize, String)>);

fn site(
    check: &mut Check<'_>,
    at: usize,
    mirror: file::Site,
    cookie: &TicketCookieSettings,
    claims: &mut Claims,
) -> Site {
    let key = |name: &str| format!("site[{at}].{name}");
    let name = mirror.name.unwrap_or_default();
    check.accept(&key("name"), value::site_name(&name));

    let sound_path = check.accept(&key("path"), value::site_path(&mirror.path));
    let path_is_sound = sound_path.is_some() && !check.origins.is_spoiled(&key("path"));
    let path = sound_path.unwrap_or_else(|| "/".to_owned());
    if cookie.path != "/" && !value::path_covers(&cookie.path, &path) {
        let why = format!(
            "browsers send the ticket below {} only (session.cookie.path)",
            cookie.path
        );
        check.warn(&key("path"), why, "set session.cookie.path = \"/\"");
    }

    let hosts = hosts(check, at, &mirror.hosts, cookie);
    if path_is_sound {
        for (nth, host) in &hosts {
            claims.claim(check, (at, *nth), &name, host, &path);
        }
    }

    let host = match mirror.host.as_str() {
        "keep" => UpstreamHost::Keep,
        "upstream" => UpstreamHost::Upstream,
        literal => {
            check.accept(&key("host"), value::literal_host(literal));
            UpstreamHost::Literal(literal.to_owned())
        }
    };
    if mirror.trust_directives && mirror.session == Attendance::Off {
        let why = "without sessions (session = \"off\") there is nothing to direct";
        check.warn(&key("trust_directives"), why, "take one of them out");
    }
    let hosts: Vec<String> = hosts.into_iter().map(|(_, host)| host).collect();
    let facts = cookies::SiteFacts {
        at,
        hosts: &hosts,
        session: mirror.session,
        ticket: cookie,
    };
    let cookies = cookies::cookies(check, &facts, mirror.cookies);
    let namer = named::namer(check, at, &mirror.login);
    let carries_named = mirror.login.carry == Some(true) && namer.is_some();
    let form = form::form(check, at, &mirror.login, mirror.session);
    let oidc = oidc::oidc(check, at, &mirror.login, mirror.session);
    let login_page = login_page::Written {
        login_url: mirror.login.login_url.clone(),
        return_param: mirror.login.return_param.clone(),
    };
    let looks = looks::looks(check, at, &mirror.login);
    let preserve_post = looks::preserve_post(check, at, mirror.login.preserve_post.0);
    let watch = login::watch(check, at, mirror.login, &path);
    let login_page = login_page::page(check, at, login_page, watch.as_ref());
    if watch.is_some() && mirror.session == Attendance::Off {
        let why = "without sessions (session = \"off\") nobody can be logged in";
        check.warn(&key("login.method"), why, "take one of them out");
    }
    let (apps, options) = (&mirror.upstream, &mirror.upstream_options);
    let upstream = upstream(check, at, apps, options, mirror.session);
    one_host(check, at, &host, &upstream.apps);
    let headers = headers(check, at, mirror.headers);
    can_sign(check, at, mirror.sign_requests, &headers);
    let issued = (mirror.assertion_issuer, headers.as_slice());
    let assertion_issuer = assertion_issuer(check, at, issued, (&hosts, &path));
    Site {
        name,
        hosts,
        path,
        upstream,
        host,
        session: mirror.session,
        ambiguous_paths_pass: mirror.ambiguous_paths == file::AmbiguousPaths::Pass,
        location_rewrite: mirror.location == file::Location::Rewrite,
        strip_path_params: path_params(check, at, mirror.strip_path_params),
        trust_directives: mirror.trust_directives,
        cookies,
        headers,
        assertion_issuer,
        sign_requests: mirror.sign_requests,
        header_preset: preset(mirror.header_preset),
        rules: rules::rules(check, at, mirror.rule),
        watch,
        login_page,
        looks,
        preserve_post,
        namer,
        carries_named,
        form,
        oidc,
        accept_users_from: mirror.accept_users_from,
    }
}

/// The hosts that are sound, each with its place in the list.
fn hosts(
    check: &mut Check<'_>,
    at: usize,
    texts: &[String],
    cookie: &TicketCookieSettings,
) -> Vec<(usize, String)> {
    let key = format!("site[{at}].hosts");
    if texts.is_empty() {
        let way_out = "write for example hosts = [\"shop.example.com\"]";
        check.fault(&key, "no host", way_out);
    }
    let mut hosts = Vec::new();
    for (nth, text) in texts.iter().enumerate() {
        let key = format!("{key}[{nth}]");
        let Some(host) = check.accept(&key, value::host_pattern(text)) else {
            continue;
        };
        if let Some(domain) = &cookie.domain
            && !value::is_within(host.trim_start_matches("*."), domain)
        {
            let why = format!("browsers take no cookie for {domain} (session.cookie.domain) here");
            let way_out = "leave session.cookie.domain empty, or take the host out";
            check.fault(&key, why, way_out);
        }
        hosts.push((nth, host));
    }
    hosts
}

fn upstream(
    check: &mut Check<'_>,
    at: usize,
    mirrors: &[file::App],
    options: &file::UpstreamOptions,
    session: Attendance,
) -> Upstream {
    let apps = apps(check, at, mirrors);
    let key = |name: &str| format!("site[{at}].upstream_options.{name}");
    let connections = check.at_least(&key("connections"), options.connections, 1, "1");
    let streams = check.at_least(&key("streams"), options.streams, 1, "1");
    let header_bytes = options.header_bytes.in_memory();
    let header_bytes = check.at_least(&key("header_bytes"), header_bytes, 1 << 10, "\"1KiB\"");
    if header_bytes > HEADER_BYTES_MAX {
        let why = "each response may make us hold so much";
        check.fault(&key("header_bytes"), why, "write at most \"1MiB\"");
    }
    let speaks_tls = apps
        .iter()
        .any(|app| matches!(app.address, Address::Tls { .. }));
    let tls = upstream_tls(check, at, options, speaks_tls);
    Upstream {
        apps,
        balance: balance(check, at, options, session),
        connect_timeout: positive(check, &key("connect_timeout"), options.connect_timeout),
        response_timeout: positive(check, &key("response_timeout"), options.response_timeout),
        idle_timeout: positive(check, &key("idle_timeout"), options.idle_timeout),
        stream_timeout: options.stream_timeout.0,
        connections: usize::try_from(connections).unwrap_or(usize::MAX),
        streams: usize::try_from(streams).unwrap_or(usize::MAX),
        body_timeout: options.body_timeout.0,
        header_bytes,
        tls: speaks_tls.then_some(tls),
    }
}

fn path_params(check: &mut Check<'_>, at: usize, names: Vec<String>) -> Vec<String> {
    for (nth, name) in names.iter().enumerate() {
        let key = format!("site[{at}].strip_path_params[{nth}]");
        check.accept(&key, value::path_param(name));
        let earlier = names.iter().take(nth);
        if earlier
            .into_iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            let why = "is in the list already, as the case of a name does not matter";
            check.warn(&key, why, "take one of them out");
        }
    }
    names
}

fn headers(
    check: &mut Check<'_>,
    at: usize,
    mirror: BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let lines = mirror
        .iter()
        .map(|(name, template)| (name.as_str(), template.as_str()));
    for fault in Stamp::parse(lines).err().into_iter().flatten() {
        let path = format!("site[{at}].headers.{}", fault.header());
        check.fault(&path, fault.to_string(), "");
    }
    mirror.into_iter().collect()
}

const fn preset(mirror: file::HeaderPreset) -> Option<Preset> {
    match mirror {
        file::HeaderPreset::None => None,
        file::HeaderPreset::RemoteUser => Some(Preset::RemoteUser),
        file::HeaderPreset::XForwarded => Some(Preset::XForwarded),
        file::HeaderPreset::XAuthRequest => Some(Preset::XAuthRequest),
    }
}

fn names_differ(check: &mut Check<'_>, sites: &[Site]) {
    for (at, site) in sites.iter().enumerate() {
        let taken = sites
            .iter()
            .take(at)
            .any(|earlier| earlier.name == site.name);
        if taken && !site.name.is_empty() {
            let why = "another site has this name, and the jar goes by it";
            check.fault(&format!("site[{at}].name"), why, "give each site its own");
        }
    }
}

impl Claims {
    /// No two sites may claim the same host and path: one of them would never be served.
    fn claim(
        &mut self,
        check: &mut Check<'_>,
        (at, nth): (usize, usize),
        name: &str,
        host: &str,
        path: &str,
    ) {
        let claim = (host.to_owned(), path.to_owned());
        let Some((earlier, other)) = self.0.insert(claim, (at, name.to_owned())) else {
            return;
        };
        let key = format!("site[{at}].hosts[{nth}]");
        if earlier == at {
            check.fault(&key, "is in the list already", "take one of them out");
        } else {
            let why = format!("site {other:?} has this host with the same path {path:?}");
            check.fault(&key, why, "give one of them another host or path");
        }
    }
}
