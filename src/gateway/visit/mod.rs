//! From the tickets that a request brought to the session it has open; `settle` leads back to what the store makes of
//! the request's change.

mod settle;

use std::sync::Arc;

pub use self::settle::Settled;
use super::reason::Reason;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::session::{
    Home, KeyRing, Opening, Place, Reading, Record, Root, Standing, Terms, Ticket, Turn, Upkeep,
};
use crate::store::{Store, StoreFault};

/// Whether a site gives its visitors a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionMode {
    /// Every visitor gets a ticket.
    #[default]
    Attach,
    /// Only when there is something to remember.
    Lazy,
    /// A session that is there is used; no new one is begun and none is kept alive.
    Observe,
    /// No session.
    Off,
}

/// What to do without sessions when the store does not answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnOutage {
    /// Answer 503.
    #[default]
    Refuse,
    /// Go on without a session, touching no cookie.
    Anonymous,
}

/// One request's hold on a session.
#[derive(Debug)]
pub struct Visit {
    /// What the ticket came to.
    pub reason: Reason,
    hold: Hold,
    /// Whether a ticket may be set, and a cookie kept, on this request.
    may_set: bool,
    /// Whether a visitor with nothing to remember gets a ticket all the same.
    offers: bool,
}

#[derive(Debug)]
enum Hold {
    /// No session, and none may begin.
    Nothing,
    /// A ticket minted for this request; nobody has it yet.
    Fresh(Ticket),
    /// The visitor's unstored ticket, of which the store knows nothing.
    Empty { ticket: Ticket, outdated: bool },
    /// A session of the store.
    Open {
        ticket: Ticket,
        /// Whether a newer key signs by now than the one that signed the ticket.
        outdated: bool,
        record: Arc<Record>,
        standing: Standing,
        upkeep: Upkeep,
    },
}

/// A session that a visitor came with.
#[derive(Clone, Debug)]
pub struct Held {
    /// The ticket that opened it.
    pub ticket: Ticket,
    /// What it knows, if the store has it or the ticket carries it.
    pub record: Option<Arc<Record>>,
}

impl Hold {
    fn root(&self) -> Option<Root> {
        match self {
            Self::Nothing => None,
            Self::Fresh(ticket) | Self::Empty { ticket, .. } => Some(ticket.root()),
            Self::Open { record, .. } => Some(record.root),
        }
    }

    fn newer_of(self, other: Self) -> Self {
        match other {
            Self::Open {
                standing: Standing::Current,
                ..
            } => other,
            _ => self,
        }
    }
}

/// Under which rules a visit is opened.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// What the site or its rule says.
    pub mode: SessionMode,
    /// Whether the browser could have sent the ticket along; if not, nothing may be set.
    pub could_carry: bool,
    /// What to do when the store does not answer.
    pub on_outage: OnOutage,
}

impl Visit {
    /// Opens the session that one of `candidates` opens, which came at `place`.
    ///
    /// # Errors
    /// When the store did not answer and requests are to be refused then.
    pub async fn open(
        candidates: &[&[u8]],
        place: Place<'_>,
        manner: Manner,
        ring: &KeyRing,
        store: &dyn Store,
        now: Time,
    ) -> Result<Self, StoreFault> {
        if manner.mode == SessionMode::Off {
            return Ok(Self::without_session(Reason::None));
        }
        let (opened, reason) = match look_up(candidates, &place, ring, store, now).await {
            Ok(found) => found,
            Err(fault) if manner.on_outage == OnOutage::Anonymous => {
                tracing::warn!(
                    error = %Causes(&fault),
                    "going on without a session"
                );
                return Ok(Self::without_session(Reason::StoreOutage));
            }
            Err(fault) => return Err(fault),
        };
        if let Some(hold) = opened {
            return Ok(Self {
                reason,
                hold,
                may_set: manner.could_carry,
                offers: false,
            });
        }
        let begins = matches!(manner.mode, SessionMode::Attach | SessionMode::Lazy);
        if !begins || !manner.could_carry {
            return Ok(Self::without_session(reason));
        }
        let reason = if reason == Reason::None {
            Reason::New
        } else {
            reason
        };
        Ok(Self {
            reason,
            hold: Hold::Fresh(Ticket::mint(now)),
            may_set: true,
            offers: manner.mode == SessionMode::Attach,
        })
    }

    /// The session that has just begun with `ticket`, before the app was asked.
    pub(super) const fn bound(ticket: Ticket, record: Arc<Record>, reason: Reason) -> Self {
        Self {
            reason,
            hold: Hold::Open {
                ticket,
                outdated: false,
                record,
                standing: Standing::Current,
                upkeep: Upkeep::Nothing,
            },
            may_set: true,
            offers: false,
        }
    }

    /// The same request without the session, which stays as it is.
    pub(super) fn out_of_sight(self) -> Self {
        Self::without_session(self.reason)
    }

