//! Users whom somebody else names with each request, and the session that goes with them.
//!
//! Whoever names the user is the authority, each time anew: where nobody is named, nobody is logged in, and what a
//! session holds for a user stays out of sight until that user is named again. A name is believed only on requests
//! that could have carried our own ticket: certificates and the cookies of other proxies go along with requests that
//! foreign pages make, and our SameSite would be worth nothing beside them.
//!
//! A user who is new to the session gets one of their own before the app is asked, so that the app never sees a user
//! together with what the visitor had before.

use std::sync::Arc;

use http::HeaderMap;

use super::access::{CrossSite, Rule};
use super::access_log::Line;
use super::copies::Before;
use super::news::TicketNews;
use super::refusal::Refusal;
use super::settle::Settlement;
use super::site::Site;
use super::visit::{SessionMode, Visit};
use super::{Arrival, Gateway};
use crate::base::meter::Count;
use crate::headers::fetch::Provenance;
use crate::login::header::LoginHeaders;
use crate::login::named::{Named, Namer, Unnamed};
use crate::session::{Change, Closed, Record, Turn, User};

/// What became of a visit by the user that was named.
#[derive(Default)]
pub(super) struct Bound {
    /// The user, if the session does not say it: it holds for this request alone.
    pub user: Option<Box<User>>,
    /// What began with this request, if something did.
    pub begun: Option<Begun>,
}

/// A session that began before the app was asked.
pub(super) struct Begun {
    settlement: Settlement,
    /// What was there before it.
    pub was: Option<Arc<Record>>,
    before: Option<Before>,
}

impl Bound {
    /// What is to be told of the session that gave way, if one did.
    pub fn take_before(&mut self) -> Option<Before> {
        self.begun.as_mut()?.before.take()
    }

    /// All that became of the session: `last` is what came of the app's answer.
    pub fn and_then(self, last: Settlement) -> Settlement {
        let Some(Begun { settlement, .. }) = self.begun else {
            return last;
        };
        let record = last.record.or(settlement.record);
        let news = match (last.news, settlement.news) {
            (TicketNews::Keep, TicketNews::Give(ticket, _)) => {
                TicketNews::Give(ticket, record.clone())
            }
            // It says more than a renewal, which a shared response may leave out.
            (TicketNews::Renew(ticket, record), _) => TicketNews::Give(ticket, record),
            (TicketNews::Keep, first) => first,
            (last, _) => last,
        };
        Settlement { news, record }
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
        let allows = rule.is_some_and(|rule| rule.cross_site == CrossSite::Allow);
        let is_foreign = from.crosses_site_changing_state(is_websocket) && !allows;
        (from.could_carry(same_site) && !is_foreign).then_some(named)
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

    /// The visit as it is for `named`.
    ///
    /// # Errors
    /// When the store did not answer.
    pub(super) async fn bind(
        &self,
        visit: Visit,
        named: Option<Named>,
        (site, mode): (&Site, SessionMode),
        line: &mut Line,
    ) -> Result<(Visit, Bound), Refusal> {
        let known = visit.record().and_then(|record| record.user.as_deref());
        let known = known.filter(|user| *user.site == *site.name);
        let Some(named) = named else {
            return Ok(match known {
                None => (visit, Bound::default()),
                Some(_) => (visit.out_of_sight(), Bound::default()),
            });
        };
        let is_same_person = known.is_some_and(|user| user.id == named.id);
        if is_same_person && known.is_some_and(|user| says_the_same(user, &named)) {
            return Ok((visit, Bound::default()));
        }
        let user = Box::new(user_of(named, site, line));
        // A background poll begins nothing, and an old ticket of somebody else shall not be seen beside the user.
        if !visit.may_keep_cookies() || visit.is_frozen() || mode == SessionMode::Observe {
            let user = Some(user);
            return Ok((visit.out_of_sight(), Bound { user, begun: None }));
        }
        let home = site.upstreams.is_sticky().then(|| visit.home()).flatten();
        let turn = Turn::LogIn {
            user: Some(user.clone()),
            carry: is_same_person || site.carries_named,
        };
        let before = Before::of(&turn, &visit);
        let held = visit.held();
        let change = Change {
            turn,
            home,
            ..Change::default()
        };
        let alone = visit.reason;
        let settlement = self.settle(visit, change, line, line.time).await?;
        let bound = match (&settlement.news, &settlement.record) {
            (TicketNews::Give(ticket, _), Some(record)) => {
                Visit::bound(ticket.clone(), Arc::clone(record), alone)
            }
            // Another request of the same visitor was first, or the store did not take it.
            _ => {
                let user = Some(user);
                return Ok((Visit::without_session(alone), Bound { user, begun: None }));
            }
        };
        self.meter.count(Count::LoginsNamed);
        if let Some(held) = &held {
            let root = held
                .record
                .as_ref()
                .map_or_else(|| held.ticket.root(), |it| it.root);
            self.streams.end(&root, Closed::Superseded);
        }
        let was = held.and_then(|held| held.record);
        let begun = Some(Begun {
            settlement,
            was,
            before,
        });
        Ok((bound, Bound { user: None, begun }))
    }
}

fn user_of(named: Named, site: &Site, line: &Line) -> User {
    User {
        id: named.id,
        issuer: None,
        name: named.name,
        email: named.email,
        groups: named.groups,
        claims: serde_json::Map::new(),
        site: site.name.to_string(),
        auth_time: line.time,
    }
}

fn says_the_same(user: &User, named: &Named) -> bool {
    user.name == named.name && user.email == named.email && user.groups == named.groups
}
