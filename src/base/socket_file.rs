//! A Unix socket that is listened on, and its name in the file system.
//!
//! It is there under its name only when it is ready and its mode right; a name that a process left behind which did not
//! end in peace is taken over, and nothing else ever is.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, SockAddr, Socket, Type};

/// The longest path that Linux takes for a Unix socket, less what a name beside it needs until the socket is ready.
pub const PATH_BYTES_MAX: usize = 107 - ".new".len();
/// For the user of the process alone.
pub const MODE_PRIVATE: u32 = 0o600;
/// Connections that the kernel keeps for us until we take them; it caps this by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// Why a Unix socket cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum SocketFault {
    /// Something else is in its place.
    #[error("{key}: {} is there and is no socket; take it away or choose another path", path.display())]
    NoSocket {
        /// The configuration key that names the socket.
        key: &'static str,
        /// What is there.
        path: PathBuf,
    },
    /// Another process listens on it.
    #[error("{key}: another process listens on {}; stop it or choose another path", path.display())]
    InUse {
        /// The configuration key that names the socket.
        key: &'static str,
        /// The socket.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("{key}: {} cannot be listened on; choose a folder that cloakroom may write to", path.display())]
    Other {
        /// The configuration key that names the socket.
        key: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl SocketFault {
    /// The configuration key that names the socket.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::NoSocket { key, .. } | Self::InUse { key, .. } | Self::Other { key, .. } => key,
        }
    }
}

/// Listens at `path` with the permissions `mode`, and does not block. Its folder is made if it is not there, for this
/// user alone; a socket that nobody listens on any more is replaced. `key` is the configuration key to blame.
///
/// # Errors
/// [`SocketFault`]; whatever is in the way stays.
pub fn listen(
    key: &'static str,
    path: &Path,
    mode: u32,
) -> Result<(UnixListener, SocketFile), SocketFault> {
    let other = |source| SocketFault::Other {
        key,
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
    make_room(key, path)?;
    let mut beside = OsString::from(path);
    beside.push(".new");
    let beside = PathBuf::from(beside);
    make_room(key, &beside)?;
    bind(path, &beside, mode).map_err(other)
}

/// Removes the socket that a process left behind which did not end in peace.
fn make_room(key: &'static str, path: &Path) -> Result<(), SocketFault> {
    let path = path.to_owned();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(SocketFault::Other { key, path, source }),
        Ok(about) if !about.file_type().is_socket() => {
            return Err(SocketFault::NoSocket { key, path });
        }
        Ok(_) => {}
    }
    let emptied = match dial(&path) {
        // One that is full is in use as well.
        Ok(_) => return Err(SocketFault::InUse { key, path }),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => return Err(SocketFault::InUse { key, path }),
            io::ErrorKind::NotFound => Ok(()),
            io::ErrorKind::ConnectionRefused => fs::remove_file(&path),
            _ => Err(error),
        },
    };
    emptied.map_err(|source| SocketFault::Other { key, path, source })
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
fn bind(path: &Path, beside: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(beside)?)?;
    let moved = fs::set_permissions(beside, Permissions::from_mode(mode))
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|()| fs::rename(beside, path))
        .and_then(|()| SocketFile::at(path));
    match moved {
        Ok(file) => Ok((OwnedFd::from(socket).into(), file)),
        Err(error) => {
            let _ = fs::remove_file(beside);
            Err(error)
        }
    }
}

/// The name of a socket of ours, taken away in the end if it still leads to it.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
    left: AtomicBool,
}

impl SocketFile {
    /// The name of the socket that is at `path` now.
    ///
    /// # Errors
    /// Nothing is there, or it cannot be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let about = fs::symlink_metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            inode: (about.dev(), about.ino()),
            left: AtomicBool::new(false),
        })
    }

    /// Leaves the name to another process that listens on the same socket.
    pub fn leave(&self) {
        self.left.store(true, Ordering::Release);
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let about = fs::symlink_metadata(&self.path);
        let is_ours = about.is_ok_and(|about| (about.dev(), about.ino()) == self.inode);
        if is_ours && !self.left.load(Ordering::Acquire) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "server.admin";

    #[test]
    fn a_socket_is_for_its_user_alone_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/a.sock");
        let listener = listen(KEY, &path, MODE_PRIVATE).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(listener);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
    }

    #[test]
    fn nobody_waits_for_a_process_that_is_stuck() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let stuck = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        stuck.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        stuck.listen(0).unwrap();
        let waiting: Vec<_> = (0..8).map_while(|_| dial(&path).ok()).collect();
        assert!(waiting.len() < 8, "the line is full");

        let (told, answer) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(listen(KEY, &path, MODE_PRIVATE).err()));

        let fault = answer.recv_timeout(std::time::Duration::from_secs(5));
        let fault = fault.unwrap().unwrap();
        assert!(matches!(fault, SocketFault::InUse { .. }), "{fault}");
    }

    #[test]
    fn only_a_socket_that_nobody_listens_on_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        // A process that was killed leaves its socket behind.
        drop(UnixListener::bind(&path).unwrap());
        assert!(fs::symlink_metadata(&path).is_ok());

        let listener = listen(KEY, &path, MODE_PRIVATE).unwrap();

        let fault = listen(KEY, &path, MODE_PRIVATE).err().unwrap();
        assert!(matches!(fault, SocketFault::InUse { .. }), "{fault}");
        assert!(UnixStream::connect(&path).is_ok(), "it still listens");
        drop(listener);
        fs::write(&path, "a file of somebody").unwrap();
        let fault = listen(KEY, &path, MODE_PRIVATE).err().unwrap();
        assert!(matches!(fault, SocketFault::NoSocket { .. }), "{fault}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file of somebody");
    }

    #[test]
    fn what_lies_beside_is_replaced_only_if_it_was_left_by_a_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let beside = folder.path().join("a.sock.new");
        drop(UnixListener::bind(&beside).unwrap());
        drop(listen(KEY, &path, MODE_PRIVATE).unwrap());

        fs::write(&beside, "a file of somebody").unwrap();
        let fault = listen(KEY, &path, MODE_PRIVATE).err().unwrap();

        assert!(matches!(fault, SocketFault::NoSocket { .. }), "{fault}");
        assert!(fault.to_string().contains("a.sock.new"), "{fault}");
        assert_eq!(fs::read_to_string(&beside).unwrap(), "a file of somebody");
    }

    #[test]
    fn a_name_that_is_left_to_another_process_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let (listener, file) = listen(KEY, &path, 0o660).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let other = listener.try_clone().unwrap();
        file.leave();
        drop((listener, file));
        assert!(
            UnixStream::connect(&path).is_ok(),
            "the other listens on it"
        );
        drop(other);
    }
}
