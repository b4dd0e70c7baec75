//! What the revocations know: the shadows of sessions, asked before a ticket opens and told before a new one goes out.

use std::sync::Arc;

use super::SealedStore;
use super::own::Own;
use crate::base::clock::Time;
use crate::session::{
    Change, Closed, Commit, Committed, DataEdit, Opening, Outcome, Record, Standing, Ticket, Turn,
    Upkeep,
};
use crate::store::{Answer, Store};

/// `ticket` as the revocations know it, without its session. The first ticket of a session was out before there could
/// be a shadow, so one that they do not know may open. A later one was noted before it went out: they have forgotten it
/// only because it was replaced long ago, and so it must open nothing.
pub(super) fn as_noted(ticket: &Ticket) -> Ticket {
    let root = ticket.carried().map(|carried| carried.record().root);
    let is_first = root.is_none_or(|root| root == ticket.root());
    let bare = ticket.bare();
    if is_first { bare } else { bare.marked_stored() }
}

/// What `ticket` opens, when it opens `own` by itself and `shadow` is what the revocations say.
pub(super) fn as_shadowed(own: Opening, shadow: Opening, ticket: &Ticket, now: Time) -> Opening {
    match (own, shadow) {
        // Also when the revocations have forgotten everything since the ticket was issued: it may have been revoked.
        (_, Opening::Closed(closed)) => Opening::Closed(closed),
        (own, Opening::Vacant) => own,
        (
            Opening::Open { record, .. },
            Opening::Open {
                standing, upkeep, ..
            },
        ) => Opening::Open {
            record,
            standing,
            upkeep,
        },
        (
            Opening::Vacant,
            Opening::Open {
                standing: standing @ (Standing::Frozen | Standing::Retiring),
                ..
            },
        ) => Opening::Open {
            record: Arc::new(Record::empty(ticket.root(), ticket.issued(), now)),
            standing,
            upkeep: Upkeep::Nothing,
        },
        (own, Opening::Open { .. }) => own,
    }
}

impl SealedStore {
    /// Gives out `own` if the ticket is still the session's, and notes first what becomes of it.
    pub(super) fn with_shadow(
        &self,
        own: Own,
        revocations: &Arc<dyn Store>,
        commit: Commit,
    ) -> Answer<Committed> {
        let (ticket, now) = (as_noted(&commit.ticket), commit.now);
        let is_plain = commit.ticket.carried().is_none();
        let turn = match (&own, &commit.change.turn) {
            (Own::Ended, _) => Turn::End,
            // Nobody has been given the ticket yet, so nothing can have become of it.
            (_, Turn::Stay) if is_plain && ticket.issued() >= now => {
                return Answer::now(own.into());
            }
            (Own::Empty(_), _) | (_, Turn::Stay) => {
                let shadow = revocations.open(&ticket, now);
                return shadow.map(|shadow| if_current(own, &shadow));
            }
            (_, Turn::RotateOnSchedule) => return self.on_schedule(own, revocations, commit),
            (_, turn) => turn.clone(),
        };
        let noted = revocations.commit(note(&commit, turn));
        noted.map(move |noted| match noted.outcome {
            // Another response was first.
            Outcome::Applied(_) if !has_moved(&noted, &ticket) => {
                Outcome::Dropped(Closed::Superseded).into()
            }
            Outcome::Applied(_) => standing_as(own, noted.standing),
            // What may have begun with it is the shadow alone.
            Outcome::Ended => Committed {
                began: is_plain,
                ..noted
            },
            Outcome::Dropped(_) | Outcome::TooLarge => noted,
        })
    }

    /// The same for a ticket that has become old, or that comes for the first time. It may go on as it is.
    fn on_schedule(
        &self,
        rotated: Own,
        revocations: &Arc<dyn Store>,
        mut commit: Commit,
    ) -> Answer<Committed> {
        let noted = revocations.commit(note(&commit, Turn::RotateOnSchedule));
        commit.change.turn = Turn::Stay;
        let stays = self.own(&commit);
        let revocations = Arc::clone(revocations);
        Answer::later(async move {
            let noted = noted.await?;
            let ticket = as_noted(&commit.ticket);
            match noted.outcome {
                Outcome::Applied(_) if has_moved(&noted, &ticket) => {
                    Ok(standing_as(rotated, noted.standing))
                }
                Outcome::Applied(_) => {
                    let shadow = revocations.open(&ticket, commit.now).await?;
                    Ok(if_current(stays?, &shadow))
                }
                Outcome::Ended | Outcome::Dropped(_) | Outcome::TooLarge => Ok(noted),
            }
        })
    }
}

/// What the shadow of a session is asked for when the session is asked for `turn`: nothing that a cookie holds.
fn note(commit: &Commit, turn: Turn) -> Commit {
    let turn = match turn {
        Turn::LogIn { .. } => Turn::LogIn {
            user: None,
            carry: false,
        },
        turn => turn,
    };
    // A session that has no shadow yet gets one for this; without an edit a scheduled rotation would not be worth it.
    let mark = DataEdit::Set("shadow".to_owned(), true.into());
    Commit {
        ticket: as_noted(&commit.ticket),
        next: commit.next.clone(),
        change: Change {
            data: vec![mark],
            turn,
            ..Change::default()
        },
        now: commit.now,
    }
}

/// Whether a note brought a new ticket into use.
fn has_moved(noted: &Committed, ticket: &Ticket) -> bool {
    let given = noted.ticket.as_ref();
    given.is_some_and(|given| given.key() != ticket.key())
}

/// `own`, unless the ticket is not the session's any more: to send its state would replace the newer cookie.
fn if_current(own: Own, shadow: &Opening) -> Committed {
    match shadow {
        Opening::Open {
            standing: Standing::Retiring | Standing::Frozen,
            ..
        } => Outcome::Dropped(Closed::Superseded).into(),
        Opening::Open { standing, .. } => standing_as(own, *standing),
        Opening::Vacant => own.into(),
        Opening::Closed(closed) => Outcome::Dropped(*closed).into(),
    }
}

fn standing_as(own: Own, standing: Standing) -> Committed {
    Committed {
        standing,
        ..own.into()
    }
}
