//! `server.admin` and `[admin]`, finished.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::admin::Page;

/// `server.admin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminAddress {
    /// A port of this machine.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// `[admin]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// What holds the token. It is made at the first start with `server.admin`.
    pub token_file: PathBuf,
    /// What is answered without the token.
    pub open: Vec<Page>,
}
