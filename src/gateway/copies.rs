//! Copies in the browser of what belonged to a session: found when it ends or another user begins one, and expired.

use http::header::HeaderValue;

use super::Gateway;
use super::learn::Scene;
use super::site::Site;
use super::visit::Visit;
use crate::base::kept::{BrowserCopy, CookieIdentity};
use crate::cookie::expire;
use crate::cookie::jar::AppRequest;
use crate::cookie::parse::pairs;
use crate::cookie::policy::{CookiePolicy, Mode};
use crate::cookie::set_cookie::SetCookie;
use crate::session::{Record, Root, Turn};

/// How much of a response head deletions may take, in bytes.
const DELETION_BYTES_MAX: usize = 8 * 1024;

/// A cookie that a browser holds.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Whose it is. Empty where nobody knows.
    pub site: Box<str>,
    pub name: Box<[u8]>,
    pub stand: Stand,
}

/// Where in the browser it stands.
#[derive(Clone, Debug)]
pub(super) enum Stand {
    /// Wherever the request that is answered can have got it from.
    Somewhere,
    /// The same, on the path `/`.
    AtRoot,
    /// Here.
    At(CookieIdentity),
}

/// What tells whether a session is still the one that it was.
pub(super) struct Before {
    root: Root,
    bond: Option<Box<Root>>,
}

impl Before {
    /// Of a session that `turn` may have given way to another.
    pub fn of(turn: &Turn, visit: &Visit) -> Option<Self> {
        let forks = matches!(turn, Turn::LogIn { .. });
        let root = forks.then(|| visit.root()).flatten()?;
        let bond = visit.record().and_then(|record| record.bond.clone());
        Some(Self { root, bond })
    }

    /// Whether `copy` is of no use in the session that is there `now`.
    pub fn is_outlived_by(&self, copy: &Found, now: &Record, gateway: &Gateway) -> bool {
        if now.root == self.root {
            return false;
        }
        let jar = now.jar(&copy.site).iter();
        let is_kept = jar
            .map(|kept| &kept.identity.name)
            .any(|name| *name == copy.name);
        let opens = now.bond.is_some() && now.bond == self.bond;
        let policy = gateway.policy_of(&copy.site);
        match policy.map(|policy| policy.rule_for(&copy.name).mode) {
            Some(Mode::Mirror) => !is_kept,
            Some(Mode::Seal | Mode::Sign) => !opens,
            _ => !is_kept && !opens,
        }
    }
}

impl Scene<'_, '_> {
    /// The copies in this browser, as far as an answer can have it forget them: of this site and of others.
    pub fn copies(&self, came: &[HeaderValue]) -> Vec<Found> {
        let fields = came.iter().map(HeaderValue::as_bytes);
        let ticket_name = self.gateway.desk.cookie.name().as_bytes();
        let own = self.site.cookies.copies(fields, ticket_name).into_iter();
        let own = own.map(|name| Found {
            site: (*self.site.name).into(),
            name: name.into(),
            stand: Stand::Somewhere,
        });
        let apart = self.copies_apart().filter(|copy| {
            let policy = self.gateway.policy_of(&copy.site);
            // Whose site is no more belongs to nobody.
            policy.is_none_or(|policy| policy.gives_up(&copy.place.name))
        });
        let apart = apart.map(found).collect::<Vec<_>>();
        own.chain(self.copies_of_others(came))
            .chain(apart)
            .collect()
    }

    /// Copies of other sites that came to this one; all of them stand on `/`, or else on a path of this very site.
    pub fn copies_of_others(&self, came: &[HeaderValue]) -> Vec<Found> {
        let mut all = Vec::new();
        let Some(record) = self.record else {
            return all;
        };
        let fields = || came.iter().map(HeaderValue::as_bytes);
        let ticket_name = self.gateway.desk.cookie.name().as_bytes();
        let others = self.gateway.sites().filter(|other| {
            let may_have = record.bond.is_some() || !record.jar(&other.name).is_empty();
            may_have && other.name != self.site.name
        });
        for other in others {
            for pair in pairs(fields()) {
                // Two of a name may be one of each site, and which is which a browser does not say.
                let is_alone = || pairs(fields()).filter(|it| it.name == pair.name).count() == 1;
                let is_ours = other
                    .cookies
                    .has_copy(&pair, record.jar(&other.name), ticket_name);
                if is_ours && (!self.may_own(pair.name) || is_alone()) {
                    all.push(Found {
                        site: (*other.name).into(),
                        name: pair.name.into(),
                        stand: Stand::AtRoot,
                    });
                }
            }
        }
        all
    }

    fn may_own(&self, name: &[u8]) -> bool {
        self.site.cookies.rule_for(name).mode == Mode::Pass
    }

    /// The copies that this site's app takes away with all that it has in the browser.
    pub fn copies_cleared(&self) -> impl Iterator<Item = &BrowserCopy> {
        self.copies_apart()
            .filter(|copy| *copy.site == *self.site.name)
    }

    /// Remembered copies that an answer to this request can delete.
    fn copies_apart(&self) -> impl Iterator<Item = &BrowserCopy> {
        self.remembered().filter(|copy| self.reaches(copy))
    }

    /// Remembered copies that it cannot: another host has set them for itself.
    pub fn copies_out_of_reach(&self) -> impl Iterator<Item = &BrowserCopy> {
        self.remembered().filter(|copy| !self.reaches(copy))
    }

    fn remembered(&self) -> impl Iterator<Item = &BrowserCopy> {
        self.record.into_iter().flat_map(Record::copies)
    }

