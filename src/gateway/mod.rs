//! Floor 3: one request, in order. [`Gateway::handle`] is the whole path on one page.

pub mod admit;

pub mod path;

pub mod site;

pub mod visit;

pub mod newcomers;

pub mod crowd;

pub mod guesses;

pub mod news;

pub mod reason;

pub mod access;

pub mod assertion;

mod ask;
mod auth;
pub mod demand;

pub mod denial;

pub mod looks;

pub mod resume;

pub mod circles;

mod begin_line;
mod check_access;
mod conclude;
mod cookies;
mod copies;
mod duties;
mod entrance;
mod form_page;
mod forward;
mod learn;
mod named;
pub mod oidc;
mod opened;
mod own;
mod owner;
mod page;
mod path_params;
mod refused;
mod resend;
pub mod service;
mod session_page;
mod settle;
mod sign;
mod told;

pub mod streams;

mod witness;

pub mod reply;

pub mod refusal;

pub mod access_log;

pub mod observe;

pub mod request_id;

pub(crate) use self::forward::{Introduction, jar_request};

use std::mem::take;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::header::HeaderValue;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body as _;

use self::access::check_cross_site;
use self::access_log::{AccessLog, Line, Logged};
use self::admit::{AdmitLimits, admit};
use self::assertion::Assertions;
use self::circles::Circles;
use self::cookies::Written;
use self::copies::Before;
use self::crowd::Crowd;
use self::demand::Asking;
use self::duties::{begin_websocket, count_hop, round_off};
use self::forward::Call;
use self::guesses::Guesses;
use self::learn::{Scene, learn};
use self::named::{Begun, Promised};
use self::newcomers::Newcomers;
use self::observe::Observers;
use self::refusal::Refusal;
use self::reply::{TicketDesk, clean};
use self::request_id::RequestIds;
use self::resend::Resend;
use self::resume::quota::Quota as FormQuota;
use self::service::Naming;
use self::site::{Site, SiteTable};
use self::streams::{Opening, Streams};
use self::visit::{OnOutage, SessionMode};
use self::witness::Witness;
use crate::base::clock::Clock;
use crate::base::latest::Held;
use crate::base::meter::{Count, Meter};
use crate::cookie::screen::CookieLimits;
use crate::cookie::seal::ValueKeys;
use crate::headers::fetch::Provenance;
use crate::headers::forwarded::{ForwardedPolicy, Hops};
use crate::headers::hop;
use crate::login::certificate::ClientCertificate;
use crate::login::form::Desk as LoginDesk;
use crate::session::{SessionIds, Turn};
use crate::store::Store;
use crate::upstream::visitor::Incoming;
use crate::upstream::{Body, BodyLimits, Pool, aside};

/// How a request came to us: one for each connection, shared by its requests.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Our end of it.
    pub local: SocketAddr,
    /// The peer is a balancer that speaks for itself, as it does to see whether we are well: what it says about visitors
    /// is believed of none.
    pub is_peers_own: bool,
    /// The host that the TLS handshake named, lower case.
    pub sni: Option<Box<str>>,
    /// The client's certificate, if it showed one; it was verified.
    pub certificate: Option<Box<ClientCertificate>>,
}

/// The gateway under one configuration: finished settings, and what all cores share. A reload makes another one, which
/// takes over whatever lives on: that is behind an `Arc`. A request ends with the one it began with.
pub struct Gateway {
    pub(crate) sites: SiteTable,
    pub(crate) desk: TicketDesk,
    /// Seals and signs the values of apps' cookies. Swapped with the ring of the desk when the keys are reloaded.
    pub(crate) values: Arc<ArcSwap<ValueKeys>>,
    pub(crate) observers: Arc<Observers>,
    pub(crate) ids: Arc<SessionIds>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) on_outage: OnOutage,
    pub(crate) newcomers: Arc<Newcomers>,
    pub(crate) attempts: Arc<Guesses>,
    pub(crate) circles: Arc<Circles>,
    pub(crate) form_quota: Arc<FormQuota>,
    pub(crate) crowd: Option<Arc<Crowd>>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) admit_limits: AdmitLimits,
    pub(crate) cookie_limits: CookieLimits,
    pub(crate) body_limits: BodyLimits,
    pub(crate) forwarded: ForwardedPolicy,
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) access_log: AccessLog,
    pub(crate) clock: Clock,
    pub(crate) meter: Arc<Meter>,
    pub(crate) request_ids: Arc<RequestIds>,
    pub(crate) assertions: Arc<Assertions>,
    pub(crate) logins: Arc<LoginDesk>,
}

