//! Users whom a login service names: it is asked over HTTP, and its word counts as that of a trusted proxy does.
//!
//! It is asked about every request that may act for somebody, unless it has said yes to the same session a moment ago
//! ([`Lately`]). Its no means that nobody is logged in: a path that demands nobody is served all the same, and one that
//! does gets the service's own answer, where a person can see it. Where it does not answer, nobody knows who is logged in,
//! and nobody is served.

mod ask;
mod lately;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use http::request::Parts;
use http::uri::PathAndQuery;

pub use self::lately::Lately;
use super::access::{Rule, believes};
use super::access_log::Line;
use super::admit::Admitted;
use super::named::Promised;
use super::refusal::Refusal;
use super::site::{Site, meet};
use super::told::{name_in, shown};
use super::visit::{SessionMode, Visit};
use super::{Arrival, Gateway};
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::kept::SameSite;
use crate::base::meter::Count;
use crate::cookie::name::NamePattern;
use crate::cookie::policy::Mode;
use crate::cookie::service::ServiceCookies;
use crate::headers::fetch::Provenance;
use crate::headers::forwarded::Hops;
use crate::login::forward::{ForwardLogin, RecheckScope, Said, Unsaid};
use crate::login::named::Named;
use crate::session::{Root, User};
use crate::upstream::{Pool, Unanswered, UpstreamSettings};

/// A service that tells who visitors are.
pub struct Service {
    /// What its answers mean.
    pub login: ForwardLogin,
    /// Its own cookies in the browser.
    pub cookies: ServiceCookies,
    /// Where it is.
    pub upstream: Arc<UpstreamSettings>,
    /// What it is asked for.
    pub target: PathAndQuery,
    /// What it is called.
    pub host: HeaderValue,
    /// How long it may take, in all.
    pub timeout: Duration,
    /// To whom it said yes a moment ago.
    pub lately: Lately,
}

/// Why a service has not said who a visitor is.
#[derive(Debug, thiserror::Error)]
pub enum ServiceFault {
    /// It cannot be reached, or what it said is no HTTP.
    #[error("the login service did not answer")]
    Unanswered(#[from] Unanswered),
    /// It took too long.
    #[error("the login service did not answer within site.login.timeout")]
    Late,
    /// What it said says nothing.
    #[error("the login service gave no answer that could be used")]
    Unsaid(#[from] Unsaid),
}

/// A request that acts for whoever somebody else names.
#[derive(Clone, Copy)]
pub(super) struct Naming<'a> {
    pub site: &'a Site,
    pub rule: Option<&'a Rule>,
    pub mode: SessionMode,
    pub head: &'a Parts,
    pub admitted: &'a Admitted,
    pub arrival: &'a Arrival,
    pub hops: &'a Hops,
    pub from: &'a Provenance,
    /// It asks for a WebSocket.
    pub upgrades: bool,
    pub pool: &'a Pool,
}

impl Naming<'_> {
    /// Whether whoever is named may be believed to act here: not where a foreign page makes the browser act.
    fn is_believed(&self, gateway: &Gateway) -> bool {
        let same_site = gateway.desk.cookie.settings().same_site;
        believes(self.rule, self.from, same_site, self.upgrades)
    }

    /// Path and query, as the app would get them.
    fn target(&self) -> &str {
        let target = self.head.uri.path_and_query();
        target.map_or("/", |target| target.as_str())
    }
}

impl Gateway {
    /// The visit as it is for whoever somebody else names, and the user where the session does not say them.
    ///
    /// # Errors
    /// When nobody can tell who it is, or the store did not answer.
    pub(super) async fn bind_named(
        &self,
        visit: Visit,
        naming: Naming<'_>,
        promised: &mut Promised,
        line: &mut Line,
    ) -> Result<(Visit, Option<Box<User>>), Refusal> {
        let Naming { site, mode, .. } = naming;
        let at = (site, mode, &*naming.admitted.host);
        let Some(service) = &site.service else {
            let named = site.namer.as_ref().and_then(|namer| {
                let by = (&naming.head.headers, naming.arrival);
                let how = (naming.from, naming.upgrades);
                self.named(namer, (site, naming.rule), by, how, line)
            });
            return self.bind(visit, named, at, promised, line).await;
        };
        if !naming.is_believed(self) {
            return self.bind(visit, None, at, promised, line).await;
        }
        let cookies = self.cookies_for(service, &naming);
        let what = asked_for(service, &naming, cookies.as_ref());
        if let Some(root) = known(&visit, site)
            && service
                .lately
                .said_yes(&root, &what, line.time, service.login.recheck)
        {
            return Ok((visit, None));
        }
        let asked = line.time;
        let said = self.ask_service(service, &naming, cookies, promised, line);
        let named = self.heard(said.await?, promised, line);
        let is_named = named.is_some();
        let bound = self.bind(visit, named, at, promised, line).await?;
        if let (true, Some(root)) = (is_named, known(&bound.0, site)) {
            service.lately.note(&root, &what, asked);
        }
        Ok(bound)
    }

