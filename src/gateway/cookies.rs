//! The cookies of one request on their way through the gateway: what the browser brought, once the session is open, and
//! what it gets, once the session is written.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use smallvec::SmallVec;

use super::Gateway;
use super::copies::{Before, Deletions, Found, Stand};
use super::forward::Call;
use super::owner::{Mark, adoption};
use super::reply::make_private;
use super::site::Site;
use super::told::name_in;
use crate::base::kept::{CookieIdentity, KeptCookie};
use crate::base::meter::Count;
use crate::cookie::admission::Bench;
use crate::cookie::expire;
use crate::cookie::jar::AppRequest;
use crate::cookie::outgoing::{Bond, Unbound};
use crate::cookie::owner::{Adoption, Marked};
use crate::cookie::screen::{Incoming, TooMuch};
use crate::cookie::set_cookie::Refused;
use crate::session::Record;

/// What the browser brought.
#[derive(Default)]
pub(super) struct Brought {
    /// The `Cookie` field that goes up, if there is one.
    pub field: Option<HeaderValue>,
    /// The fields that came, once the other has taken their place.
    pub came: SmallVec<[HeaderValue; 1]>,
    /// What moves into the jar.
    pub adopted: Vec<KeptCookie>,
    /// Names of copies that it holds for other sites too, as long as the session lasts.
    pub lingering: Vec<Box<[u8]>>,
    /// Whether a login has yet to tell whose cookies it holds.
    pub waits: bool,
    /// Names of copies that the browser should hold no more, whatever becomes of the request.
    pub stale: Vec<Box<[u8]>>,
    /// Whose cookies it holds, as far as its marks say.
    pub marked: Marked,
    /// Whether it holds several cookies of our own name.
    pub several_tickets: bool,
    /// Whether it holds several marks.
    pub several_marks: bool,
}

/// The cookies that leave with a response.
#[derive(Default)]
pub(super) struct Parting<'a> {
    /// What the browser gets whatever becomes of the session.
    pub passed: Vec<HeaderValue>,
    /// Copies of what the jar keeps.
    pub mirrored: Vec<HeaderValue>,
    /// What is still to be sealed or signed.
    pub unbound: Vec<Unbound<'a>>,
    /// Names of copies that have moved into the jar, if the session was written.
    pub moved: Vec<Box<[u8]>>,
    /// Those among them that other sites still need.
    pub lingering: Vec<Box<[u8]>>,
    /// Whether a login has yet to tell whose the browser's cookies are.
    pub waits: bool,
    /// Names of copies that the browser should hold no more.
    pub stale: Vec<Box<[u8]>>,
    /// Names of copies for this host alone that the browser should hold no more.
    pub narrowed: Vec<Box<[u8]>>,
    /// Whether it is clear whose the browser's cookies were: nobody else is to find them.
    pub settles: bool,
    /// Copies that are good for nothing in another session than the one they came with.
    pub copies: Vec<Found>,
    /// Copies that are good for nothing any more.
    pub gone: Vec<Found>,
    /// The owner's mark, if it is to be another.
    pub mark: Option<Mark>,
    /// Whether only one of several cookies of our own name is ours.
    pub several_tickets: bool,
    /// Whether only one of several marks is ours.
    pub several_marks: bool,
}

/// What became of the session by the time the response goes out.
pub(super) struct Written<'a> {
    /// The session with what this response asked of it, if the store took that.
    pub record: Option<&'a Record>,
    /// The session as the request found it.
    pub before: Option<Before>,
    /// Whether cookies may be set on this request at all.
    pub may_set: bool,
    /// The request that is answered.
    pub request_id: &'a str,
}

