//! What a cookie value is and what speaks against it, by the keys and the settings alone.

use crate::base::clock::Time;
use crate::config::Settings;
use crate::config::keyring::{Duty, Keys};
use crate::config::settings::Engine;
use crate::cookie::seal::{Context, Form, Label, Unopened};
use crate::session::expiry::Expired;
use crate::session::{Carried, KeyId, Place, Reading, Root, Scope, Ticket, TicketLabel};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Ticket {
        stored: bool,
    },
    Carrying,
    Sealed,
    Signed,
    /// It begins as what we make.
    Damaged,
    /// An app's, a script's, or anything.
    Foreign,
}

/// Whether a value was made by us, for where it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Right,
    Wrong,
    /// Nobody can tell without these flags.
    Unverified {
        needs: &'static str,
    },
    /// There is no key to verify it with, or nothing to verify.
    None,
}

/// Why a value would be refused: for tickets with the word of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotOurs,
    Damaged,
    UnknownKey,
    Forged,
    WrongEngine,
    Unstored,
    IdleExpired,
    AbsoluteExpired,
    Altered,
    TooOld,
    Expired,
    FromTheFuture,
}

impl Refused {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::NotOurs => "not-ours",
            Self::Damaged | Self::Altered => "altered",
            Self::UnknownKey => "unknown-key",
            Self::Forged | Self::WrongEngine => "forged",
            Self::Unstored => "unknown",
            Self::IdleExpired => "idle-expired",
            Self::AbsoluteExpired => "absolute-expired",
            Self::TooOld => "too-old",
            Self::Expired => "expired",
            Self::FromTheFuture => "from-the-future",
        }
    }

    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::NotOurs => "it has the form of nothing that we make",
            Self::Damaged => "it was cut, lengthened or put together anew",
            Self::UnknownKey => "its key is not in the ring (any more)",
            Self::Forged => {
                "its tag is wrong: it was touched, or was made for another host or cookie name"
            }
            Self::WrongEngine => {
                "tickets that carry their session open only with session.store.engine = \"cookie\""
            }
            Self::Unstored => {
                "the store must know its session, and with session.store.engine = \"cookie\" none does"
            }
            Self::IdleExpired => {
                "it is past the idle timeout; one that is not marked stored still opens what the store has of it"
            }
            Self::AbsoluteExpired => "it is past the absolute timeout",
            Self::Altered => {
                "its tag is wrong: it was touched, or is of another site, name or session; a session that was given \
                 another ticket goes on with what its first one bound"
            }
            Self::TooOld => "it is older than the rule's max_age",
            Self::Expired => "the moment has passed until which it was good",
            Self::FromTheFuture => "it was issued later than now: a clock is wrong",
        }
    }
}

/// All that is said of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verdict {
    pub kind: Kind,
    pub issued: Option<Time>,
    pub until: Option<Time>,
    /// Its name, and what it is good for if it is in the ring.
    pub key: Option<(KeyId, Option<Duty>)>,
    pub tag: Tag,
    pub refused: Option<Refused>,
}

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

    /// The root of the session that begins with `ticket` or is in it.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn root_of(&self, ticket: &[u8]) -> Result<Root, &'static str> {
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
                Some(carried) => carried.record().root,
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
        let by_age = label.judge(None, self.now).err().map(Refused::from);
        let Some((site, name)) = self.cookie else {
            return verdict.unverified("--site and --cookie-name", by_age);
        };
        let bonds = [self.bond.as_ref().map(|root| &root.0), None];
        for bond in bonds {
            let context = Context {
                form: label.form,
                site,
                name: name.as_bytes(),
                bond,
                max_age: None,
            };
            match self.keys.values.open(value, &context, self.now) {
                Err(Unopened::Altered) => {}
                opened => return verdict.verified(opened.err().map(Refused::from)),
            }
        }
        match self.bond {
            Some(_) => verdict.touched(Refused::Altered),
            None => verdict.unverified(
                "--bond-of-ticket: it does not open by its site alone",
                by_age,
            ),
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

impl Verdict {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            issued: None,
            until: None,
            key: None,
            tag: Tag::None,
            refused: None,
        }
    }

    const fn key_is_known(&self) -> bool {
        matches!(self.key, Some((_, Some(_))))
    }

    fn verified(self, refused: Option<Refused>) -> Self {
        let tag = Tag::Right;
        Self {
            tag,
            refused,
            ..self
        }
    }

    fn touched(self, refused: Refused) -> Self {
        let tag = Tag::Wrong;
        Self { tag, ..self }.refused(refused)
    }

    fn unverified(self, needs: &'static str, refused: Option<Refused>) -> Self {
        let tag = Tag::Unverified { needs };
        Self {
            tag,
            refused,
            ..self
        }
    }

    fn refused(self, refused: Refused) -> Self {
        let refused = Some(refused);
        Self { refused, ..self }
    }
}

impl From<Unopened> for Refused {
    fn from(why: Unopened) -> Self {
        match why {
            Unopened::NotOurs => Self::NotOurs,
            Unopened::UnknownKey => Self::UnknownKey,
            Unopened::Altered => Self::Altered,
            Unopened::TooOld => Self::TooOld,
            Unopened::Expired => Self::Expired,
            Unopened::FromTheFuture => Self::FromTheFuture,
        }
    }
}
