//! The counts that all nodes share: buckets in the notes of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::codes;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::base::meter::{Count, Meter};
use crate::login::attempts::{Full, KNOWN, Limits, Of, Who, interval};
use crate::login::form::totp::SpentCode;
use crate::session::SessionIds;
use crate::store::{Answer, Note, NoteKey, Notes, Pour, Store, StoreFault};

/// The store, for what is counted in it.
pub(super) struct Shared {
    store: Arc<dyn Store>,
    ids: Arc<SessionIds>,
    meter: Arc<Meter>,
    /// Whether the store did not answer the last time. Only the change is worth a line in the log.
    is_lost: AtomicBool,
}

/// An attempt that the store counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    address: Option<Charge>,
    account: Option<Charge>,
    /// The account from this very address, and whether it was known.
    pair: (NoteKey, bool),
}

/// What was poured into which bucket.
#[derive(Clone, Copy, Debug)]
struct Charge {
    key: NoteKey,
    pour: Pour,
}

/// What the store says.
pub(super) enum Verdict {
    Room(Counted),
    Full(Full),
}

impl Counted {
    /// Whether the account was logged in to from there before.
    pub(super) const fn is_known(&self) -> bool {
        self.pair.1
    }
}

impl Charge {
    /// Takes out again what was poured.
    fn back(&self, notes: &dyn Notes, now: Time) -> Answer<Option<Duration>> {
        let pour = Pour {
            by_millis: -self.pour.by_millis,
            ..self.pour
        };
        notes.pour(self.key, pour, now)
    }
}

/// How long to wait, if there is no room.
async fn pour(
    notes: &dyn Notes,
    charge: Option<Charge>,
    now: Time,
) -> Result<Option<Duration>, StoreFault> {
    match charge {
        Some(charge) => notes.pour(charge.key, charge.pour, now).await,
        None => Ok(None),
    }
}

fn backs(
    charges: impl IntoIterator<Item = Charge>,
    notes: &dyn Notes,
    now: Time,
) -> Vec<Answer<Option<Duration>>> {
    let charges = charges.into_iter();
    charges.map(|charge| charge.back(notes, now)).collect()
}

impl Shared {
    /// `None` where the store keeps no notes.
    pub(super) fn new(
        store: Arc<dyn Store>,
        ids: &Arc<SessionIds>,
        meter: &Arc<Meter>,
    ) -> Option<Self> {
        store.notes()?;
        Some(Self {
            store,
            ids: Arc::clone(ids),
            meter: Arc::clone(meter),
            is_lost: AtomicBool::new(false),
        })
    }

    /// Counts an attempt.
    ///
    /// One round trip to learn which bucket is the account's, unless this node knows, and one to pour. Where this node
    /// `doubts` that there is room in it, that one is asked first, so that an account under attack costs no writing.
    pub(super) async fn begin(
        &self,
        (who, is_known, doubts): (Who<'_>, bool, bool),
        limits: &Limits,
        now: Time,
    ) -> Result<Verdict, StoreFault> {
        let notes = self.notes()?;
        let pair = NoteKey(self.ids.name("login known", &who.named(Of::KnownAddress)));
        let may_be_known = !is_known && who.account.is_some() && limits.per_account > 0;
        let is_known = is_known || may_be_known && notes.get(pair, now).await?.is_some();
        let of = match is_known {
            true => Of::KnownAddress,
            false => Of::Account,
        };
        let address = self.charge(who, Of::Address, limits);
        let account = self.charge(who, of, limits);
        let (of_address, of_account) = if doubts {
            match pour(notes, account, now).await? {
                None => (pour(notes, address, now).await?, None),
                full => (None, full),
            }
        } else {
            let both = tokio::join!(pour(notes, address, now), pour(notes, account, now));
            (both.0?, both.1?)
        };
        self.is_lost.store(false, Ordering::Relaxed);
        let full = |of, wait| {
            Ok(Verdict::Full(Full {
                of,
                wait,
                is_first: true,
            }))
        };
        match (of_address, of_account) {
            (Some(wait), None) => {
                self.finish(backs(account, notes, now));
                full(Of::Address, wait)
            }
            (None, Some(wait)) => {
                self.finish(backs(address.filter(|_| !doubts), notes, now));
                full(of, wait)
            }
            (Some(wait), Some(_)) => full(Of::Address, wait),
            (None, None) => Ok(Verdict::Room(Counted {
                address,
                account,
                pair: (pair, is_known),
            })),
        }
    }

    pub(super) fn succeeded(&self, counted: &Counted, is_read: bool, now: Time) {
        let Ok(notes) = self.notes() else {
            return;
        };
        let mut answers = backs(counted.address, notes, now);
        match counted.account {
            Some(charge) if is_read => {
                answers.push(notes.pour(charge.key, Pour::EMPTY, now));
                let (key, was_known) = counted.pair;
                let note = Note {
                    value: Vec::new(),
                    until: now.plus(KNOWN),
                };
                let known = notes.swap(key, was_known.then(Vec::new), Some(note), now);
                answers.push(known.map(|_| None));
            }
            charge => answers.extend(backs(charge, notes, now)),
        }
        self.finish(answers);
    }

    pub(super) fn undone(&self, counted: &Counted, now: Time) {
        if let Ok(notes) = self.notes() {
            let charges = counted.address.into_iter().chain(counted.account);
            self.finish(backs(charges, notes, now));
        }
    }

    /// See [`codes::spend`].
    pub(super) async fn spend(&self, code: &SpentCode, now: Time) -> Result<bool, StoreFault> {
        codes::spend(self.notes()?, &self.ids, code, now).await
    }

    fn notes(&self) -> Result<&dyn Notes, StoreFault> {
        self.store.notes().ok_or(StoreFault::Stopped)
    }

    fn charge(&self, who: Who<'_>, of: Of, limits: &Limits) -> Option<Charge> {
        let most = limits.of(of);
        let interval = interval(limits.window, most)?;
        Some(Charge {
            key: NoteKey(self.ids.name("login attempts", &who.named(of))),
            pour: Pour {
                by_millis: i64::try_from(interval).unwrap_or(i64::MAX),
                whole_millis: interval.saturating_mul(u64::from(most)),
            },
        })
    }

    /// Sees to what no visitor has to wait for. The store has a time-out for each, and a limit on how many wait.
    fn finish(&self, answers: Vec<Answer<Option<Duration>>>) {
        let meter = Arc::clone(&self.meter);
        tokio::spawn(async move {
            for answer in answers {
                if let Err(fault) = answer.await {
                    // It goes on counting, until the bucket has run out.
                    meter.count(Count::StoreFaults);
                    tracing::debug!(error = %Causes(&fault), "a login attempt was not settled");
                }
            }
        });
    }

    pub(super) fn tell_lost(&self, fault: &StoreFault) {
        self.meter.count(Count::StoreFaults);
        if !self.is_lost.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                error = %Causes(fault),
                "the store does not count login attempts; each node does by itself until it answers"
            );
        }
    }
}