impl Gateway {
    /// Judges the cookies that the browser brought, as far as that can be done before the session is open.
    pub(super) fn screen_in<'a>(
        &self,
        site: &'a Site,
        headers: &'a HeaderMap,
    ) -> Result<Incoming<'a>, TooMuch> {
        let fields = headers.get_all(COOKIE).iter();
        // Usual crumbs of HTTP/2 cost no allocation.
        let fields: SmallVec<[&[u8]; 24]> = fields.map(HeaderValue::as_bytes).collect();
        let ticket_name = self.desk.cookie.name().as_bytes();
        site.cookies
            .screen_in(fields.iter().copied(), ticket_name, &self.cookie_limits)
    }

    /// Judges the cookies that the browser brought, now that the session is open.
    pub(super) fn admit_cookies(
        &self,
        cookies: Incoming<'_>,
        call: &Call<'_>,
        request: &AppRequest<'_>,
    ) -> Brought {
        let site = call.site;
        self.tell_withheld(&cookies.withheld, call);
        let record = call.visit.record();
        let jar = record.map_or(&[][..], |record| record.jar(&site.name));
        let marked = self.marked(&cookies, request.now);
        let several_marks = cookies.marks.are_several();
        let several_tickets = cookies.candidates.are_several() || cookies.candidates_surplus;
        if cookies.held.is_empty() && cookies.reported.is_empty() {
            self.meter
                .add(Count::CookiesDropped, cookies.dropped.into());
            let field = site.cookies.cookie_field(jar, request, cookies.passed());
            return Brought {
                field,
                marked,
                several_tickets,
                several_marks,
                ..Brought::default()
            };
        }
        let keys = self.values.load();
        let adoption = adoption(&marked, record, call.could_carry);
        let bond = record.and_then(|record| record.bond_of(&site.name));
        let bench = Bench {
            keys: &keys,
            site: &site.name,
            bond: bond.as_ref().map(|bond| &bond.0),
            jar,
            taken: record.map_or(&[], |record| record.taken(&site.name)),
            jar_of: &|site| record.map_or(&[], |record| record.jar(site)),
            may_keep: call.visit.may_keep_cookies(),
            adoption,
            ticket_name: self.desk.cookie.name().as_bytes(),
        };
        let admission = site.cookies.admit(cookies, &bench, request);
        self.tell_of(&admission, site, &call.request_id);
        Brought {
            field: site.cookies.cookie_field(jar, request, admission.passed()),
            came: SmallVec::new(),
            marked,
            adopted: admission.adopted,
            waits: adoption == Adoption::Waiting,
            lingering: admission.lingering.into_iter().map(Box::from).collect(),
            stale: admission.stale.into_iter().map(Box::from).collect(),
            several_tickets,
            several_marks,
        }
    }
}