    fn reaches(&self, copy: &BrowserCopy) -> bool {
        let host = self.request.visitor_host;
        let set_at = Some(&*copy.host).filter(|host| !host.is_empty());
        expire::is_within_reach(&copy.place, set_at.unwrap_or(host), host)
    }

    /// Remembered copies in whose place the browser now puts what `passed` says.
    pub fn copies_replaced(&self, passed: &[HeaderValue]) -> Vec<BrowserCopy> {
        if self.remembered().next().is_none() {
            return Vec::new();
        }
        let places = passed.iter();
        let places = places.filter_map(|field| expire::place(field.as_bytes(), self.request));
        let places: Vec<_> = places.collect();
        let replaced = self.copies_apart();
        let replaced = replaced.filter(|copy| places.contains(&copy.place));
        replaced.cloned().collect()
    }

    /// `place` as it is remembered.
    pub fn remember(&self, place: CookieIdentity) -> BrowserCopy {
        let host = match &*place.domain {
            "" => self.request.visitor_host,
            _ => "",
        };
        BrowserCopy {
            site: (*self.site.name).into(),
            host: host.into(),
            place,
        }
    }
}

/// A remembered copy, to be expired.
pub(super) fn found(copy: &BrowserCopy) -> Found {
    Found {
        site: copy.site.clone(),
        name: copy.place.name.clone(),
        stand: Stand::At(copy.place.clone()),
    }
}

/// Deletions, for which a response head has only so much room.
pub(super) struct Deletions<'a> {
    gateway: &'a Gateway,
    site: &'a Site,
    request: &'a AppRequest<'a>,
    fields: Vec<(Urgency, HeaderValue)>,
}

/// When a deletion has its turn: the likeliest place of each cookie before the others in which it may stand, and there
/// what scripts can read first, then what no other request may bring again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Urgency {
    is_a_guess: bool,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ticket,
    Mirrored,
    Apart,
    Other,
}

impl<'a> Deletions<'a> {
    pub const fn new(gateway: &'a Gateway, site: &'a Site, request: &'a AppRequest<'a>) -> Self {
        Self {
            gateway,
            site,
            request,
            fields: Vec::new(),
        }
    }

    /// Of what stands beside our ticket under its name.
    pub fn shadows_of_ticket(&mut self) {
        let AppRequest {
            visitor_host, path, ..
        } = self.request;
        let shadows = self.gateway.desk.shadow_deletions(visitor_host, path);
        self.add(Kind::Ticket, shadows);
    }

    /// The same for the mark of whose the browser's cookies are.
    pub fn shadows_of_mark(&mut self) {
        let AppRequest {
            visitor_host, path, ..
        } = self.request;
        let shadows = self.gateway.desk.mark_shadow_deletions(visitor_host, path);
        self.add(Kind::Ticket, shadows);
    }

    /// Of what is for a domain, and not for this host alone.
    pub fn of_domain(&mut self, name: &[u8]) {
        let (host, path) = (self.request.visitor_host, self.request.path);
        let mut fields = expire::deletions(name, host, path, None);
        fields.retain(is_for_domain);
        self.add(Kind::Other, fields);
    }

    /// Of this site's cookie called `name`, wherever it came from; what is for a domain stays where it is spared.
    pub fn named(&mut self, name: &[u8], spares_domain: bool) {
        let (host, path) = (self.request.visitor_host, self.request.path);
        let mut fields = expire::deletions(name, host, path, None);
        fields.retain(|field| !(spares_domain && is_for_domain(field)));
        let is_mirrored = self.site.cookies.rule_for(name).mode == Mode::Mirror;
        self.add(
            if is_mirrored {
                Kind::Mirrored
            } else {
                Kind::Other
            },
            fields,
        );
    }

    /// Of this one.
    pub fn found(&mut self, found: &Found) {
        let policy = self.gateway.policy_of(&found.site);
        let is_mirrored = policy.is_some_and(|it| it.rule_for(&found.name).mode == Mode::Mirror);
        let (host, path) = (self.request.visitor_host, self.request.path);
        let (kind, fields) = match &found.stand {
            Stand::Somewhere => (
                Kind::Other,
                expire::deletions(&found.name, host, path, None),
            ),
            Stand::AtRoot => (Kind::Other, expire::deletions(&found.name, host, "/", None)),
            Stand::At(place) => (
                Kind::Apart,
                expire::deletion_at(place).into_iter().collect(),
            ),
        };
        self.add(if is_mirrored { Kind::Mirrored } else { kind }, fields);
    }

    fn add(&mut self, kind: Kind, fields: Vec<HeaderValue>) {
        for (nth, field) in fields.into_iter().enumerate() {
            let is_a_guess = nth > 0;
            self.fields.push((Urgency { is_a_guess, kind }, field));
        }
    }

    /// As many as there is room for.
    pub fn fitting(mut self) -> Vec<HeaderValue> {
        self.fields.sort_by_key(|(turn, _)| *turn);
        let mut room = DELETION_BYTES_MAX;
        let fields = self.fields.into_iter().map(|(_, field)| field);
        let fits = |field: &HeaderValue| {
            let fits = field.len() <= room;
            room -= if fits { field.len() } else { 0 };
            fits
        };
        fields.filter(fits).collect()
    }
}

fn is_for_domain(deletion: &HeaderValue) -> bool {
    SetCookie::read(deletion.as_bytes()).is_ok_and(|set| set.domain.is_some())
}

impl Gateway {
    fn policy_of(&self, site: &str) -> Option<&CookiePolicy> {
        let mut sites = self.sites();
        let site = sites.find(|known| *known.name == *site);
        site.map(|site| &site.cookies)
    }
}
