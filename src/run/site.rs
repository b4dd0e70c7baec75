//! From the settings of the sites to the sites that the gateway serves.

use std::sync::Arc;

use http::{HeaderValue, Method};
use ipnet::IpNet;

use super::build::note;
use super::fault::StartFault;
use super::forward::service;
use super::login;
use super::named::namer;
use super::upstreams::upstreams;
use crate::base::clock::Clock;
use crate::config::settings::{self, Settings};
use crate::cookie::name::NamePattern;
use crate::cookie::policy::{Binding, CookieDomain, CookiePolicy, CookieRule, Mode, Overrides};
use crate::gateway::access::{CrossSite, PathPattern, Rule};
use crate::gateway::admit::host_of;
use crate::gateway::demand::{Demand, Methods, Networks, UserDemand};
use crate::gateway::site::{AppHost, Site};
use crate::gateway::visit::SessionMode;
use crate::headers::identity::Stamp;
use crate::headers::path_params::PathParams;
use crate::login::named::Namer;
use crate::upstream::{Tls, TlsSettings};

/// All sites, in the order in which they are written.
///
/// # Errors
/// Everything that is wrong with them.
pub fn sites(settings: &Settings) -> Result<Vec<Site>, Vec<StartFault>> {
    let mut faults = Vec::new();
    let built = settings
        .sites
        .iter()
        .enumerate()
        .filter_map(|(at, one)| note(&mut faults, site(at, one)));
    let built: Vec<_> = built.collect();
    if faults.is_empty() {
        Ok(built)
    } else {
        Err(faults)
    }
}

fn site(at: usize, settings: &settings::Site) -> Result<Site, Vec<StartFault>> {
    let fault = |key: &str, why: String| {
        let key = format!("site {:?}: {key}", settings.name);
        vec![StartFault::Setting { key, why }]
    };
    let tls = settings.upstream.tls.as_ref().map(|wanted| tls(at, wanted));
    let tls = tls.transpose().map_err(|fault| vec![fault])?;
    let fixed = |authority: &str| match (HeaderValue::from_str(authority), host_of(authority)) {
        (Ok(field), Some(host)) => Ok(AppHost::Fixed { field, host }),
        _ => Err(fault("host", format!("{authority:?} is no host"))),
    };
    let stamp = Stamp::parse(
        settings
            .headers
            .iter()
            .map(|(name, template)| (name.as_str(), template.as_str())),
    )
    .map_err(|faults| {
        let each = |fault: crate::headers::identity::HeaderFault| StartFault::Setting {
            key: format!("site {:?}: headers", settings.name),
            why: fault.to_string(),
        };
        faults.into_iter().map(each).collect::<Vec<_>>()
    })?;
    let stamp = match settings.header_preset {
        Some(preset) => stamp.with_preset(preset),
        None => stamp,
    };
    let service = service(at, settings.namer.as_ref()).map_err(|fault| vec![fault])?;
    let namer = settings.namer.as_ref().and_then(namer);
    let stamp = match (&namer, &service) {
        (Some(Namer::Header(headers)), _) => stamp.removing(headers.names()),
        // Whoever writes these is the service, and it says so to us alone.
        (_, Some(service)) => stamp.removing(service.login.headers.names()),
        _ => stamp,
    };
    let stamp = match settings.sign_requests {
        true => stamp.signing(),
        false => stamp,
    };
    let rules = settings.rules.iter().map(|rule| {
        let path = PathPattern::parse(&rule.path)
            .ok_or_else(|| fault("rule.path", format!("{:?} is no path pattern", rule.path)))?;
        let cross_site = match rule.cross_site {
            settings::CrossSite::Refuse => CrossSite::Refuse,
            settings::CrossSite::Allow => CrossSite::Allow,
            settings::CrossSite::Resend => CrossSite::Resend,
        };
        Ok(Rule {
            path,
            methods: methods(rule.methods.as_ref()),
            networks: networks(rule.networks.as_ref()),
            require: demand(&rule.require),
            session: rule.session.map(session_mode),
            cross_site,
        })
    });
    let host = match &settings.host {
        settings::UpstreamHost::Keep => AppHost::Keep,
        settings::UpstreamHost::Upstream => {
            // With several it was checked that they have one host.
            let apps = settings.upstream.apps.first();
            fixed(&apps.map_or_else(String::new, |app| app.address.authority()))?
        }
        settings::UpstreamHost::Literal(host) => fixed(host)?,
    };
    let upstreams = upstreams(settings, &host, tls, Clock::system().now());
    Ok(Site {
        name: settings.name.as_str().into(),
        hosts: settings.hosts.clone(),
        prefix: settings.path.trim_end_matches('/').to_owned(),
        host,
        upstreams: Arc::new(upstreams),
        stream_timeout: settings.upstream.stream_timeout,
        session: session_mode(settings.session),
        pass_ambiguous_paths: settings.ambiguous_paths_pass,
        rewrite_location: settings.location_rewrite,
        strip_path_params: PathParams::parse(settings.strip_path_params.iter().map(String::as_str))
            .map_err(|why| fault("strip_path_params", why.to_string()))?,
        trust_directives: settings.trust_directives,
        cookies: cookie_policy(settings).map_err(|why| fault("cookies.rules", why))?,
        trailers: {
            let stamp = stamp.clone();
            Arc::new(move |trailers| {
                stamp.screen_trailers(trailers);
            })
        },
        stamp,
        assertion_issuer: settings.assertion_issuer.as_str().into(),
        rules: rules.collect::<Result<_, Vec<StartFault>>>()?,
        namer,
        service,
        carries_named: settings.carries_named,
        accepts_users_from: {
            let names = settings.accept_users_from.iter();
            names.map(|name| name.as_str().into()).collect()
        },
        watch: settings.watch.clone(),
        preserve_post: settings.preserve_post,
        looks: login::looks(at, &settings.looks)?,
        form: login::form(at, settings.form.as_ref()).map_err(|fault| vec![fault])?,
        oidc: login::oidc(at, settings.oidc.as_ref()).map_err(|fault| vec![fault])?,
        login_page: login::page(settings),
    })
}