    pub(super) const fn without_session(reason: Reason) -> Self {
        Self {
            reason,
            hold: Hold::Nothing,
            may_set: false,
            offers: false,
        }
    }

    /// The root of the session's IDs.
    pub fn root(&self) -> Option<Root> {
        self.hold.root()
    }

    /// Where the session is at home among several upstreams.
    pub fn home(&self) -> Option<Home> {
        let taken_over = self.record().and_then(|record| record.home.as_deref());
        let own = || Some(Home::of(&self.root()?, self.created()?));
        taken_over.copied().or_else(own)
    }

    /// What the session knows, if the store has it.
    pub fn record(&self) -> Option<&Record> {
        match &self.hold {
            Hold::Open { record, .. } => Some(record),
            Hold::Nothing | Hold::Fresh(_) | Hold::Empty { .. } => None,
        }
    }

    /// The session that the visitor came with; none if it begins with this request.
    pub fn held(&self) -> Option<Held> {
        let (ticket, record) = match &self.hold {
            Hold::Nothing | Hold::Fresh(_) => return None,
            Hold::Empty { ticket, .. } => (ticket, None),
            Hold::Open { ticket, record, .. } => (ticket, Some(record)),
        };
        Some(Held {
            ticket: ticket.clone(),
            record: record.cloned(),
        })
    }

    /// When the session began.
    pub fn created(&self) -> Option<Time> {
        match &self.hold {
            Hold::Nothing => None,
            Hold::Fresh(ticket) | Hold::Empty { ticket, .. } => Some(ticket.issued()),
            Hold::Open { record, .. } => Some(record.created),
        }
    }

    /// Whether the session began with this request.
    pub const fn is_new(&self) -> bool {
        matches!(self.hold, Hold::Fresh(_))
    }

    /// Whether it has an old ticket of a session that another one has taken the place of.
    pub fn is_frozen(&self) -> bool {
        matches!(
            self.hold,
            Hold::Open {
                standing: Standing::Frozen,
                ..
            }
        )
    }

    /// Whether the idle clock should be written at the end of this request.
    pub fn touch_is_due(&self, terms: &Terms, now: Time) -> bool {
        match &self.hold {
            Hold::Open {
                record, standing, ..
            } => self.may_set && *standing != Standing::Frozen && terms.touch_is_due(record, now),
            Hold::Nothing | Hold::Fresh(_) | Hold::Empty { .. } => false,
        }
    }

    /// What the session needs besides, as a turn for a request that has none of its own. A request that does not
    /// `renew` the session leaves a rotation to one that does.
    pub fn upkeep(&self, renews: bool) -> Turn {
        match &self.hold {
            Hold::Open { upkeep, .. } if self.may_set => match upkeep {
                Upkeep::Settle => Turn::RotateOnSchedule,
                Upkeep::Rotate if renews => Turn::RotateOnSchedule,
                Upkeep::Rotate | Upkeep::Nothing => Turn::Stay,
            },
            _ => Turn::Stay,
        }
    }

    /// Whether what the app sets can go into a jar.
    pub const fn may_keep_cookies(&self) -> bool {
        self.may_set && !matches!(self.hold, Hold::Nothing)
    }
}

/// Which of `candidates` opens something, and what the ticket came to. Every candidate is tried,
/// because the order in which a browser sends cookies of one name says nothing (RFC 6265bis 4.2.2).
async fn look_up(
    candidates: &[&[u8]],
    place: &Place<'_>,
    ring: &KeyRing,
    store: &dyn Store,
    now: Time,
) -> Result<(Option<Hold>, Reason), StoreFault> {
    let mut opened: Option<Hold> = None;
    let mut failure = Reason::None;
    for value in candidates {
        let (ticket, outdated) = match ring.read(value, place, now) {
            Reading::Genuine { ticket, outdated } => (ticket, outdated),
            Reading::UnknownKey => {
                failure = failure.worse_of(Reason::UnknownKey);
                continue;
            }
            Reading::Forged => {
                failure = failure.worse_of(Reason::Forged);
                continue;
            }
        };
        let hold = match store.open(&ticket, now).await? {
            Opening::Open {
                record,
                standing,
                upkeep,
            } => Hold::Open {
                ticket,
                outdated,
                record,
                standing,
                upkeep,
            },
            Opening::Vacant => Hold::Empty { ticket, outdated },
            Opening::Closed(closed) => {
                failure = failure.worse_of(closed.into());
                continue;
            }
        };
        opened = match opened {
            None => Some(hold),
            // Two tickets of one session: a rotation is under way. The newer one counts.
            Some(earlier) if earlier.root() == hold.root() => Some(earlier.newer_of(hold)),
            Some(_) => return Ok((None, Reason::Ambiguous)),
        };
    }
    Ok(opened.map_or((None, failure), |hold| (Some(hold), Reason::Live)))
}
