//! A few connections, shared by all calls.
//!
//! Behind a pooler in transaction mode each statement may meet another session, so nothing is ever left in one: no
//! prepared statement with a name, no SET, no lock that outlives its transaction.

use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::address::PostgresAddress;
use super::fault::PostgresFault;
use super::tls::Tls;

/// A value for a statement, and what it is there.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// The connections.
pub(super) struct Connections {
    pool: Pool,
    timeout: Duration,
}

impl Connections {
    /// At most `most` connections to `address`, made when they are needed.
    pub(super) fn new(
        address: &PostgresAddress,
        most: usize,
        timeout: Duration,
    ) -> Result<Self, PostgresFault> {
        // Whether a connection is closed is known without asking the server. What a closed one that nobody has noticed
        // yet does to a statement is mended by the second attempt.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let config = address.config_for(timeout);
        let manager = Manager::from_config(config, Tls::of(address)?, recycling);
        let pool = Pool::builder(manager).max_size(most).build();
        Ok(Self {
            pool: pool.map_err(|_| PostgresFault::Stopped)?,
            timeout,
        })
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The rows that `sql` answers, in one round trip. It is made once more if the connection is lost, so it must be
    /// something that does no harm when done twice.
    pub(super) async fn rows(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresFault> {
        let answer = tokio::time::timeout(self.timeout, async {
            let fault = match self.attempt(sql, parameters).await {
                Err(fault) if fault.is_passing() => fault,
                answer => return answer,
            };
            if fault.lost_connection() {
                // Where one died the others did as well, and perhaps nobody has noticed yet.
                self.pool.retain(|_, _| false);
            }
            self.attempt(sql, parameters).await
        });
        answer.await.unwrap_or(Err(PostgresFault::Timeout))
    }

    /// The only row that `sql` answers.
    pub(super) async fn row(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Row, PostgresFault> {
        let rows = self.rows(sql, parameters).await?;
        rows.into_iter().next().ok_or(PostgresFault::Schema)
    }

    async fn attempt(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, PostgresFault> {
        let lease = Lease(Some(self.pool.get().await?));
        let answer = lease.client().query_typed(sql, parameters).await;
        let answer = answer.map_err(PostgresFault::from);
        if !answer.as_ref().is_err_and(PostgresFault::lost_connection) {
            lease.give_back();
        }
        answer
    }
}

/// A connection in use. Given up in the middle of a statement, it is closed: the answer that is still to come, or never
/// will, must not be waited for by the next who gets it.
struct Lease(Option<Client>);

impl Lease {
    fn client(&self) -> &Client {
        self.0.as_ref().expect("taken at its end alone")
    }

    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            drop(Client::take(client));
        }
    }
}
