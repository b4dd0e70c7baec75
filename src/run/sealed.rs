//! The cookie engine, put together: what keeps its revocations is an engine like any other.

use std::sync::Arc;

use super::fault::StartFault;
use super::store::{Opened, Purpose, open_engine};
use crate::base::clock::Time;
use crate::config::settings::{self, Engine, Revocations, Settings, Text};
use crate::cookie::attributes::TicketCookie;
use crate::store::sealed::{SealedStore, shadow_terms};

/// Opens the cookie engine of `settings`, with its `revocations` if it has any.
pub(super) fn open(
    settings: &Settings,
    revocations: Option<&Revocations>,
    now: Time,
) -> Result<Opened, StartFault> {
    let terms = settings.session.terms.clone();
    let cookie = TicketCookie::new(settings.cookie.clone());
    let cookie = cookie.map_err(|faults| StartFault::Setting {
        key: "session.cookie".to_owned(),
        why: faults.iter().map(|fault| format!("{fault}. ")).collect(),
    })?;
    let beside = match revocations {
        Some(revocations) => Some(beside(settings, revocations, now).map_err(named)?),
        None => None,
    };
    let born = beside.as_ref().map_or(Some(now), |beside| beside.born);
    let store = SealedStore::new(terms, cookie, beside.map(|beside| beside.store));
    Ok(Opened {
        store: Arc::new(store),
        born,
        facts: Vec::new(),
    })
}

fn beside(settings: &Settings, revocations: &Revocations, now: Time) -> Result<Opened, StartFault> {
    let store = settings::Store {
        engine: engine_of(revocations)?,
        ..settings.store.clone()
    };
    let terms = shadow_terms(&settings.session.terms);
    open_engine(&store, &terms, Purpose::Serve, now)
}

/// A fault of the engine that keeps revocations, said of their key.
pub(super) fn named(source: StartFault) -> StartFault {
    let source = Box::new(source);
    StartFault::Revocations { source }
}

/// The engine that keeps them. Nothing of it is kept near: each request asks whether its session was ended.
pub(super) fn engine_of(revocations: &Revocations) -> Result<Engine, StartFault> {
    let url = match revocations {
        Revocations::Sqlite { path } => return Ok(Engine::Sqlite { path: path.clone() }),
        Revocations::Url(url) => url.read(),
    };
    let url = url.map_err(StartFault::of_secret("session.store.revocations"))?;
    let scheme = url.expose().split_once("://").map(|(scheme, _)| scheme);
    let is = |name| scheme.is_some_and(|scheme| scheme.starts_with(name));
    if is("redis") {
        Ok(Engine::Redis {
            url: Text::Here(url),
            near_cache_bytes: 0,
        })
    } else if is("postgres") {
        Ok(Engine::Postgres {
            url: Text::Here(url),
            listen_url: None,
            near_cache_bytes: 0,
        })
    } else {
        Err(StartFault::Setting {
            key: "session.store.revocations".to_owned(),
            why: "names no server; write a redis:// or postgres:// address, or the path of a file"
                .to_owned(),
        })
    }
}