impl Parting<'_> {
    /// Whether something is bound to the session.
    pub fn binds(&self) -> bool {
        self.unbound.iter().any(Unbound::needs_session)
    }

    /// Where the browser will hold copies that not every request brings.
    pub fn places_apart(&self, request: &AppRequest<'_>) -> impl Iterator<Item = CookieIdentity> {
        let bound = self.unbound.iter();
        let bound = bound.filter_map(|unbound| unbound.place_apart(request));
        let mirrored = self.mirrored.iter();
        let mirrored = mirrored.filter_map(|copy| expire::place(copy.as_bytes(), request));
        bound.chain(mirrored.filter(|place| expire::is_apart(place, request.visitor_host)))
    }

    /// The session has ended: nothing goes out that would belong to it, and what the browser holds of it goes.
    pub fn end(&mut self) {
        self.mirrored.clear();
        self.unbound.retain(|unbound| !unbound.needs_session());
        self.moved.clear();
        self.settles = true;
        self.gone.append(&mut self.copies);
    }

    /// Writes the cookies into a response head.
    pub fn write(
        self,
        headers: &mut HeaderMap,
        gateway: &Gateway,
        site: &Site,
        request: &AppRequest<'_>,
        written: &Written<'_>,
    ) {
        // As most responses have it.
        if !self.is_empty() || written.before.is_some() {
            self.write_all(headers, gateway, site, request, written);
        }
    }

    const fn is_empty(&self) -> bool {
        self.passed.is_empty()
            && self.mirrored.is_empty()
            && self.unbound.is_empty()
            && self.moved.is_empty()
            && self.lingering.is_empty()
            && self.stale.is_empty()
            && self.narrowed.is_empty()
            && self.copies.is_empty()
            && self.gone.is_empty()
            && self.mark.is_none()
            && !self.several_tickets
            && !self.several_marks
    }

    #[inline(never)]
    fn write_all(
        self,
        headers: &mut HeaderMap,
        gateway: &Gateway,
        site: &Site,
        request: &AppRequest<'_>,
        written: &Written<'_>,
    ) {
        let mut ours = Vec::new();
        let mut refused = Vec::new();
        match written.record {
            Some(_) => ours.extend(self.mirrored),
            None => refused.extend(
                self.mirrored
                    .iter()
                    .map(|copy| (copy.clone(), Refused::NoSession)),
            ),
        }
        if !self.unbound.is_empty() {
            let keys = gateway.values.load();
            let root = written.record.and_then(|record| record.bond_of(&site.name));
            let bond = Bond {
                keys: &keys,
                site: &site.name,
                session: root.as_ref().map(|root| &root.0),
                visitor_host: request.visitor_host,
                now: request.now,
            };
            for unbound in &self.unbound {
                match unbound.bind(&bond) {
                    Ok(field) => {
                        gateway.meter.count(Count::CookiesGuarded);
                        ours.push(field);
                    }
                    Err(why) => refused.push((unbound.field().clone(), why)),
                }
            }
        }
        for (field, why) in &refused {
            gateway.refuse_cookie(field, *why, site, written.request_id);
        }
        let mut deletions = Vec::new();
        if written.may_set {
            let moved = self.moved.iter().filter(|_| written.record.is_some());
            let moved: Vec<_> = moved.collect();
            gateway.meter.add(Count::CookiesAdopted, moved.len() as u64);
            // What this very response sets stays.
            let set = ours.iter().chain(&self.passed);
            let set: Vec<&[u8]> = set.map(|field| name_in(field.as_bytes())).collect();
            let outlived = self.copies.iter();
            let outlived = outlived.filter(|copy| written.is_outlived_by(copy, gateway));
            let gone =
                self.gone.iter().chain(outlived).filter(|copy| {
                    matches!(copy.stand, Stand::At(_)) || !set.contains(&&*copy.name)
                });
            let mut expired = Deletions::new(gateway, site, request);
            if self.several_tickets {
                expired.shadows_of_ticket();
            }
            if self.several_marks {
                expired.shadows_of_mark();
            }
            let is_over = |name: &[u8]| !set.contains(&name);
            let has_user = written.record.is_some_and(|record| record.user.is_some());
            let is_settled = has_user || self.settles;
            let (cookies, now) = (&site.cookies, request.now);
            let spares = |name: &[u8]| cookies.spares_domain(name, now, is_settled);
            let stale = self.stale.iter().filter(|name| is_over(name));
            stale.for_each(|name| expired.named(name, spares(name)));
            let narrowed = self.narrowed.iter().filter(|name| is_over(name));
            narrowed.for_each(|name| expired.named(name, true));
            let moved = moved.into_iter().filter(|name| is_over(name));
            let moved = moved.filter(|name| !self.lingering.contains(name));
            moved.for_each(|name| expired.named(name, spares(name)));
            let lingering = self.lingering.iter().filter(|name| is_over(name));
            lingering
                .filter(|name| cookies.ends_in_domain(name, now, is_settled))
                .for_each(|name| expired.of_domain(name));
            gone.for_each(|copy| expired.found(copy));
            deletions = expired.fitting();
        }
        if written.may_set
            && let Some(mark) = &self.mark
        {
            ours.extend(mark.field(gateway, written.record.is_some()));
        }
        if !ours.is_empty() || !deletions.is_empty() {
            // Made for this visitor, by a gateway that the app does not know of when it speaks of caches.
            make_private(headers);
        }
        // In this order, so that no deletion takes away what the app has just set.
        for field in deletions.into_iter().chain(self.passed).chain(ours) {
            headers.append(SET_COOKIE, field);
        }
    }
}

impl Written<'_> {
    fn is_outlived_by(&self, copy: &Found, gateway: &Gateway) -> bool {
        let sessions = self.before.as_ref().zip(self.record);
        sessions.is_some_and(|(before, now)| before.is_outlived_by(copy, now, gateway))
    }
}
