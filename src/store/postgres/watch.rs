//! Tells what others write, for the sake of copies that are kept near.
//!
//! Every writing leaves the tickets it touched in a table, in its own transaction, and this reads what is new there on a
//! connection of its own. `NOTIFY` in that transaction would do without the table, but all transactions that notify
//! commit one after the other; so it is sent afterwards, at most every few milliseconds, and only says that it is time
//! to look.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use super::address::PostgresAddress;
use super::fault::PostgresFault;
use super::pool::{Connections, Parameter};
use super::rows::patience;
use super::tls::Tls;
use crate::base::causes::Causes;
use crate::session::TicketKey;
use crate::store::remote::driver::Listener;

/// How often the table is read where nobody says when.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// How often it is read where somebody does: as a sign of life, and for a word that was lost.
const LISTEN_EVERY: Duration = Duration::from_millis(200);

/// At most so often somebody says so.
const NOTIFY_EVERY: Duration = Duration::from_millis(5);

/// The pause before the next attempt at a connection.
const PAUSE: Duration = Duration::from_millis(250);

/// After a longer silence a sweep may have taken away what was never read here. Half of what a sweep leaves.
const SILENCE_MAX_MS: i64 = 30_000;

const CHANNEL: &str = "cloakroom";

/// Where changes are read, and how.
pub(super) struct Watch {
    /// Where.
    pub address: PostgresAddress,
    /// Whether LISTEN works there.
    pub listens: bool,
    /// How long an answer may take.
    pub timeout: Duration,
    /// What need not be told.
    pub own: Own,
}

/// The most writings of our own that are kept from being told. What is past it is told, and nothing is lost by that.
const OWN_MAX: usize = 4096;

/// What this gateway wrote and knows to be done, since the table was read last. To be told of it would only make it
/// forget what it knows best. What it does not know to be done is told, for that may come true later.
#[derive(Default)]
pub(super) struct Own(Mutex<Vec<i64>>);

impl Own {
    /// The writing whose first row has this revision is done.
    pub(super) fn add(&self, revision: i64) {
        let mut own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Where nobody watches, nobody takes them away either.
        if own.len() < OWN_MAX {
            own.push(revision);
        }
    }

