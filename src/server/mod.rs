//! Floor 4: sockets, TLS, connections, drain.
//!
//! One core is one thread with a `current_thread` runtime and a `LocalSet`; [`run_core`] is all that happens on it.
//! Cores share the [`Drain`] and the certificates, nothing else. What a request means is the handler's business:
//! this floor reads heads, keeps time, and writes what it is given.
//!
//! ```text
//! accept → (PROXY protocol) → (TLS handshake) → connection → the handler
//! ```

pub mod accept;
pub mod certificate;

pub mod client_ca;
pub mod listener;
pub mod proxy_protocol;
pub mod tls;

mod activity;
mod connection;
mod drive;
mod h1;
mod h2;
mod serving;
mod socket;
mod unintroduced;
mod wire;

pub mod drain;
pub mod redirect;

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;

use crate::base::latest::Latest;
use crate::base::meter::Meter;
use crate::gateway::Arrival;
use crate::gateway::access_log::note_cut;
use crate::server::drain::{Drain, Stage};
use crate::server::listener::Listener;
use crate::server::serving::Serving;
use crate::upstream::visitor::Incoming;

/// What the listeners and their connections are held to.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Limits of every connection.
    pub limits: Limits,
    /// Whose PROXY header every connection to a TLS listener has to begin with, beside those who come through a Unix
    /// socket; `None`: there is no such header.
    pub proxy_protocol: Option<Vec<IpNet>>,
    /// How long a drain waits for what is under way before it is cut off.
    pub drain_timeout: Duration,
    /// The port that the plain listener sends visitors to; 443 is not written out.
    pub redirect_port: u16,
    /// The hosts that it sends them to: lower case, `*.` in front of a suffix.
    pub redirect_hosts: Vec<String>,
}

/// What a reload replaces of a server. A connection ends with what it began with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What connections are held to.
    pub settings: Arc<ServerSettings>,
    /// How TLS is spoken.
    pub tls: Arc<rustls::ServerConfig>,
}

/// Limits of connections. Every wait has one and so has everything that grows.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections of all cores together, tunnels included; one more is closed at once.
    pub connections: usize,
    /// All header fields of a request, in bytes; 431 past it.
    pub header_bytes: usize,
    /// Header fields of an HTTP/1.1 request; 431 past it. (HTTP/2 fields are counted by the gateway.)
    pub header_count: usize,
    /// From the first byte of a request head to its last; also the wait for a connection's first request.
    pub header_timeout: Duration,
    /// How long a connection without a request under way is kept.
    pub keepalive_timeout: Duration,
    /// From the accepted connection to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// How long a peer may take nothing of what is to be written.
    pub write_timeout: Duration,
    /// Streams under way at once on one HTTP/2 connection.
    pub h2_streams: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            header_bytes: 32 * 1024,
            header_count: 100,
            header_timeout: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(75),
            handshake_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            h2_streams: 100,
        }
    }
}

/// The bound sockets of one core. Made by [`accept::bind`], which gives each core its own for the same address.
#[derive(Debug, Default)]
pub struct Listeners {
    /// Sockets that speak TLS.
    pub https: Vec<Listener>,
    /// Plain sockets, which only redirect.
    pub http: Vec<Listener>,
}

/// Serves the listeners of one core until the drain is over: every connection of every core has ended, or
/// `drain_timeout` has passed, or [`Drain::cut`] was called. Must run inside a `tokio::task::LocalSet`.
///
/// A handler that panics loses its request, at worst its connection, and nothing else.
///
/// # Errors
/// A listener that the runtime does not take; nothing has been served then.
pub async fn run_core<H, F, B>(
    listeners: Listeners,
    setup: Latest<Setup>,
    handler: H,
    drain: Drain,
    meter: Arc<Meter>,
) -> io::Result<()>
where
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + Clone + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let https = accept::adopt(listeners.https)?;
    let http = accept::adopt(listeners.http)?;

    let setup = setup.on_this_core();
    let serving = Serving::new(setup.clone(), handler, drain.clone(), Arc::clone(&meter));
    let serving = Rc::new(serving);
    let mut accepting = Vec::new();
    for listener in https {
        let serving = Rc::clone(&serving);
        accepting.push(tokio::task::spawn_local(accept::accept_tls(
            listener, serving,
        )));
    }
    let latest = setup.clone();
    let redirect = move |_: Rc<Arrival>, request: Request<Incoming>| {
        let to = &latest.now().settings;
        std::future::ready(redirect::redirect(
            &request,
            to.redirect_port,
            &to.redirect_hosts,
        ))
    };
    let redirecting = Rc::new(Serving::new(setup.clone(), redirect, drain.clone(), meter));
    for listener in http {
        let serving = Rc::clone(&redirecting);
        accepting.push(tokio::task::spawn_local(accept::accept_plain(
            listener, serving,
        )));
    }

    drain.begun().await;
    // They take who is in the queue, and wait for nobody.
    for accepting in accepting {
        let _ = accepting.await;
    }
    let drain_timeout = setup.now().settings.drain_timeout;
    tokio::select! {
        () = drain.emptied() => {}
        () = drain.was_cut() => {}
        () = tokio::time::sleep(drain_timeout) => {
            tracing::warn!(open = drain.open(), "drain timeout passed, connections are cut");
            drain.cut();
        }
    }
    if drain.stage() == Stage::Cut {
        note_cut();
    }
    // Lets the connections of this core notice that they were cut, and close.
    tokio::task::yield_now().await;
    Ok(())
}
