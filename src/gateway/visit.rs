//! From the tickets that a request brought to the session it has open, and back to what the store
//! makes of the request's change.

use std::sync::Arc;

use super::reason::Reason;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::session::{
    Change, Commit, Committed, KeyRing, Opening, Outcome, Reading, Record, Root, Standing, Terms,
    Ticket, Turn,
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
    Empty(Ticket),
    /// A session of the store.
    Open {
        ticket: Ticket,
        record: Arc<Record>,
        standing: Standing,
    },
}

impl Hold {
    fn root(&self) -> Option<Root> {
        match self {
            Self::Nothing => None,
            Self::Fresh(ticket) | Self::Empty(ticket) => Some(ticket.root()),
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

/// What the visitor must be told about tickets.
#[derive(Debug)]
pub enum TicketNews {
    /// Nothing.
    Keep,
    /// A fresh ticket of a session with nothing in it. It may be left out: the next response brings
    /// another.
    Offer(Ticket),
    /// The session is under this ticket now.
    Give(Ticket, Option<Arc<Record>>),
    /// The session has ended.
    Delete,
}

/// What became of a request's change.
#[derive(Debug)]
pub struct Settled {
    /// What to tell the visitor.
    pub news: TicketNews,
    /// What the store said, if it was asked.
    pub outcome: Option<Outcome>,
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
    /// Opens the session that one of `candidates` opens.
    ///
    /// # Errors
    /// When the store did not answer and requests are to be refused then.
    pub async fn open(
        candidates: &[&[u8]],
        manner: Manner,
        ring: &KeyRing,
        store: &dyn Store,
        terms: &Terms,
        now: Time,
    ) -> Result<Self, StoreFault> {
        if manner.mode == SessionMode::Off {
            return Ok(Self::without_session(Reason::None));
        }
        let (opened, reason) = match look_up(candidates, ring, store, terms, now).await {
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

    const fn without_session(reason: Reason) -> Self {
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

    /// What the session knows, if the store has it.
    pub fn record(&self) -> Option<&Record> {
        match &self.hold {
            Hold::Open { record, .. } => Some(record),
            Hold::Nothing | Hold::Fresh(_) | Hold::Empty(_) => None,
        }
    }

    /// When the session began.
    pub fn created(&self) -> Option<Time> {
        match &self.hold {
            Hold::Nothing => None,
            Hold::Fresh(ticket) | Hold::Empty(ticket) => Some(ticket.issued()),
            Hold::Open { record, .. } => Some(record.created),
        }
    }

    /// Whether the session began with this request.
    pub const fn is_new(&self) -> bool {
        matches!(self.hold, Hold::Fresh(_))
    }

    /// Whether the idle clock should be written at the end of this request.
    pub fn touch_is_due(&self, terms: &Terms, now: Time) -> bool {
        match &self.hold {
            Hold::Open {
                record, standing, ..
            } => self.may_set && *standing != Standing::Frozen && terms.touch_is_due(record, now),
            Hold::Nothing | Hold::Fresh(_) | Hold::Empty(_) => false,
        }
    }

    /// Whether what the app sets can go into a jar.
    pub const fn may_keep_cookies(&self) -> bool {
        self.may_set && !matches!(self.hold, Hold::Nothing)
    }

    /// Has the store accept `change`, before the response head goes out.
    ///
    /// # Errors
    /// When the store did not answer.
    pub async fn settle(
        self,
        change: Change,
        store: &dyn Store,
        now: Time,
    ) -> Result<Settled, StoreFault> {
        let settled = |news| {
            Ok(Settled {
                news,
                outcome: None,
            })
        };
        let ends = change.turn == Turn::End;
        let sets_expiry = change.expiry.is_some();
        let (ticket, standing, fresh) = match self.hold {
            _ if !self.may_set => return settled(TicketNews::Keep),
            Hold::Nothing => return settled(TicketNews::Keep),
            // Nothing is left behind by a session that ends with the request that began it.
            Hold::Fresh(_) if ends => return settled(TicketNews::Keep),
            Hold::Fresh(ticket) if !change.needs_a_record() && self.offers => {
                return settled(TicketNews::Offer(ticket));
            }
            Hold::Fresh(_) if !change.needs_a_record() => return settled(TicketNews::Keep),
            Hold::Fresh(ticket) => (ticket.issued_at(now), Standing::Current, true),
            Hold::Empty(_) if !change.needs_a_record() => return settled(TicketNews::Keep),
            Hold::Empty(ticket) => (ticket, Standing::Current, false),
            Hold::Open {
                standing: Standing::Frozen,
                ..
            } => return settled(TicketNews::Keep),
            // The browser still holds the spelling from before the session was stored.
            Hold::Open {
                ticket,
                record,
                standing: Standing::Current,
            } if change.is_nothing() && !ticket.is_stored() => {
                return settled(TicketNews::Give(ticket.marked_stored(), Some(record)));
            }
            Hold::Open { .. } if change.is_nothing() => return settled(TicketNews::Keep),
            Hold::Open {
                ticket, standing, ..
            } => (ticket, standing, false),
        };
        let commit = Commit {
            ticket: ticket.clone(),
            next: Ticket::mint(now),
            change,
            now,
        };
        let committed = store.commit(commit).await?;
        let offers = fresh && self.offers;
        let news = news(&committed, ticket, standing, offers, sets_expiry);
        Ok(Settled {
            news,
            outcome: Some(committed.outcome),
        })
    }
}

fn news(
    committed: &Committed,
    ticket: Ticket,
    standing: Standing,
    offers: bool,
    sets_expiry: bool,
) -> TicketNews {
    match (&committed.outcome, &committed.ticket) {
        (Outcome::Applied(record), Some(next)) => {
            TicketNews::Give(next.clone(), Some(Arc::clone(record)))
        }
        // How long the cookie lives has changed, so it is sent again.
        (Outcome::Applied(record), None) if sets_expiry && standing == Standing::Current => {
            TicketNews::Give(ticket.marked_stored(), Some(Arc::clone(record)))
        }
        (Outcome::Applied(_), None) => TicketNews::Keep,
        // A request that brings the old ticket must not delete the newer cookie.
        (Outcome::Ended, _) if standing == Standing::Current => TicketNews::Delete,
        (Outcome::Ended, _) => TicketNews::Keep,
        (Outcome::Dropped(_) | Outcome::TooLarge, _) if offers => TicketNews::Offer(ticket),
        (Outcome::Dropped(_) | Outcome::TooLarge, _) => TicketNews::Keep,
    }
}

/// Which of `candidates` opens something, and what the ticket came to. Every candidate is tried,
/// because the order in which a browser sends cookies of one name says nothing (RFC 6265bis 4.2.2).
async fn look_up(
    candidates: &[&[u8]],
    ring: &KeyRing,
    store: &dyn Store,
    terms: &Terms,
    now: Time,
) -> Result<(Option<Hold>, Reason), StoreFault> {
    let mut opened: Option<Hold> = None;
    let mut failure = Reason::None;
    for value in candidates {
        let ticket = match ring.read(value) {
            Reading::Genuine(ticket) => ticket,
            Reading::UnknownKey => {
                failure = failure.worse_of(Reason::UnknownKey);
                continue;
            }
            Reading::Forged => {
                failure = failure.worse_of(Reason::Forged);
                continue;
            }
        };
        let hold = match store.open(&ticket.key(), now).await? {
            Opening::Open { record, standing } => Hold::Open {
                ticket,
                record,
                standing,
            },
            Opening::Vacant if ticket.is_stored() => {
                failure = failure.worse_of(Reason::Unknown);
                continue;
            }
            Opening::Vacant if now.since(ticket.issued()) >= terms.idle => {
                failure = failure.worse_of(Reason::IdleExpired);
                continue;
            }
            Opening::Vacant => Hold::Empty(ticket),
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
