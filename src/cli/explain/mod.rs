//! `cloakroom explain`: which site a request is for, and what becomes of its cookies and headers both ways, each with
//! the place of the rule that says so.
//!
//! Every verdict is given by the code that serves; nothing is asked but the configuration. So what depends on a session
//! or on keys is said to depend on them, and no value is opened.

mod asked;

mod scene;

mod inward;

mod outward;

mod stamped;

mod account;

mod told;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use http::header::{COOKIE, HeaderValue};

use self::account::{Account, Near, Refused, RuleFound, SiteFound, Whence};
use self::asked::Asked;
use self::scene::{Scene, Seat};
use self::told::Told;
use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, USAGE, complain, say};
use crate::base::causes::Causes;
use crate::base::clock::Clock;
use crate::config::{self, Settings};
use crate::gateway::access::{CrossSite, PathPattern, Rule};
use crate::gateway::admit::{Admitted, admit};
use crate::gateway::refusal::Refusal;
use crate::gateway::site::{AppHost, SiteTable, is_host};
use crate::gateway::visit::SessionMode;
use crate::gateway::{Arrival, jar_request};
use crate::headers::fetch::Provenance;
use crate::headers::hop;
use crate::run::{admit_limits, cookie_limits, sites};

/// An address for documentation (RFC 5737): the visitor is made up.
const VISITOR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// `cloakroom explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What a Cookie field holds: 'a=1; b=2'
    #[arg(long, value_name = "COOKIES")]
    cookie: Option<String>,
    /// A Set-Cookie of the app; may be given several times
    #[arg(long, value_name = "LINE")]
    set_cookie: Vec<String>,
    /// A header of the request, 'Name: value'; may be given several times
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// For machines
    #[arg(long)]
    json: bool,
    /// What the browser asks for, as in its address bar
    #[arg(value_name = "URL")]
    url: String,
}

/// Says what becomes of the request and tells the exit code.
pub fn main(args: &ExplainArgs) -> u8 {
    match explain(args) {
        Ok(code) => code,
        Err((code, why)) => {
            complain(why);
            code
        }
    }
}

fn explain(args: &ExplainArgs) -> Result<u8, (u8, String)> {
    let loaded = config::load(&args.config.file(), &config::variables());
    let loaded = loaded.map_err(|faults| (BAD_CONFIG, faults.to_string()))?;
    let settings = loaded.settings;
    let built = sites(&settings).map_err(|faults| {
        let lines = faults.iter().map(|fault| Causes(fault).to_string());
        (BAD_CONFIG, lines.collect::<Vec<_>>().join("\n"))
    })?;
    let asked = Asked::read(args).map_err(|why| (USAGE, why))?;
    let account = account(&settings, &SiteTable::new(built), &asked);
    if args.json {
        let json = serde_json::to_string_pretty(&account);
        say(json.map_err(|fault| (FAILED, fault.to_string()))?);
    } else {
        say(Told(&account));
    }
    Ok(if account.refused.is_some() {
        FAILED
    } else {
        FINE
    })
}

