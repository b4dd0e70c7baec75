//! Sessions in PostgreSQL, shared by several gateways.
//!
//! Finding a session and writing one are a function of the schema each (`schema/1.sql`), so each costs one round trip
//! and is atomic. All of it works behind a pooler in transaction mode.
//!
//! # What is kept near
//! What a gateway keeps near is told to be stale by [`Driver::watch`](crate::store::remote::Driver::watch): within about
//! 10 ms where `session.store.listen_url` gives a way for LISTEN, else within about 60 ms; on top of that the round trips.
//! All gateways have to be given a `listen_url`, or none: who has none does not say when it is time to look, and those
//! who listen look every 200 ms only. Whoever hears nothing for half a second believes nothing that is kept near.

mod address;

mod fault;

mod schema;

mod rows;

mod nodes;

mod notes;

mod watch;

mod pool;

mod tls;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

pub use address::{AddressFault, PostgresAddress, Roots, Trust};
pub use fault::PostgresFault;
pub use schema::{Migration, migrate};
pub use tls::TlsFault;

use self::pool::Connections;
use self::watch::{Crier, Own, Watch};
use super::remote::driver::{
    Driver, Found, Listener, NoteSwap, Pouring, Revision, Writing, Written,
};
use super::{Cursor, Node, NoteKey, Page, StoreFault};
use crate::base::clock::Time;
use crate::session::{Session, TicketKey, UserKey};

/// How many connections a gateway has to the database, besides the one that follows changes. A commit takes about a
/// millisecond of one, and a database has a hundred for everybody.
const CONNECTIONS: usize = 8;

/// The most sessions of one user that are looked at.
const OF_USER_MAX: i64 = 10_000;

/// Where the sessions are, and how long anybody waits for them.
#[derive(Clone, Debug)]
pub struct PostgresSettings {
    /// Where statements go.
    pub address: PostgresAddress,
    /// Where LISTEN works; `None`: the table of changes is read at short intervals instead.
    pub listen: Option<PostgresAddress>,
    /// How long a request waits; past it the store "did not answer".
    pub timeout: Duration,
    /// The most connections.
    pub connections: usize,
}

impl PostgresSettings {
    /// The usual settings.
    pub const fn new(
        address: PostgresAddress,
        listen: Option<PostgresAddress>,
        timeout: Duration,
    ) -> Self {
        Self {
            address,
            listen,
            timeout,
            connections: CONNECTIONS,
        }
    }
}

/// Moves rows to and from PostgreSQL.
pub struct PostgresDriver {
    connections: Arc<Connections>,
    watch: Watch,
    crier: Option<Crier>,
}

impl PostgresDriver {
    /// Connects, and judges whether the database can serve. Runs on the runtime that the driver is to be used on.
    ///
    /// # Errors
    /// When it cannot be reached now, or its schema is not the one that is needed.
    pub async fn connect(settings: &PostgresSettings) -> Result<Self, PostgresFault> {
        let PostgresSettings {
            address,
            listen,
            timeout,
            connections,
        } = settings;
        let connections = Arc::new(Connections::new(address, *connections, *timeout)?);
        if let Some(listen) = listen {
            // Its certificates are read now, so that what is wrong with them is told now.
            tls::Tls::of(listen).map_err(PostgresFault::ListenTls)?;
        }
        schema::judge(&connections).await?;
        Ok(Self {
            watch: Watch {
                address: listen.as_ref().unwrap_or(address).clone(),
                listens: listen.is_some(),
                timeout: *timeout,
                own: Own::default(),
            },
            crier: listen
                .is_some()
                .then(|| Crier::new(Arc::clone(&connections))),
            connections,
        })
    }
}

impl Driver for PostgresDriver {
    async fn find(&self, key: &TicketKey, now: Time) -> Result<Found, StoreFault> {
        rows::find(&self.connections, key, now).await
    }

    async fn glance(
        &self,
        keys: &[TicketKey],
        _now: Time,
    ) -> Result<Vec<Option<Revision>>, StoreFault> {
        rows::glance(&self.connections, keys).await
    }

    async fn write(&self, writing: &Writing) -> Result<Written, StoreFault> {
        let written = rows::write(&self.connections, writing).await;
        if let (Ok(Written::Done), Some(first)) = (&written, writing.rows.first()) {
            self.watch.own.add(rows::bits(first.revision));
        }
        // Unless it is certain that nothing was done, something may have been.
        if let (Some(crier), Ok(Written::Done) | Err(_)) = (&self.crier, &written) {
            crier.cry();
        }
        written
    }

    async fn of_user(&self, user: &UserKey, now: Time) -> Result<Vec<Session>, StoreFault> {
        rows::of_user(&self.connections, &user.0, now, OF_USER_MAX).await
    }

    async fn page(&self, after: Option<&Cursor>, at_most: usize) -> Result<Page, StoreFault> {
        rows::page(&self.connections, after, at_most).await
    }

    async fn sweep(&self, now: Time, at_most: usize) -> Result<usize, StoreFault> {
        rows::sweep(&self.connections, now, at_most).await
    }

    async fn announce(&self, node: &Node, now: Time) -> Result<Vec<Node>, StoreFault> {
        nodes::announce(&self.connections, node, now).await
    }

    async fn note(&self, key: NoteKey, now: Time) -> Result<Option<Vec<u8>>, StoreFault> {
        notes::get(&self.connections, key, now).await
    }

    async fn swap_note(&self, swap: &NoteSwap) -> Result<bool, StoreFault> {
        notes::swap(&self.connections, swap).await
    }

    async fn pour(&self, pouring: &Pouring) -> Result<Option<Duration>, StoreFault> {
        notes::pour(&self.connections, pouring).await
    }

    async fn watch(&self, listener: Arc<dyn Listener>) -> Infallible {
        self.watch.run(&*listener).await
    }
}

/// A time in the type of the columns.
fn millis(time: Time) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
