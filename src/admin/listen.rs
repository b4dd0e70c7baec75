//! Where the administration listens: a port of this machine, or a Unix socket of one user.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Why a Unix socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// Something else is in its place.
    #[error("server.admin: {} is there and is no socket; take it away or choose another path", .0.display())]
    NoSocket(PathBuf),
    /// Another process listens on it.
    #[error("server.admin: another process listens on {}; stop it or choose another path", .0.display())]
    InUse(PathBuf),
    /// It cannot be made.
    #[error("server.admin: {} cannot be listened on; choose a folder that cloakroom may write to", path.display())]
    Other {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound listener. A Unix socket goes when it is dropped.
pub struct Listener {
    bound: Bound,
    address: String,
}

enum Bound {
    Tcp(StdTcpListener),
    Unix(StdUnixListener, SocketFile),
}

/// A listener in the hands of a runtime.
pub(super) enum Accepting {
    Tcp(TcpListener),
    Unix(
        UnixListener,
        #[expect(dead_code, reason = "it acts when it is dropped")] SocketFile,
    ),
}

impl Listener {
    /// Takes a port that is bound, and does not block.
    pub fn tcp(bound: StdTcpListener, address: SocketAddr) -> Self {
        Self::new(Bound::Tcp(bound), address.to_string())
    }

    /// Binds a Unix socket at `path` for this user alone. Its folder is made if it is not there; a socket that nobody
    /// listens on any more is replaced.
    ///
    /// # Errors
    /// [`SocketFault`]; whatever is in the way stays.
    pub fn unix(path: &Path) -> Result<Self, SocketFault> {
        let other = |source| SocketFault::Other {
            path: path.to_owned(),
            source,
        };
        if let Some(folder) = path.parent() {
            let mut builder = DirBuilder::new();
            builder
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(other)?;
        }
        make_room(path)?;
        let mut beside = OsString::from(path);
        beside.push(".new");
        let beside = PathBuf::from(beside);
        make_room(&beside)?;
        let (listener, file) = bind(path, &beside).map_err(other)?;
        let address = format!("unix:{}", path.display());
        Ok(Self::new(Bound::Unix(listener, file), address))
    }

    const fn new(bound: Bound, address: String) -> Self {
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

/// Removes the socket that a process left behind which did not end in peace.
fn make_room(path: &Path) -> Result<(), SocketFault> {
    let other = |source| SocketFault::Other {
        path: path.to_owned(),
        source,
    };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(other(error)),
        Ok(about) if !about.file_type().is_socket() => {
            return Err(SocketFault::NoSocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match dial(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(other)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // One that is full is in use as well.
        Ok(_) => Err(SocketFault::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(SocketFault::InUse(path.to_owned()))
        }
        Err(error) => Err(other(error)),
    }
}

/// Connects to the socket at `path`, or fails at once: whoever listens may be stuck, and then a line that is full would be
/// waited in for ever.
///
/// # Errors
/// What the system says; of a line that is full, [`io::ErrorKind::WouldBlock`].
pub fn dial(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)?;
    socket.set_nonblocking(false)?;
    Ok(OwnedFd::from(socket).into())
}

/// Binds at `beside` and moves the socket to `path` when its mode is right: nobody finds it before.
fn bind(path: &Path, beside: &Path) -> io::Result<(StdUnixListener, SocketFile)> {
    let listener = StdUnixListener::bind(beside)?;
    let moved = fs::set_permissions(beside, Permissions::from_mode(0o600))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| fs::rename(beside, path))
        .and_then(|()| fs::symlink_metadata(path));
    match moved {
        Ok(about) => {
            let file = SocketFile {
                path: path.to_owned(),
                inode: (about.dev(), about.ino()),
            };
            Ok((listener, file))
        }
        Err(error) => {
            let _ = fs::remove_file(beside);
            Err(error)
        }
    }
}

/// The name of a socket of ours, taken away in the end if it still leads to it.
pub(super) struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let about = fs::symlink_metadata(&self.path);
        if about.is_ok_and(|about| (about.dev(), about.ino()) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/admin.sock");
        let listener = Listener::unix(&path).unwrap();
        assert_eq!(listener.address(), format!("unix:{}", path.display()));
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(listener);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn nobody_waits_for_a_process_that_is_stuck() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let stuck = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        stuck.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        stuck.listen(0).unwrap();
        let waiting: Vec<_> = (0..8).map_while(|_| dial(&path).ok()).collect();
        assert!(waiting.len() < 8, "the line is full");

        let (told, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(Listener::unix(&path).err()));

        let fault = answer.recv_timeout(std::time::Duration::from_secs(5));
        let fault = fault.unwrap().unwrap();
        assert!(matches!(fault, SocketFault::InUse(_)), "{fault}");
    }

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        // A process that was killed leaves its socket behind.
        drop(StdUnixListener::bind(&path).unwrap());
        assert!(fs::symlink_metadata(&path).is_ok());

        let listener = Listener::unix(&path).unwrap();

        let fault = Listener::unix(&path).err().unwrap();
        assert!(matches!(fault, SocketFault::InUse(_)), "{fault}");
        assert!(UnixStream::connect(&path).is_ok(), "it still listens");
        drop(listener);
        fs::write(&path, "a file of somebody").unwrap();
        let fault = Listener::unix(&path).err().unwrap();
        assert!(matches!(fault, SocketFault::NoSocket(_)), "{fault}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file of somebody");
    }

    #[test]
    fn what_lies_beside_is_replaced_only_if_it_was_left_by_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let beside = folder.path().join("admin.sock.new");
        drop(StdUnixListener::bind(&beside).unwrap());
        drop(Listener::unix(&path).unwrap());

        fs::write(&beside, "a file of somebody").unwrap();
        let fault = Listener::unix(&path).err().unwrap();

        assert!(matches!(fault, SocketFault::NoSocket(_)), "{fault}");
        assert!(fault.to_string().contains("admin.sock.new"), "{fault}");
        assert_eq!(fs::read_to_string(&beside).unwrap(), "a file of somebody");
    }
}
