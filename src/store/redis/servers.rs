//! All servers together: whom to ask, and what to do when that is the wrong one or does not answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::redis::Value;
use arc_swap::ArcSwap;
use tokio::sync::OnceCell;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::address::{Endpoint, Layout, RedisAddress};
use super::ask::Ask;
use super::dial::{self, Dialer};
use super::fault::{Meaning, RedisFault};
use super::keys::{Family, Names};
use super::line::{Line, Manner};
use super::map::Map;
use crate::base::clock::Stopwatch;
use crate::store::StoreFault;

/// How long to wait before asking again what could not be done: a fail-over takes a moment.
const PAUSE: Duration = Duration::from_millis(50);

/// How often one question is sent on by the nodes of a cluster.
const SENT_ON_MAX: usize = 5;

/// All servers together.
pub(super) struct Servers {
    address: RedisAddress,
    names: Names,
    /// Past it, a question has no answer; whatever happens on the way is part of it.
    timeout: Duration,
    dialer: Arc<Dialer>,
    /// Logs in at sentinels.
    sentinel_dialer: Arc<Dialer>,
    /// A cell is filled by the first who needs it; when the map has proved wrong, an empty one takes its place.
    map: ArcSwap<OnceCell<Arc<Map>>>,
    known: Mutex<Known>,
}

/// What outlives a map, so that a new one costs no new connections. Held for moments only.
#[derive(Default)]
struct Known {
    lines: HashMap<Endpoint, Arc<Line>>,
    nodes: Vec<Endpoint>,
}

/// What is left of the patience with one question.
struct Patience {
    watch: Stopwatch,
    within: Duration,
    open: usize,
    not_done: usize,
    sent_on: usize,
}

impl Servers {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(address: RedisAddress, timeout: Duration) -> Result<Arc<Self>, RedisFault> {
        let tls = address.tls.as_ref().map(dial::tls).transpose()?;
        let dialer = Dialer::new(&address.login, address.database, tls.clone());
        let sentinel_dialer = match &address.layout {
            Layout::Sentinel { login, .. } => Dialer::new(login, 0, tls),
            Layout::Single(_) | Layout::Cluster(_) => Dialer::new(&address.login, 0, tls),
        };
        Ok(Arc::new(Self {
            names: Names::new(&address.prefix),
            address,
            timeout,
            dialer: Arc::new(dialer),
            sentinel_dialer: Arc::new(sentinel_dialer),
            map: ArcSwap::default(),
            known: Mutex::default(),
        }))
    }

    pub const fn layout(&self) -> &Layout {
        &self.address.layout
    }

    pub const fn is_cluster(&self) -> bool {
        matches!(self.layout(), Layout::Cluster(_))
    }

    pub const fn names(&self) -> &Names {
        &self.names
    }

    pub const fn replicas(&self) -> u32 {
        self.address.replicas
    }

    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Asks the server that keeps the family. What was not done for want of a master is asked again until the time is
    /// over, where another server may take its place.
    pub async fn call(self: &Arc<Self>, family: Family, ask: &Ask) -> Result<Value, StoreFault> {
        self.call_with(family, ask, 0).await
    }

    /// The same for what must not be lost when a replica takes the place of its master.
    pub async fn call_to_keep(
        self: &Arc<Self>,
        family: Family,
        ask: &Ask,
    ) -> Result<Value, StoreFault> {
        self.call_with(family, ask, self.address.replicas).await
    }

    async fn call_with(
        self: &Arc<Self>,
        family: Family,
        ask: &Ask,
        replicas: u32,
    ) -> Result<Value, StoreFault> {
        let mut patience = self.patience();
        let mut earlier: Option<RedisFault> = None;
        let mut sent_to: Option<Arc<Line>> = None;
        loop {
            let left = patience.left();
            let map = self.map.load_full();
            let manner = Manner {
                as_sent: sent_to.is_some(),
                replicas,
            };
            let attempt = match sent_to.take() {
                Some(line) => line.ask(ask, manner, left).await,
                None => self.attempt(family, ask, manner, left).await,
            };
            if matches!(attempt, Err(RedisFault::Silent { .. })) {
                // A master that hangs does not tell of the one that has taken its place.
                self.forget(&map);
            }
            let fault = match attempt {
                Ok(answer) => return Ok(answer),
                // The time ran out over an attempt to mend something: that is what is wrong.
                Err(RedisFault::Silent { .. }) if earlier.is_some() => {
                    return Err(earlier.unwrap_or(RedisFault::Strange).into());
                }
                Err(fault) => fault,
            };
            let meaning = fault.meaning();
            if !patience.bears(&meaning) {
                return Err(fault.into());
            }
            match meaning {
                Meaning::Elsewhere { node, once: true } => sent_to = Some(self.line(&node)),
                Meaning::Elsewhere { node, once: false } => self.moved(family, &node),
                Meaning::NotDone => {
                    self.forget(&map);
                    earlier = Some(fault);
                    sleep(PAUSE.min(patience.left())).await;
                }
                Meaning::Open | Meaning::NoScript | Meaning::Final => {
                    self.forget(&map);
                    earlier = Some(fault);
                }
            }
        }
    }