fn methods(list: Option<&Vec<Method>>) -> Methods {
    list.map_or_else(Methods::default, |list| Methods::of(list.clone()))
}

fn networks(list: Option<&Vec<IpNet>>) -> Networks {
    list.map_or_else(Networks::default, |list| Networks::of(list.clone()))
}

fn demand(require: &settings::Require) -> Demand {
    let of_user = |user: &settings::RequireUser| UserDemand {
        groups: user.groups.clone(),
        max_auth_age: user.max_auth_age,
    };
    Demand {
        networks: networks(require.networks.as_ref()),
        methods: methods(require.methods.as_ref()),
        user: require.user.as_ref().map(of_user),
    }
}

pub(super) fn tls(at: usize, settings: &TlsSettings) -> Result<Tls, StartFault> {
    Tls::new(settings).map_err(|source| {
        let (name, way_out) = source.way_out(settings);
        StartFault::UpstreamTls {
            key: format!("site[{at}].upstream_options.{name}"),
            way_out,
            source: Box::new(source),
        }
    })
}

const fn session_mode(attendance: settings::Attendance) -> SessionMode {
    match attendance {
        settings::Attendance::Attach => SessionMode::Attach,
        settings::Attendance::Lazy => SessionMode::Lazy,
        settings::Attendance::Observe => SessionMode::Observe,
        settings::Attendance::Off => SessionMode::Off,
    }
}

fn cookie_policy(site: &settings::Site) -> Result<CookiePolicy, String> {
    let rules = site.cookies.rules.iter().map(cookie_rule);
    Ok(CookiePolicy {
        rules: rules.collect::<Result<_, String>>()?,
        enforce: site.cookies.enforce,
        shared_domains: site.shared_domains().map(str::to_owned).collect(),
        ..CookiePolicy::plain(cookie_mode(site.cookies.default))
    })
}

fn cookie_rule(rule: &settings::CookieRule) -> Result<CookieRule, String> {
    let name = NamePattern::parse(&rule.name).map_err(|fault| fault.to_string())?;
    let domain = rule.domain.as_deref().map(|domain| match domain {
        "" => CookieDomain::HostOnly,
        shared => CookieDomain::Shared(shared.into()),
    });
    Ok(CookieRule {
        overrides: Overrides {
            http_only: rule.http_only,
            same_site: rule.same_site,
            max_age: rule.max_age,
            domain,
            path: rule.path.as_deref().map(Box::from),
        },
        adopt_until: rule.adopt_until,
        accept_unsealed_until: rule.accept_unsealed_until,
        binding: if rule.bound_to_site {
            Binding::Site
        } else {
            Binding::Session
        },
        placeholder: rule.placeholder,
        non_ascii: rule.non_ascii,
        ..CookieRule::plain(name, cookie_mode(rule.mode))
    })
}

const fn cookie_mode(mode: settings::CookieMode) -> Mode {
    match mode {
        settings::CookieMode::Keep => Mode::Keep,
        settings::CookieMode::Mirror => Mode::Mirror,
        settings::CookieMode::Seal => Mode::Seal,
        settings::CookieMode::Sign => Mode::Sign,
        settings::CookieMode::Pass => Mode::Pass,
        settings::CookieMode::Strip => Mode::Strip,
    }
}
