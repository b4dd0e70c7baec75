//! Listening sockets: bound once for each core, and the loop that takes connections from them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use socket2::{Domain, Protocol, SockRef, TcpKeepalive, Type};

use crate::base::causes::Causes;
use crate::base::meter::Count;
use crate::gateway::Arrival;
use crate::server::connection::{self, Core};
use crate::server::listener::{Accepting, Listener};
use crate::server::proxy_protocol;
use crate::server::serving::Serving;
use crate::server::socket::{Newcomer, Socket};
use crate::server::unintroduced;
use crate::upstream::visitor::Incoming;

/// Connections that the kernel keeps for us until we take them; it caps this by `net.core.somaxconn`.
const BACKLOG: i32 = 4096;
/// When a connection has been silent for so long, the kernel asks whether the peer is still there.
const PROBE_AFTER: Duration = Duration::from_secs(60);
const PROBE_EVERY: Duration = Duration::from_secs(15);
/// The first pause after the system would not give us a connection; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindFault {
    /// Another program has it.
    #[error("{key}: port in use: {address}; stop the other program or change {key}")]
    InUse {
        /// The configuration key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// The system lets only root, or a program with CAP_NET_BIND_SERVICE, have it.
    #[error(
        "{key}: not allowed to listen on {address}; take a port above 1023 or grant CAP_NET_BIND_SERVICE"
    )]
    NotAllowed {
        /// The configuration key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// This machine has no such address.
    #[error("{key}: this machine has no address {address}; change {key}")]
    NoSuchAddress {
        /// The configuration key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// Something else went wrong.
    #[error("{key}: cannot listen on {address}")]
    Other {
        /// The configuration key that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Binds `address` once for each of `cores`; the kernel spreads new connections over them. Port 0 picks one port
/// for all. `[::]` takes IPv4 too, whatever `net.ipv6.bindv6only` says. `key` is the configuration key to blame, such as
/// `server.https`.
///
/// # Errors
/// The address cannot be had; no socket of it stays open then.
pub fn bind(
    key: &'static str,
    address: SocketAddr,
    cores: usize,
) -> Result<Vec<StdListener>, BindFault> {
    bind_for(Families::All, key, address, cores)
}

/// The same, leaving IPv4 to another listener of the same port.
///
/// # Errors
/// As [`bind`].
pub fn bind_beside_ipv4(
    key: &'static str,
    address: SocketAddr,
    cores: usize,
) -> Result<Vec<StdListener>, BindFault> {
    bind_for(Families::OwnOnly, key, address, cores)
}

/// Binds `more` sockets to the address of `bound`, which was bound here or by our predecessor.
///
/// # Errors
/// The address cannot be had.
pub fn join(
    key: &'static str,
    bound: &StdListener,
    more: usize,
) -> Result<Vec<StdListener>, BindFault> {
    let address = bound.local_addr().map_err(BindFault::at(key, NOWHERE))?;
    let families = match SockRef::from(bound).only_v6() {
        Ok(true) => Families::OwnOnly,
        Ok(false) | Err(_) => Families::All,
    };
    (0..more)
        .map(|_| open(address, families, true).map_err(BindFault::at(key, address)))
        .collect()
}

const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Which visitors `[::]` is for.
#[derive(Clone, Copy)]
enum Families {
    All,
    OwnOnly,
}

impl BindFault {
    fn at(key: &'static str, address: SocketAddr) -> impl Fn(io::Error) -> Self {
        move |source| match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { key, address },
            io::ErrorKind::PermissionDenied => Self::NotAllowed { key, address },
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress { key, address },
            _ => Self::Other {
                key,
                address,
                source,
            },
        }
    }
}

fn bind_for(
    families: Families,
    key: &'static str,
    address: SocketAddr,
    cores: usize,
) -> Result<Vec<StdListener>, BindFault> {
    let fault = BindFault::at(key, address);
    // With SO_REUSEPORT another process of the same user would get every other connection without a word, so the
    // first try is without it.
    if address.port() != 0 {
        open(address, families, false).map_err(&fault)?;
    }

    let mut bound_to = address;
    let mut listeners = Vec::with_capacity(cores);
    for _ in 0..cores.max(1) {
        let listener = open(bound_to, families, true).map_err(&fault)?;
        bound_to = listener.local_addr().map_err(&fault)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

fn open(address: SocketAddr, families: Families, share_port: bool) -> io::Result<StdListener> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(matches!(families, Families::OwnOnly))?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share_port)?;
    socket.set_nonblocking(true)?;
    // Accepted connections inherit this. A visitor who vanished while a long poll waits is found by the kernel.
    let keepalive = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Hands bound sockets to the runtime of this thread.
pub(super) fn adopt(listeners: Vec<Listener>) -> io::Result<Vec<Accepting>> {
    listeners.into_iter().map(Listener::adopt).collect()
}

/// Takes connections that speak TLS until the drain begins.
pub(super) async fn accept_tls<H, F, B>(listener: Accepting, serving: Rc<Serving<H>>)
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    accept(listener, &serving, |newcomer, core| {
        // An idle connection carries its task with it, so who brings no header has no room for one.
        if core.settings.proxy_protocol.is_none() {
            tokio::task::spawn_local(connection::serve_tls(newcomer, core));
        } else {
            tokio::task::spawn_local(async move {
                if let Some(newcomer) = introduced(newcomer, &core).await {
                    connection::serve_tls(newcomer, core).await;
                }
            });
        }
    })
    .await;
}

/// Takes plain connections until the drain begins.
pub(super) async fn accept_plain<H, F, B>(listener: Accepting, serving: Rc<Serving<H>>)
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    accept(listener, &serving, |newcomer, core| {
        tokio::task::spawn_local(connection::serve_plain(newcomer, core));
    })
    .await;
}

/// `newcomer` with the addresses of its PROXY header; `None` when it brings none that counts, and is closed.
async fn introduced<H>(mut newcomer: Newcomer, core: &Core<H>) -> Option<Newcomer> {
    let trusted = core.settings.proxy_protocol.as_deref().unwrap_or_default();
    let limit = core.settings.limits.handshake_timeout;
    let introduction = Box::pin(proxy_protocol::introduce(&mut newcomer, trusted));
    let introduced = tokio::select! {
        introduced = tokio::time::timeout(limit, introduction) => {
            introduced.unwrap_or(Err(proxy_protocol::Fault::TimedOut))
        }
        () = core.drain.was_cut() => Err(proxy_protocol::Fault::Cut),
    };
    match introduced {
        Ok(()) => Some(newcomer),
        Err(fault) => {
            core.meter.count(Count::ProxyHeadersRefused);
            tracing::debug!(peer = %newcomer.peer, error = %Causes(&fault), "connection refused");
            unintroduced::note(newcomer.peer, &fault);
            None
        }
    }
}

/// Takes connections until the drain begins, and then those who are in the queue already: they have connected, and
/// would be reset.
async fn accept<H: Clone>(
    listener: Accepting,
    serving: &Serving<H>,
    serve: impl Fn(Newcomer, Rc<Core<H>>),
) {
    let admit = |socket, peer| {
        let core = serving.core();
        if let Some(newcomer) = admit(socket, peer, &core) {
            serve(newcomer, core);
        }
    };
    // Asked for once: it takes a lock that all cores share.
    let mut begun = pin!(serving.core().drain.begun());
    let mut pause = PAUSE_FIRST;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut begun => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                pause = PAUSE_FIRST;
                admit(socket, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Mostly EMFILE or ENFILE. The connection stays in the queue, so without a pause we would spin.
                tracing::warn!(%error, pause_millis = pause.as_millis(), "cannot accept a connection");
                tokio::select! {
                    () = &mut begun => break,
                    () = tokio::time::sleep(pause) => {}
                }
                pause = pause.saturating_mul(2).min(PAUSE_LONGEST);
            }
        }
    }
    let Some(closing) = listener.close() else {
        return;
    };
    for _ in 0..BACKLOG {
        match closing.accept() {
            Ok((socket, peer)) => admit(socket, peer),
            Err(error) if is_of_one_connection(&error) => {}
            // Mostly WouldBlock: that was all.
            Err(_) => return,
        }
    }
}

