//! Whether the servers suit, looked at once when a gateway starts.

use std::sync::Arc;

use ::redis::{Value, pipe};

use super::address::{AddressFault, Layout};
use super::fault::RedisFault;
use super::line::Line;
use super::rows::read;
use super::servers::Servers;
use crate::store::StoreFault;

/// The oldest version that has all that is used: users with rights (ACL), RESP3 and `CLIENT TRACKING`.
const OLDEST: (u32, u32) = (6, 0);

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// What is said of where it is, is no address.
    #[error("session.store.url {fault}; {}", fault.way_out())]
    Address {
        /// Why.
        fault: AddressFault,
    },
    /// No server can be reached, or none lets us in.
    #[error(
        "session.store.url: Redis cannot be used; see that it runs there and that the address, user and password are right"
    )]
    Unusable(#[source] StoreFault),
    /// It is too old.
    #[error(
        "session.store.url: {server} is Redis {found}, and the oldest that will do is {}.{}; update it",
        OLDEST.0,
        OLDEST.1
    )]
    TooOld {
        /// Which server.
        server: String,
        /// Its version.
        found: String,
    },
}

impl From<StoreFault> for OpenFault {
    fn from(fault: StoreFault) -> Self {
        Self::Unusable(fault)
    }
}

impl From<RedisFault> for OpenFault {
    fn from(fault: RedisFault) -> Self {
        Self::Unusable(fault.into())
    }
}

/// What an operator should know of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Remark {
    /// It throws away sessions when its memory is full.
    #[error(
        "session.store.url: {server} has maxmemory-policy {policy}, so when its memory is full it throws away sessions \
         and people are logged out; set it to noeviction"
    )]
    Evicts {
        /// Which server.
        server: String,
        /// Its policy.
        policy: String,
    },
    /// It forgets everything when it stops.
    #[error(
        "session.store.url: {server} writes no log of changes (appendonly no), so after a crash it is as it was at its \
         last snapshot: sessions are missing, and ended ones live again; set appendonly to yes and appendfsync to always"
    )]
    ForgetsInACrash {
        /// Which server.
        server: String,
    },
    /// It forgets the last moments when its machine stops.
    #[error(
        "session.store.url: {server} has appendfsync {policy}, so a crash of its machine loses the last changes though \
         they were answered; set it to always"
    )]
    ForgetsTheLast {
        /// Which server.
        server: String,
        /// Its policy.
        policy: String,
    },
    /// A replica that takes its place need not have everything.
    #[error(
        "session.store.url: when a replica takes the place of its master, changes are lost that it does not have yet \
         though they were answered; add ?replicas=1 to wait until one has them"
    )]
    ForgetsInAFailOver,
    /// It does not say how it is set up.
    #[error(
        "session.store.url: {server} does not tell us all of INFO and CONFIG GET appendfsync; see yourself that \
         maxmemory-policy is noeviction and appendfsync is always"
    )]
    Unknown {
        /// Which server.
        server: String,
    },
}

impl Remark {
    /// Whether something is wrong, and not merely unknown.
    pub const fn is_warning(&self) -> bool {
        match self {
            Self::Evicts { .. }
            | Self::ForgetsInACrash { .. }
            | Self::ForgetsTheLast { .. }
            | Self::ForgetsInAFailOver => true,
            Self::Unknown { .. } => false,
        }
    }
}

/// Looks at each server that keeps anything.
pub(super) async fn look(servers: &Arc<Servers>) -> Result<Vec<Remark>, OpenFault> {
    let mut remarks = Vec::new();
    let map = servers.fresh_map().await?;
    let owned = map.owned();
    for (line, _) in &owned {
        remarks.extend(look_at(line, servers).await?);
    }
    let may_move = match servers.layout() {
        Layout::Single(_) => false,
        Layout::Sentinel { .. } => true,
        Layout::Cluster(_) => map.nodes.len() > owned.len(),
    };
    if may_move && servers.replicas() == 0 {
        remarks.push(Remark::ForgetsInAFailOver);
    }
    Ok(remarks)
}

async fn look_at(line: &Line, servers: &Servers) -> Result<Vec<Remark>, OpenFault> {
    let mut ask = pipe();
    ask.cmd("INFO");
    ask.cmd("CONFIG").arg("GET").arg("appendfsync");
    let (_, answers) = line.ask_all(&ask, servers.timeout()).await?;
    let server = line.endpoint().to_string();
    let mut answers = answers.into_iter();
    // What is not allowed is not known.
    let info = answers
        .next()
        .and_then(|answer| read::<String>(answer).ok());
    let info = info.unwrap_or_default();
    let field = |name: &str| {
        let mut lines = info.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.trim())
    };
    if let Some(found) = field("redis_version").filter(|version| is_too_old(version)) {
        let found = found.to_owned();
        return Err(OpenFault::TooOld { server, found });
    }
    let fsync = answers.next().and_then(fsync_policy);
    Ok(judge(
        &server,
        field("maxmemory_policy"),
        field("aof_enabled"),
        fsync.as_deref(),
    ))
}

fn fsync_policy(answer: Value) -> Option<String> {
    let fields: Vec<String> = read(answer).ok()?;
    fields.into_iter().nth(1)
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    // A version that is none is some fork's own.
    major.is_some_and(|major| (major, minor.unwrap_or(0)) < OLDEST)
}

fn judge(
    server: &str,
    eviction: Option<&str>,
    log: Option<&str>,
    fsync: Option<&str>,
) -> Vec<Remark> {
    let server = || server.to_owned();
    let mut remarks = Vec::new();
    // Each session has an end, so the policies that take only what has one take sessions too.
    if let Some(policy) = eviction.filter(|policy| *policy != "noeviction") {
        let policy = policy.to_owned();
        let server = server();
        remarks.push(Remark::Evicts { server, policy });
    }
    match (log, fsync) {
        (Some("0"), _) => remarks.push(Remark::ForgetsInACrash { server: server() }),
        (Some(_), Some(policy)) if policy != "always" => {
            let policy = policy.to_owned();
            let server = server();
            remarks.push(Remark::ForgetsTheLast { server, policy });
        }
        (Some(_), Some(_)) => {}
        (None, _) | (_, None) => remarks.push(Remark::Unknown { server: server() }),
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_lose_sessions_is_remarked() {
        let warnings = |eviction, log, fsync| {
            let remarks = judge("a:1", Some(eviction), Some(log), Some(fsync));
            let warnings = remarks.iter().filter(|remark| remark.is_warning());
            warnings.count()
        };
        assert_eq!(warnings("noeviction", "1", "always"), 0);
        assert_eq!(warnings("allkeys-lru", "1", "always"), 1);
        assert_eq!(warnings("volatile-ttl", "1", "everysec"), 2);
        assert_eq!(warnings("noeviction", "0", "always"), 1);
        let unknown = judge("a:1", None, None, None);
        assert_eq!(
            unknown,
            [Remark::Unknown {
                server: "a:1".into()
            }]
        );
    }

    #[test]
    fn versions_before_6_are_too_old() {
        for (version, too_old) in [
            ("5.0.14", true),
            ("6.0.0", false),
            ("7.2.4", false),
            ("x", false),
        ] {
            assert_eq!(is_too_old(version), too_old, "{version}");
        }
    }
}
