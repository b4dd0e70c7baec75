//! The socket below TLS: it tells that bytes came, ends a peer that takes nothing of what we write, and closes so
//! that our last words arrive.
//!
//! The wait is judged here and not above TLS, because there a slow reader of a large buffer would look like one who
//! reads nothing.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::server::activity::Activity;
use crate::server::drain::Permit;
use crate::server::socket::Socket;

/// How long and for how much the rest of what a peer sends is read away after we closed our side. A socket that is
/// closed with unread bytes resets the connection, and the peer may lose the 413 or 431 that it is about to read
/// (RFC 9112, 9.6).
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// A connection with its place among the counted ones.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    activity: Arc<Activity>,
    write_timeout: Duration,
    /// Runs while the peer takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
    /// Held for as long as the socket lives, wherever an upgrade takes it.
    _permit: Permit,
}

/// Our side is closed; the peer's is read away.
#[derive(Debug)]
struct Lingering {
    ends: Pin<Box<Sleep>>,
    bytes_left: usize,
}

impl Wire {
    pub(super) fn new(
        socket: Socket,
        activity: Arc<Activity>,
        write_timeout: Duration,
        permit: Permit,
    ) -> Self {
        Self {
            socket,
            activity,
            write_timeout,
            stalled: None,
            lingering: None,
            _permit: permit,
        }
    }

    /// Passes on how a write went, and fails it when it has been pending for too long.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if write.is_ready() {
            self.stalled = None;
            return write;
        }
        let write_timeout = self.write_timeout;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer took nothing for server.limits.write_timeout",
        )))
    }
}

/// Ready when the peer has closed its side too, or has had its time.
fn poll_read_away(
    socket: &mut Socket,
    lingering: &mut Lingering,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if lingering.ends.as_mut().poll(cx).is_ready() {
        return Poll::Ready(());
    }
    let mut scratch = [0; 4 * 1024];
    loop {
        let mut buffer = ReadBuf::new(&mut scratch);
        let read = ready!(Pin::new(&mut *socket).poll_read(cx, &mut buffer));
        let bytes = buffer.filled().len();
        lingering.bytes_left = lingering.bytes_left.saturating_sub(bytes);
        if read.is_err() || bytes == 0 || lingering.bytes_left == 0 {
            return Poll::Ready(());
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut wire.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            wire.activity.bytes_came();
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let write = Pin::new(&mut wire.socket).poll_write(cx, bytes);
        wire.judge(cx, write)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        let write = Pin::new(&mut wire.socket).poll_write_vectored(cx, slices);
        wire.judge(cx, write)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// A socket has nothing to flush, so this says nothing about the peer.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        if wire.activity.was_handed_over() {
            return Pin::new(&mut wire.socket).poll_shutdown(cx);
        }
        if wire.lingering.is_none() {
            ready!(Pin::new(&mut wire.socket).poll_shutdown(cx))?;
        }
        let lingering = wire.lingering.get_or_insert_with(|| Lingering {
            ends: Box::pin(tokio::time::sleep(LINGER)),
            bytes_left: LINGER_BYTES_MAX,
        });
        ready!(poll_read_away(&mut wire.socket, lingering, cx));
        Poll::Ready(Ok(()))
    }
}
