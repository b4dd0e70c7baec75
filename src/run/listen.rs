//! The listeners: one set for each core, and the one of the administration.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Weak};

use super::fault::StartFault;
use super::inherited::Inherited;
use crate::admin;
use crate::base::socket_file::{self, MODE_PRIVATE, SocketFault, SocketFile};
use crate::config::settings::{self, AdminAddress, Settings};
use crate::config::token_file;
use crate::server::accept::{self, BindFault};
use crate::server::listener::{Address, Listener};
use crate::server::{Limits, Listeners, ServerSettings};

/// What was bound.
pub(super) struct Bound {
    pub listeners: Vec<Listeners>,
    /// Where they listen, with the ports that were really bound.
    pub https: Vec<Address>,
    pub http: Vec<Address>,
    pub kept: Kept,
}

/// What is kept of the listeners for a successor.
#[derive(Default)]
pub(super) struct Kept {
    pub sockets: Vec<(String, OwnedFd)>,
    pub files: Vec<Weak<SocketFile>>,
}

impl Kept {
    fn note(&mut self, address: &Address, listener: &Listener) -> io::Result<()> {
        let second = listener.try_clone()?;
        self.sockets.push((address.to_string(), second.into()));
        self.files.extend(listener.file().map(Arc::downgrade));
        Ok(())
    }
}

/// Takes every address of `settings` from `inherited`, or binds it; once for each core.
pub(super) fn bind(
    settings: &settings::Server,
    inherited: &mut Inherited,
) -> Result<Bound, StartFault> {
    let cores = settings
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
    let ports = settings.https.iter().chain(&settings.http);
    let mut binding = Binding {
        ipv4: ports
            .filter_map(Address::tcp)
            .filter(SocketAddr::is_ipv4)
            .collect(),
        cores,
        inherited,
        kept: Kept::default(),
    };
    let (https, tls_sockets) = binding.each("server.https", &settings.https)?;
    let (http, plain_sockets) = binding.each("server.http", &settings.http)?;
    let listeners = tls_sockets.into_iter().zip(plain_sockets);
    let listeners = listeners.map(|(https, http)| Listeners { https, http });
    Ok(Bound {
        listeners: listeners.collect(),
        https,
        http,
        kept: binding.kept,
    })
}

/// The addresses as they were bound, and the sockets of each core.
type Sockets = (Vec<Address>, Vec<Vec<Listener>>);

struct Binding<'a> {
    /// All that listens on IPv4.
    ipv4: Vec<SocketAddr>,
    cores: usize,
    inherited: &'a mut Inherited,
    kept: Kept,
}

impl Binding<'_> {
    fn each(&mut self, key: &'static str, addresses: &[Address]) -> Result<Sockets, StartFault> {
        let mut bound = Vec::new();
        let mut by_core: Vec<_> = (0..self.cores).map(|_| Vec::new()).collect();
        for (at, address) in addresses.iter().enumerate() {
            let place = format!("{key}[{at}]");
            let sockets = self.one(key, &place, address)?;
            for socket in &sockets {
                self.kept
                    .note(address, socket)
                    .map_err(StartFault::Runtime)?;
            }
            let port = sockets.first().and_then(Listener::port);
            bound.push(port.map_or_else(|| address.clone(), Address::Tcp));
            deal(sockets, &mut by_core).map_err(StartFault::Runtime)?;
        }
        Ok((bound, by_core))
    }

    /// At least one socket for `address`.
    fn one(
        &mut self,
        key: &'static str,
        place: &str,
        address: &Address,
    ) -> Result<Vec<Listener>, StartFault> {
        let found = self.inherited.listeners(address);
        match address {
            Address::Tcp(port) => self
                .port(key, *port, found)
                .map_err(|source| StartFault::Bind {
                    key: place.to_owned(),
                    source,
                }),
            Address::Unix { path, mode } => {
                let (listener, file) = unix(key, path, *mode, found)?;
                Ok(vec![listener.named(file)])
            }
            Address::Systemd(name) if found.is_empty() => Err(StartFault::NotPassed {
                key: place.to_owned(),
                name: name.clone(),
                passed: self.inherited.names(),
            }),
            Address::Systemd(_) => Ok(found.into_iter().map(Listener::lent).collect()),
        }
    }

    /// One socket for each core, and all that were found: a queue that nobody empties would be lost.
    fn port(
        &self,
        key: &'static str,
        address: SocketAddr,
        found: Vec<Listener>,
    ) -> Result<Vec<Listener>, BindFault> {
        let found = found.into_iter().map(Listener::into_tcp);
        let mut sockets: Vec<_> = found.filter_map(Result::ok).collect();
        let more = match sockets.first() {
            Some(first) => accept::join(key, first, self.cores.saturating_sub(sockets.len()))?,
            // "[::]:443" is for IPv4 too, as HAProxy and Caddy have it, unless IPv4 has a listener of its own.
            None if address.is_ipv6() && self.ipv4.iter().any(|ip| ip.port() == address.port()) => {
                accept::bind_beside_ipv4(key, address, self.cores)?
            }
            None => accept::bind(key, address, self.cores)?,
        };
        sockets.extend(more);
        Ok(sockets.into_iter().map(Listener::from).collect())
    }
}

