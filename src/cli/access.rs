//! The store of a configuration, opened for a command, and the walk through it.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use super::run::in_full;
use super::{BAD_CONFIG, ConfigArgs, FAILED, USAGE, complain};
use crate::base::causes::Causes;
use crate::base::clock::{Clock, Time};
use crate::config::settings::{self, Engine};
use crate::config::{self, Settings};
use crate::run::StartFault;
use crate::run::store::{Opened, Purpose, open_engine};
use crate::session::{Session, Terms};
use crate::store::{Catalogue, StoreFault};

/// How long a command waits for one answer at least. Nobody's browser waits for it, and it asks for more at a time.
const PATIENCE: Duration = Duration::from_secs(30);

/// How many sessions are read at a time.
const PAGE: usize = 500;

/// Why a command came to nothing.
pub(super) enum Refusal {
    /// The configuration is at fault.
    Config(String),
    /// What was asked for makes no sense.
    Usage(String),
    /// It failed.
    Failed(String),
}

impl Refusal {
    /// Says so, and tells the exit code.
    pub(super) fn told(self) -> u8 {
        let (text, code) = match self {
            Self::Config(text) => (text, BAD_CONFIG),
            Self::Usage(text) => (text, USAGE),
            Self::Failed(text) => (text, FAILED),
        };
        complain(text);
        code
    }
}

impl From<StoreFault> for Refusal {
    fn from(fault: StoreFault) -> Self {
        Self::Failed(Causes(&fault).to_string())
    }
}

/// The settings that a command works with.
pub(super) fn load(config: &ConfigArgs) -> Result<Settings, Refusal> {
    load_file(&config.file())
}

pub(super) fn load_file(file: &Path) -> Result<Settings, Refusal> {
    let loaded = config::load(file, &config::variables());
    let loaded = loaded.map_err(|faults| Refusal::Config(faults.to_string()))?;
    Ok(loaded.settings)
}

/// A store that is open for a command.
pub(super) struct Access {
    pub(super) opened: Opened,
    pub(super) terms: Terms,
    pub(super) clock: Clock,
}

impl Access {
    /// Opens the engine of `settings`, which must be one that has a list and a place of its own.
    pub(super) fn open(settings: &Settings, purpose: Purpose) -> Result<Self, Refusal> {
        if let Engine::Sqlite { path } = &settings.store.engine
            && is_absent(path)
        {
            return Err(Refusal::Failed(format!(
                "there is no session database at {}: the gateway makes it at its first start",
                path.display()
            )));
        }
        Self::engine(settings, &settings.store, purpose, |fault| {
            in_full(fault, settings)
        })
    }

    /// The same for the engine of `store`, with the rest of `settings`; a database that is not there is made.
    pub(super) fn open_or_make(
        settings: &Settings,
        store: &settings::Store,
        purpose: Purpose,
    ) -> Result<Self, Refusal> {
        // It need not be the engine that the configuration names, so no place in that is told.
        Self::engine(settings, store, purpose, |fault| Causes(fault).to_string())
    }

    fn engine(
        settings: &Settings,
        store: &settings::Store,
        purpose: Purpose,
        tell: impl FnOnce(&StartFault) -> String,
    ) -> Result<Self, Refusal> {
        match &store.engine {
            Engine::Memory => {
                return Err(Refusal::Failed(
                    "session.store.engine = \"memory\": these sessions live in the server process alone, where no \
                     other can list or end them; a restart ends all"
                        .to_owned(),
                ));
            }
            Engine::Cookie { .. } => {
                return Err(Refusal::Failed(
                    "session.store.engine = \"cookie\": these sessions live in the visitors' browsers alone, so nobody \
                     can list them"
                        .to_owned(),
                ));
            }
            Engine::Sqlite { .. } | Engine::Redis { .. } | Engine::Postgres { .. } => {}
        }
        let clock = Clock::system();
        let terms = settings.session.terms.clone();
        let patient = settings::Store {
            timeout: store.timeout.max(PATIENCE),
            ..store.clone()
        };
        let opened = open_engine(&patient, &terms, purpose, clock.now());
        let opened = opened.map_err(|fault| match &fault {
            moment if moment.is_of_the_moment() => Refusal::Failed(tell(moment)),
            lasting => Refusal::Config(tell(lasting)),
        })?;
        Ok(Self {
            opened,
            terms,
            clock,
        })
    }

    pub(super) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(super) fn list(&self) -> Result<&dyn Catalogue, Refusal> {
        let none = || Refusal::Failed("this store keeps no list of its sessions".to_owned());
        self.opened.store.catalogue().ok_or_else(none)
    }

    /// Shows every session and tombstone to `see`, page by page; tells how many records could not be read.
    pub(super) async fn walk(
        &self,
        mut see: impl AsyncFnMut(Vec<Session>) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        let (mut unreadable, mut after) = (0, None);
        loop {
            let page = self.list()?.page(after.as_ref(), PAGE).await?;
            unreadable += page.unreadable;
            see(page.sessions).await?;
            after = page.next;
            if after.is_none() {
                return Ok(unreadable);
            }
        }
    }

    /// The same with the sessions that are live, one by one.
    pub(super) async fn each_live(
        &self,
        mut see: impl FnMut(&Session) -> Result<(), Refusal>,
    ) -> Result<usize, Refusal> {
        self.walk(async |sessions| {
            let now = self.now();
            let live = sessions.iter();
            let mut live = live.filter(|session| session.is_live(&self.terms, now));
            live.try_for_each(&mut see)
        })
        .await
    }
}

/// Whether there is no such file. One that cannot be seen may be there.
pub(super) fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|exists| !exists)
}

/// Waits for what a command does.
pub(super) fn wait_for<T>(work: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Refusal::Failed(format!(
            "the operating system refused what is needed to ask the store: {error}"
        ))
    })?;
    runtime.block_on(work)
}

/// Whether to go on with what cannot be undone: because of `--yes`, or because somebody at a terminal says so.
pub(super) fn is_confirmed(yes: bool, what: &str) -> Result<bool, Refusal> {
    use std::io::{IsTerminal, Write, stderr, stdin};
    if yes {
        return Ok(true);
    }
    if !stdin().is_terminal() {
        return Err(Refusal::Usage(format!(
            "this {what}: take --yes if that is meant"
        )));
    }
    let _ = write!(stderr(), "This {what}. Go on? [y/N] ");
    let mut answer = String::new();
    let _ = stdin().read_line(&mut answer);
    Ok(matches!(
        answer.trim().to_ascii_lowercase().as_str(),
        "y" | "yes"
    ))
}
