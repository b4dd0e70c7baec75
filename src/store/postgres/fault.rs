//! Why PostgreSQL does not serve as a store.

use std::error::Error as _;
use std::io;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use super::address::AddressFault;
use super::tls::TlsFault;
use crate::store::StoreFault;

/// What the functions of the schema answer where they have to undo what they began.
const ROWS_CONFLICT: &str = "CR001";
const TICKET_IN_USE: &str = "CR002";

/// Why PostgreSQL does not serve as a store.
#[derive(Debug, thiserror::Error)]
pub enum PostgresFault {
    /// The address cannot be used.
    #[error(transparent)]
    Address(#[from] AddressFault),
    /// There is no TLS to be had as the address wants it.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The same, of the address for LISTEN.
    #[error(transparent)]
    ListenTls(TlsFault),
    /// It cannot be reached, or lets nobody in.
    #[error("PostgreSQL cannot be reached")]
    Connect(#[source] tokio_postgres::Error),
    /// It took too long.
    #[error("PostgreSQL did not answer in time")]
    Timeout,
    /// The store has been stopped.
    #[error("the connections to PostgreSQL are closed")]
    Stopped,
    /// A statement failed, or the connection did meanwhile.
    #[error("PostgreSQL failed")]
    Statement(#[source] tokio_postgres::Error),
    /// It takes no writes.
    #[error("PostgreSQL takes no writes: it is a standby, or set to read only")]
    ReadOnly(#[source] tokio_postgres::Error),
    /// It is too old.
    #[error("PostgreSQL {0} is too old: version 13 or later is needed")]
    TooOld(i32),
    /// The database cannot hold every text.
    #[error("the database is encoded as {0}: make one with ENCODING 'UTF8'")]
    Encoding(String),
    /// Nobody made the schema.
    #[error("the database has no schema of ours: run `cloakroom store migrate --config FILE`")]
    SchemaMissing,
    /// The schema is of an older version of cloakroom.
    #[error(
        "the schema in the database has version {found} and version {needed} is needed: run `cloakroom store migrate --config FILE`"
    )]
    SchemaOlder {
        /// What is there.
        found: i64,
        /// What is needed.
        needed: i64,
    },
    /// The schema is of a newer version of cloakroom.
    #[error(
        "the schema in the database has version {found} and version {known} is the newest that is known here: run a newer cloakroom"
    )]
    SchemaNewer {
        /// What is there.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
    /// The schema is of the right version and not whole: somebody changed it, or made it with a development build.
    #[error(
        "the schema in the database has no {0}: drop the schema (and with it the sessions), then run `cloakroom store migrate --config FILE`"
    )]
    SchemaLacks(String),
    /// The user of the address may not do what is needed.
    #[error(
        "the user of the address may not {right} {what}: let it make the schema (`cloakroom store migrate --config FILE`), or GRANT it that"
    )]
    Right {
        /// The right, as GRANT names it.
        right: String,
        /// On what.
        what: String,
    },
    /// The server said something that the schema never says.
    #[error("the schema in the database is not as `cloakroom store migrate` made it")]
    Schema,
}

impl PostgresFault {
    /// Whether the statement may be made again on another connection: the connection was lost, or the server undid the
    /// statement for reasons of its own.
    pub(super) fn is_passing(&self) -> bool {
        let Self::Statement(error) = self else {
            return false;
        };
        let undone = [
            &SqlState::T_R_SERIALIZATION_FAILURE,
            &SqlState::T_R_DEADLOCK_DETECTED,
        ];
        self.lost_connection() || error.code().is_some_and(|code| undone.contains(&code))
    }

    /// Whether the connection is of no use any more.
    pub(super) fn lost_connection(&self) -> bool {
        let Self::Statement(error) = self else {
            return !matches!(self, Self::Schema);
        };
        let Some(code) = error.code() else {
            let is_io = |cause: &(dyn std::error::Error + 'static)| cause.is::<io::Error>();
            return error.is_closed() || error.source().is_none_or(is_io);
        };
        // The server shuts down, or whoever stands between says that it is gone.
        code.code().starts_with("08")
            || [
                &SqlState::ADMIN_SHUTDOWN,
                &SqlState::CRASH_SHUTDOWN,
                &SqlState::CANNOT_CONNECT_NOW,
            ]
            .contains(&code)
    }

    /// Whether the schema says that rows were not as expected after all.
    pub(super) fn is_conflict(&self) -> bool {
        self.has_code(ROWS_CONFLICT)
    }

    /// Whether the schema says that a ticket was in use after all.
    pub(super) fn is_ticket_in_use(&self) -> bool {
        self.has_code(TICKET_IN_USE)
    }

    /// Whether a start that failed so may work later, with the configuration as it is.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Connect(error) | Self::Statement(error) => !is_unwelcome(error),
            Self::Timeout | Self::Stopped | Self::ReadOnly(_) => true,
            _ => false,
        }
    }

    fn has_code(&self, expected: &str) -> bool {
        let Self::Statement(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| code.code() == expected)
    }
}

/// Whether the server is well and does not want us: a wrong user or password (class 28), no such database (3D), no
/// rights (42501). Asking again changes nothing.
fn is_unwelcome(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(tokio_postgres::error::SqlState::code);
    code.is_some_and(|code| code.starts_with("28") || code.starts_with("3D") || code == "42501")
}

/// A statement failed.
impl From<tokio_postgres::Error> for PostgresFault {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Self::ReadOnly(error),
            // Nobody waits for another's lock any longer than for the server.
            Some(code) if *code == SqlState::LOCK_NOT_AVAILABLE => Self::Timeout,
            _ => Self::Statement(error),
        }
    }
}

/// No connection was to be had.
impl From<PoolError> for PostgresFault {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Connect(error),
            PoolError::Timeout(_) => Self::Timeout,
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Stopped
            }
        }
    }
}

impl From<PostgresFault> for StoreFault {
    fn from(fault: PostgresFault) -> Self {
        match fault {
            PostgresFault::Timeout => Self::Timeout,
            PostgresFault::Stopped => Self::Stopped,
            other => Self::remote(other),
        }
    }
}