/// Gives each core a socket, and all of them out.
fn deal(sockets: Vec<Listener>, by_core: &mut [Vec<Listener>]) -> io::Result<()> {
    for core in sockets.len()..by_core.len() {
        if let Some(shared) = core
            .checked_rem(sockets.len())
            .and_then(|at| sockets.get(at))
        {
            let socket = shared.try_clone()?;
            by_core.get_mut(core).into_iter().for_each(|own| {
                own.extend(socket.try_clone());
            });
        }
    }
    let cores = by_core.len().max(1);
    for (at, socket) in sockets.into_iter().enumerate() {
        if let Some(own) = by_core.get_mut(at % cores) {
            own.push(socket);
        }
    }
    Ok(())
}

/// The Unix socket at `path`: the one that was passed to us, or a new one.
fn unix(
    key: &'static str,
    path: &Path,
    mode: u32,
    found: Vec<Listener>,
) -> Result<(Listener, Arc<SocketFile>), StartFault> {
    let (listener, file) = match found.into_iter().next() {
        Some(passed) => (
            passed,
            SocketFile::at(path).map_err(|source| SocketFault::Other {
                key,
                path: path.to_owned(),
                source,
            })?,
        ),
        None => {
            let (listener, file) = socket_file::listen(key, path, mode)?;
            (listener.into(), file)
        }
    };
    Ok((listener, Arc::new(file)))
}

/// Takes or binds `server.admin`, if there is one. The token is made when it is bound, so that a start that is refused
/// leaves none behind.
pub(super) fn bind_admin(
    settings: &Settings,
    inherited: &mut Inherited,
    kept: &mut Kept,
) -> Result<Option<(admin::Listener, admin::Door)>, StartFault> {
    const KEY: &str = "server.admin";
    let Some(admin) = &settings.server.admin else {
        return Ok(None);
    };
    let address = match admin {
        AdminAddress::Unix(path) => Address::Unix {
            path: path.clone(),
            mode: MODE_PRIVATE,
        },
        AdminAddress::Tcp(address) => Address::Tcp(*address),
    };
    let found = inherited.listeners(&address);
    let listener = match admin {
        AdminAddress::Unix(path) => {
            let (listener, file) = unix(KEY, path, MODE_PRIVATE, found)?;
            let bound = listener.try_clone().map_err(StartFault::Runtime)?;
            kept.note(&address, &listener.named(Arc::clone(&file)))
                .map_err(StartFault::Runtime)?;
            let bound = bound.into_unix().map_err(not_there)?;
            admin::Listener::unix(bound, file, address.to_string())
        }
        AdminAddress::Tcp(port) => {
            let listener = match found.into_iter().next() {
                Some(passed) => passed,
                None => bind_admin_port(KEY, *port)?,
            };
            kept.note(&address, &listener)
                .map_err(StartFault::Runtime)?;
            let bound = listener.into_tcp().map_err(not_there)?;
            let port = bound.local_addr().unwrap_or(*port);
            admin::Listener::tcp(bound, port.to_string())
        }
    };
    let file = &settings.admin.token_file;
    let token = token_file::read_or_make(file)?;
    let door = admin::Door::new(&token, file, settings.admin.open.clone());
    Ok(Some((listener, door)))
}

fn bind_admin_port(key: &'static str, address: SocketAddr) -> Result<Listener, StartFault> {
    let sockets = accept::bind(key, address, 1).map_err(|source| StartFault::Bind {
        key: key.to_owned(),
        source,
    })?;
    let socket = sockets.into_iter().next().ok_or(()).map_err(not_there)?;
    Ok(socket.into())
}

/// A socket is not of the kind that it was bound as; nobody but a predecessor of another mind could do that.
fn not_there<T>(_: T) -> StartFault {
    StartFault::Runtime(io::ErrorKind::NotFound.into())
}

/// What the listeners and their connections are held to.
pub(super) fn server_settings(all: &Settings, https: &[Address]) -> ServerSettings {
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
        proxy_protocol: settings
            .proxy_protocol
            .then(|| settings.trusted_proxies.clone()),
        drain_timeout: settings.drain_timeout,
        redirect_port: https
            .iter()
            .find_map(Address::tcp)
            .map_or(443, |address| address.port()),
        redirect_hosts: all
            .sites
            .iter()
            .flat_map(|site| site.hosts.clone())
            .collect(),
    }
}
