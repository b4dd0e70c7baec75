//! Which server keeps which families, and how that is found out.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use ::redis::Value;
use tokio::task::JoinSet;

use super::address::{Endpoint, Layout};
use super::ask::Ask;
use super::fault::{Meaning, RedisFault};
use super::keys::{Family, Names};
use super::line::{Line, Manner};
use super::rows::read;
use super::servers::Servers;
use crate::session::FAMILIES;

/// The most nodes of a cluster, or sentinels, that are asked at a time.
const ASKED_MAX: usize = 16;

/// Which server keeps which families.
#[derive(Clone)]
pub(super) struct Map {
    owners: Vec<Option<Arc<Line>>>,
    /// Every server that was named, those that only follow included.
    pub nodes: Vec<Endpoint>,
}

impl Map {
    fn of_one(line: &Arc<Line>) -> Self {
        Self {
            owners: vec![Some(Arc::clone(line)); FAMILIES.into()],
            nodes: vec![line.endpoint().clone()],
        }
    }

    pub fn owner(&self, family: Family) -> Option<&Arc<Line>> {
        self.owners[family.index()].as_ref()
    }

    /// The same, but that family is kept by that server.
    pub fn with(&self, family: Family, owner: Arc<Line>) -> Self {
        let mut map = self.clone();
        map.owners[family.index()] = Some(owner);
        map
    }

    /// All servers that keep anything, in an order that stays, each with what it keeps.
    pub fn owned(&self) -> Vec<(Arc<Line>, Vec<Family>)> {
        let mut owned: Vec<(Arc<Line>, Vec<Family>)> = Vec::new();
        for family in Family::all() {
            let Some(line) = self.owner(family) else {
                continue;
            };
            match owned
                .iter_mut()
                .find(|(known, _)| known.endpoint() == line.endpoint())
            {
                Some((_, families)) => families.push(family),
                None => owned.push((Arc::clone(line), vec![family])),
            }
        }
        owned
    }

    /// Tells this division of the families from others.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for owner in &self.owners {
            owner.as_ref().map(|line| line.endpoint()).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn covers_all(&self) -> bool {
        self.owners.iter().all(Option::is_some)
    }

    fn covered(&self) -> usize {
        self.owners.iter().flatten().count()
    }
}

/// Asks whether a server is the master of this family. It changes nothing: the birth never expires.
pub(super) fn is_master(names: &Names, family: Family) -> Ask {
    Ask::command("PERSIST", names.born(family))
}

impl Servers {
    /// Finds out which server keeps what. Nobody is asked longer than `within`.
    pub(super) async fn survey(self: &Arc<Self>, within: Duration) -> Result<Map, RedisFault> {
        match self.layout() {
            Layout::Single(endpoint) => Ok(Map::of_one(&self.line(endpoint))),
            Layout::Sentinel {
                sentinels, master, ..
            } => self.ask_sentinels(sentinels, master, within).await,
            Layout::Cluster(seeds) => self.ask_nodes(seeds, within).await,
        }
    }