/// All that is to be said, in the order in which the gateway does it.
fn account(settings: &Settings, table: &SiteTable, asked: &Asked) -> Account {
    let head = &asked.head;
    let mut account = Account {
        method: head.method.to_string(),
        url: asked.url(),
        refused: None,
        site: None,
        provenance: None,
        cookies: Vec::new(),
        set_cookies: Vec::new(),
        headers: None,
    };
    let arrival = arrival(settings);
    let limits = &settings.server.limits;
    let admitted = match admit(head, &arrival, &admit_limits(limits)) {
        Ok(admitted) => admitted,
        Err(fault) => {
            account.refused = Some(refused(&fault.into(), Vec::new()));
            return account;
        }
    };
    let (site, rule) = match table.place(&admitted) {
        Ok(placed) => placed,
        Err(refusal) => {
            let near = near(settings, &refusal, &admitted.host);
            account.refused = Some(refused(&refusal, near));
            return account;
        }
    };
    let from = Provenance::of(&head.method, &head.headers, |origin| {
        site.is_own_origin(origin)
    });
    let could_carry = from.could_carry(settings.cookie.same_site);
    let named = settings
        .sites
        .iter()
        .position(|one| *one.name == *site.name);
    let mut scene = Scene {
        settings,
        site,
        at: named.unwrap_or_default(),
        rule,
        seat: Seat::IfThere,
        now: Clock::system().now(),
    };
    scene.seat = Seat::of(scene.mode(), could_carry);
    account.site = Some(site_found(&scene, &admitted));
    account.provenance = Some(provenance(&scene, &from, could_carry, asked));
    let path = head.uri.path();
    let request = jar_request(site, &admitted, path, &from, scene.now);
    let fields = head.headers.get_all(COOKIE).iter();
    let fields: Vec<_> = fields.map(HeaderValue::as_bytes).collect();
    let foretold = site.cookies.foretell(
        fields.iter().copied(),
        scene.ticket_name().as_bytes(),
        &cookie_limits(limits),
        scene.now,
    );
    match foretold {
        Ok(foretold) => {
            account.cookies = inward::brought(&scene, &foretold);
            let cookie = inward::field(&scene, &foretold, &request);
            account.headers = Some(stamped::headers(&scene, head, &arrival, &admitted, cookie));
        }
        Err(too_much) => {
            let why = format!("{too_much}: {}", cookie_bounds(settings));
            let refused = refused(&too_much.into(), Vec::new());
            account.refused = Some(Refused { why, ..refused });
        }
    }
    let set_cookies = asked.set_cookies.iter();
    account.set_cookies = set_cookies
        .map(|field| outward::set(&scene, field, &request))
        .collect();
    account
}

fn arrival(settings: &Settings) -> Arrival {
    let first = settings.server.https.first().copied();
    Arrival {
        peer: SocketAddr::new(VISITOR, 0),
        local: first.unwrap_or(SocketAddr::new(VISITOR, 443)),
        sni: None,
    }
}

fn cookie_bounds(settings: &Settings) -> String {
    let limits = cookie_limits(&settings.server.limits);
    let place = settings.origins.place("server.limits.cookie_bytes");
    format!(
        "at most {} bytes (server.limits.cookie_bytes, {place}) and {} pairs",
        limits.bytes_max, limits.pairs_max
    )
}

fn refused(refusal: &Refusal, sites: Vec<Near>) -> Refused {
    Refused {
        status: refusal.status().as_u16(),
        reason: refusal.word(),
        why: Causes(refusal).to_string(),
        sites,
    }
}

/// The sites that may have been meant: those of the host, or all of them.
fn near(settings: &Settings, refusal: &Refusal, host: &str) -> Vec<Near> {
    let is_meant = |site: &config::settings::Site| {
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

fn site_found(scene: &Scene<'_>, admitted: &Admitted) -> SiteFound {
    let settings = &scene.settings.sites[scene.at];
    SiteFound {
        name: settings.name.clone(),
        place: scene.place(""),
        host: admitted.host.clone(),
        path: settings.path.clone(),
        upstream: settings.upstream.address.to_string(),
        app_host: match &scene.site.host {
            AppHost::Keep => admitted.authority.clone(),
            AppHost::Fixed { field, .. } => String::from_utf8_lossy(field.as_bytes()).into_owned(),
        },
        session: session_word(scene.mode()),
        session_why: session_why(scene.mode(), scene.seat),
        enforce: scene.site.cookies.enforce,
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
        session: rule.session.map(session_word),
        cross_site: match rule.cross_site {
            CrossSite::Allow => "allow",
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

fn provenance(scene: &Scene<'_>, from: &Provenance, could_carry: bool, asked: &Asked) -> Whence {
    let head = &asked.head;
    let upgrades = hop::is_websocket_upgrade(&head.method, head.version, &head.headers);
    let is_allowed = scene
        .rule
        .is_some_and(|rule| rule.cross_site == CrossSite::Allow);
    Whence {
        cross_site: from.is_cross_site(),
        why: from.testimony(),
        could_carry_ticket: could_carry,
        refused_with_session: !is_allowed && from.crosses_site_changing_state(upgrades),
        kept_cookies: if from.same_site_for_jar() {
            "all"
        } else if from.top_level_safe() {
            "all-but-strict"
        } else {
            "same-site-none"
        },
    }
}