impl Gateway {
    /// One request, from head to head. The bodies stream on behind it.
    pub fn handle(
        gateway: Rc<Held<Self>>,
        arrival: Rc<Arrival>,
        pool: Pool,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<Logged<Body>>> {
        gateway.meter.count(Count::Requests);
        // Here and not in the future, which would keep room for the whole as well as for its parts.
        let (mut head, body) = request.into_parts();
        let has_body = !body.is_end_stream();
        let hops = match arrival.is_peers_own {
            true => Hops::of(arrival.peer.ip()),
            false => gateway.forwarded.read(&head.headers, arrival.peer.ip()),
        };
        let mut line = gateway.begin_line(&head, &hops);
        async move {
            let mut promised = Promised::default();
            let told = (&mut *line, &mut promised);
            let served = gateway
                .serve(&arrival, &hops, &pool, (&mut head, body), told)
                .await;
            line.refusal = None;
            let mut response =
                served.unwrap_or_else(|refusal| gateway.refuse(&refusal, has_body, &mut line));
            promised.tell(&gateway.desk, response.headers_mut(), line.time);
            round_off(&mut response, &line.method, gateway.hsts.as_ref());
            line.status = response.status().as_u16();
            response.map(|body| Logged::new(body, line))
        }
    }

    async fn serve(
        &self,
        arrival: &Arrival,
        hops: &Hops,
        pool: &Pool,
        (head, body): (&mut Parts, Incoming),
        (line, promised): (&mut Line, &mut Promised),
    ) -> Result<Response<Body>, Refusal> {
        let mut admitted = admit(head, arrival, &self.admit_limits)?;
        let websocket = begin_websocket(head);
        self.strip_path_params(head, &mut admitted)?;
        let asking = Asking::of(&head.method, hops);
        let placed = self.sites.place(&admitted, &asking);
        if let (Err(Refusal::OwnPath), Some(site)) = (&placed, self.sites.owner(&admitted)) {
            line.at(site, &head.headers);
            let asked = self.own_page(site, (head, body), &admitted, (arrival, hops), line);
            return aside(asked).await;
        }
        let (site, rule) = placed?;
        line.at(site, &head.headers);
        if let Some(answer) = count_hop(head)? {
            return Ok(answer);
        }
        let from = Provenance::of(&head.method, &head.headers, |origin| {
            site.is_own_origin(origin)
        });
        if resend::is_due(rule, &from, head)? {
            let by = (&admitted, site.looks.manner(&head.headers));
            return Err(aside(Resend::of(head, body, self.body_limits, by)).await);
        }

        let cookies = self.screen_in(site, &head.headers)?;
        let mode = rule.and_then(|rule| rule.session).unwrap_or(site.session);
        let place = self.desk.place(&admitted.host);
        let visit = self
            .open_visit((&cookies, place), mode, &from, line)
            .await?;
        let visit = match self.renewal_due(&visit, line.time) {
            None => visit,
            Some(oidc) => {
                let came = (&cookies, &*admitted.host);
                aside(self.renewed(oidc, visit, came, (mode, &from), line)).await?
            }
        };
        let upgrades = hop::is_websocket_upgrade(&head.method, head.version, &head.headers);
        check_cross_site(from.crosses_site_changing_state(upgrades), rule, &visit)?;
        let visit = self.let_in(visit, site, head, upgrades)?;
        let naming = Naming {
            site,
            rule,
            mode,
            head,
            admitted: &admitted,
            arrival,
            hops,
            from: &from,
            upgrades,
            pool,
        };
        let (visit, user) = match site.is_told_users() {
            true => aside(self.bind_named(visit, naming, promised, line)).await?,
            false => (visit, None),
        };
        let (no, begun) = (promised.no.take(), &mut promised.begun);

        let call = Call {
            arrival,
            hops,
            version: line.version,
            admitted: &admitted,
            site,
            visit: &visit,
            named: user.as_deref(),
            could_carry: from.could_carry(self.desk.cookie.settings().same_site),
            request_id: Arc::clone(&line.request_id),
            session_id: visit.root().map(|root| self.ids.derive(&root, &site.name)),
            now: line.time,
        };
        line.session = call.session_id.clone();
        line.user = call.user().map(|user| user.id.clone());
        let judged = self.check_access((rule, no.as_deref()), &call, head, upgrades, line.time);
        if let Err(refusal) = judged {
            return Err(aside(self.keep_form(refusal, (head, body), &call, line)).await);
        }
        let path = path::as_browsers_ask(head.uri.path()).into_owned();
        let jar_request = jar_request(site, &admitted, &path, &from, line.time);
        let mut brought = self.admit_cookies(cookies, &call, &jar_request);
        let mut witness = Witness::of(&call, head);
        // By whatever method: for this app it changes something.
        let logs_out = witness.as_ref().is_some_and(Witness::logs_out);
        check_cross_site(logs_out && !from.same_site_for_jar(), rule, &visit)?;
        self.observers
            .request(site, head, &visit, self.desk.cookie.name());
        brought.came = call.rewrite(self, head, brought.field.take());

        let home = site.upstreams.is_sticky().then(|| visit.home()).flatten();
        let (mut response, joint) = self
            .ask_app(
                (pool, home),
                site,
                head,
                (body, &mut witness, websocket),
                line,
            )
            .await?;

        let seen_from = (&visit, self.desk.cookie.name());
        self.observers
            .answer(site, response.headers(), &path, seen_from, line.time);
        let scene = Scene {
            gateway: self,
            site,
            request: &jar_request,
            record: visit.record(),
            was: begun.as_ref().and_then(|begun| begun.was.as_deref()),
            may_keep: visit.may_keep_cookies(),
            request_id: &line.request_id,
        };
        let marked = take(&mut brought.marked);
        let (mut change, mut parting) = learn(&mut response, scene, brought, witness, Turn::Stay);
        parting.mark = self.mark_after(&change.turn, &visit, marked, line.time);
        change.home = home.filter(|_| matches!(change.turn, Turn::LogIn { .. }));
        let renews = mode != SessionMode::Observe;
        change.touch =
            renews && (!change.is_nothing() || visit.touch_is_due(&self.desk.terms, line.time));
        if change.turn == Turn::Stay {
            change.turn = visit.upkeep(renews);
        }
        let may_set = visit.may_keep_cookies();
        let gave_way = begun.as_mut().and_then(|begun| begun.take_before());
        let before = gave_way.or_else(|| Before::of(&change.turn, &visit));
        let opening = Opening::of(&response, joint);
        let watched = opening.is_some() || !self.streams.has_no_sessions();
        let held = watched.then(|| visit.held());
        let now = self.clock.now();
        let last = if visit.stays_as_it_is(&change) {
            None
        } else {
            Some(aside(self.settle(visit, change, line, now)).await?)
        };
        let settled = Begun::and_then(begun.take(), last);
        let subject = held.and_then(|held| self.follow(held.as_ref(), &settled));
        clean(&mut response, site, &admitted);
        let host = &admitted.host;
        let headers = response.headers_mut();
        let record = settled.record.as_deref();
        parting.write(
            headers,
            self,
            site,
            &jar_request,
            &Written {
                record,
                before,
                may_set,
                request_id: &line.request_id,
            },
        );
        self.desk.write(headers, &settled.news, host, now);
        Ok(match opening {
            Some(opening) => self.open_stream(opening, response, (site, line), subject.as_ref()),
            None => response,
        })
    }

    /// Who looks on at the cookies of a site.
    pub const fn observers(&self) -> &Arc<Observers> {
        &self.observers
    }

    /// All sites, in the order of the configuration.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// The names of all sites.
    pub fn site_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sites.names()
    }

    /// The log of requests.
    pub const fn access_log(&self) -> &AccessLog {
        &self.access_log
    }
}
