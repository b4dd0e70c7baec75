//! Sessions in PostgreSQL: from the settings to the store, and to the migration that comes before it.

use std::sync::Arc;
use std::time::Duration;

use super::fault::StartFault;
use super::sealed;
use crate::base::clock::Time;
use crate::config::settings::{Engine, Settings, Text};
use crate::session::Terms;
use crate::store::Store;
use crate::store::postgres::{
    Migration, PostgresAddress, PostgresDriver, PostgresFault, PostgresSettings, migrate,
};
use crate::store::remote::{RemoteSettings, RemoteStartFault, RemoteStore};

const URL: &str = "session.store.url";
const LISTEN_URL: &str = "session.store.listen_url";

/// Opens the store at `url`.
pub(super) fn open(
    url: &Text,
    listen_url: Option<&Text>,
    near_cache_bytes: usize,
    timeout: Duration,
    terms: Terms,
) -> Result<Arc<dyn Store>, StartFault> {
    let listen = listen_url.map(|url| address(LISTEN_URL, url));
    let finished = PostgresSettings::new(address(URL, url)?, listen.transpose()?, timeout);
    let core = RemoteSettings::new(timeout, near_cache_bytes);
    let connect = move || async move { PostgresDriver::connect(&finished).await };
    let store = RemoteStore::start(&core, terms, connect);
    let store = store.map_err(|fault| match fault {
        RemoteStartFault::Thread(error) => StartFault::Runtime(error),
        RemoteStartFault::Driver(fault @ PostgresFault::ListenTls(_)) => at(LISTEN_URL, fault),
        RemoteStartFault::Driver(fault) => at(URL, fault),
    })?;
    Ok(Arc::new(store))
}

/// Makes the schema in the database that `settings` name, for sessions or for revocations, or brings it up to date.
/// `None`: another engine keeps them, and needs no such thing. Blocks.
///
/// # Errors
/// When the database cannot be used.
pub fn migrate_store(settings: &Settings, now: Time) -> Result<Option<Migration>, StartFault> {
    match &settings.store.engine {
        Engine::Postgres { url, .. } => migrate_at(url, now).map(Some),
        Engine::Cookie {
            revocations: Some(revocations),
        } => match sealed::engine_of(revocations).map_err(sealed::named)? {
            Engine::Postgres { url, .. } => migrate_at(&url, now).map(Some).map_err(sealed::named),
            _ => Ok(None),
        },
        _ => Ok(None),
    }
}

fn migrate_at(url: &Text, now: Time) -> Result<Migration, StartFault> {
    let address = address(URL, url)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StartFault::Runtime)?;
    let migration = runtime.block_on(migrate(&address, now));
    migration.map_err(|fault| at(URL, fault))
}

fn address(key: &'static str, url: &Text) -> Result<PostgresAddress, StartFault> {
    let url = url.read().map_err(StartFault::of_secret(key))?;
    PostgresAddress::parse(url.expose()).map_err(|fault| at(key, fault.into()))
}

const fn at(key: &'static str, source: PostgresFault) -> StartFault {
    StartFault::Postgres { key, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::secret::Secret;

    #[test]
    fn certificates_that_cannot_be_used_are_told_of_the_address_that_names_them() {
        let terms = Terms {
            idle: Duration::from_secs(3600),
            absolute: Duration::from_secs(24 * 3600),
            rotation_grace: Duration::from_secs(10),
            rotate_every: None,
            save_every_request: false,
            max_bytes: 1,
            jar_cookies_max: 1,
        };
        let plain = "postgres://u@127.0.0.1:1/s?sslmode=disable";
        let broken = "postgres://u@127.0.0.1:1/s?sslmode=verify-full&sslrootcert=/nowhere.pem";
        for (url, listen_url, key) in [(broken, plain, URL), (plain, broken, LISTEN_URL)] {
            let [url, listen_url] =
                [url, listen_url].map(|url| Text::Here(Secret::new(url.to_owned())));
            let wait = Duration::from_secs(1);
            let fault = open(&url, Some(&listen_url), 1 << 20, wait, terms.clone());
            assert_eq!(fault.err().unwrap().key(), Some(key));
        }
    }
}
