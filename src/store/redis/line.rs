//! The way to one server: a connection that is made when somebody asks, and made anew after it broke.

use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::ConnectionLike;
use ::redis::{Cmd, Pipeline, Value, pipe};
use arc_swap::ArcSwap;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::address::Endpoint;
use super::ask::Ask;
use super::dial::{Dialer, Link};
use super::fault::{Meaning, RedisFault};
use super::rows::read;
use crate::base::clock::Stopwatch;

/// The way to one server.
pub(super) struct Line {
    endpoint: Endpoint,
    dialer: Arc<Dialer>,
    link: Slot,
    /// For what has to wait until replicas have it: what is asked on the same connection waits too.
    slow_link: Slot,
}

/// A connection, if there is one. A cell is filled once, by the first who needs it while the others wait; when the
/// connection breaks, an empty cell takes its place. So nobody is given one that is known to be dead.
type Slot = ArcSwap<OnceCell<Arc<Link>>>;

/// How something is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Manner {
    /// As one whom another node of the cluster has sent, which is about to give this one what is asked for.
    pub as_sent: bool,
    /// How many replicas must have all that was written before there is an answer.
    pub replicas: u32,
}

impl Line {
    pub fn new(endpoint: Endpoint, dialer: Arc<Dialer>) -> Self {
        Self {
            endpoint,
            dialer,
            link: Slot::default(),
            slow_link: Slot::default(),
        }
    }

    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Asks once. When the time is over, the connection counts as dead: a lost server never says so.
    pub async fn ask(
        &self,
        ask: &Ask,
        manner: Manner,
        within: Duration,
    ) -> Result<Value, RedisFault> {
        let watch = Stopwatch::start();
        match self.ask_with(&ask.short(), manner, within).await {
            Err(fault) if fault.meaning() == Meaning::NoScript => {
                let left = within.saturating_sub(watch.elapsed());
                self.ask_with(&ask.long(), manner, left).await
            }
            answer => answer,
        }
    }

    async fn ask_with(
        &self,
        command: &Cmd,
        manner: Manner,
        within: Duration,
    ) -> Result<Value, RedisFault> {
        if manner == Manner::default() {
            let work = async |link: &Link| command.query_async(&mut link.connection()).await;
            return self.over(&self.link, within, work).await;
        }
        let mut asks = pipe();
        if manner.as_sent {
            asks.cmd("ASKING");
        }
        asks.add_command(command.clone());
        if manner.replicas > 0 {
            // Whoever gives up then still hears why.
            let patience = within.mul_f32(0.8).as_millis().max(1).to_string();
            asks.cmd("WAIT").arg(manner.replicas).arg(patience);
        }
        let slot = if manner.replicas > 0 {
            &self.slow_link
        } else {
            &self.link
        };
        let work = async |link: &Link| {
            let mut connection = link.connection();
            connection.req_packed_commands(&asks, 0, asks.len()).await
        };
        let mut answers = self.over(slot, within, work).await?.into_iter();
        let answer = answers
            .nth(manner.as_sent.into())
            .ok_or(RedisFault::Strange)?;
        let answer = self.checked(answer)?;
        if manner.replicas > 0 {
            let have: u32 = read(self.checked(answers.next().ok_or(RedisFault::Strange)?)?)?;
            if have < manner.replicas {
                let server = self.endpoint.to_string();
                return Err(RedisFault::NotReplicated { server, have });
            }
        }
        Ok(answer)
    }

    /// Asks several things that change nothing at once, by one connection whose name is told; once more if it breaks. An
    /// answer may be an error.
    pub async fn ask_all(
        &self,
        asks: &Pipeline,
        within: Duration,
    ) -> Result<(u64, Vec<Value>), RedisFault> {
        let work = async |link: &Link| {
            let mut connection = link.connection();
            let answers = connection.req_packed_commands(asks, 0, asks.len()).await?;
            Ok((link.name, answers))
        };
        match self.over(&self.link, within, work).await {
            Err(RedisFault::Broken { .. }) => self.over(&self.link, within, work).await,
            answers => answers,
        }
    }

    /// The answer, unless it is an error.
    pub fn checked(&self, answer: Value) -> Result<Value, RedisFault> {
        let answer = answer.extract_error();
        answer.map_err(|fault| RedisFault::of(&self.endpoint, fault))
    }

    async fn over<T>(
        &self,
        slot: &Slot,
        within: Duration,
        work: impl AsyncFnOnce(&Link) -> Result<T, ::redis::RedisError>,
    ) -> Result<T, RedisFault> {
        let cell = slot.load_full();
        let over = timeout(within, async {
            let dial = async || self.dialer.dial(&self.endpoint).await.map(Arc::new);
            let link = cell.get_or_try_init(dial).await?;
            let answer = work(link).await;
            answer.map_err(|fault| RedisFault::of(&self.endpoint, fault))
        });
        let answer = over.await.unwrap_or_else(|_| {
            Err(RedisFault::Silent {
                server: self.endpoint.to_string(),
            })
        });
        if let Err(RedisFault::Silent { .. } | RedisFault::Broken { .. }) = answer {
            slot.compare_and_swap(&cell, Arc::default());
        }
        answer
    }
}
