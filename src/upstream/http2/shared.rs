//! A connection of HTTP/2 to an app.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use tokio::sync::OnceCell;
use tokio::task::AbortHandle;

use crate::base::causes::Causes;
use crate::upstream::UpstreamSettings;
use crate::upstream::fault::UpstreamFault;
use crate::upstream::pulse::Pulse;
use crate::upstream::stream::Stream;

/// How much of one body may be on its way to us or wait here for its visitor.
const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// The largest window there is.
const WINDOW_BYTES_MAX: u32 = (1 << 31) - 1;

/// A connection of HTTP/2. Dropped, it closes.
pub(in crate::upstream) struct Shared {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) active: Cell<usize>,
    /// How many times the pool's sweeper has found it idle.
    pub(super) sweeps: Cell<u8>,
    retired: Cell<bool>,
    pulse: RefCell<Pulse>,
    /// Whether the app takes extended `CONNECT`s, once its settings have come.
    takes_websockets: OnceCell<bool>,
    gone: Rc<Cell<bool>>,
    driver: AbortHandle,
}

impl Shared {
    /// Speaks HTTP/2 on `stream`.
    pub(in crate::upstream) async fn open(
        stream: Stream,
        settings: &UpstreamSettings,
    ) -> Result<Rc<Self>, UpstreamFault> {
        let header_bytes = u32::try_from(settings.header_bytes).unwrap_or(u32::MAX);
        let streams = u32::try_from(settings.connections).unwrap_or(u32::MAX);
        // Each stream's window at once: else a few visitors who read slowly would hold up all others.
        let window = STREAM_WINDOW_BYTES.saturating_mul(streams.max(1));
        let (sender, mut connection) = Builder::new()
            .enable_push(false)
            .max_header_list_size(header_bytes)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(window.min(WINDOW_BYTES_MAX))
            .handshake(stream)
            .await
            .map_err(UpstreamFault::Http2)?;
        let pulse = Pulse::new(connection.ping_pong(), settings.connect_timeout);
        let gone = Rc::<Cell<bool>>::default();
        let tell = Rc::clone(&gone);
        let driver = tokio::task::spawn_local(async move {
            if let Err(fault) = connection.await {
                tracing::debug!(
                    error = %Causes(&fault),
                    "connection to the app ended"
                );
            }
            tell.set(true);
        });
        Ok(Rc::new(Self {
            sender,
            active: Cell::new(0),
            sweeps: Cell::new(0),
            retired: Cell::new(false),
            pulse: RefCell::new(pulse),
            takes_websockets: OnceCell::new(),
            gone,
            driver: driver.abort_handle(),
        }))
    }

    /// Whether it is there and still takes requests, as far as is known.
    pub(in crate::upstream) fn is_usable(&self) -> bool {
        !self.retired.get() && !self.gone.get()
    }

    /// Whether the app takes one more request on it at once.
    pub(in crate::upstream) fn has_room(&self) -> bool {
        self.active.get() < self.sender.current_max_send_streams().max(1)
    }

    /// How many sweeps have found it idle, this one included. One that is busy is felt for its pulse, and ends if it has
    /// none: many wait for it, and more would come.
    pub(in crate::upstream) fn sweep(&self) -> u8 {
        let sweeps = match self.active.get() {
            0 => self.sweeps.get().saturating_add(1),
            _ => {
                if !self.pulse.borrow_mut().beats() {
                    self.retire();
                    self.driver.abort();
                }
                0
            }
        };
        self.sweeps.set(sweeps);
        sweeps
    }

    /// Whether the app takes WebSockets on it (RFC 8441).
    pub(in crate::upstream) async fn takes_websockets(&self, limit: Duration) -> bool {
        let ask = async {
            if !self.sender.is_extended_connect_protocol_enabled() {
                // What it can do is the first that it says, so it has come when a ping has.
                let answered = poll_fn(|cx| self.pulse.borrow_mut().poll_beat(cx));
                tokio::time::timeout(limit, answered).await.ok();
            }
            self.sender.is_extended_connect_protocol_enabled()
        };
        *self.takes_websockets.get_or_init(|| ask).await
    }

    /// It takes no more requests; those that it has go on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}
