//! Users whom somebody else names with each request, and the session that goes with them. `service` asks those who must be
//! asked.
//!
//! Whoever names the user is the authority, each time anew: where nobody is named, nobody is logged in, and what a
//! session holds for a user stays out of sight until that user is named again. A name is believed only on requests
//! that could have carried our own ticket: certificates and the cookies of other proxies go along with requests that
//! foreign pages make, and our SameSite would be worth nothing beside them.
//!
//! A user who is new to the session gets one of their own before the app is asked, so that the app never sees a user
//! together with what the visitor had before.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderValue, SET_COOKIE};

use super::access::{Rule, believes};
use super::access_log::Line;
use super::copies::Before;
use super::news::TicketNews;
use super::refusal::Refusal;
use super::reply::{TicketDesk, make_private};
use super::settle::Settlement;
use super::site::Site;
use super::visit::{SessionMode, Visit};
use super::{Arrival, Gateway};
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::headers::fetch::Provenance;
use crate::login::forward::No;
use crate::login::header::LoginHeaders;
use crate::login::named::{Named, Namer, Unnamed};
use crate::session::{Change, Closed, Record, Turn, User};

/// A session that began before the app was asked. Its ticket is told whatever becomes of the request: without it the
/// next one would begin another.
pub(super) struct Begun {
    settlement: Settlement,
    host: String,
    /// What was there before it.
    pub was: Option<Arc<Record>>,
    before: Option<Before>,
}

/// What the visitor hears of whoever names users, whatever becomes of the request.
#[derive(Default)]
pub(super) struct Promised {
    /// A session that began.
    pub begun: Option<Box<Begun>>,
    /// Cookies of the login service.
    pub cookies: Vec<HeaderValue>,
    /// That service does not let the visitor pass.
    pub no: Option<Box<No>>,
}

