//! Where a request is for and where it comes from, in words.

use http::request::Parts;

use super::account::{Near, Refused, RuleFound, SiteFound, UpstreamFound, Whence};
use super::demanded;
use super::scene::{Scene, Seat};
use crate::base::causes::Causes;
use crate::config::{Settings, settings};
use crate::cookie::screen::{CookieLimits, TooMuch};
use crate::gateway::access::{CrossSite, PathPattern, Rule, is_resent};
use crate::gateway::admit::Admitted;
use crate::gateway::refusal::Refusal;
use crate::gateway::site::{AppHost, is_host};
use crate::gateway::visit::SessionMode;
use crate::headers::fetch::Provenance;
use crate::headers::hop;

/// Why a request does not reach an app.
pub(super) fn refused(refusal: &Refusal, sites: Vec<Near>) -> Refused {
    Refused {
        status: refusal.status().as_u16(),
        reason: refusal.word(),
        why: Causes(refusal).to_string(),
        sites,
    }
}

/// The same of one with too many cookies.
pub(super) fn too_much(settings: &Settings, too_much: TooMuch, limits: &CookieLimits) -> Refused {
    let place = settings.origins.place("server.limits.cookie_bytes");
    let why = format!(
        "{too_much}: at most {} bytes (server.limits.cookie_bytes, {place}) and {} pairs",
        limits.bytes_max, limits.pairs_max
    );
    Refused {
        why,
        ..refused(&too_much.into(), Vec::new())
    }
}

/// The sites that may have been meant: those of the host, or all of them.
pub(super) fn near(settings: &Settings, refusal: &Refusal, host: &str) -> Vec<Near> {
    let is_meant = |site: &settings::Site| {
        let is_at_host = site.hosts.iter().any(|pattern| is_host(host, pattern));
        is_at_host || matches!(refusal, Refusal::UnknownHost)
    };
    let sites = settings.sites.iter().enumerate();
    let meant = sites.filter(|(_, site)| is_meant(site));
    meant.map(|(at, _)| near_one(settings, at)).collect()
}

fn near_one(settings: &Settings, at: usize) -> Near {
    let site = &settings.sites[at];
    Near {
        name: site.name.clone(),
        hosts: site.hosts.clone(),
        path: site.path.clone(),
        place: settings.origins.place(&format!("site[{at}]")).to_string(),
    }
}

/// The site of a request, with the rule for its path.
pub(super) fn site(scene: &Scene<'_>, admitted: &Admitted) -> SiteFound {
    let settings = &scene.settings.sites[scene.at];
    SiteFound {
        name: settings.name.clone(),
        place: scene.place(""),
        host: admitted.host.clone(),
        path: settings.path.clone(),
        upstream: {
            let apps = settings.upstream.apps.iter();
            let apps: Vec<_> = apps.map(|app| app.address.to_string()).collect();
            apps.join(", ")
        },
        upstreams: {
            let apps = settings.upstream.apps.iter();
            let found = apps.map(|app| UpstreamFound {
                url: app.address.to_string(),
                weight: app.weight,
                drain: app.drain,
                backup: app.backup,
            });
            found.collect()
        },
        app_host: match &scene.site.host {
            AppHost::Keep => admitted.authority.clone(),
            AppHost::Fixed { field, .. } => String::from_utf8_lossy(field.as_bytes()).into_owned(),
        },
        session: session_word(scene.mode),
        session_why: session_why(scene.mode, scene.seat),
        enforce: scene.site.cookies.enforce,
        target: None,
        rule: scene.rule.map(|rule| rule_found(scene, rule)),
    }
}

fn rule_found(scene: &Scene<'_>, rule: &Rule) -> RuleFound {
    let nth = scene
        .site
        .rules
        .iter()
        .position(|one| std::ptr::eq(one, rule));
    RuleFound {
        path: match &rule.path {
            PathPattern::Exactly(path) => path.clone(),
            PathPattern::Below(base) => format!("{base}/*"),
        },
        place: scene.place(&format!(".rule[{}]", nth.unwrap_or_default())),
        methods: demanded::methods(&rule.methods),
        networks: demanded::networks(&rule.networks),
        require: demanded::demanded(rule),
        session: rule.session.map(session_word),
        cross_site: match rule.cross_site {
            CrossSite::Allow => "allow",
            CrossSite::Resend => "resend",
            CrossSite::Refuse => "refuse",
        },
    }
}

const fn session_word(mode: SessionMode) -> &'static str {
    match mode {
        SessionMode::Attach => "attach",
        SessionMode::Lazy => "lazy",
        SessionMode::Observe => "observe",
        SessionMode::Off => "off",
    }
}

const fn session_why(mode: SessionMode, seat: Seat) -> &'static str {
    match (mode, seat) {
        (SessionMode::Off, _) => "no session",
        (_, Seat::None(_)) => {
            "a session that is there is used; none begins, and nothing changes in it"
        }
        (SessionMode::Attach, _) => "every visitor gets a ticket",
        (SessionMode::Lazy, _) => "a ticket only when there is something to remember",
        (SessionMode::Observe, _) => {
            "a session that is there is used, and not kept alive; none begins"
        }
    }
}

/// Where a request comes from, and what that means for its session.
pub(super) fn provenance(
    scene: &Scene<'_>,
    from: &Provenance,
    could_carry: bool,
    head: &Parts,
) -> Whence {
    let upgrades = hop::is_websocket_upgrade(&head.method, head.version, &head.headers);
    let is_allowed = scene
        .rule
        .is_some_and(|rule| rule.cross_site == CrossSite::Allow);
    let resent = is_resent(scene.rule, from, &head.method, &head.headers);
    Whence {
        cross_site: from.is_cross_site(),
        why: from.testimony(),
        could_carry_ticket: could_carry,
        resent,
        refused_with_session: !is_allowed && !resent && from.crosses_site_changing_state(upgrades),
        kept_cookies: if from.same_site_for_jar() {
            "all"
        } else if from.top_level_safe() {
            "all-but-strict"
        } else {
            "same-site-none"
        },
    }
}
