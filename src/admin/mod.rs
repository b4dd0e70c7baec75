//! Floor 4: what operators and their machines ask of a running gateway: does it live, is it ready, what has it counted.
//!
//! It is answered on a listener of its own, by the thread that handles signals and not by a core, so that a flood of
//! visitors does not make a gateway look dead. It speaks plain HTTP/1.1 and only this machine reaches it; what is not
//! open to everybody there needs a token. One request a connection: whoever asks does so every few seconds.

mod door;

mod host;

mod answer;

mod watching;

mod listen;

mod metrics;

mod reload;

mod upstreams;

pub use door::{Door, Page};
pub use listen::Listener;
pub use reload::{Coming, Fault, Outcome, Report};
pub use watching::Event;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, Semaphore};

use self::host::Hosts;
use crate::base::clock::Clock;
use crate::base::latest::Latest;
use crate::base::meter::Meter;
use crate::gateway::Gateway;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// From accepting a connection to its end, or from one piece of an answer that goes on to the next.
const CONNECTION_LIFE: Duration = Duration::from_secs(10);
/// For a whole request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const HEADER_BYTES_MAX: usize = 16 << 10;
const HEADERS_MAX: usize = 64;
/// The pause after the system would not give us a connection.
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked for.
pub struct Admin {
    /// Whose keys are counted.
    pub gateway: Latest<Gateway>,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// By which keys sign or do not yet.
    pub clock: Clock,
    /// Why the gateway should not be sent visitors, one reason a line; empty: it should.
    pub obstacles: Box<dyn Fn() -> Vec<String> + Send + Sync>,
    /// Comes when the gateway stops: what goes on has to end then.
    pub draining: Box<dyn Fn() -> Event + Send + Sync>,
    /// What is known of the configuration.
    pub config: Box<dyn Fn() -> Report + Send + Sync>,
    /// Asks for a reload.
    pub reload: Box<dyn Fn() -> Coming + Send + Sync>,
    /// Who is told what.
    pub door: Latest<Door>,
}

/// Answers until it is dropped.
///
/// # Errors
/// The runtime does not take the listener; nothing has been answered then.
pub async fn serve(listener: Listener, admin: Arc<Admin>) -> io::Result<()> {
    let hosts = Hosts::of(listener.address());
    let listener = listener.adopt()?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return Ok(());
        };
        let admin = Arc::clone(&admin);
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(async move {
                    answer(stream, peer, hosts, admin).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of server.admin");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers one request. Who comes to no end is cut off, and so is who takes no more of what goes on.
async fn answer<S>(stream: S, peer: String, hosts: Hosts, admin: Arc<Admin>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let taken = Arc::new(Notify::new());
    let more = Arc::clone(&taken);
    let service = service_fn(move |request| {
        let answer = answer::answer(&admin, hosts, &request, &peer, Arc::clone(&more));
        async move { Ok::<_, io::Error>(answer.come().await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    loop {
        tokio::select! {
            // Who hangs up is no news.
            _ = &mut connection => return,
            () = taken.notified() => {}
            () = tokio::time::sleep(CONNECTION_LIFE) => return,
        }
    }
}
