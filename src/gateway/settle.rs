//! The end of a request, as far as its session is concerned: within the limits, the store accepts what it did.

use std::sync::Arc;

use super::Gateway;
use super::access_log::Line;
use super::newcomers::Place;
use super::news::TicketNews;
use super::reason::Reason;
use super::refusal::Refusal;
use super::told::shown;
use super::visit::{OnOutage, Settled, Visit};
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::session::{Change, Outcome, Record, Turn};
use crate::store::StoreFault;

/// What became of the session.
pub(super) struct Settlement {
    /// What to tell the visitor of tickets.
    pub news: TicketNews,
    /// The session as it is now, if the store took what the request did to it.
    pub record: Option<Arc<Record>>,
}

/// Whether a session may begin.
enum Door {
    /// Yes, in this place.
    Open(Place),
    /// It does not begin now, or no place is needed.
    NotAsked,
    /// No: the address has begun too many.
    Shut,
}

impl Settlement {
    /// Of a request that changed nothing.
    pub(super) const fn unchanged() -> Self {
        Self {
            news: TicketNews::Keep,
            record: None,
        }
    }
}

impl Gateway {
    /// Has the store accept the change, before the head that promises it goes out.
    pub(super) async fn settle(
        &self,
        visit: Visit,
        mut change: Change,
        line: &mut Line,
        now: Time,
    ) -> Result<Settlement, Refusal> {
        if let Turn::LogIn { user, .. } = &change.turn {
            let user = user.as_deref();
            change.entrance = self.entrance(user, visit.root(), line, now).await;
        }
        // A missed renewal of the idle clock promises nobody anything.
        let promises = change.promises();
        let touched = change.touch;
        let logs_in = matches!(change.turn, Turn::LogIn { .. });
        let was = if logs_in { visit.root() } else { None };
        let ends = change.turn == Turn::End;
        let kept = change.kept_names();
        if ends && line.reason == Reason::StoreOutage {
            return Err(StoreFault::Timeout.into());
        }
        let settled = match self.commit(visit, change, line, now).await {
            Ok(settled) => settled,
            // Nobody shall believe in a logout that did not happen, whatever else goes on without a session.
            Err(fault) if ends || (self.on_outage == OnOutage::Refuse && promises) => {
                return Err(fault.into());
            }
            Err(fault) => {
                self.meter.count(Count::StoreFaults);
                tracing::warn!(
                    error = %Causes(&fault),
                    "a change of a session was lost"
                );
                return Ok(Settlement::unchanged());
            }
        };
        self.tell(&settled, &kept, line);
        let record = match settled.outcome {
            Some(Outcome::Applied(record)) => Some(record),
            _ => None,
        };
        match &record {
            Some(made) if logs_in => {
                if let Some(was) = was {
                    self.observers.goes_on(&was, &made.root);
                }
                if let Some(crowd) = &self.crowd {
                    crowd.hold(Arc::clone(made)).await;
                }
            }
            Some(_) if line.reason == Reason::Live && touched => {
                line.reason = Reason::Renewed;
            }
            _ => {}
        }
        Ok(Settlement {
            news: settled.news,
            record,
        })
    }

    /// The commit, unless it would begin a session that may not begin.
    async fn commit(
        &self,
        visit: Visit,
        change: Change,
        line: &Line,
        now: Time,
    ) -> Result<Settled, StoreFault> {
        let door = self.door(&visit, &change, line, now).await?;
        if matches!(door, Door::Shut) {
            return Ok(Settled::unasked(visit.turn_away(&change)));
        }
        let settled = visit.settle(change, &*self.store, now).await;
        let began = settled.as_ref().is_ok_and(|settled| settled.began);
        if let (Door::Open(place), false) = (door, began) {
            self.newcomers.give_back(place);
        }
        settled
    }

    /// Takes a place for a session that is about to begin. A login needs none: whoever can log in is no bot.
    async fn door(
        &self,
        visit: &Visit,
        change: &Change,
        line: &Line,
        now: Time,
    ) -> Result<Door, StoreFault> {
        if !visit.may_begin(change) || matches!(change.turn, Turn::LogIn { .. }) {
            return Ok(Door::NotAsked);
        }
        let full = match self.newcomers.take(line.client_ip, now) {
            Ok(place) => return Ok(Door::Open(place)),
            Err(full) => full,
        };
        if visit.has_begun(&*self.store, now).await? {
            return Ok(Door::NotAsked);
        }
        self.meter.count(Count::SessionsTurnedAway);
        // Once for each address and hour: a flood shall not fill the log instead of the store.
        if full.is_first {
            tracing::warn!(
                client_ip = %line.client_ip,
                "no more sessions begin for this address in this hour: it has had session.max_new_per_ip"
            );
        }
        Ok(Door::Shut)
    }

    /// `kept` are the names of the cookies that were to be kept.
    fn tell(&self, settled: &Settled, kept: &[Box<[u8]>], line: &Line) {
        if settled.began {
            self.meter.count(Count::SessionsStored);
        }
        if settled.rotated {
            self.meter.count(Count::TicketsRotated);
        }
        let request_id = &*line.request_id;
        if !settled.evicted.is_empty() {
            let count = settled.evicted.len();
            self.meter.add(Count::CookiesEvicted, count as u64);
            tracing::warn!(
                request_id,
                site = line.site.as_deref(),
                cookies = all_shown(&settled.evicted),
                "a jar is full: these cookies, its oldest, went to make room"
            );
        }
        match settled.outcome {
            Some(Outcome::Ended) => self.meter.count(Count::SessionsEnded),
            Some(Outcome::TooLarge) => {
                self.meter.count(Count::SessionsTooLarge);
                tracing::warn!(
                    request_id,
                    site = line.site.as_deref(),
                    cookies = all_shown(kept),
                    "a change was refused: the session would pass session.max_bytes, or what fits its cookie"
                );
            }
            Some(Outcome::Applied(_) | Outcome::Dropped(_)) | None => {}
        }
    }
}

fn all_shown(names: &[Box<[u8]>]) -> String {
    let names: Vec<_> = names.iter().map(|name| shown(name)).collect();
    names.join(" ")
}
