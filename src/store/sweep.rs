//! Tidies a store up, in small batches. Nothing depends on it but room: what is over is refused with or without it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use super::Store;
use crate::base::causes::Causes;
use crate::base::clock::Clock;
use crate::base::meter::{Count, Meter};

/// The most sessions that one step removes, so that nobody's commit waits behind it for long.
const BATCH: usize = 500;

/// The pause between two steps of a round, in which commits go first.
const PAUSE: Duration = Duration::from_millis(20);

/// Sweeps `store` every `every` until `stop` is ready. A fault ends a round and not the sweeper: it is logged and
/// counted, and the next round begins as usual.
pub async fn run(
    store: Arc<dyn Store>,
    clock: Clock,
    meter: Arc<Meter>,
    every: Duration,
    stop: impl Future<Output = ()>,
) {
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(every) => {}
        }
        tokio::select! {
            () = &mut stop => return,
            () = round(&*store, &clock, &meter) => {}
        }
    }
}

async fn round(store: &dyn Store, clock: &Clock, meter: &Meter) {
    let mut removed = 0;
    loop {
        match store.sweep(clock.now(), BATCH).await {
            Ok(0) => break,
            Ok(some) => removed += some,
            Err(fault) => {
                meter.count(Count::StoreFaults);
                tracing::warn!(
                    error = %Causes(&fault),
                    removed,
                    "the sweep of ended sessions stopped early"
                );
                return;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    if removed > 0 {
        tracing::debug!(removed, "ended sessions swept");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::base::clock::Time;
    use crate::session::{Commit, Committed, Opening, Ticket, TicketKey};
    use crate::store::{Answer, Catalogue, Fate, StoreFault};

    /// A store that answers sweeps from a script, and tells the test when the script is over.
    struct Scripted {
        answers: Mutex<Vec<Result<usize, StoreFault>>>,
        over: tokio::sync::Notify,
    }

    impl Store for Scripted {
        fn open(&self, _: &Ticket, _: Time) -> Answer<Opening> {
            Answer::now(Opening::Vacant)
        }

        fn commit(&self, _: Commit) -> Answer<Committed> {
            Answer::fault(StoreFault::Stopped)
        }

        fn fates(&self, _: Vec<TicketKey>, _: Time) -> Answer<Vec<Fate>> {
            Answer::fault(StoreFault::Stopped)
        }

        fn sweep(&self, _: Time, _: usize) -> Answer<usize> {
            let mut answers = self.answers.lock().unwrap();
            let answer = answers.pop().unwrap_or(Ok(0));
            if answers.is_empty() {
                self.over.notify_one();
            }
            Answer::Now(Some(answer))
        }

        fn catalogue(&self) -> Option<&dyn Catalogue> {
            None
        }
    }

    #[tokio::test]
    async fn a_sweeper_goes_on_after_faults_until_it_is_stopped() {
        let answers = [
            Err(StoreFault::Timeout),
            Ok(500),
            Err(StoreFault::Stopped),
            Ok(3),
            Ok(0),
        ];
        let scripted = Arc::new(Scripted {
            answers: Mutex::new(answers.into_iter().rev().collect()),
            over: tokio::sync::Notify::new(),
        });
        let meter = Arc::new(Meter::default());
        let store = Arc::clone(&scripted);

        run(
            store,
            Clock::manual(Time::from_secs(1)),
            Arc::clone(&meter),
            Duration::from_millis(1),
            scripted.over.notified(),
        )
        .await;

        assert!(scripted.answers.lock().unwrap().is_empty());
        assert_eq!(meter.total(Count::StoreFaults), 2);
    }
}
