//! A bound listener, and where it listens.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::base::socket_file::SocketFile;
use crate::server::socket::{NO_PEER, Socket, canonical};

/// Where visitors are listened for, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `127.0.0.1:8443`, `[::]:443`.
    Tcp(SocketAddr),
    /// `unix:/run/cloakroom/https.sock|0660`.
    Unix {
        /// The socket.
        path: PathBuf,
        /// Who may connect to it.
        mode: u32,
    },
    /// `systemd:NAME`: the sockets that were opened before us, under that name.
    Systemd(String),
}

impl Address {
    /// The port, if it is one of TCP.
    pub const fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix { .. } | Self::Systemd(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
            Self::Systemd(name) => write!(f, "systemd:{name}"),
        }
    }
}

/// A bound socket that listens and does not block.
///
/// Cores that share one are all woken by a connection and one of them gets it; the others lose a microsecond or two, a
/// hundredth of what its handshake costs. Only a TCP port of our own can have a queue for each core.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    /// The name of a Unix socket of ours.
    file: Option<Arc<SocketFile>>,
    /// Somebody else keeps it open when we close it, and its queue with it.
    lent: bool,
}

#[derive(Debug)]
enum Bound {
    Tcp(StdTcpListener),
    Unix(StdUnixListener),
}

impl From<StdTcpListener> for Listener {
    fn from(bound: StdTcpListener) -> Self {
        Self {
            bound: Bound::Tcp(bound),
            file: None,
            lent: false,
        }
    }
}

impl From<StdUnixListener> for Listener {
    fn from(bound: StdUnixListener) -> Self {
        Self {
            bound: Bound::Unix(bound),
            file: None,
            lent: false,
        }
    }
}

impl Listener {
    /// The same, whose name in the file system goes with the last of its clones.
    #[must_use]
    pub fn named(self, file: Arc<SocketFile>) -> Self {
        let file = Some(file);
        Self { file, ..self }
    }

    /// The same, which stays open elsewhere.
    #[must_use]
    pub fn lent(self) -> Self {
        Self { lent: true, ..self }
    }

    /// Another handle of the same socket, with the same queue.
    ///
    /// # Errors
    /// The process has as many files open as it may.
    pub fn try_clone(&self) -> io::Result<Self> {
        let bound = match &self.bound {
            Bound::Tcp(socket) => Bound::Tcp(socket.try_clone()?),
            Bound::Unix(socket) => Bound::Unix(socket.try_clone()?),
        };
        let (file, lent) = (self.file.clone(), self.lent);
        Ok(Self { bound, file, lent })
    }

    /// The port that it is bound to; `None`: it is no TCP socket.
    pub fn port(&self) -> Option<SocketAddr> {
        match &self.bound {
            Bound::Tcp(socket) => socket.local_addr().ok(),
            Bound::Unix(_) => None,
        }
    }

    /// The name of a Unix socket of ours.
    pub fn file(&self) -> Option<&Arc<SocketFile>> {
        self.file.as_ref()
    }

    /// The TCP socket.
    ///
    /// # Errors
    /// It is another, which is given back.
    pub fn into_tcp(self) -> Result<StdTcpListener, Self> {
        match self.bound {
            Bound::Tcp(socket) => Ok(socket),
            Bound::Unix(_) => Err(self),
        }
    }

    /// The Unix socket.
    ///
    /// # Errors
    /// It is another, which is given back.
    pub fn into_unix(self) -> Result<StdUnixListener, Self> {
        match self.bound {
            Bound::Unix(socket) => Ok(socket),
            Bound::Tcp(_) => Err(self),
        }
    }

    /// Hands it to the runtime of this thread.
    pub(super) fn adopt(self) -> io::Result<Accepting> {
        let queue = match self.bound {
            Bound::Tcp(socket) => Queue::Tcp(TcpListener::from_std(socket)?),
            Bound::Unix(socket) => Queue::Unix(UnixListener::from_std(socket)?),
        };
        Ok(Accepting {
            queue,
            file: self.file,
            lent: self.lent,
        })
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.bound {
            Bound::Tcp(socket) => socket.as_fd(),
            Bound::Unix(socket) => socket.as_fd(),
        }
    }
}

impl From<Listener> for OwnedFd {
    fn from(listener: Listener) -> Self {
        match listener.bound {
            Bound::Tcp(socket) => socket.into(),
            Bound::Unix(socket) => socket.into(),
        }
    }
}

/// A listener in the hands of a runtime.
#[derive(Debug)]
pub(super) struct Accepting {
    queue: Queue,
    file: Option<Arc<SocketFile>>,
    lent: bool,
}

#[derive(Debug)]
enum Queue {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepting {
    /// The next connection and who it is from.
    pub(super) async fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.queue {
            Queue::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Socket::Tcp(stream), canonical(peer)))
            }
            Queue::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Socket::Unix(stream), NO_PEER))
            }
        }
    }

    /// Nobody finds it any more, but those who did before are still in its queue, and reset when it is closed. `None`
    /// where the queue lives on without us.
    pub(super) fn close(self) -> Option<Closing> {
        // First the name of a Unix socket: then nobody can come between the last one and the close.
        drop(self.file);
        if self.lent {
            return None;
        }
        let bound = match self.queue {
            Queue::Tcp(listener) => Bound::Tcp(listener.into_std().ok()?),
            Queue::Unix(listener) => Bound::Unix(listener.into_std().ok()?),
        };
        Some(Closing(bound))
    }
}

/// A listener that takes who is there and waits for nobody.
#[derive(Debug)]
pub(super) struct Closing(Bound);

impl Closing {
    /// The next connection of the queue. The system is asked, not the runtime, which hears of connections later.
    pub(super) fn accept(&self) -> io::Result<(Socket, SocketAddr)> {
        match &self.0 {
            Bound::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Socket::Tcp(TcpStream::from_std(stream)?), canonical(peer)))
            }
            Bound::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(true)?;
                Ok((Socket::Unix(UnixStream::from_std(stream)?), NO_PEER))
            }
        }
    }
}
