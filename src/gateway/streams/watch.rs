//! Asks the store, again and again, for the sessions of the streams that are open. It does so whatever the engine and with
//! or without `near_cache`: an end on another node is seen within a round and what the store may lag behind (see
//! [`Store::fates`](crate::store::Store::fates)), which is within a second. An end on this node is seen at once.

use std::sync::Arc;
use std::time::Duration;

use super::Streams;
use crate::base::causes::Causes;
use crate::base::clock::Clock;
use crate::base::meter::{Count, Meter};
use crate::session::{Change, Commit, TicketKey};
use crate::store::{Store, StoreFault};

/// How often the store is asked while streams are open.
const EVERY: Duration = Duration::from_millis(250);

/// How many sessions are asked for in one question.
const AT_ONCE: usize = 500;

/// Watches the sessions of open streams.
pub struct Watch {
    /// The streams.
    pub streams: Arc<Streams>,
    /// Where their sessions are.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// Counts what the store does not answer.
    pub meter: Arc<Meter>,
}

impl Watch {
    /// Watches for as long as it is polled.
    pub async fn run(self) {
        tokio::join!(self.by_the_store(), self.by_the_clock());
    }

    /// An outage ends no stream: it is no logout. What the store does not say is asked again.
    async fn by_the_store(&self) {
        let mut is_answered = true;
        loop {
            self.sessions().await;
            let answered = self.round().await;
            match &answered {
                Err(fault) if is_answered => {
                    self.meter.count(Count::StoreFaults);
                    tracing::warn!(
                        error = %Causes(fault),
                        "the sessions of open streams cannot be looked at; the streams stay open until the store answers"
                    );
                }
                Ok(()) if !is_answered => {
                    tracing::info!("the sessions of open streams are looked at again");
                }
                Ok(()) | Err(_) => {}
            }
            is_answered = answered.is_ok();
            tokio::time::sleep(EVERY).await;
        }
    }

    /// The absolute timeout holds in an outage too.
    async fn by_the_clock(&self) {
        loop {
            self.sessions().await;
            self.streams.end_by_the_clock(self.clock.now());
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Waits until there is a session to watch.
    async fn sessions(&self) {
        loop {
            let began = self.streams.began.notified();
            if !self.streams.has_no_sessions() {
                return;
            }
            began.await;
            // There are two who wait here, and a permit wakes one.
            self.streams.began.notify_waiters();
        }
    }

    async fn round(&self) -> Result<(), StoreFault> {
        for some in self.streams.sessions().chunks(AT_ONCE) {
            let keys: Vec<TicketKey> = some.iter().map(|(_, key)| *key).collect();
            let now = self.clock.now();
            let fates = self.store.fates(keys, now).await?;
            for ((root, _), fate) in some.iter().zip(fates) {
                let Some(ticket) = self.streams.obey(root, fate, now) else {
                    continue;
                };
                let touch = Change {
                    touch: true,
                    ..Change::default()
                };
                self.store.commit(Commit::new(ticket, touch, now)).await?;
            }
        }
        Ok(())
    }
}
