//! Sockets that were open before this process: of systemd, or of the process that this one takes over from.
//!
//! Both pass them as sd_listen_fds(3) has it. A process of ours names them by what its configuration calls them, and
//! passes one more: a line on which it waits for our word that we serve.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use listenfd::ListenFd;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use socket2::SockRef;

use crate::server::listener::{Address, Listener};

/// What the line to our predecessor is called.
pub(super) const PREDECESSOR: &str = "cloakroom-predecessor";
/// What sockets are called that came without names.
const NAMELESS: &str = "unknown";

/// Why a socket that was passed cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InheritFault {
    /// There are not as many names as sockets.
    #[error("LISTEN_FDNAMES has {names} names for {sockets} sockets")]
    Names {
        /// How many names.
        names: usize,
        /// How many sockets.
        sockets: usize,
    },
    /// It is no socket of a stream, or one that does not listen.
    #[error(
        "the socket {name} that was passed to us is no listener; write Accept=no and ListenStream= in its unit"
    )]
    NoListener {
        /// What it is called.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Sockets that nobody has taken yet.
#[derive(Default)]
pub(super) struct Inherited {
    listeners: Vec<(String, Listener)>,
    predecessor: Option<UnixStream>,
}

impl Inherited {
    /// Takes what was passed. To be called once, and before this process opens sockets or starts threads.
    pub fn take() -> Result<Self, InheritFault> {
        let names = std::env::var("LISTEN_FDNAMES").ok();
        let mut passed = ListenFd::from_env();
        let sockets = passed.len();
        let names: Vec<String> = match names {
            Some(names) => names.split(':').map(str::to_owned).collect(),
            None => vec![NAMELESS.to_owned(); sockets],
        };
        if sockets == 0 {
            return Ok(Self::default());
        }
        if names.len() != sockets {
            let names = names.len();
            return Err(InheritFault::Names { names, sockets });
        }
        let is_ours = names.iter().any(|name| name == PREDECESSOR);
        let mut inherited = Self::default();
        for (at, name) in names.into_iter().enumerate() {
            if is_ours && name == PREDECESSOR {
                let line = passed.take_unix_listener(at).ok().flatten();
                inherited.predecessor = line.map(|line| OwnedFd::from(line).into());
                continue;
            }
            let listener = listener(&mut passed, at).map_err(|source| {
                let name = name.clone();
                InheritFault::NoListener { name, source }
            })?;
            let name = if is_ours {
                percent_decode_str(&name).decode_utf8_lossy().into_owned()
            } else {
                Address::Systemd(name).to_string()
            };
            inherited.listeners.push((name, listener));
        }
        Ok(inherited)
    }

    /// Those that `address` means.
    pub fn listeners(&mut self, address: &Address) -> Vec<Listener> {
        let name = address.to_string();
        let (found, rest) = std::mem::take(&mut self.listeners)
            .into_iter()
            .partition(|(own, _)| *own == name);
        self.listeners = rest;
        let found: Vec<(String, Listener)> = found;
        found.into_iter().map(|(_, listener)| listener).collect()
    }

    /// What was passed and not taken, for messages.
    pub fn names(&self) -> String {
        let names: Vec<&str> = self.listeners.iter().map(|(name, _)| &**name).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(", ")
    }

    /// Ends with what nobody wants; gives the line to our predecessor, if we have one.
    pub fn rest(self) -> Option<UnixStream> {
        if !self.listeners.is_empty() {
            tracing::warn!(sockets = %self.names(), "closing sockets that no listener of the configuration names");
        }
        self.predecessor
    }
}

/// How a socket of `name` is called on the way to our successor.
pub(super) fn passed_name(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// Says that we serve.
pub(super) fn tell(mut predecessor: UnixStream) {
    if let Err(error) = predecessor.write_all(b"READY\n") {
        tracing::warn!(%error, "the process that this one takes over from cannot be told");
    }
}

fn listener(passed: &mut ListenFd, at: usize) -> io::Result<Listener> {
    let tcp = passed.take_tcp_listener(at).ok().flatten();
    let listener = match tcp {
        Some(tcp) => Listener::from(tcp),
        None => {
            let unix = passed.take_unix_listener(at)?;
            Listener::from(unix.ok_or(io::ErrorKind::NotFound)?)
        }
    };
    let socket = SockRef::from(&listener);
    if !socket.is_listener()? {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it does not listen",
        ));
    }
    socket.set_nonblocking(true)?;
    Ok(listener)
}
