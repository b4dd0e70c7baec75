//! The HTTP/1.1 connection on a socket to an app, and the strict reading of what comes in.
//!
//! A pooled connection may have been closed by the app, or hold bytes that nobody asked for, without the event loop
//! having told us yet. A request written now would be lost, or answered by those bytes: somebody else's answer. So the
//! first read for each reused connection asks the kernel itself, at the price of one system call. What it finds ends the
//! connection before anything of the request is written, and the request goes to a fresh one.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;

use super::UpstreamSettings;
use super::body::Body;
use super::fault::UpstreamFault;
use super::scan::{Asked, Flaw, Scan};
use super::stream::{Stream, Waiting};
use crate::base::causes::Causes;

/// How much of a body is read or held at once; a head takes more if it may. A head has at most 100 fields, which is
/// hyper's own limit; another one would cost an allocation for each response.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// One connection to an app. Dropped, it closes.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    /// How many times the pool's sweeper has found it idle.
    pub(super) sweeps: u8,
    notes: Arc<Notes>,
    /// The task that moves the bytes; none when the stream was upgraded and must outlive this.
    driver: Option<AbortHandle>,
}

impl Connection {
    /// Speaks HTTP/1.1 on `stream`.
    pub(super) async fn open(
        stream: Stream,
        settings: &UpstreamSettings,
    ) -> Result<Self, UpstreamFault> {
        let notes = Arc::<Notes>::default();
        let wire = Wire {
            stream,
            scan: Scan::new(settings.header_bytes),
            notes: Arc::clone(&notes),
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX.max(settings.header_bytes))
            .max_header_size(settings.header_bytes)
            .handshake(TokioIo::new(wire))
            .await
            .map_err(UpstreamFault::Protocol)?;
        let driver = tokio::task::spawn_local(async move {
            if let Err(fault) = connection.with_upgrades().await {
                tracing::debug!(
                    error = %Causes(&fault),
                    "connection to the app ended"
                );
            }
        });
        Ok(Self {
            sender,
            sweeps: 0,
            notes,
            driver: Some(driver.abort_handle()),
        })
    }

    /// Whether it could take a request now. Not a promise: see [`Connection::expect`].
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.notes.has(Notes::SURPLUS)
    }

    /// Says what will be asked next. If the connection was used before, its first read asks the kernel, before anything
    /// of the request is written.
    pub(super) fn expect(&self, asked: Asked, reused: bool) {
        let mut notes = Notes::ASKED;
        if asked.head {
            notes |= Notes::HEAD;
        }
        if asked.upgrade {
            notes |= Notes::UPGRADE;
        }
        if reused {
            notes |= Notes::DOUBT;
        }
        self.notes.0.store(notes, Ordering::Relaxed);
    }

    /// Whether the app has said anything since the last [`Connection::expect`].
    pub(super) fn has_heard(&self) -> bool {
        self.notes.has(Notes::HEARD)
    }

    /// Lets the stream live on: it was upgraded and is no longer ours.
    pub(super) fn let_go(mut self) {
        self.driver = None;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // hyper would read or send a message to its end; who drops a connection wants it closed.
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// What the two ends of hyper's connection tell each other past hyper. Atomic only because an upgraded stream must be
/// `Send`; all of it happens on one core.
#[derive(Debug, Default)]
struct Notes(AtomicU8);

impl Notes {
    /// The next read asks the kernel.
    const DOUBT: u8 = 1;
    /// A request is about to be written, and its answer was not begun.
    const ASKED: u8 = 2;
    /// Its method is `HEAD`.
    const HEAD: u8 = 4;
    /// It has an `Upgrade`.
    const UPGRADE: u8 = 8;
    /// Something of the answer has come.
    const HEARD: u8 = 16;
    /// More has come than the answer.
    const SURPLUS: u8 = 32;

    fn has(&self, note: u8) -> bool {
        self.0.load(Ordering::Relaxed) & note != 0
    }

    fn set(&self, note: u8) {
        self.0.fetch_or(note, Ordering::Relaxed);
    }

    /// Clears `note` and tells whether it was there.
    fn take(&self, note: u8) -> bool {
        self.has(note) && self.0.fetch_and(!note, Ordering::Relaxed) & note != 0
    }
}

/// A socket whose bytes are read strictly, and that can be asked whether it really has nothing to say.
struct Wire {
    stream: Stream,
    scan: Scan,
    notes: Arc<Notes>,
}

impl Wire {
    /// Reads what has come strictly. Answers how much of it hyper may have.
    fn admit(&mut self, bytes: &[u8], in_doubt: bool) -> Result<usize, Flaw> {
        if self.scan.is_idle() {
            if in_doubt || !self.notes.take(Notes::ASKED) {
                return Err(Flaw::Unasked);
            }
            self.scan.expect(Asked {
                head: self.notes.has(Notes::HEAD),
                upgrade: self.notes.has(Notes::UPGRADE),
            });
            self.notes.set(Notes::HEARD);
        }
        let read = self.scan.read(bytes)?;
        if read < bytes.len() {
            // The answer goes out; what came after it goes nowhere, and the connection with it.
            self.notes.set(Notes::SURPLUS);
        }
        Ok(read)
    }

    fn look(&self) -> Poll<io::Result<()>> {
        match ready!(self.stream.ask_kernel())? {
            Waiting::End => Poll::Ready(Ok(())),
            Waiting::Bytes => Poll::Ready(Err(refused(Flaw::Unasked))),
        }
    }
}

fn refused(flaw: Flaw) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, flaw)
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.notes.has(Notes::SURPLUS) {
            return Poll::Ready(Err(refused(Flaw::Unasked)));
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        let in_doubt = this.notes.take(Notes::DOUBT);
        match read {
            Poll::Pending if in_doubt => return this.look(),
            Poll::Pending => return Poll::Pending,
            Poll::Ready(outcome) => outcome?,
        }
        let come = buf.filled().get(before..).unwrap_or_default();
        if come.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let admitted = this.admit(come, in_doubt);
        buf.set_filled(before + admitted.unwrap_or(0));
        Poll::Ready(admitted.map(|_| ()).map_err(refused))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
