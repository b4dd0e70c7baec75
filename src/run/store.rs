//! Opens the engine that keeps the sessions: for the server, and for commands that work beside it.

use std::sync::Arc;

use super::fault::StartFault;
use super::{postgres, redis, sealed};
use crate::base::clock::Time;
use crate::config::settings::{self, Settings};
use crate::session::Terms;
use crate::store::Store;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::{SCHEMA_VERSION, SqliteSettings, SqliteStore};

/// An engine that is open.
pub struct Opened {
    /// The engine.
    pub store: Arc<dyn Store>,
    /// Since when it remembers, where it says so at the start; 0: nobody wrote it down.
    pub born: Option<Time>,
    /// What else `cloakroom store check` tells of it: a name and a value each.
    pub facts: Vec<(&'static str, String)>,
}

impl From<Arc<dyn Store>> for Opened {
    fn from(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            born: None,
            facts: Vec::new(),
        }
    }
}

/// For whom an engine is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To serve visitors, or to be judged.
    Serve,
    /// For a command, maybe beside a server that has judged it.
    Command,
}

/// Opens the engine of a configuration, to serve from it.
///
/// # Errors
/// Each fault names what to change.
pub fn open(settings: &Settings, now: Time) -> Result<Opened, StartFault> {
    match &settings.store.engine {
        settings::Engine::Cookie { revocations } => {
            sealed::open(settings, revocations.as_ref(), now)
        }
        _ => open_engine(
            &settings.store,
            &settings.session.terms,
            Purpose::Serve,
            now,
        ),
    }
}

/// Opens the engine that `settings` names, if it has a place of its own.
///
/// # Errors
/// Each fault names what to change.
pub fn open_engine(
    settings: &settings::Store,
    terms: &Terms,
    purpose: Purpose,
    now: Time,
) -> Result<Opened, StartFault> {
    let terms = terms.clone();
    Ok(match &settings.engine {
        settings::Engine::Memory => Opened {
            store: Arc::new(MemoryStore::new(terms, now)),
            born: Some(now),
            facts: Vec::new(),
        },
        settings::Engine::Sqlite { path } => {
            let finished = match purpose {
                Purpose::Serve => SqliteSettings::new(path, settings.timeout),
                Purpose::Command => SqliteSettings::of_a_command(path, settings.timeout),
            };
            let store = SqliteStore::open(&finished, terms, now)?;
            Opened {
                born: Some(store.born()),
                facts: vec![
                    ("database", path.display().to_string()),
                    ("schema version", SCHEMA_VERSION.to_string()),
                ],
                store: Arc::new(store),
            }
        }
        settings::Engine::Redis {
            url,
            near_cache_bytes,
        } => redis::open(url, *near_cache_bytes, settings, &terms, purpose, now)?,
        settings::Engine::Postgres {
            url,
            listen_url,
            near_cache_bytes,
        } => {
            let listen_url = listen_url.as_ref();
            // A command looks at everything once.
            let near_cache_bytes = match purpose {
                Purpose::Serve => *near_cache_bytes,
                Purpose::Command => 0,
            };
            postgres::open(url, listen_url, near_cache_bytes, settings.timeout, terms)?.into()
        }
        // It is in the browsers; commands say so before they come here.
        settings::Engine::Cookie { .. } => return Err(without_driver()),
    })
}

fn without_driver() -> StartFault {
    StartFault::Setting {
        key: "session.store.engine".to_owned(),
        why: "this build has no driver for it".to_owned(),
    }
}