/// One more connection, if there is room for it.
fn admit<H>(socket: Socket, peer: SocketAddr, core: &Core<H>) -> Option<Newcomer> {
    let Some(permit) = core.drain.enter(core.settings.limits.connections) else {
        // Closed by being dropped: no answer could be had without a handshake, which is what costs.
        core.meter.count(Count::ConnectionsRefused);
        return None;
    };
    Some(Newcomer {
        local: socket.local().ok()?,
        socket,
        peer,
        is_peers_own: false,
        permit,
    })
}

/// Whether the fault lies with the connection that was just taken, so that the next may be taken at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn every_core_has_a_socket_on_one_port() {
        let listeners = bind("server.https", loopback(0), 3).unwrap();
        let ports: Vec<_> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().port())
            .collect();
        assert_eq!(ports.len(), 3);
        assert!(ports.iter().all(|port| *port == ports[0] && *port != 0));
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_holder_would_share_it() {
        for share_port in [false, true] {
            let holder = open(loopback(0), Families::All, share_port).unwrap();
            let address = holder.local_addr().unwrap();
            let fault = bind("server.https", address, 2).unwrap_err();
            assert_eq!(
                fault.to_string(),
                format!(
                    "server.https: port in use: {address}; stop the other program or change server.https"
                )
            );
        }
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let address = SocketAddr::from(([192, 0, 2, 1], 8443));
        let fault = bind("server.http", address, 1).unwrap_err();
        assert!(
            matches!(fault, BindFault::NoSuchAddress { .. }),
            "{fault:?}"
        );
        assert!(fault.to_string().contains("192.0.2.1:8443"));
    }
}
