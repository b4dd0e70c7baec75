//! Sessions in Redis or Valkey: from the settings to the store.

use std::sync::Arc;

use super::fault::StartFault;
use super::store::{Opened, Purpose};
use crate::base::clock::Time;
use crate::config::settings::{self, Text};
use crate::session::Terms;
use crate::store::redis::{OpenFault, RedisAddress, RedisDriver};
use crate::store::remote::{RemoteSettings, RemoteStartFault, RemoteStore};

const URL: &str = "session.store.url";

/// Opens the store at `url`. What an operator should know of the servers is logged by a server, and told by `cloakroom
/// store check`, which judges a store as a server would.
pub(super) fn open(
    url: &Text,
    near_cache_bytes: usize,
    settings: &settings::Store,
    terms: &Terms,
    purpose: Purpose,
    now: Time,
) -> Result<Opened, StartFault> {
    let url = url.read().map_err(StartFault::of_secret(URL))?;
    let address = RedisAddress::parse(url.expose());
    let address = address.map_err(|fault| StartFault::Redis(OpenFault::Address { fault }))?;
    let mut facts = vec![("servers", address.servers())];
    // A command looks at everything once.
    let near_cache_bytes = match purpose {
        Purpose::Serve => near_cache_bytes,
        Purpose::Command => 0,
    };
    let core = RemoteSettings::new(settings.timeout, near_cache_bytes);
    let timeout = core.driver_timeout();
    let connect = move || RedisDriver::connect(address, timeout, now);
    let store = RemoteStore::start(&core, terms.clone(), connect);
    let store = store.map_err(|fault| match fault {
        RemoteStartFault::Thread(error) => StartFault::Runtime(error),
        RemoteStartFault::Driver(fault) => StartFault::Redis(fault),
    })?;
    for remark in store.driver().remarks() {
        match purpose {
            Purpose::Serve if remark.is_warning() => tracing::warn!("{remark}"),
            Purpose::Serve => tracing::info!("{remark}"),
            Purpose::Command => {}
        }
        facts.push(("remark", remark.to_string()));
    }
    Ok(Opened {
        store: Arc::new(store),
        born: None,
        facts,
    })
}