    /// What of the visitor's cookies is the service's.
    fn cookies_for(&self, service: &Service, naming: &Naming<'_>) -> Option<HeaderValue> {
        let fields = naming.head.headers.get_all(COOKIE).iter();
        let ticket_name = self.desk.cookie.name().as_bytes();
        let fields = fields.map(HeaderValue::as_bytes);
        let policy = &naming.site.cookies;
        service.cookies.field(fields, policy, ticket_name)
    }

    fn heard(&self, said: Said, promised: &mut Promised, line: &Line) -> Option<Named> {
        let no = match said {
            Said::Named(named) => return Some(named),
            Said::Nobody => return None,
            Said::No(no) => no,
        };
        self.meter.count(Count::ServiceRefusals);
        tracing::debug!(
            request_id = &*line.request_id,
            is_final = no.is_final,
            "the login service does not let the visitor pass"
        );
        promised.no = Some(Box::new(no));
        None
    }
}

/// Tells each site which cookies of its hosts are those of a login service, its own or a neighbour's. A neighbour whose own
/// rules pass them is the service itself.
pub(super) fn keep_cookies(sites: &mut [Site]) {
    let of = |at: usize, site: &Site| {
        let services = sites
            .iter()
            .enumerate()
            .filter(|(_, other)| meet(site, other));
        let services = services.filter_map(|(other, found)| Some((other, found.service.as_ref()?)));
        let names = services.flat_map(|(other, service)| {
            let names = service.cookies.names().iter();
            names.filter(move |name| other == at || !passes(site, name))
        });
        names.cloned().collect()
    };
    let names = sites.iter().enumerate();
    let names: Vec<_> = names.map(|(at, site)| of(at, site)).collect();
    for (site, names) in sites.iter_mut().zip(names) {
        site.cookies.of_services = names;
    }
}

/// Whether a rule of the site names these cookies and passes them.
fn passes(site: &Site, names: &NamePattern) -> bool {
    let mut rules = site.cookies.rules.iter();
    let rule = rules.find(|rule| rule.name.matches(names.as_str().as_bytes()));
    rule.is_some_and(|rule| rule.mode == Mode::Pass)
}

/// The session that the site has bound a user to.
fn known(visit: &Visit, site: &Site) -> Option<Root> {
    let record = visit.record().filter(|_| !visit.is_frozen())?;
    let user = record.user.as_deref()?;
    (*user.site == *site.name).then_some(record.root)
}

/// What a yes of the service is good for: who came with the same proof, and what they asked for.
fn asked_for(service: &Service, naming: &Naming<'_>, cookies: Option<&HeaderValue>) -> [u8; 32] {
    let proof = naming.head.headers.get(AUTHORIZATION);
    let client_ip = naming.hops.client_ip.to_string();
    let bytes = |value: Option<&HeaderValue>| value.map_or(vec![], |value| value.as_bytes().into());
    let (method, host, target) = match service.login.scope {
        RecheckScope::Session => ("", "", ""),
        RecheckScope::Address => (
            naming.head.method.as_str(),
            naming.admitted.authority.as_str(),
            naming.target(),
        ),
    };
    framed::hash(&[
        b"cloakroom login service v1",
        &bytes(cookies),
        &bytes(proof),
        client_ip.as_bytes(),
        method.as_bytes(),
        host.as_bytes(),
        target.as_bytes(),
    ])
}

impl Gateway {
    /// What the browser gets of the cookies that a service sets. On a request that could not have carried them it gets
    /// nothing: a foreign page could log people out at the service otherwise.
    fn take_cookies(
        &self,
        service: &Service,
        naming: &Naming<'_>,
        answer: &http::HeaderMap,
        line: &Line,
    ) -> Vec<HeaderValue> {
        if !naming.from.could_carry(SameSite::Lax) {
            return Vec::new();
        }
        let ticket_name = self.desk.cookie.name().as_bytes();
        let at: (&str, Time) = (&naming.admitted.host, line.time);
        let set = answer.get_all(SET_COOKIE).iter().take(COOKIES_MAX);
        let hardened = set.filter_map(|field| {
            let policy = &naming.site.cookies;
            let hardened = service.cookies.set(field, policy, ticket_name, at);
            hardened
                .inspect_err(|reason| {
                    self.meter.count(Count::CookiesRefused);
                    let request_id = &*line.request_id;
                    let cookie = shown(name_in(field.as_bytes()));
                    tracing::warn!(request_id, site = %naming.site.name, cookie, %reason, "a cookie of the login service was refused");
                })
                .ok()
        });
        hardened.collect()
    }
}

/// How many cookies of one answer are looked at.
const COOKIES_MAX: usize = 16;
