//! How many sessions a user has at a time (`session.max_per_user`): after a login, the oldest ones past that end.
//!
//! Two logins at once must neither end each other nor both stay. All of them put the sessions in one order, and each
//! looks when its own is in the store: so the last one to look sees them all, and what is newest in the order is ended
//! by nobody. A login that finds its own session among the oldest (of one millisecond, or by a clock that lags behind)
//! spares it and looks a second time, when whoever could have ended it has looked.

use std::sync::Arc;
use std::time::Duration;

use crate::base::causes::Causes;
use crate::base::clock::{Clock, Time};
use crate::base::meter::{Count, Meter};
use crate::session::{Record, Root, Session, Terms, TicketKey, User};
use crate::store::{Store, StoreFault};

/// After so long the others have looked: longer than a store may take to answer by default.
const SECOND_LOOK_AFTER: Duration = Duration::from_secs(3);

/// Holds the limit.
pub struct Crowd {
    /// Where the sessions are.
    pub store: Arc<dyn Store>,
    /// When one has ended by itself.
    pub terms: Terms,
    /// How many a user may have; at least one.
    pub most: usize,
    /// Whether users are asked which session ends, where there is a page for that.
    pub asks: bool,
    /// The time of day.
    pub clock: Clock,
    /// Where it is counted.
    pub meter: Arc<Meter>,
}

/// Which look it is, and so where the session of the login itself stands in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Where its time puts it.
    First,
    /// It is the newest.
    Second,
}

/// What is one too many.
#[derive(Debug, Default, PartialEq, Eq)]
struct Surplus {
    /// A ticket of each session that is to end.
    end: Vec<TicketKey>,
    spared: bool,
}

