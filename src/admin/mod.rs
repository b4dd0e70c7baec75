//! Floor 4: what operators and their machines ask of a running gateway: does it live, is it ready, what has it counted.
//!
//! It is answered on a listener of its own, by the thread that handles signals and not by a core, so that a flood of
//! visitors does not make a gateway look dead. It speaks plain HTTP/1.1 and only this machine reaches it. One request
//! a connection: whoever asks does so every few seconds.

mod answer;

mod listen;

mod metrics;

pub use listen::{Listener, SocketFault, dial};

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::base::clock::Clock;
use crate::base::meter::Meter;
use crate::gateway::Gateway;

/// Connections at a time; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// From accepting a connection to its end.
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
    pub gateway: Arc<Gateway>,
    /// What is counted.
    pub meter: Arc<Meter>,
    /// By which keys sign or do not yet.
    pub clock: Clock,
    /// Why the gateway should not be sent visitors, one reason a line; empty: it should.
    pub obstacles: Box<dyn Fn() -> Vec<String> + Send + Sync>,
}

/// Answers until it is dropped.
///
/// # Errors
/// The runtime does not take the listener; nothing has been answered then.
pub async fn serve(listener: Listener, admin: Arc<Admin>) -> io::Result<()> {
    let listener = listener.adopt()?;
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return Ok(());
        };
        let admin = Arc::clone(&admin);
        match listener.accept().await {
            Ok(stream) => {
                tokio::spawn(async move {
                    // Who does not come to an end is cut off; who hangs up is no news.
                    let _ = tokio::time::timeout(CONNECTION_LIFE, answer(stream, admin)).await;
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

async fn answer<S>(stream: S, admin: Arc<Admin>) -> Result<(), hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer::answer(&admin, &request);
        async move { Ok::<_, io::Error>(answer) }
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await
}
