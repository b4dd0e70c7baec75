//! A stream of HTTP/2 that carries bytes and no longer a message: a WebSocket (RFC 8441), of a visitor or of an app.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::{RecvStream, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much is given to the connection of HTTP/2 at once.
const WRITE_BYTES_MAX: usize = 16 * 1024;

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

    fn poll_data(
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

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
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

impl AsyncRead for Streamed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_data(cx, buffer)
    }
}

impl AsyncWrite for Streamed {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection sends what it has by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.get_mut().shut())
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
