//! What a cookie value is and what speaks against it, by the keys and the settings alone.

use std::time::Duration;

use super::verdict::{Kind, Refused, Verdict};
use crate::base::clock::Time;
use crate::config::Settings;
use crate::config::keyring::Keys;
use crate::config::settings::{CookieMode, Engine};
use crate::cookie::name::NamePattern;
use crate::cookie::owner;
use crate::cookie::seal::{Context, Form, Label, Opened, Unopened};
use crate::session::expiry::Expired;
use crate::session::{Carried, KeyId, Place, Reading, Record, Root, Scope, Ticket, TicketLabel};

/// How many times a site may have cleared its cookies in one session for its values to be told from touched ones.
const CLEARINGS_TRIED: u32 = 16;

/// What a verdict is made of.
pub(super) struct Case<'a> {
    pub settings: &'a Settings,
    /// The ring among them opens tickets that carry their session, whatever the engine is.
    pub keys: &'a Keys,
    pub host: Option<&'a str>,
    /// Site and name of the cookie that a sealed or signed value came in.
    pub cookie: Option<(&'a str, &'a str)>,
    /// The session that such a value is bound to.
    pub bond: Option<Root>,
    pub now: Time,
}

impl Case<'_> {
    /// What `value` is, and what speaks against it.
    pub(super) fn judge(&self, value: &[u8]) -> Verdict {
        match (TicketLabel::read(value), Label::read(value)) {
            (
                Some(TicketLabel::Plain {
                    key,
                    issued,
                    stored,
                }),
                _,
            ) => Verdict {
                issued: Some(issued),
                ..self.plain(value, key, stored)
            },
            (Some(TicketLabel::Carrying { key }), _) => self.carrying(value, key),
            (None, Some(label)) => self.closed(value, &label),
            (None, None) => self.unlabelled(value),
        }
    }

    /// What binds values to the session that begins with `ticket` or is in it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn bond_of(&self, ticket: &[u8]) -> Result<Root, &'static str> {
        let is_carrying = matches!(
            TicketLabel::read(ticket),
            Some(TicketLabel::Carrying { .. })
        );
        let place = match self.place() {
            None if is_carrying => return Err("carries its session, and opens only with --host"),
            place => place.unwrap_or(self.nowhere()),
        };
        match self.keys.ring.read(ticket, &place, self.now) {
            Reading::Genuine { ticket, .. } => Ok(match ticket.carried() {
                Some(carried) => {
                    let record = carried.record();
                    record.bond.as_deref().copied().unwrap_or(record.root)
                }
                None => ticket.root(),
            }),
            Reading::UnknownKey => Err("was made with a key that is not in the ring"),
            Reading::Forged => Err("is none of ours, or one of another host or cookie name"),
        }
    }

    // === tickets ===

    fn plain(&self, value: &[u8], key: KeyId, stored: bool) -> Verdict {
        let verdict = self.of_key(Kind::Ticket { stored }, key);
        // The tag of such a ticket is right at every host or at none.
        match self.keys.ring.read(value, &self.nowhere(), self.now) {
            Reading::Genuine { ticket, .. } => verdict.verified(self.against_plain(&ticket)),
            Reading::UnknownKey => verdict.refused(Refused::UnknownKey),
            Reading::Forged => verdict.touched(Refused::Forged),
        }
    }

    fn against_plain(&self, ticket: &Ticket) -> Option<Refused> {
        let terms = &self.settings.session.terms;
        let age = self.now.since(ticket.issued());
        if !ticket.is_stored() {
            return (age >= terms.idle).then_some(Refused::IdleExpired);
        }
        if self.tickets_carry() {
            return Some(Refused::Unstored);
        }
        // No session is younger than its ticket.
        (age >= terms.absolute).then_some(Refused::AbsoluteExpired)
    }

    fn carrying(&self, value: &[u8], key: KeyId) -> Verdict {
        let verdict = self.of_key(Kind::Carrying, key);
        if !verdict.key_is_known() {
            return verdict.refused(Refused::UnknownKey);
        }
        let Some(place) = self.place() else {
            let needs = "--host, the host that it came to";
            let refused = (!self.tickets_carry()).then_some(Refused::WrongEngine);
            return verdict.unverified(needs, refused);
        };
        let Reading::Genuine { ticket, .. } = self.keys.ring.read(value, &place, self.now) else {
            return verdict.touched(Refused::Forged);
        };
        Verdict {
            issued: Some(ticket.issued()),
            until: ticket.carried().map(Carried::until),
            ..verdict.verified(self.against_carrying(&ticket))
        }
    }

    fn against_carrying(&self, ticket: &Ticket) -> Option<Refused> {
        if !self.tickets_carry() {
            return Some(Refused::WrongEngine);
        }
        let carried = ticket.carried()?;
        if carried.until() <= self.now {
            return Some(Refused::AbsoluteExpired);
        }
        let expired = self
            .settings
            .session
            .terms
            .expired(carried.record(), self.now);
        expired.map(|expired| match expired {
            Expired::Idle => Refused::IdleExpired,
            Expired::Absolute => Refused::AbsoluteExpired,
        })
    }

    fn tickets_carry(&self) -> bool {
        matches!(self.settings.store.engine, Engine::Cookie { .. })
    }

    /// Where a ticket came, if that was said.
    fn place(&self) -> Option<Place<'_>> {
        let settings = &self.settings.cookie;
        let scope = match (&settings.domain, self.host) {
            (Some(domain), _) => Scope::Domain(domain),
            (None, host) => Scope::Host(host?),
        };
        let cookie = &settings.name;
        Some(Place { cookie, scope })
    }

    /// A place where only tickets are read that are the same everywhere.
    fn nowhere(&self) -> Place<'_> {
        Place::at(&self.settings.cookie.name, "")
    }

    // === values of apps ===

    fn closed(&self, value: &[u8], label: &Label) -> Verdict {
        let kind = match label.form {
            Form::Sealed => Kind::Sealed,
            Form::Signed => Kind::Signed,
        };
        let verdict = Verdict {
            issued: Some(label.issued),
            until: label.until,
            ..self.of_key(kind, KeyId(label.key))
        };
        if !verdict.key_is_known() {
            return verdict.refused(Refused::UnknownKey);
        }
        if let Some(verdict) = self.mark(verdict, value) {
            return verdict;
        }
        let Some((site, name)) = self.cookie else {
            let by_age = label.judge(None, self.now).err();
            let needs = "--site and --cookie-name";
            return verdict.unverified(needs, by_age.map(Refused::from));
        };
        let rule = self.rule(site, name);
        let by_rule = (rule.form != Some(label.form)).then_some(Refused::OtherRule);
        let bond = match (&self.bond, rule.bound_to_site) {
            (_, true) => None,
            (Some(bond), false) => Some(&bond.0),
            (None, false) => {
                let by_age = label.judge(rule.max_age, self.now).err();
                let needs = "--bond-of-ticket, since the rule binds it to its session";
                return verdict.unverified(needs, by_rule.or(by_age.map(Refused::from)));
            }
        };
        let context = Context {
            form: label.form,
            site,
            name: name.as_bytes(),
            bond,
            max_age: rule.max_age,
        };
        match self.open(value, context) {
            Err(Unopened::Altered) => verdict.touched(Refused::Altered),
            opened => verdict.verified(by_rule.or(opened.err().map(Refused::from))),
        }
    }

    /// The verdict over `value` as the owner's mark, if it is one or came as one. A mark is bound to no site.
    fn mark(&self, verdict: Verdict, value: &[u8]) -> Option<Verdict> {
        let kind = Kind::Mark;
        let verdict = Verdict { kind, ..verdict };
        let mut rules = self
            .settings
            .sites
            .iter()
            .flat_map(|site| &site.cookies.rules);
        let is_asked_for = rules.any(|rule| rule.adopt_until.is_some());
        let by_rule = (!is_asked_for).then_some(Refused::OtherRule);
        match owner::open(value, &self.keys.values, self.now) {
            Err(Unopened::Altered) => {
                let (_, name) = self.cookie?;
                let came_as_one =
                    name.strip_prefix(&*self.settings.cookie.name) == Some(owner::SUFFIX);
                came_as_one.then(|| verdict.touched(Refused::Altered))
            }
            opened => Some(verdict.verified(by_rule.or(opened.err().map(Refused::from)))),
        }
    }

    /// Opens `value` in `context`, whatever the site has cleared in the session meanwhile: a ticket does not say.
    fn open(&self, value: &[u8], context: Context<'_>) -> Result<Opened, Unopened> {
        let opened = self.keys.values.open(value, &context, self.now);
        let (Err(Unopened::Altered), Some(bond)) = (&opened, context.bond) else {
            return opened;
        };
        let later = (1..=CLEARINGS_TRIED).find_map(|times| {
            let bond = Record::bond_after(&Root(*bond), context.site, times);
            let context = Context {
                bond: Some(&bond.0),
                ..context
            };
            self.keys.values.open(value, &context, self.now).ok()
        });
        later.map_or(opened, Ok)
    }

    /// What the configuration asks of the values of that cookie.
    fn rule(&self, site: &str, name: &str) -> ValueRule {
        let mut sites = self.settings.sites.iter();
        let Some(site) = sites.find(|known| known.name == site) else {
            return ValueRule::default();
        };
        let is_meant = |pattern: &str| {
            NamePattern::parse(pattern).is_ok_and(|pattern| pattern.matches(name.as_bytes()))
        };
        let mut rules = site.cookies.rules.iter();
        match rules.find(|rule| is_meant(&rule.name)) {
            Some(rule) => ValueRule {
                form: form_of(rule.mode),
                max_age: rule.max_age,
                bound_to_site: rule.bound_to_site,
            },
            None => ValueRule {
                form: form_of(site.cookies.default),
                ..ValueRule::default()
            },
        }
    }

    fn unlabelled(&self, value: &[u8]) -> Verdict {
        let anywhere = Context {
            form: Form::Sealed,
            site: "",
            name: b"",
            bond: None,
            max_age: None,
        };
        let why = self.keys.values.open(value, &anywhere, self.now).err();
        let (kind, refused) = match why {
            Some(Unopened::Altered) => (Kind::Damaged, Refused::Damaged),
            _ => (Kind::Foreign, Refused::NotOurs),
        };
        Verdict::of(kind).refused(refused)
    }

    fn of_key(&self, kind: Kind, id: KeyId) -> Verdict {
        let states = self.keys.states(self.now);
        let state = states.iter().find(|key| key.id == id);
        Verdict {
            key: Some((id, state.map(|key| key.duty))),
            ..Verdict::of(kind)
        }
    }
}

/// What a rule asks of the values of its cookies.
#[derive(Default)]
struct ValueRule {
    /// `None`: they are neither sealed nor signed.
    form: Option<Form>,
    max_age: Option<Duration>,
    bound_to_site: bool,
}

const fn form_of(mode: CookieMode) -> Option<Form> {
    match mode {
        CookieMode::Seal => Some(Form::Sealed),
        CookieMode::Sign => Some(Form::Signed),
        CookieMode::Keep | CookieMode::Mirror | CookieMode::Pass | CookieMode::Strip => None,
    }
}
