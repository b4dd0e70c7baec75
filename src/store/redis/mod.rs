//! Sessions on Redis or Valkey: one server, a master under Sentinel, or a cluster.
//!
//! A session and its tickets lie in one slot (see `keys`), so one script reads or writes them in one round trip. The
//! server forgets by itself what is over. What it lost in a crash or a fail-over is not noticed here: a start warns where
//! that may be (see `startup`), and with `?replicas=1` in the address a change counts as done only when a replica has it.
//!
//! Nothing reads from replicas. Where a fail-over is under way, a request waits for it as long as it may.

mod fault;

mod address;

mod keys;

mod ask;

mod rows;

mod dial;

mod line;

mod map;

mod servers;

mod walk;

mod nodes;

mod notes;

mod glance;

mod watch;

mod startup;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;

pub use address::{AddressFault, RedisAddress};
pub use fault::RedisFault;
pub use startup::{OpenFault, Remark};

use self::ask::Ask;
use self::keys::{Family, Names};
use self::servers::Servers;
use crate::base::causes::Causes;
use crate::base::clock::Time;
use crate::session::{Session, TicketKey, UserKey};
use crate::store::remote::driver::{
    Driver, Found, Listener, NoteSwap, Pouring, Revision, Writing, Written,
};
use crate::store::{Cursor, Node, NoteKey, Page, StoreFault};

/// Moves rows to and from Redis or Valkey.
pub struct RedisDriver {
    servers: Arc<Servers>,
    remarks: Vec<Remark>,
}

impl RedisDriver {
    /// Connects, and looks whether the servers suit. On the runtime where the driver is to be used. Nothing that is asked
    /// for takes longer than `timeout`.
    ///
    /// # Errors
    /// When no server can be reached or used.
    pub async fn connect(
        address: RedisAddress,
        timeout: Duration,
        now: Time,
    ) -> Result<Self, OpenFault> {
        let servers = Servers::new(address, timeout)?;
        let remarks = startup::look(&servers).await?;
        let driver = Self { servers, remarks };
        // Otherwise the memory of a server would begin with the first visitor who is looked up, and those who have
        // been here before would be strangers.
        driver.give_birth(now).await?;
        Ok(driver)
    }

    /// What an operator should know of the servers, as they were when the driver came.
    pub fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Has each family be born now that is not yet.
    async fn give_birth(&self, now: Time) -> Result<(), StoreFault> {
        let ask = |names: &Names, family| {
            Ask::command("SET", names.born(family))
                .with(now.as_millis())
                .with("NX")
        };
        self.servers.call_each(Family::all(), ask).await?;
        Ok(())
    }

    /// After an answer that says whether its family was only born with it: then the server was emptied, and all of it
    /// has been born now.
    async fn note_birth(&self, is_new: bool, now: Time) {
        if !is_new {
            return;
        }
        tracing::warn!("the session store has forgotten all or part of what it held");
        if let Err(fault) = self.give_birth(now).await {
            // The others are born when they are asked for, a little late.
            tracing::debug!(error = %Causes(&fault), "not all of the session store was told");
        }
    }
}

impl Driver for RedisDriver {
    async fn find(&self, key: &TicketKey, now: Time) -> Result<Found, StoreFault> {
        let ask = rows::find(self.servers.names(), key, now);
        let answer = self.servers.call(Family::of(key), &ask).await?;
        let (found, is_new) = rows::read_found(answer)?;
        self.note_birth(is_new, now).await;
        Ok(found)
    }

    async fn glance(
        &self,
        keys: &[TicketKey],
        _now: Time,
    ) -> Result<Vec<Option<Revision>>, StoreFault> {
        glance::glance(&self.servers, keys).await
    }

    async fn write(&self, writing: &Writing) -> Result<Written, StoreFault> {
        let mut written = Written::Done;
        for (family, ask) in rows::write(self.servers.names(), writing)? {
            let answer = self.servers.call_to_keep(family, &ask).await?;
            let (outcome, is_new) = rows::read_written(answer)?;
            self.note_birth(is_new, writing.now).await;
            written = outcome;
            if written != Written::Done {
                break;
            }
        }
        Ok(written)
    }

    /// The index lies with the sessions, family by family, so that it is never other than they are; reading it is a
    /// question for each family, all at once.
    async fn of_user(&self, user: &UserKey, now: Time) -> Result<Vec<Session>, StoreFault> {
        let user = *user;
        let ask = move |names: &Names, family| rows::of_user(names, family, &user, now);
        let answers: Vec<Value> = self.servers.call_each(Family::all(), ask).await?;
        let mut sessions = Vec::new();
        for answer in answers {
            sessions.extend(rows::read_sessions(answer)?);
        }
        Ok(sessions)
    }

    async fn page(&self, after: Option<&Cursor>, at_most: usize) -> Result<Page, StoreFault> {
        walk::page(&self.servers, after, at_most).await
    }

    /// Every key has its own end.
    async fn sweep(&self, _now: Time, _at_most: usize) -> Result<usize, StoreFault> {
        Ok(0)
    }

    async fn announce(&self, node: &Node, now: Time) -> Result<Vec<Node>, StoreFault> {
        nodes::announce(&self.servers, node, now).await
    }

    async fn note(&self, key: NoteKey, now: Time) -> Result<Option<Vec<u8>>, StoreFault> {
        notes::get(&self.servers, key, now).await
    }

    async fn swap_note(&self, swap: &NoteSwap) -> Result<bool, StoreFault> {
        notes::swap(&self.servers, swap).await
    }

    async fn pour(&self, pouring: &Pouring) -> Result<Option<Duration>, StoreFault> {
        notes::pour(&self.servers, pouring).await
    }

    async fn watch(&self, listener: Arc<dyn Listener>) -> Infallible {
        watch::watch(&self.servers, &listener).await
    }
}