impl Promised {
    /// Writes it into an answer.
    pub fn tell(self, desk: &TicketDesk, headers: &mut HeaderMap, now: Time) {
        if let Some(begun) = self.begun {
            begun.tell(desk, headers, now);
        }
        if !self.cookies.is_empty() {
            make_private(headers);
        }
        for cookie in self.cookies {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

impl Begun {
    /// What is to be told of the session that gave way.
    pub fn take_before(&mut self) -> Option<Before> {
        self.before.take()
    }

    /// All that became of the session: `last` is what came of the app's answer, if that asked anything of the session.
    /// A record that is there says that the store took it.
    pub fn and_then(begun: Option<Box<Self>>, last: Option<Settlement>) -> Settlement {
        let (begun, last) = match (begun, last) {
            (None, None) => return Settlement::unchanged(),
            (None, Some(last)) => return last,
            (Some(begun), None) => return begun.settlement,
            (Some(begun), Some(last)) => (begun.settlement, last),
        };
        let Settlement { news, record } = last;
        let news = match (news, begun.news) {
            (TicketNews::Keep, TicketNews::Give(ticket, begun)) => {
                TicketNews::Give(ticket, record.clone().or(begun))
            }
            (TicketNews::Keep, first) => first,
            // A shared response could leave a renewal out, and this is the first that the visitor hears of the ticket.
            (TicketNews::Renew(ticket, record), _) => TicketNews::Give(ticket, record),
            (last, _) => last,
        };
        Settlement { news, record }
    }

    /// Tells the ticket with an answer that is not the app's.
    pub fn tell(&self, desk: &TicketDesk, headers: &mut HeaderMap, now: Time) {
        desk.write(headers, &self.settlement.news, &self.host, now);
    }
}

impl Gateway {
    /// Who is named on this request; `None` when nobody is.
    pub(super) fn named(
        &self,
        namer: &Namer,
        (site, rule): (&Site, Option<&Rule>),
        (headers, arrival): (&HeaderMap, &Arrival),
        (from, is_websocket): (&Provenance, bool),
        line: &Line,
    ) -> Option<Named> {
        let said = match namer {
            Namer::Header(wanted) => self.said_by_proxy(wanted, headers, arrival, line),
            Namer::Certificate(wanted) => arrival.certificate.as_ref().map(|certificate| {
                if certificate.not_after < line.time {
                    return Err(Unnamed::Expired);
                }
                Namer::of_certificate(*wanted, certificate)
            }),
        };
        let named = said?
            .inspect_err(|reason| {
                self.meter.count(Count::NamesRefused);
                let request_id = &*line.request_id;
                tracing::warn!(request_id, site = %site.name, %reason, "nobody is logged in: who is named cannot be told");
            })
            .ok()?;
        let same_site = self.desk.cookie.settings().same_site;
        believes(rule, from, same_site, is_websocket).then_some(named)
    }

    /// Only a trusted proxy is believed, and not when it speaks for itself.
    fn said_by_proxy(
        &self,
        wanted: &LoginHeaders,
        headers: &HeaderMap,
        arrival: &Arrival,
        line: &Line,
    ) -> Option<Result<Named, Unnamed>> {
        if !arrival.is_peers_own && self.forwarded.trusts(arrival.peer.ip()) {
            return wanted.read(headers).transpose();
        }
        if wanted.names().any(|name| headers.contains_key(name)) {
            self.meter.count(Count::NamesDistrusted);
            let request_id = &*line.request_id;
            tracing::warn!(request_id, peer = %arrival.peer.ip(), "a header that names the user came from a peer that is none of server.trusted_proxies, and was removed");
        }
        None
    }

    /// The visit as it is for `named`, and the user where the session does not say them: then they are one for this
    /// request alone. A session that begins for them is put into `promised`.
    ///
    /// # Errors
    /// When the store did not answer.
    pub(super) async fn bind(
        &self,
        visit: Visit,
        named: Option<Named>,
        (site, mode, host): (&Site, SessionMode, &str),
        promised: &mut Promised,
        line: &mut Line,
    ) -> Result<(Visit, Option<Box<User>>), Refusal> {
        let known = visit.record().and_then(|record| record.user.as_deref());
        let known = known.filter(|user| *user.site == *site.name);
        let Some(named) = named else {
            let is_over = known.is_some();
            return Ok((if is_over { visit.out_of_sight() } else { visit }, None));
        };
        let is_same_person = known.is_some_and(|user| user.id == named.id);
        if is_same_person && known.is_some_and(|user| says_the_same(user, &named)) {
            return Ok((visit, None));
        }
        let user = Box::new(user_of(named, site, line));
        // A background poll begins nothing, and an old ticket shall not be seen beside another user.
        if !visit.may_keep_cookies() || visit.is_frozen() || mode == SessionMode::Observe {
            return Ok((visit.out_of_sight(), Some(user)));
        }
        let turn = Turn::LogIn {
            user: Some(user.clone()),
            carry: is_same_person || site.carries_named,
        };
        let (bound, new) = self.begin_for(visit, turn, (site, host), line).await?;
        let is_told = new.is_none().then_some(user);
        promised.begun = new;
        Ok((bound, is_told))
    }

    /// Has the store begin the session that `turn` asks for. Without one, the request goes on with none: another
    /// request of the same visitor was first, or the store did not take it.
    async fn begin_for(
        &self,
        visit: Visit,
        turn: Turn,
        (site, host): (&Site, &str),
        line: &mut Line,
    ) -> Result<(Visit, Option<Box<Begun>>), Refusal> {
        let (reason, held) = (visit.reason, visit.held());
        let before = Before::of(&turn, &visit);
        let home = site.upstreams.is_sticky().then(|| visit.home()).flatten();
        let change = Change {
            turn,
            home,
            ..Change::default()
        };
        let settlement = self.settle(visit, change, line, line.time).await?;
        let (TicketNews::Give(ticket, _), Some(record)) = (&settlement.news, &settlement.record)
        else {
            return Ok((Visit::without_session(reason), None));
        };
        self.meter.count(Count::LoginsNamed);
        let bound = Visit::bound(ticket.clone(), Arc::clone(record), reason);
        if let Some(held) = &held {
            let root = held.record.as_ref().map(|record| record.root);
            let root = root.unwrap_or_else(|| held.ticket.root());
            self.streams.end(&root, Closed::Superseded);
        }
        let begun = Begun {
            settlement,
            host: host.to_owned(),
            was: held.and_then(|held| held.record),
            before,
        };
        Ok((bound, Some(Box::new(begun))))
    }
}

fn user_of(named: Named, site: &Site, line: &Line) -> User {
    User {
        name: named.name,
        email: named.email,
        groups: named.groups,
        ..User::new(named.id, &site.name, line.time)
    }
}

fn says_the_same(user: &User, named: &Named) -> bool {
    user.name == named.name && user.email == named.email && user.groups == named.groups
}
