//! Why Redis did not do what it was asked.

use std::io;
use std::path::PathBuf;

use ::redis::{ErrorKind, RedisError, ServerErrorKind};

use super::address::Endpoint;
use crate::store::StoreFault;

/// Why a server did not do what it was asked. `server` is its host and port.
#[derive(Debug, thiserror::Error)]
pub enum RedisFault {
    /// There is no connection.
    #[error("{server} cannot be reached")]
    Unreachable {
        /// Which server.
        server: String,
        /// Why.
        source: io::Error,
    },
    /// It was there and let us not in.
    #[error("{server} does not let us in")]
    NotWelcome {
        /// Which server.
        server: String,
        /// Why.
        source: RedisError,
    },
    /// The connection broke before the answer came.
    #[error("the connection to {server} broke")]
    Broken {
        /// Which server.
        server: String,
        /// How.
        source: RedisError,
    },
    /// No answer came.
    #[error("{server} did not answer in time")]
    Silent {
        /// Which server.
        server: String,
    },
    /// It answered with an error.
    #[error("{server} refused")]
    Refused {
        /// Which server.
        server: String,
        /// What it said.
        source: RedisError,
    },
    /// It did what it was asked, and too few replicas have it.
    #[error("{server} was told by {have} replicas only that they have a change")]
    NotReplicated {
        /// Which server.
        server: String,
        /// How many have it.
        have: u32,
    },
    /// It answered with something else than it should. What that was is left out: it may be a session.
    #[error("Redis answered with something that is no answer to what it was asked")]
    Strange,
    /// No sentinel names a master that says so itself.
    #[error("no sentinel knows a working master called {master:?}")]
    NoMaster {
        /// What it should be called.
        master: String,
        /// What the last one said who was asked.
        source: Option<Box<RedisFault>>,
    },
    /// No node of a cluster is known to serve what is asked for.
    #[error("no node of the cluster serves all sessions")]
    NoOwner {
        /// What the last one said who was asked.
        source: Option<Box<RedisFault>>,
    },
    /// A session would go on under a ticket that leads to another place.
    #[error("a ticket is not of the family of the one that it follows")]
    Stray,
    /// The CA file cannot be used.
    #[error("the CA file {} cannot be used", file.display())]
    CaFile {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

/// What a fault says about what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It was not done, and may be done at another moment or by another server.
    NotDone,
    /// It may have been done.
    Open,
    /// Another node of the cluster does it, for good or, when it is asked as one who was sent, this once.
    Elsewhere { node: Endpoint, once: bool },
    /// The server does not know the script.
    NoScript,
    /// It was not done, and asking again does not help.
    Final,
}

impl RedisFault {
    /// What `server` said, as an answer or by breaking off.
    pub(super) fn of(server: &Endpoint, source: RedisError) -> Self {
        let said = source.code().is_some();
        let server = server.to_string();
        if said {
            Self::Refused { server, source }
        } else {
            Self::Broken { server, source }
        }
    }

    pub(super) fn meaning(&self) -> Meaning {
        match self {
            Self::Unreachable { .. } | Self::NoMaster { .. } | Self::NoOwner { .. } => {
                Meaning::NotDone
            }
            Self::Broken { .. } | Self::NotReplicated { .. } => Meaning::Open,
            Self::Refused { source, server } => meaning(source, server),
            Self::NotWelcome { source, .. } => match source.kind() {
                ErrorKind::Io | ErrorKind::Server(ServerErrorKind::BusyLoading) => Meaning::NotDone,
                _ => Meaning::Final,
            },
            // Whoever waited has no time left.
            Self::Silent { .. } => Meaning::Final,
            Self::Strange | Self::Stray | Self::CaFile { .. } | Self::Tls(_) => Meaning::Final,
        }
    }

    /// Whether the right to do this is missing, or the command.
    pub(super) fn is_not_allowed(&self) -> bool {
        let (Self::Refused { source, .. } | Self::NotWelcome { source, .. }) = self else {
            return false;
        };
        let unknown =
            |detail: &str| detail.contains("unknown command") || detail.contains("syntax error");
        source.kind() == ErrorKind::Server(ServerErrorKind::NoPerm)
            || source.kind() == ErrorKind::RESP3NotSupported
            || source.detail().is_some_and(unknown)
    }
}

fn meaning(said: &RedisError, server: &str) -> Meaning {
    // While it waited for replicas, the server became one.
    if said.code() == Some("UNBLOCKED") {
        return Meaning::Open;
    }
    let ErrorKind::Server(kind) = said.kind() else {
        return Meaning::Final;
    };
    match kind {
        ServerErrorKind::Moved | ServerErrorKind::Ask => {
            let node = said.redirect_node();
            let node = node.and_then(|(node, _)| Endpoint::of_node(node, server));
            node.map_or(Meaning::Final, |node| Meaning::Elsewhere {
                node,
                once: kind == ServerErrorKind::Ask,
            })
        }
        ServerErrorKind::NoScript => Meaning::NoScript,
        ServerErrorKind::TryAgain
        | ServerErrorKind::ClusterDown
        | ServerErrorKind::MasterDown
        | ServerErrorKind::BusyLoading
        | ServerErrorKind::ReadOnly => Meaning::NotDone,
        // Servers before version 7 tell what went wrong in a script as text; all of them tell so of a key that a cluster
        // has moved ahead of the others or not yet.
        ServerErrorKind::ResponseError
            if said.detail().is_some_and(|text| {
                text.contains("READONLY") || text.contains("non local key")
            }) =>
        {
            Meaning::NotDone
        }
        _ => Meaning::Final,
    }
}

impl Endpoint {
    /// A node as a cluster names it; one without a host is at the host of the server that named it.
    pub(super) fn of_node(node: &str, named_by: &str) -> Option<Self> {
        let (host, port) = node.rsplit_once(':')?;
        let host = match host {
            "" | "?" => named_by.rsplit_once(':')?.0,
            host => host,
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port.parse().ok()?;
        Some(Self::Tcp { host, port })
    }
}

impl From<RedisFault> for StoreFault {
    fn from(fault: RedisFault) -> Self {
        match fault {
            RedisFault::Silent { .. } => Self::Timeout,
            fault => Self::remote(fault),
        }
    }
}