    /// All sentinels at once, because some may be gone or behind: the first master counts that says so itself.
    async fn ask_sentinels(
        self: &Arc<Self>,
        sentinels: &[Endpoint],
        master: &str,
        within: Duration,
    ) -> Result<Map, RedisFault> {
        let mut asked = JoinSet::new();
        for sentinel in sentinels.iter().take(ASKED_MAX) {
            let (servers, sentinel) = (Arc::clone(self), sentinel.clone());
            let master = master.to_owned();
            asked.spawn(async move { servers.master_by(&sentinel, &master, within).await });
        }
        let mut source = None;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(Some(line))) => return Ok(Map::of_one(&line)),
                Ok(Err(fault)) => source = Some(Box::new(fault)),
                Ok(Ok(None)) | Err(_) => {}
            }
        }
        let master = master.to_owned();
        Err(RedisFault::NoMaster { master, source })
    }

    async fn master_by(
        &self,
        sentinel: &Endpoint,
        master: &str,
        within: Duration,
    ) -> Result<Option<Arc<Line>>, RedisFault> {
        let ask = Ask::command("SENTINEL", "GET-MASTER-ADDR-BY-NAME").with(master);
        let answer = self
            .sentinel(sentinel)
            .ask(&ask, Manner::default(), within)
            .await?;
        let Some((host, port)) = read::<Option<(String, u16)>>(answer)? else {
            return Ok(None);
        };
        let line = self.line(&Endpoint::Tcp { host, port });
        match line
            .ask(
                &is_master(self.names(), Family::FIRST),
                Manner::default(),
                within,
            )
            .await
        {
            // What it does not do for us it will also say to those who ask for something.
            Err(fault) if fault.meaning() != Meaning::Final => Err(fault),
            Err(fault @ RedisFault::Silent { .. }) => Err(fault),
            Ok(_) | Err(_) => Ok(Some(line)),
        }
    }

    /// Several nodes at once, because some may be gone: the first counts that knows who keeps each family.
    async fn ask_nodes(
        self: &Arc<Self>,
        seeds: &[Endpoint],
        within: Duration,
    ) -> Result<Map, RedisFault> {
        let mut nodes = self.known_nodes();
        nodes.retain(|node| !seeds.contains(node));
        nodes.extend_from_slice(seeds);
        let mut asked = JoinSet::new();
        for node in nodes.into_iter().take(ASKED_MAX) {
            let servers = Arc::clone(self);
            asked.spawn(async move { servers.map_by(&node, within).await });
        }
        let mut best: Option<Map> = None;
        let mut source = None;
        while let Some(answer) = asked.join_next().await {
            match answer {
                Ok(Ok(map)) if map.covers_all() => return Ok(map),
                Ok(Ok(map)) => best = best.into_iter().chain([map]).max_by_key(Map::covered),
                Ok(Err(fault)) => source = Some(Box::new(fault)),
                Err(_) => {}
            }
        }
        let best = best.filter(|map| map.covered() > 0);
        best.ok_or(RedisFault::NoOwner { source })
    }

    async fn map_by(&self, node: &Endpoint, within: Duration) -> Result<Map, RedisFault> {
        let answer = self
            .line(node)
            .ask(&Ask::command("CLUSTER", "SLOTS"), Manner::default(), within)
            .await?;
        let ranges: Vec<Vec<Value>> = read(answer)?;
        let mut map = Map {
            owners: vec![None; FAMILIES.into()],
            nodes: Vec::new(),
        };
        for range in ranges {
            let mut parts = range.into_iter();
            let (Some(first), Some(last)) = (parts.next(), parts.next()) else {
                return Err(RedisFault::Strange);
            };
            let (first, last): (u16, u16) = (read(first)?, read(last)?);
            let servers = parts.map(|part| read_node(part, node));
            let servers = servers.collect::<Result<Vec<_>, _>>()?;
            let Some(master) = servers.first() else {
                continue;
            };
            let line = self.line(master);
            let families = Family::all().filter(|family| (first..=last).contains(&family.slot()));
            for family in families {
                map.owners[family.index()] = Some(Arc::clone(&line));
            }
            let unknown = servers.iter().filter(|server| !map.nodes.contains(server));
            let unknown: Vec<_> = unknown.cloned().collect();
            map.nodes.extend(unknown);
        }
        Ok(map)
    }
}

/// A node in the answer to `CLUSTER SLOTS`: host, port, and more that does not matter here.
fn read_node(part: Value, named_by: &Endpoint) -> Result<Endpoint, RedisFault> {
    let mut fields = read::<Vec<Value>>(part)?.into_iter();
    let (Some(host), Some(port)) = (fields.next(), fields.next()) else {
        return Err(RedisFault::Strange);
    };
    let host: Option<String> = read(host)?;
    let port: u16 = read(port)?;
    let node = format!("{}:{port}", host.unwrap_or_default());
    Endpoint::of_node(&node, &named_by.to_string()).ok_or(RedisFault::Strange)
}
