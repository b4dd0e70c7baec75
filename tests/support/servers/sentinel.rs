//! Redis under Sentinel.

use super::redis::{Kind, Redis};
use super::until;

/// How Sentinel calls the group of servers.
const GROUP: &str = "mymaster";

/// A master, a replica, and sentinels that put the replica in the master's place when it is gone for half a second.
pub struct RedisSentinel {
    servers: [Redis; 2],
    sentinels: Vec<Redis>,
}

impl RedisSentinel {
    /// With one sentinel.
    pub fn start() -> Option<Self> {
        Self::of(1)
    }

    /// With three sentinels, of which two have to agree.
    pub fn with_three_sentinels() -> Option<Self> {
        Self::of(3)
    }

    fn of(count: usize) -> Option<Self> {
        let lines = ["repl-diskless-sync-delay 0", "repl-ping-replica-period 1"];
        let master = Redis::with(&lines)?;
        let replica_of = format!("replicaof 127.0.0.1 {}", master.port());
        let replica = Redis::with(&[&lines[..], &[&replica_of]].concat())?;
        // A sentinel asks the master for its replicas at once, and then only after ten seconds.
        until("the replica follows", || {
            let linked = replica.info("master_link_status")? == "up";
            let known = master.info("connected_slaves")? == "1";
            (linked && known).then_some(())
        });
        let quorum = count / 2 + 1;
        let monitor = format!(
            "sentinel monitor {GROUP} 127.0.0.1 {} {quorum}",
            master.port()
        );
        let down = format!("sentinel down-after-milliseconds {GROUP} 500");
        let failover = format!("sentinel failover-timeout {GROUP} 3000");
        let lines = [monitor.as_str(), &down, &failover];
        let kind = Kind {
            words: &["--sentinel"],
            ..Kind::default()
        };
        let sentinels = std::iter::repeat_with(|| Redis::of_kind(kind, &lines));
        let group = Self {
            servers: [master, replica],
            sentinels: sentinels.take(count).collect::<Option<_>>()?,
        };
        group.hurry();
        Some(group)
    }

    /// Lets the sentinels look around more often, and waits until they know each other and the replica.
    fn hurry(&self) {
        let periods = ["info-period", "ping-period", "ask-period", "publish-period"];
        for sentinel in &self.sentinels {
            for period in periods {
                sentinel.cli(&["SENTINEL", "DEBUG", period, "200"]);
            }
            let reconnect = "min-link-reconnect-period";
            sentinel.cli(&["SENTINEL", "DEBUG", reconnect, "1000"]);
        }
        let others = (self.sentinels.len() - 1).to_string();
        let knows_all = |sentinel: &Redis| {
            let master = sentinel.cli(&["SENTINEL", "MASTER", GROUP]);
            field(&master, "num-slaves") == Some("1")
                && field(&master, "num-other-sentinels") == Some(&others)
        };
        until("the sentinels know each other and the replica", || {
            self.sentinels.iter().all(knows_all).then_some(())
        });
    }

    /// `redis+sentinel://…/mymaster` with every sentinel.
    pub fn url(&self) -> String {
        let sentinels = self.sentinels.iter();
        let addresses: Vec<_> = sentinels.map(|one| one.addr().to_string()).collect();
        format!("redis+sentinel://{}/{GROUP}", addresses.join(","))
    }

    /// Both servers, in no order that means anything after the start. Kill and restart them as any [`Redis`].
    pub fn servers(&self) -> &[Redis; 2] {
        &self.servers
    }

    /// The sentinels.
    pub fn sentinels(&self) -> &[Redis] {
        &self.sentinels
    }

    /// The server that the first sentinel names as the master. It may be dead.
    pub fn master(&self) -> &Redis {
        self.named_by(&self.sentinels[0]).expect("a master")
    }

    /// The other one.
    pub fn replica(&self) -> &Redis {
        let master = self.master().port();
        let mut servers = self.servers.iter();
        let other = servers.find(|server| server.port() != master);
        other.expect("there are two")
    }

    /// Waits until the replica has what the master has by now. Redis answers before that, and what was not copied is
    /// lost with a fail-over. (`WAIT` tells of what the asking connection itself wrote, which is nothing here.)
    pub fn await_replica(&self) {
        let offset = |server: &Redis, name: &str| server.info(name)?.parse::<u64>().ok();
        let written = offset(self.master(), "master_repl_offset").expect("the master's offset");
        until("the replica has followed", || {
            let copied = offset(self.replica(), "slave_repl_offset")?;
            (copied >= written).then_some(())
        });
    }

    /// Puts the replica in the master's place without harm to either, and waits until all agree.
    pub fn fail_over(&self) {
        let old = self.master().port();
        // Refused while the last one is not over for everybody.
        until("Sentinel begins the failover", || {
            let begun = self.sentinels[0].try_cli(&["SENTINEL", "FAILOVER", GROUP]);
            begun.ok()
        });
        self.await_master_other_than(Some(old));
        // The old master serves until it is told; a test must not find two.
        until("the old master follows", || {
            let mut servers = self.servers.iter();
            let old = servers.find(|server| server.port() == old)?;
            let follows = old.info("role")? == "slave" && old.info("master_link_status")? == "up";
            follows.then_some(())
        });
    }

    /// Ends the master as a power cut would, and does not wait for what follows.
    pub fn kill_master(&self) {
        self.master().kill9();
    }

    /// Waits until all sentinels that run name one master, and it serves as such.
    pub fn await_master(&self) -> &Redis {
        self.await_master_other_than(None)
    }

    fn await_master_other_than(&self, old: Option<u16>) -> &Redis {
        until("a master that all name", || {
            let running = self
                .sentinels
                .iter()
                .filter(|one| one.try_cli(&["PING"]).is_ok());
            let named: Vec<_> = running
                .map(|one| self.named_by(one))
                .collect::<Option<_>>()?;
            let first = *named.first()?;
            let agreed = named.iter().all(|one| one.port() == first.port());
            let serves = first.info("role")? == "master";
            (agreed && serves && Some(first.port()) != old).then_some(first)
        })
    }

    fn named_by(&self, sentinel: &Redis) -> Option<&Redis> {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", GROUP];
        let answer = sentinel.try_cli(&command).ok()?;
        let port: u16 = answer.lines().nth(1)?.parse().ok()?;
        self.servers.iter().find(|server| server.port() == port)
    }
}

/// A field of the flat list of names and values that Sentinel answers with.
fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = answer.lines();
    lines.find(|line| *line == name)?;
    lines.next()
}
