//! The visitor's side of a stream that has become another protocol's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::upstream::streamed::Streamed;

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
            Self::Http2(stream) => Pin::new(stream).poll_read(cx, buffer),
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
            Self::Http2(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_flush(cx),
            Self::Http2(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Http1(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
