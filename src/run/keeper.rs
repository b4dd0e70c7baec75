//! Looks after the keys while the gateway runs: reads their file again, tells the other nodes what this one has, and
//! judges what it hears.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::HEXLOWER;
use tokio::sync::Notify;

use super::keys::KeyFile;
use super::live::Live;
use super::nodes::{Judgement, LastUses, judge};
use super::standing::{Standing, StoreAnswers};
use crate::base::causes::Causes;
use crate::base::meter::Count;
use crate::base::secret::random_bytes;
use crate::config::Settings;
use crate::store::{Node, NodeKey, StoreFault};

/// How often the file is looked at and the node announced. The one write that an idle gateway costs its store.
const EVERY: Duration = Duration::from_secs(10);

/// How soon a store that did not answer is asked again.
const SOON: Duration = Duration::from_secs(1);

/// How long a stop waits for the store at most.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// Holds what it takes to do so.
pub(super) struct Keeper {
    live: Arc<Live>,
    /// How long the store may take for an answer.
    store_timeout: Duration,
    standing: Arc<Standing>,
    file: Arc<Mutex<KeyFile>>,
    /// The name of this start of this node.
    node: String,
    last_uses: LastUses,
    /// Whether other nodes serve from the store.
    has_company: bool,
}

impl Keeper {
    pub(super) fn new(
        settings: &Settings,
        live: &Arc<Live>,
        standing: &Arc<Standing>,
        file: &Arc<Mutex<KeyFile>>,
    ) -> Self {
        Self {
            live: Arc::clone(live),
            store_timeout: settings.store.timeout,
            standing: Arc::clone(standing),
            file: Arc::clone(file),
            node: HEXLOWER.encode(&random_bytes::<8>()),
            last_uses: LastUses::default(),
            has_company: false,
        }
    }

    /// Announces this node before it serves, and gives those that serve already the time to take note of it.
    pub(super) async fn introduce(&mut self) {
        self.compare().await;
        if let (true, Some(catalogue)) = (self.has_company, self.live.store.catalogue()) {
            tokio::time::sleep(catalogue.acquaintance()).await;
        }
    }

    /// Keeps until it is dropped; `reloaded` tells that the file was read just now.
    pub(super) async fn run(&mut self, reloaded: &Notify) {
        loop {
            let pause = self.compare().await;
            tokio::select! {
                () = reloaded.notified() => {}
                () = tokio::time::sleep(pause) => {
                    let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
                    file.look(&self.live, self.live.clock.now());
                }
            }
        }
    }

    /// Tells the other nodes that this one signs no more, so that they need not wait until it counts as dead.
    pub(super) async fn leave(&self) {
        if let Some(catalogue) = self.live.store.catalogue() {
            let told = catalogue.announce(self.node(Vec::new()), self.live.clock.now());
            // A store that does not answer keeps nobody from leaving.
            let _ = tokio::time::timeout(self.store_timeout.min(LEAVE_TIMEOUT), told).await;
        }
    }

    fn node(&self, keys: Vec<NodeKey>) -> Node {
        Node {
            id: self.node.clone(),
            seen: self.live.clock.now(),
            session_ids: self.live.ids.fingerprint(),
            keys,
        }
    }

    /// Announces this node and judges the others; tells when to do so again.
    async fn compare(&mut self) -> Duration {
        let store = Arc::clone(&self.live.store);
        let Some(catalogue) = store.catalogue() else {
            // Such an engine has no other node, or no place to meet it.
            self.standing.note_store(StoreAnswers::Yes);
            return EVERY;
        };
        let now = self.live.clock.now();
        let keys = self.live.ring.load().uses(now);
        let keys = self.last_uses.note(&keys, now);
        let own = self.node(keys);
        let asked = catalogue.announce(own.clone(), now);
        let answered = tokio::time::timeout(self.store_timeout, asked).await;
        match answered.unwrap_or(Err(StoreFault::Timeout)) {
            Ok(nodes) => {
                if self.standing.note_store(StoreAnswers::Yes) == StoreAnswers::No {
                    tracing::info!("the store answers again");
                }
                let serves = |node: &Node| node.id != own.id && !node.keys.is_empty();
                self.has_company = nodes.iter().any(serves);
                let judgement = judge(&own, &nodes);
                tell_change(&self.standing.note_judgement(judgement.clone()), &judgement);
                EVERY
            }
            // What was judged of the others stays: nothing says that it has changed.
            Err(fault) => {
                self.live.meter.count(Count::StoreFaults);
                if self.standing.note_store(StoreAnswers::No) != StoreAnswers::No {
                    tracing::error!(error = %Causes(&fault), "not ready: the store does not answer");
                }
                SOON
            }
        }
    }
}

/// Logs what has changed, once.
fn tell_change(before: &Judgement, now: &Judgement) {
    if now.mismatches != before.mismatches {
        for mismatch in &now.mismatches {
            tracing::error!(
                "not ready, keys mismatch: {mismatch}; put the same session.keys.file on every node and send SIGHUP"
            );
        }
        if now.mismatches.is_empty() {
            tracing::info!("the keys of all nodes match again");
        }
    }
    if now.lags != before.lags {
        for lag in &now.lags {
            tracing::warn!("{lag}; put the same session.keys.file on every node and send SIGHUP");
        }
    }
}