impl Crowd {
    /// Ends the oldest sessions of the user of `made`, which a login has just made, until the limit is held. When the
    /// store does not answer, the login stands all the same, and there is a second look.
    pub async fn hold(self: &Arc<Self>, made: Arc<Record>) {
        let spared = self.look(&made, Look::First).await;
        if spared {
            let crowd = Arc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(SECOND_LOOK_AFTER).await;
                crowd.look(&made, Look::Second).await;
            });
        }
    }

    /// Tells whether somebody must look again.
    async fn look(&self, made: &Record, look: Look) -> bool {
        match self.thin_out(made, look, self.clock.now()).await {
            Ok(spared) => spared,
            Err(fault) => {
                self.meter.count(Count::StoreFaults);
                tracing::warn!(
                    error = %Causes(&fault),
                    "a user may have more sessions than session.max_per_user for now"
                );
                true
            }
        }
    }

    async fn thin_out(&self, made: &Record, look: Look, now: Time) -> Result<bool, StoreFault> {
        let (Some(user), Some(catalogue)) = (&made.user, self.store.catalogue()) else {
            return Ok(false);
        };
        let sessions = catalogue.of_user(&user.key(), now).await?;
        let Surplus { end, spared } = self.surplus(&sessions, made, look, now);
        for key in end {
            if catalogue.end(&key, now).await? {
                self.meter.count(Count::SessionsCrowdedOut);
            }
        }
        Ok(spared)
    }

    /// Whether `user` has as many sessions as they may, but for the one with the root `was`. Those that wait do not count.
    /// When the store does not answer they may come in: there is a second look.
    pub async fn is_full(&self, user: &User, was: Option<Root>, now: Time) -> bool {
        let Some(catalogue) = self.store.catalogue() else {
            return false;
        };
        let counts = |session: &&Session| {
            let record = &session.record;
            session.belongs_to(user, &self.terms, now)
                && !record.waits()
                && Some(record.root) != was
        };
        match catalogue.of_user(&user.key(), now).await {
            Ok(sessions) => sessions.iter().filter(counts).count() >= self.most,
            Err(fault) => {
                self.meter.count(Count::StoreFaults);
                tracing::warn!(error = %Causes(&fault), "a user who may have too many sessions is not asked which one ends");
                false
            }
        }
    }

    fn surplus(&self, sessions: &[Session], made: &Record, look: Look, now: Time) -> Surplus {
        let is_theirs = |session: &&Session| {
            let user = made.user.as_deref();
            user.is_some_and(|user| session.belongs_to(user, &self.terms, now))
        };
        // Those that wait are a crowd of their own: they push nobody out, and there are no more of them.
        let is_alike = |session: &&Session| session.record.waits() == made.waits();
        let is_own = |session: &Session| session.record.root == made.root;
        let mut theirs: Vec<_> = sessions.iter().filter(is_theirs).filter(is_alike).collect();
        if !theirs.iter().any(|session| is_own(session)) {
            // A later login has ended it, and holds the limit.
            return Surplus::default();
        }
        theirs.sort_by_key(|session| {
            let is_last = look == Look::Second && is_own(session);
            (is_last, session.record.created, session.record.root.0)
        });
        theirs.truncate(theirs.len().saturating_sub(self.most));
        let spared = theirs.iter().any(|session| is_own(session));
        theirs.retain(|session| !is_own(session));
        let ticket = |session: &Session| Some(session.holders.last()?.key);
        Surplus {
            end: theirs.into_iter().filter_map(ticket).collect(),
            spared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Holder, State};
    use crate::store::memory::MemoryStore;

    const NOW: Time = Time::from_secs(1_800_000_000);

    fn terms() -> Terms {
        Terms {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(86_400),
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: false,
            max_bytes: 4096,
            jar_cookies_max: 10,
        }
    }

    /// The session `n` of alice, begun `secs` ago.
    fn session(n: u8, secs: u64) -> Session {
        let created = Time::from_secs(NOW.as_secs() - secs);
        let mut record = Record::empty(Root([n; 32]), created, created);
        record.user = Some(Box::new(User {
            id: "alice".into(),
            issuer: None,
            name: None,
            email: None,
            groups: Vec::new(),
            claims: serde_json::Map::new(),
            site: "shop".into(),
            auth_time: created,
            entrance: None,
            grant: None,
        }));
        Session {
            record: Arc::new(record),
            holders: [Holder::current(TicketKey([n; 32]), created)].into(),
            state: State::Live,
            forebears: Vec::new(),
        }
    }

    fn changed(mut session: Session, change: impl FnOnce(&mut Record)) -> Session {
        change(Arc::make_mut(&mut session.record));
        session
    }

    /// Which sessions the login that made `made` ends, and whether it spares its own.
    fn look(sessions: &[Session], made: u8, most: usize, look: Look) -> (Vec<u8>, bool) {
        let crowd = Crowd {
            store: Arc::new(MemoryStore::new(terms(), NOW)),
            terms: terms(),
            most,
            asks: false,
            clock: Clock::manual(NOW),
            meter: Arc::default(),
        };
        let made = session(made, 0);
        let Surplus { end, spared } = crowd.surplus(sessions, &made.record, look, NOW);
        (end.iter().map(|key| key.0[0]).collect(), spared)
    }

    #[test]
    fn the_oldest_end_and_never_the_one_just_made() {
        let sessions = [
            session(2, 20),
            session(4, 0),
            session(1, 30),
            session(3, 10),
        ];
        assert_eq!(look(&sessions, 4, 4, Look::First), (vec![], false));
        assert_eq!(look(&sessions, 4, 3, Look::First), (vec![1], false));
        assert_eq!(look(&sessions, 4, 1, Look::First), (vec![1, 2, 3], false));
        // The clock of the node that made it lags behind.
        assert_eq!(look(&sessions, 1, 3, Look::First), (vec![], true));
        assert_eq!(look(&sessions, 1, 2, Look::First), (vec![2], true));
        assert_eq!(look(&sessions, 1, 2, Look::Second), (vec![2, 3], false));
        // Another login has ended it meanwhile.
        assert_eq!(look(&sessions, 9, 1, Look::Second), (vec![], false));
    }

    /// All logins of one moment, in every order in which five of them can reach the store and look.
    #[test]
    fn logins_at_once_converge_to_the_limit() {
        let all: Vec<_> = (1..=5).map(|n| session(n, 0)).collect();
        for most in 1..4 {
            for order in orders(5) {
                for stored_before_the_first_looks in 1..=5 {
                    let mut left = Vec::new();
                    let mut again: Vec<u8> = Vec::new();
                    let (early, late) = order.split_at(stored_before_the_first_looks);
                    left.extend(early);
                    let looks = |left: &mut Vec<u8>, made: u8, which: Look| {
                        let there = all.iter().filter(|s| left.contains(&s.record.root.0[0]));
                        let there: Vec<_> = there.cloned().collect();
                        let (gone, spared) = look(&there, made, most, which);
                        left.retain(|n| !gone.contains(n));
                        spared
                    };
                    again.extend(
                        early
                            .iter()
                            .filter(|made| looks(&mut left, **made, Look::First)),
                    );
                    for made in late {
                        left.push(*made);
                        again.extend(looks(&mut left, *made, Look::First).then_some(*made));
                    }
                    assert!(left.len() >= most, "{most} {order:?}: {left:?}");
                    for made in again {
                        assert!(!looks(&mut left, made, Look::Second));
                    }
                    assert_eq!(left.len(), most, "{most} {order:?}: {left:?}");
                }
            }
        }
    }

    fn orders(count: u8) -> Vec<Vec<u8>> {
        if count == 0 {
            return vec![Vec::new()];
        }
        let shorter = orders(count - 1);
        let with_last = |order: &Vec<u8>| {
            let order = order.clone();
            (0..=order.len()).map(move |at| {
                let mut order = order.clone();
                order.insert(at, count);
                order
            })
        };
        shorter.iter().flat_map(with_last).collect()
    }

    #[test]
    fn only_live_sessions_of_this_very_user_count() {
        let mut frozen = session(2, 20);
        frozen.state = State::Frozen { until: NOW };
        let sessions = [
            session(1, 0),
            frozen,
            changed(session(3, 20), |record| record.user = None),
            changed(session(4, 20), |record| {
                record.user.as_mut().unwrap().site = "blog".into();
            }),
            changed(session(5, 20), |record| {
                record.user.as_mut().unwrap().issuer = Some("https://id.example".into());
            }),
            session(6, 3600),
        ];
        assert_eq!(look(&sessions, 1, 1, Look::First), (vec![], false));
    }
}
