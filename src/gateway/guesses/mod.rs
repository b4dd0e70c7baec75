//! How often somebody may try to log in, counted on all nodes together.
//!
//! The tables of this process (`login/attempts/`) come first: an address that they refuse costs nobody anything. What they
//! let pass is counted in the store as well, by every node that shares it, and there the word on an account is the store's:
//! another node may have emptied its bucket. Where the store does not answer, the tables of this process hold alone, so an
//! outage neither locks anybody out nor lets them guess without end.
//!
//! Nothing of it is asked or written but for a login. Names go into the store as keyed hashes; the key is that of session
//! IDs, which all nodes have and no rotation changes.

mod codes;
mod shared;

use std::sync::Arc;

use self::shared::{Counted, Shared, Verdict};
use crate::base::clock::Time;
use crate::base::meter::Meter;
use crate::login::attempts::{self, Attempts, Full, Limits, Of, Who};
use crate::login::form::totp::SpentCode;
use crate::session::SessionIds;
use crate::store::{Store, StoreFault};

/// What is counted. Shared by all cores.
pub struct Guesses {
    local: Attempts,
    /// Where all nodes count together; `None` where nobody else could, and nothing would outlive this process.
    shared: Option<Shared>,
}

/// An attempt that counts. Dropped as it is, it goes on counting.
#[derive(Debug)]
pub(super) struct Attempt {
    /// In the tables of this process.
    local: Option<attempts::Attempt>,
    /// In the store.
    counted: Option<Counted>,
}

impl Guesses {
    /// Counts here, and in `shared` with whoever else has it.
    pub fn new(shared: Option<Arc<dyn Store>>, ids: &Arc<SessionIds>, meter: &Arc<Meter>) -> Self {
        let shared = shared.and_then(|store| Shared::new(store, ids, meter));
        let local = Attempts::default();
        Self { local, shared }
    }

    /// Counts an attempt that is about to be made. Waits for the store no longer than a session would.
    ///
    /// # Errors
    /// When there is no room for it. Then nothing is counted.
    pub(super) async fn begin(
        &self,
        who: Who<'_>,
        limits: &Limits,
        now: Time,
    ) -> Result<Attempt, Full> {
        let local = self.local.begin(who, limits, now);
        let is_over = matches!(&local, Err(full) if full.of == Of::Address);
        let Some(shared) = self.shared.as_ref().filter(|_| !is_over) else {
            return local.map(Attempt::from);
        };
        let is_known = self.local.is_known(who, now);
        let asked = (who, is_known, local.is_err());
        match shared.begin(asked, limits, now).await {
            Err(fault) => {
                shared.tell_lost(&fault);
                local.map(Attempt::from)
            }
            Ok(Verdict::Room(counted)) => Ok(self.follow(counted, local, (who, limits), now)),
            Ok(Verdict::Full(full)) => Err(self.learn_full(full, local, (who, limits), now)),
        }
    }

    /// The attempt that the store let pass. What the tables say to the contrary was so before another node changed it.
    fn follow(
        &self,
        counted: Counted,
        local: Result<attempts::Attempt, Full>,
        (who, limits): (Who<'_>, &Limits),
        now: Time,
    ) -> Attempt {
        if counted.is_known() {
            self.local.note_known(who, now);
        }
        let local = local.or_else(|full| {
            self.local.note_room(who, full.of);
            self.local.begin(who, limits, now)
        });
        Attempt {
            local: local.ok(),
            counted: Some(counted),
        }
    }

    /// A bucket is full that others have filled too. The tables learn of it, so that the next attempt is known to be no
    /// news.
    fn learn_full(
        &self,
        full: Full,
        local: Result<attempts::Attempt, Full>,
        (who, limits): (Who<'_>, &Limits),
        now: Time,
    ) -> Full {
        if full.of == Of::KnownAddress {
            self.local.note_known(who, now);
        }
        let told = match local {
            Err(told) => told,
            Ok(attempt) => {
                self.local.undone(attempt);
                self.local.note_full(who, limits, &full, now);
                match self.local.begin(who, limits, now) {
                    Err(told) => told,
                    Ok(attempt) => {
                        self.local.undone(attempt);
                        full
                    }
                }
            }
        };
        Full {
            is_first: told.is_first,
            ..full
        }
    }

    /// The attempt logged somebody in: whom nobody can read logs in without anything becoming known.
    pub(super) fn succeeded(&self, attempt: Attempt, is_read: bool, now: Time) {
        if let Some(local) = attempt.local {
            self.local.succeeded(local, is_read, now);
        }
        if let (Some(shared), Some(counted)) = (&self.shared, attempt.counted) {
            shared.succeeded(&counted, is_read, now);
        }
    }

    /// The attempt was not made after all: the app did not answer it, or with an error of its own.
    pub(super) fn undone(&self, attempt: Attempt, now: Time) {
        if let Some(local) = attempt.local {
            self.local.undone(local);
        }
        if let (Some(shared), Some(counted)) = (&self.shared, attempt.counted) {
            shared.undone(&counted, now);
        }
    }

    /// Uses a code up that was right, on all nodes; false when it was used on another.
    ///
    /// # Errors
    /// When the store did not answer: then nobody can say whether it was used.
    pub(super) async fn spend(
        &self,
        code: Option<SpentCode>,
        now: Time,
    ) -> Result<bool, StoreFault> {
        match (&self.shared, code) {
            (Some(shared), Some(code)) => shared.spend(&code, now).await,
            (None, _) | (_, None) => Ok(true),
        }
    }
}

impl From<attempts::Attempt> for Attempt {
    fn from(local: attempts::Attempt) -> Self {
        Self {
            local: Some(local),
            counted: None,
        }
    }
}