    /// All of them, which every snapshot from now on shows.
    fn take(&self) -> Vec<i64> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watch {
    /// Tells `listener` until somebody drops this.
    pub(super) async fn run(&self, listener: &dyn Listener) -> std::convert::Infallible {
        let mut is_told = false;
        loop {
            let Err(fault) = self.follow(listener, &mut is_told).await;
            listener.lost();
            // Once for each outage; the store itself says so with every request.
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(error = %Causes(&fault), "the changes in PostgreSQL cannot be followed");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows on one connection until it breaks.
    async fn follow(
        &self,
        listener: &dyn Listener,
        is_told: &mut bool,
    ) -> Result<std::convert::Infallible, PostgresFault> {
        let channel = self.in_time(Channel::open(self)).await?;
        let every = if self.listens {
            LISTEN_EVERY
        } else {
            POLL_EVERY
        };
        let mut before: Option<News> = None;
        loop {
            let moment = listener.moment_millis();
            let previous = before.as_ref().map(|news| news.snapshot.as_str());
            let news = self
                .in_time(channel.ask(previous, &self.own.take(), self.timeout))
                .await?;
            if before
                .as_ref()
                .is_none_or(|before| news.may_have_missed_something_since(before))
            {
                listener.lost();
            } else if !news.keys.is_empty() {
                listener.changed(&news.keys);
            }
            listener.vouch(moment);
            before = Some(news);
            *is_told = false;
            // Many may say so at once, and one look is enough for all of them.
            tokio::time::sleep(NOTIFY_EVERY).await;
            // A break in the connection wakes as well, and is found by asking.
            let _ = tokio::time::timeout(every, channel.word.notified()).await;
        }
    }

    async fn in_time<T>(
        &self,
        what: impl Future<Output = Result<T, PostgresFault>>,
    ) -> Result<T, PostgresFault> {
        let answer = tokio::time::timeout(self.timeout, what).await;
        answer.unwrap_or(Err(PostgresFault::Timeout))
    }
}

/// A connection on which changes are read.
struct Channel {
    client: Client,
    /// Somebody says that it is time to look.
    word: Arc<Notify>,
    _connection: Task,
}

impl Channel {
    async fn open(watch: &Watch) -> Result<Self, PostgresFault> {
        let config = watch.address.config_for(watch.timeout);
        let (client, mut connection) = config
            .connect(Tls::of(&watch.address)?)
            .await
            .map_err(PostgresFault::Connect)?;
        let word = Arc::new(Notify::new());
        let told = Arc::clone(&word);
        let connection = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    told.notify_one();
                }
            }
            told.notify_one();
        });
        let channel = Self {
            client,
            word,
            _connection: Task::from(connection),
        };
        if watch.listens {
            channel
                .client
                .batch_execute(&format!("LISTEN {CHANNEL}"))
                .await?;
        }
        Ok(channel)
    }

    async fn ask(
        &self,
        previous: Option<&str>,
        known: &[i64],
        timeout: Duration,
    ) -> Result<News, PostgresFault> {
        let sql = "SELECT epoch, snapshot, clock_ms, everything, keys FROM cloakroom.changes_since($1, $2, $3)";
        let patience = patience(timeout);
        let parameters: [Parameter<'_>; 3] = [
            (&previous, Type::TEXT),
            (&known, Type::INT8_ARRAY),
            (&patience, Type::INT8),
        ];
        let row = self.client.query_typed_one(sql, &parameters).await?;
        let keys: Vec<&[u8]> = row.try_get(4)?;
        let keys = keys
            .into_iter()
            .filter_map(|key| Some(TicketKey(key.try_into().ok()?)));
        Ok(News {
            epoch: row.try_get(0)?,
            snapshot: row.try_get(1)?,
            clock_ms: row.try_get(2)?,
            everything: row.try_get(3)?,
            keys: keys.collect(),
        })
    }
}

/// What is new in the table.
struct News {
    /// Another one: the table was emptied by a crash, or belongs to another server.
    epoch: i64,
    /// What was there to see.
    snapshot: String,
    /// The server's clock.
    clock_ms: i64,
    /// Whether anything may have changed.
    everything: bool,
    /// The tickets whose rows were written.
    keys: Vec<TicketKey>,
}

impl News {
    fn may_have_missed_something_since(&self, before: &Self) -> bool {
        let silence = self.clock_ms.saturating_sub(before.clock_ms);
        self.everything || self.epoch != before.epoch || !(0..=SILENCE_MAX_MS).contains(&silence)
    }
}

/// Tells those who listen that it is time to look.
pub(super) struct Crier {
    news: Arc<Notify>,
    _task: Task,
}

impl Crier {
    /// Cries by way of `connections`. Nobody waits for it, and who misses it looks every 200 ms anyway.
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        let news = Arc::new(Notify::new());
        let heard = Arc::clone(&news);
        let task = tokio::spawn(async move {
            loop {
                heard.notified().await;
                let cry = connections.rows("SELECT pg_notify($1, '')", &[(&CHANNEL, Type::TEXT)]);
                if let Err(fault) = cry.await {
                    tracing::debug!(error = %Causes(&fault), "NOTIFY failed");
                }
                tokio::time::sleep(NOTIFY_EVERY).await;
            }
        });
        Self {
            news,
            _task: Task::from(task),
        }
    }

    /// There is something to look at.
    pub(super) fn cry(&self) {
        self.news.notify_one();
    }
}

/// A task that ends with its owner.
struct Task(AbortHandle);

impl<T> From<JoinHandle<T>> for Task {
    fn from(handle: JoinHandle<T>) -> Self {
        Self(handle.abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
