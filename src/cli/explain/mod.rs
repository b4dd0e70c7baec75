//! `cloakroom explain`: which site a request is for, and what becomes of its cookies and headers both ways, each with
//! the place of the rule that says so.
//!
//! Every verdict is given by the code that serves; nothing is asked but the configuration. So what depends on a session
//! or on keys is said to depend on them, and no value is opened.

mod asked;

mod scene;

mod found;

mod inward;

mod outward;

mod stamped;

mod account;

mod demanded;

mod told;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use http::header::{COOKIE, HeaderValue};
use http::request::Parts;

use self::account::{Account, Refused, SiteFound};
use self::asked::Asked;
use self::scene::Scene;
use self::told::Told;
use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, USAGE, complain, say};
use crate::base::causes::Causes;
use crate::base::clock::Clock;
use crate::config::{self, Settings};
use crate::gateway::access::Rule;
use crate::gateway::admit::{Admitted, admit};
use crate::gateway::demand::Asking;
use crate::gateway::path::as_browsers_ask;
use crate::gateway::site::{Site, SiteTable};
use crate::gateway::{Arrival, jar_request};
use crate::headers::fetch::Provenance;
use crate::run::{admit_limits, cookie_limits, sites};
use crate::server::listener::Address;

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
    /// The address that the visitor comes from
    #[arg(long, value_name = "ADDRESS", default_value_t = VISITOR)]
    from: IpAddr,
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
    let account = account(&settings, &SiteTable::new(built), &asked, args.from);
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
fn account(settings: &Settings, table: &SiteTable, asked: &Asked, from: IpAddr) -> Account {
    let mut account = Account {
        method: asked.head.method.to_string(),
        url: asked.url(),
        refused: None,
        site: None,
        access: None,
        provenance: None,
        cookies: Vec::new(),
        set_cookies: Vec::new(),
        headers: None,
    };
    match Placed::find(settings, table, asked, from) {
        Ok(placed) => tell(&mut account, settings, &placed, &asked.set_cookies),
        Err(refused) => account.refused = Some(refused),
    }
    account
}

/// A request that has come to its site.
struct Placed<'a> {
    head: Parts,
    arrival: Arrival,
    admitted: Admitted,
    site: &'a Site,
    rule: Option<&'a Rule>,
    /// Whether something was taken out of its path.
    is_stripped: bool,
}

impl<'a> Placed<'a> {
    fn find(
        settings: &Settings,
        table: &'a SiteTable,
        asked: &Asked,
        from: IpAddr,
    ) -> Result<Self, Refused> {
        let mut head = asked.head.clone();
        let arrival = arrival(settings, from);
        let limits = admit_limits(&settings.server.limits);
        let mut admitted = admit(&head, &arrival, &limits)
            .map_err(|fault| found::refused(&fault.into(), Vec::new()))?;
        let stripped = table.strip_path_params(&mut head, &mut admitted);
        let asking = Asking {
            method: &asked.head.method,
            client_ip: from,
        };
        let placed = stripped.and_then(|stripped| Ok((table.place(&admitted, &asking)?, stripped)));
        match placed {
            Ok(((site, rule), is_stripped)) => Ok(Self {
                head,
                arrival,
                admitted,
                site,
                rule,
                is_stripped,
            }),
            Err(refusal) => {
                let near = found::near(settings, &refusal, &admitted.host);
                Err(found::refused(&refusal, near))
            }
        }
    }
}

fn tell(
    account: &mut Account,
    settings: &Settings,
    placed: &Placed<'_>,
    set_cookies: &[HeaderValue],
) {
    let Placed {
        head,
        arrival,
        admitted,
        site,
        ..
    } = placed;
    let from = Provenance::of(&head.method, &head.headers, |origin| {
        site.is_own_origin(origin)
    });
    let could_carry = from.could_carry(settings.cookie.same_site);
    let now = Clock::system().now();
    let scene = Scene::of(settings, site, placed.rule, could_carry);
    account.site = Some(SiteFound {
        target: placed.is_stripped.then(|| head.uri.to_string()),
        ..found::site(&scene, admitted)
    });
    let asking = Asking {
        method: &head.method,
        client_ip: arrival.peer.ip(),
    };
    account.access = demanded::access(&scene, head, &asking);
    account.provenance = Some(found::provenance(&scene, &from, could_carry, head));
    let path = as_browsers_ask(head.uri.path());
    let request = jar_request(site, admitted, &path, &from, now);
    let fields = head.headers.get_all(COOKIE).iter();
    let fields: Vec<_> = fields.map(HeaderValue::as_bytes).collect();
    let limits = cookie_limits(&settings.server.limits);
    let ticket_name = scene.ticket_name().as_bytes();
    let foretold = site
        .cookies
        .foretell(fields.iter().copied(), ticket_name, &limits, now);
    match foretold {
        Ok(foretold) => {
            account.cookies = inward::brought(&scene, &foretold);
            let cookie = inward::field(&scene, &foretold, &request);
            account.headers = Some(stamped::headers(&scene, head, arrival, admitted, cookie));
        }
        Err(too_much) => account.refused = Some(found::too_much(settings, too_much, &limits)),
    }
    let told = set_cookies
        .iter()
        .map(|field| outward::set(&scene, field, &request));
    account.set_cookies = told.collect();
}

fn arrival(settings: &Settings, from: IpAddr) -> Arrival {
    let first = settings.server.https.iter().find_map(Address::tcp);
    Arrival {
        peer: SocketAddr::new(from, 0),
        is_peers_own: false,
        local: first.unwrap_or(SocketAddr::new(VISITOR, 443)),
        sni: None,
        certificate: None,
    }
}
