//! The listeners: one set for each core, and the one of the administration.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::fault::StartFault;
use crate::admin;
use crate::config::settings::{self, AdminAddress, Settings};
use crate::config::token_file;
use crate::server::accept;
use crate::server::{Limits, Listeners, ServerSettings};

/// What was bound.
pub(super) struct Bound {
    pub listeners: Vec<Listeners>,
    pub https: Vec<SocketAddr>,
    pub http: Vec<SocketAddr>,
}

/// Binds every address of `settings` once for each core.
pub(super) fn bind(settings: &settings::Server) -> Result<Bound, StartFault> {
    let cores = settings
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let (https, tls_sockets) = bind_each("server.https", &settings.https, cores)?;
    let (http, plain_sockets) = bind_each("server.http", &settings.http, cores)?;
    let listeners = tls_sockets.into_iter().zip(plain_sockets);
    let listeners = listeners.map(|(https, http)| Listeners { https, http });
    Ok(Bound {
        listeners: listeners.collect(),
        https,
        http,
    })
}

/// Binds `server.admin`, if there is one. The token is made when it is bound, so that a start that is refused leaves
/// none behind.
pub(super) fn bind_admin(
    settings: &Settings,
) -> Result<Option<(admin::Listener, admin::Door)>, StartFault> {
    let listener = match &settings.server.admin {
        None => return Ok(None),
        Some(AdminAddress::Unix(path)) => admin::Listener::unix(path)?,
        Some(AdminAddress::Tcp(address)) => bind_admin_port(*address)?,
    };
    let file = &settings.admin.token_file;
    let token = token_file::read_or_make(file)?;
    let door = admin::Door::new(&token, file, settings.admin.open.clone());
    Ok(Some((listener, door)))
}

fn bind_admin_port(address: SocketAddr) -> Result<admin::Listener, StartFault> {
    const KEY: &str = "server.admin";
    let fault = |source| StartFault::Bind {
        key: KEY.to_owned(),
        source,
    };
    let sockets = accept::bind(KEY, address, 1).map_err(fault)?;
    let socket = sockets.into_iter().next();
    let socket = socket.ok_or_else(|| StartFault::Runtime(io::ErrorKind::NotFound.into()))?;
    let bound = socket.local_addr().unwrap_or(address);
    Ok(admin::Listener::tcp(socket, bound))
}

/// The addresses as they were bound, and the sockets of each core.
type Sockets = (Vec<SocketAddr>, Vec<Vec<TcpListener>>);

fn bind_each(
    key: &'static str,
    addresses: &[SocketAddr],
    cores: usize,
) -> Result<Sockets, StartFault> {
    let mut bound = Vec::new();
    let mut by_core: Vec<_> = (0..cores).map(|_| Vec::new()).collect();
    for (at, address) in addresses.iter().enumerate() {
        let sockets = accept::bind(key, *address, cores).map_err(|source| StartFault::Bind {
            key: format!("{key}[{at}]"),
            source,
        })?;
        bound.extend(sockets.first().and_then(|socket| socket.local_addr().ok()));
        for (core, socket) in by_core.iter_mut().zip(sockets) {
            core.push(socket);
        }
    }
    Ok((bound, by_core))
}

/// What the listeners and their connections are held to.
pub(super) fn server_settings(all: &Settings, https: &[SocketAddr]) -> ServerSettings {
    let settings = &all.server;
    let limits = &settings.limits;
    ServerSettings {
        limits: Limits {
            connections: limits.connections,
            header_bytes: limits.header_bytes,
            header_count: limits.header_count,
            header_timeout: limits.header_timeout,
            keepalive_timeout: limits.keepalive_timeout,
            handshake_timeout: limits.handshake_timeout,
            write_timeout: limits.write_timeout,
            h2_streams: limits.h2_streams,
        },
        drain_timeout: settings.drain_timeout,
        redirect_port: https.first().map_or(443, SocketAddr::port),
        redirect_hosts: all
            .sites
            .iter()
            .flat_map(|site| site.hosts.clone())
            .collect(),
    }
}
