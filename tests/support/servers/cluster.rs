//! A Redis cluster.

use super::process::output;
use super::redis::Redis;
use super::until;

/// A Redis cluster of three masters, each with a replica if asked for.
pub struct RedisCluster {
    nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Three masters.
    pub fn start() -> Option<Self> {
        Self::of(3, "0")
    }

    /// Three masters with a replica each, which takes over when its master is gone for a second.
    pub fn with_replicas() -> Option<Self> {
        Self::of(6, "1")
    }

    fn of(count: usize, replicas: &str) -> Option<Self> {
        let lines = ["cluster-enabled yes", "cluster-node-timeout 1000"];
        let nodes = std::iter::repeat_with(|| Redis::with(&lines));
        let nodes: Vec<Redis> = nodes.take(count).collect::<Option<_>>()?;
        let addresses = nodes.iter().map(|node| node.addr().to_string());
        let mut create = nodes[0].command();
        create.args(["--cluster", "create"]).args(addresses);
        create.args(["--cluster-replicas", replicas, "--cluster-yes"]);
        output(&mut create).expect("redis-cli --cluster create");
        let cluster = Self { nodes };
        cluster.await_ok();
        Some(cluster)
    }

    /// `redis+cluster://…` with every node that was there at the start.
    pub fn url(&self) -> String {
        let addresses = self.nodes.iter().map(|node| node.addr().to_string());
        let addresses: Vec<_> = addresses.collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// The nodes, masters first as they were at the start. Kill and restart them as any [`Redis`].
    pub fn nodes(&self) -> &[Redis] {
        &self.nodes
    }

    /// The node that is the master of this key, once there is one that the others do not miss.
    pub fn owner(&self, key: &str) -> &Redis {
        let port = until("the key has an owner", || {
            self.nodes.iter().find_map(|node| {
                let slot = node.try_cli(&["CLUSTER", "KEYSLOT", key]).ok()?;
                let slot: u16 = slot.parse().ok()?;
                let map = node.try_cli(&["CLUSTER", "NODES"]).ok()?;
                map.lines().find_map(|line| master_of(slot, line))
            })
        });
        let mut nodes = self.nodes.iter();
        nodes.find(|node| node.port() == port).expect("a node")
    }

    /// What `redis-cli` prints for one command, sent to the node that its key belongs to.
    pub fn cli(&self, command: &[&str]) -> String {
        let answer = output(self.nodes[0].command().args(["-e", "-c"]).args(command));
        answer.unwrap_or_else(|fault| panic!("redis-cli -c {command:?}: {fault}"))
    }

    /// Waits until every node that runs says that all slots are served.
    pub fn await_ok(&self) {
        until("the cluster is well", || {
            let infos = self.nodes.iter();
            let infos: Vec<_> = infos
                .filter_map(|node| node.try_cli(&["CLUSTER", "INFO"]).ok())
                .collect();
            let well = |info: &String| info.contains("cluster_state:ok");
            (!infos.is_empty() && infos.iter().all(well)).then_some(())
        });
    }
}

/// The port of the master on this line of `CLUSTER NODES`, if the slot is its.
fn master_of(slot: u16, line: &str) -> Option<u16> {
    // id ip:port@bus flags master ping pong epoch state slot-slot…
    let fields: Vec<_> = line.split(' ').collect();
    let ranges = fields.get(8..)?.iter();
    let mut ranges = ranges.filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    if fields[2].contains("fail") || !ranges.any(|range| range.contains(&slot)) {
        return None;
    }
    let (address, _) = fields[1].split_once('@')?;
    address.rsplit_once(':')?.1.parse().ok()
}