    /// Asks the same kind of question for each family, all at once.
    pub async fn call_each(
        self: &Arc<Self>,
        families: impl Iterator<Item = Family>,
        ask: impl Fn(&Names, Family) -> Ask,
    ) -> Result<Vec<Value>, StoreFault> {
        let mut asked = JoinSet::new();
        for family in families {
            let servers = Arc::clone(self);
            let ask = ask(&self.names, family);
            asked.spawn(async move { servers.call(family, &ask).await });
        }
        let mut answers = Vec::with_capacity(asked.len());
        while let Some(answer) = asked.join_next().await {
            // A task ends before its time when the runtime does.
            answers.push(answer.map_err(|_| StoreFault::Stopped)??);
        }
        Ok(answers)
    }

    /// Who keeps what, found out now.
    pub async fn fresh_map(self: &Arc<Self>) -> Result<Arc<Map>, RedisFault> {
        let map = self.map.load_full();
        self.forget(&map);
        self.map(self.timeout).await
    }

    async fn attempt(
        self: &Arc<Self>,
        family: Family,
        ask: &Ask,
        manner: Manner,
        within: Duration,
    ) -> Result<Value, RedisFault> {
        let watch = Stopwatch::start();
        let map = self.map(within).await?;
        let owner = map.owner(family);
        let owner = owner.ok_or(RedisFault::NoOwner { source: None })?;
        owner
            .ask(ask, manner, within.saturating_sub(watch.elapsed()))
            .await
    }

    async fn map(self: &Arc<Self>, within: Duration) -> Result<Arc<Map>, RedisFault> {
        let cell = self.map.load_full();
        let survey = async || {
            let map = self.survey(within).await?;
            self.known().note(&map);
            Ok(Arc::new(map))
        };
        let map = timeout(within, cell.get_or_try_init(survey)).await;
        let silent = |_| RedisFault::Silent {
            server: "the servers".to_owned(),
        };
        map.map_err(silent)?.cloned()
    }

    /// The way to a server, the same for everybody who asks.
    pub fn line(&self, endpoint: &Endpoint) -> Arc<Line> {
        let mut known = self.known();
        let line = known.lines.entry(endpoint.clone());
        let line = line.or_insert_with(|| {
            let dialer = Arc::clone(&self.dialer);
            Arc::new(Line::new(endpoint.clone(), dialer))
        });
        Arc::clone(line)
    }

    /// The way to a sentinel, for one question.
    pub fn sentinel(&self, endpoint: &Endpoint) -> Line {
        Line::new(endpoint.clone(), Arc::clone(&self.sentinel_dialer))
    }

    pub fn known_nodes(&self) -> Vec<Endpoint> {
        self.known().nodes.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the map made anew, unless it has been already.
    fn forget(&self, map: &Arc<OnceCell<Arc<Map>>>) {
        self.map.compare_and_swap(map, Arc::default());
    }

    fn moved(&self, family: Family, node: &Endpoint) {
        let cell = self.map.load_full();
        if let Some(map) = cell.get() {
            let map = Arc::new(map.with(family, self.line(node)));
            // Whoever was first has the newer map.
            self.map
                .compare_and_swap(&cell, Arc::new(OnceCell::new_with(Some(map))));
        }
    }

    fn patience(&self) -> Patience {
        let may_move = !matches!(self.layout(), Layout::Single(_));
        Patience {
            watch: Stopwatch::start(),
            within: self.timeout,
            // A fail-over may break a connection twice: when a server is told, and when it was asked before it was.
            open: if may_move { 3 } else { 1 },
            not_done: if may_move { usize::MAX } else { 1 },
            sent_on: SENT_ON_MAX,
        }
    }
}

impl Patience {
    fn left(&self) -> Duration {
        self.within.saturating_sub(self.watch.elapsed())
    }

    /// Whether to ask again after this.
    fn bears(&mut self, meaning: &Meaning) -> bool {
        let left = match meaning {
            Meaning::Open => &mut self.open,
            Meaning::NotDone => &mut self.not_done,
            Meaning::Elsewhere { .. } => &mut self.sent_on,
            Meaning::NoScript | Meaning::Final => return false,
        };
        let bears = *left > 0;
        *left = left.saturating_sub(1);
        bears && !self.left().is_zero()
    }
}

impl Known {
    fn note(&mut self, map: &Map) {
        self.nodes.clone_from(&map.nodes);
        self.lines
            .retain(|endpoint, _| map.nodes.contains(endpoint));
    }
}
