//! Something of the provider's that is fetched now and then: by one at a time, whoever else wants it waits for that, and
//! what was fetched before stays good while the provider is silent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::endpoint::{EndpointFault, into_fault};
use super::fault::OidcFault;
use crate::base::clock::Time;

/// How old it may get before it is fetched anew.
const FRESH: Duration = Duration::from_secs(3600);

/// How long after a fetch nobody fetches again, whatever is missed and whether that one succeeded or not. This bounds
/// what a visitor with invented names of keys can make us ask.
const PAUSE: Duration = Duration::from_secs(10);

/// The same while there is nothing yet.
const PAUSE_WITHOUT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Cached<T> {
    /// A lock of the standard library: it is held to read and to write, never while waiting.
    state: Mutex<State<T>>,
    /// Whose turn it is to fetch. It is given back when they hang up meanwhile.
    turn: Semaphore,
    /// How long somebody waits for it.
    patience: Duration,
}

#[derive(Debug)]
struct State<T> {
    /// With the time of its fetch.
    value: Option<(Arc<T>, Time)>,
    /// When the last fetch began.
    tried: Option<Time>,
    /// How it failed, if it did.
    fault: Option<OidcFault>,
    /// How many have come to an end.
    tries: u64,
}

impl<T> Cached<T> {
    pub(super) const fn new(patience: Duration) -> Self {
        Self {
            state: Mutex::new(State {
                value: None,
                tried: None,
                fault: None,
                tries: 0,
            }),
            turn: Semaphore::const_new(1),
            patience,
        }
    }

    /// What is known, fetched first if there is nothing or only something old. While it cannot be, the old is good.
    pub(super) async fn fresh(
        &self,
        now: Time,
        fetch: impl AsyncFnOnce() -> Result<T, OidcFault>,
    ) -> Result<Arc<T>, OidcFault> {
        let known = self.state().value.clone();
        let Some((known, at)) = known else {
            return self.fetched(None, PAUSE_WITHOUT, now, fetch).await;
        };
        if now.since(at) < FRESH || self.turn.available_permits() == 0 {
            return Ok(known);
        }
        let fetched = self.fetched(Some(&known), PAUSE, now, fetch).await;
        Ok(fetched.unwrap_or(known))
    }

    /// Something newer than `seen`, in which something is missed; `seen` again if it is too soon to ask.
    pub(super) async fn newer(
        &self,
        seen: &Arc<T>,
        now: Time,
        fetch: impl AsyncFnOnce() -> Result<T, OidcFault>,
    ) -> Result<Arc<T>, OidcFault> {
        self.fetched(Some(seen), PAUSE, now, fetch).await
    }

    async fn fetched(
        &self,
        seen: Option<&Arc<T>>,
        pause: Duration,
        now: Time,
        fetch: impl AsyncFnOnce() -> Result<T, OidcFault>,
    ) -> Result<Arc<T>, OidcFault> {
        let tries = self.state().tries;
        let turn = tokio::time::timeout(self.patience, self.turn.acquire()).await;
        let _turn = turn.map_err(|_| into_fault(EndpointFault::TimedOut))?;
        {
            let mut state = self.state();
            if let Some(known) = state.settled(seen, pause, now, tries) {
                return known;
            }
            state.tried = Some(now);
            state.fault = None;
        }
        let fetched = fetch().await;
        let mut state = self.state();
        state.tries += 1;
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                state.value = Some((Arc::clone(&value), now));
                Ok(value)
            }
            Err(fault) => {
                state.fault = Some(fault.clone());
                Err(fault)
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    /// What a fetch of somebody else's has brought, if that will do: one that ended while this one waited, after `tries`
    /// others, or one so soon before that there is none now.
    fn settled(
        &self,
        seen: Option<&Arc<T>>,
        pause: Duration,
        now: Time,
        tries: u64,
    ) -> Option<Result<Arc<T>, OidcFault>> {
        let is_seen = |value: &Arc<T>| seen.is_some_and(|seen| Arc::ptr_eq(seen, value));
        match &self.value {
            Some((value, _)) if !is_seen(value) => return Some(Ok(Arc::clone(value))),
            _ => {}
        }
        let is_soon = self.tried.is_some_and(|tried| now.since(tried) < pause);
        if self.tries == tries && !is_soon {
            return None;
        }
        match &self.fault {
            Some(fault) => Some(Err(fault.clone())),
            // Where there is nothing either, somebody hung up while they fetched.
            None => seen.map(|seen| Ok(Arc::clone(seen))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn silent() -> OidcFault {
        into_fault(EndpointFault::TimedOut)
    }

    fn at(secs: u64) -> Time {
        Time::from_secs(1_000_000 + secs)
    }

    fn cached() -> Cached<u64> {
        Cached::new(Duration::from_secs(5))
    }

    #[tokio::test]
    async fn it_is_fetched_when_old_and_stays_good_while_nobody_answers() {
        let cached = cached();
        let fresh = async |secs, answer: Result<u64, OidcFault>| {
            cached.fresh(at(secs), async || answer).await
        };
        assert!(fresh(0, Err(silent())).await.unwrap_err().is_no_answer());
        // Too soon: the answer would be another one.
        assert!(fresh(0, Ok(1)).await.is_err());
        assert_eq!(*fresh(1, Ok(1)).await.unwrap(), 1);
        assert_eq!(*fresh(3600, Ok(2)).await.unwrap(), 1);
        assert_eq!(*fresh(3601, Err(silent())).await.unwrap(), 1);
        assert_eq!(*fresh(3602, Ok(3)).await.unwrap(), 1);
        assert_eq!(*fresh(3611, Ok(4)).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn what_is_missed_is_looked_for_now_and_then_only() {
        let cached = cached();
        let seen = cached.fresh(at(0), async || Ok(1)).await.unwrap();
        let newer = async |secs, answer: Result<u64, OidcFault>| {
            cached.newer(&seen, at(secs), async || answer).await
        };
        assert_eq!(*newer(9, Ok(2)).await.unwrap(), 1);
        assert!(newer(10, Err(silent())).await.unwrap_err().is_no_answer());
        assert!(newer(19, Ok(3)).await.unwrap_err().is_no_answer());
        assert_eq!(*newer(20, Ok(4)).await.unwrap(), 4);
        // Whoever saw the old one needs nothing but this.
        assert_eq!(*newer(40, Ok(5)).await.unwrap(), 4);
    }

    #[tokio::test]
    async fn one_fetches_for_all_who_wait() {
        let cached = cached();
        let fetches = Cell::new(0_u64);
        for answer in [Err(silent()), Ok(7)] {
            let now = at(100 * fetches.get());
            let before = fetches.get();
            let one = async || {
                let fetch = async || {
                    fetches.set(fetches.get() + 1);
                    tokio::task::yield_now().await;
                    answer.clone()
                };
                cached.fresh(now, fetch).await.ok().map(|value| *value)
            };
            let all = tokio::join!(one(), one(), one());
            let expected = answer.clone().ok();
            assert_eq!(all, (expected, expected, expected));
            assert_eq!(fetches.get(), before + 1);
        }
    }

    #[tokio::test]
    async fn whoever_hangs_up_leaves_their_turn_to_the_next() {
        let cached = cached();
        {
            let never = cached.fresh(at(0), std::future::pending::<Result<u64, OidcFault>>);
            let hung_up = tokio::time::timeout(Duration::from_millis(1), never).await;
            assert!(hung_up.is_err());
        }
        assert_eq!(*cached.fresh(at(0), async || Ok(1)).await.unwrap(), 1);
    }
}
