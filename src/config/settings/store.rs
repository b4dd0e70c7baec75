//! `[session.store]`: what keeps the sessions.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::base::secret::Secret;

/// `[session.store]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    /// What keeps the sessions.
    pub engine: Engine,
    /// Past it the store did not answer.
    pub timeout: Duration,
    /// What becomes of requests meanwhile.
    pub on_outage: OnOutage,
}

impl Store {
    /// The secret texts, with their keys.
    pub fn secrets(&self) -> Vec<(&'static str, &Text)> {
        let url = |text| ("session.store.url", text);
        match &self.engine {
            Engine::Memory | Engine::Sqlite { .. } => Vec::new(),
            Engine::Redis { url: text, .. } => vec![url(text)],
            Engine::Postgres {
                url: text,
                listen_url,
                ..
            } => {
                let listen = |text| ("session.store.listen_url", text);
                let listen = listen_url.as_ref().map(listen);
                [url(text)].into_iter().chain(listen).collect()
            }
            Engine::Cookie { revocations } => match revocations {
                Some(Revocations::Url(text)) => vec![("session.store.revocations", text)],
                Some(Revocations::Sqlite { .. }) | None => Vec::new(),
            },
        }
    }
}

/// What keeps the sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Memory; they end with the process.
    Memory,
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// Redis or Valkey.
    Redis {
        /// Where it is.
        url: Text,
        /// How much of it is kept near, in bytes; 0: nothing.
        near_cache_bytes: usize,
    },
    /// PostgreSQL.
    Postgres {
        /// Where it is.
        url: Text,
        /// Where LISTEN works; `None`: a table of changes is polled.
        listen_url: Option<Text>,
        /// How much of it is kept near, in bytes; 0: nothing.
        near_cache_bytes: usize,
    },
    /// The ticket itself, sealed.
    Cookie {
        /// Where ended sessions are noted; `None`: nowhere, so that a visitor can bring them back.
        revocations: Option<Revocations>,
    },
}

/// `session.store.revocations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revocations {
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// A Redis or PostgreSQL address.
    Url(Text),
}

/// A text that is a secret: written in the configuration, or in a file of its own that is read at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// It is here.
    Here(Secret<String>),
    /// It is in this file.
    In(PathBuf),
    /// It is in the systemd credential of this name.
    Credential(String),
}

/// What becomes of requests while the store does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOutage {
    /// 503 with Retry-After.
    Refuse,
    /// They go on without a session.
    Anonymous,
}
