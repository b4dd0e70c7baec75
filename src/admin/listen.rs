//! Where the administration listens: a port of this machine, or a Unix socket of one user.

use std::io;
use std::net::TcpListener as StdTcpListener;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

use crate::base::socket_file::SocketFile;

/// A bound listener. A Unix socket goes when it is dropped.
pub struct Listener {
    bound: Bound,
    address: String,
}

enum Bound {
    Tcp(StdTcpListener),
    Unix(StdUnixListener, Arc<SocketFile>),
}

/// A listener in the hands of a runtime.
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "it acts when it is dropped")] Arc<SocketFile>,
    ),
}

impl Listener {
    /// Takes a port that is bound, and does not block. `address` is where it listens, as `server.admin` would say it.
    pub const fn tcp(bound: StdTcpListener, address: String) -> Self {
        let bound = Bound::Tcp(bound);
        Self { bound, address }
    }

    /// The same with a Unix socket, whose name goes with it.
    pub const fn unix(bound: StdUnixListener, file: Arc<SocketFile>, address: String) -> Self {
        let bound = Bound::Unix(bound, file);
        Self { bound, address }
    }

    /// Where it listens, as `server.admin` would say it.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Hands it to the runtime that this is called in.
    pub(super) fn adopt(self) -> io::Result<Accepting> {
        Ok(match self.bound {
            Bound::Tcp(bound) => Accepting::Tcp(TcpListener::from_std(bound)?),
            Bound::Unix(bound, file) => Accepting::Unix(UnixListener::from_std(bound)?, file),
        })
    }
}

impl Accepting {
    /// The next connection, and whose it is: an address, or the user at the other end of a socket.
    pub(super) async fn accept(&self) -> io::Result<(Box<dyn Stream>, String)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                (Box::new(stream), peer.to_string())
            }
            Self::Unix(listener, _) => {
                let stream = listener.accept().await?.0;
                let peer = stream.peer_cred().map(|peer| format!("uid {}", peer.uid()));
                (Box::new(stream), peer.unwrap_or_else(|_| "unix".to_owned()))
            }
        })
    }
}

/// A connection of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}
