//! Asks the store of a configuration which nodes are alive and which keys they use, without being one of them.

use std::io;

use data_encoding::HEXLOWER;

use super::fault::StartFault;
use super::store::{Purpose, open_engine};
use crate::base::clock::Clock;
use crate::base::secret::random_bytes;
use crate::config::Settings;
use crate::config::settings::Engine;
use crate::session::KeyId;
use crate::store::{Node, StoreFault};

/// Why nobody knows which nodes are alive.
#[derive(Debug, thiserror::Error)]
pub enum RollCallFault {
    /// The store cannot be opened.
    #[error("the session store cannot be opened")]
    Open(#[source] StartFault),
    /// It did not answer.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The operating system gave no runtime.
    #[error("the operating system refused what is needed to ask the store")]
    Runtime(#[source] io::Error),
}

/// The nodes that are alive, as they announced themselves. `None`: the engine has no place where they could.
///
/// # Errors
/// The store did not answer.
pub fn roll_call(settings: &Settings, ids: KeyId) -> Result<Option<Vec<Node>>, RollCallFault> {
    let is_elsewhere = match &settings.store.engine {
        Engine::Memory | Engine::Cookie { .. } => true,
        // Asking must not make a database.
        Engine::Sqlite { path } => path.try_exists().is_ok_and(|exists| !exists),
        Engine::Redis { .. } | Engine::Postgres { .. } => false,
    };
    if is_elsewhere {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RollCallFault::Runtime)?;
    runtime.block_on(async {
        let clock = Clock::system();
        let terms = &settings.session.terms;
        let opened = open_engine(&settings.store, terms, Purpose::Command, clock.now());
        let store = opened.map_err(RollCallFault::Open)?.store;
        let Some(catalogue) = store.catalogue() else {
            return Ok(None);
        };
        // A node without keys only looks on.
        let onlooker = Node {
            id: format!("onlooker-{}", HEXLOWER.encode(&random_bytes::<8>())),
            seen: clock.now(),
            session_ids: ids,
            keys: Vec::new(),
        };
        let asked = catalogue.announce(onlooker, clock.now());
        let answered = tokio::time::timeout(settings.store.timeout, asked).await;
        let nodes = answered.unwrap_or(Err(StoreFault::Timeout))?;
        let is_node = |node: &Node| !node.keys.is_empty();
        Ok(Some(nodes.into_iter().filter(is_node).collect()))
    })
}
