//! The visitor's side of a stream that has become another protocol's.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

/// How much is given to the connection of HTTP/2 at once.
const WRITE_BYTES_MAX: usize = 16 * 1024;

/// The promise of a stream: it is there when the answer that opens it has gone out.
pub enum Upgrade {
    /// The whole connection of HTTP/1.1.
    Http1(OnUpgrade),
    /// A stream of HTTP/2 (RFC 8441).
    Http2(oneshot::Receiver<Streamed>),
}

/// There will be no stream.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// hyper has none.
    #[error("the connection was not upgraded")]
    Http1(#[source] hyper::Error),
    /// The stream has ended before.
    #[error("the stream has ended before it was opened")]
    Http2,
}

impl Upgrade {
    /// Waits for the stream.
    ///
    /// # Errors
    /// When the visitor has gone before, or the answer has opened none.
    pub async fn opened(self) -> Result<Opened, NotOpened> {
        match self {
            Self::Http1(upgrade) => {
                let upgraded = upgrade.await.map_err(NotOpened::Http1)?;
                Ok(Opened::Http1(TokioIo::new(upgraded)))
            }
            Self::Http2(opened) => {
                let streamed = opened.await.map_err(|_gone| NotOpened::Http2)?;
                Ok(Opened::Http2(streamed))
            }
        }
    }
}

/// A stream of bytes from and to a visitor.
pub enum Opened {
    /// What was a connection of HTTP/1.1.
    Http1(TokioIo<Upgraded>),
    /// A stream among others.
    Http2(Streamed),
}

impl AsyncRead for Opened {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Http2(stream) => stream.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Opened {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Http2(stream) => stream.poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_flush(cx),
            // The connection sends what it has by itself.
            Self::Http2(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Http2(stream) => Poll::Ready(stream.shut()),
        }
    }
}

/// A stream of HTTP/2 that carries bytes. Dropped before both sides have ended it, it is reset.
pub struct Streamed {
    send: SendStream<Bytes>,
    receive: RecvStream,
    /// Came, and was not read yet.
    early: Bytes,
    is_shut: bool,
    /// Whatever has to live as long as the stream does.
    _held: Box<dyn Any>,
}

impl Streamed {
    /// Both directions of a stream whose answer has gone out; `held` lives as long as it does.
    pub fn new(send: SendStream<Bytes>, receive: RecvStream, held: impl Any) -> Self {
        Self {
            send,
            receive,
            early: Bytes::new(),
            is_shut: false,
            _held: Box::new(held),
        }
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.early.is_empty() {
            match ready!(self.receive.poll_data(cx)) {
                Some(data) => self.early = data.map_err(into_io)?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early[..length]);
        self.early.advance(length);
        let _ = self.receive.flow_control().release_capacity(length);
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wanted = bytes.len().min(WRITE_BYTES_MAX);
        if wanted == 0 {
            return Poll::Ready(Ok(0));
        }
        // Only now: what is reserved is taken from the other streams of the connection.
        self.send.reserve_capacity(wanted);
        while self.send.capacity() == 0 {
            match ready!(self.send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                Some(Err(fault)) => return Poll::Ready(Err(into_io(fault))),
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            }
        }
        let length = self.send.capacity().min(wanted);
        let data = Bytes::copy_from_slice(&bytes[..length]);
        let sent = self.send.send_data(data, false);
        Poll::Ready(sent.map(|()| length).map_err(into_io))
    }

    fn shut(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_shut, true) {
            return Ok(());
        }
        self.send.send_data(Bytes::new(), true).map_err(into_io)
    }
}

fn into_io(fault: h2::Error) -> io::Error {
    if fault.is_io() {
        // `is_io` says that there is one.
        return fault
            .into_io()
            .unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::other(fault)
}
