//! A socket to an app, with TLS or without.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::client::TlsStream;

use super::UpstreamSettings;
use super::address::Address;
use super::fault::UpstreamFault;

/// A connection on which nothing was said yet.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What a new connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Http1,
    Http2,
}

/// Makes a connection. HTTP/2 is not offered if `http_1_only`.
pub(super) async fn dial(
    settings: &UpstreamSettings,
    http_1_only: bool,
) -> Result<(Stream, Spoken), UpstreamFault> {
    match &settings.address {
        Address::Tcp { host, port } => {
            let stream = connect_tcp(host, *port).await?;
            Ok((Stream::Tcp(stream), Spoken::Http1))
        }
        Address::H2c { host, port } => {
            let stream = connect_tcp(host, *port).await?;
            Ok((Stream::Tcp(stream), Spoken::Http2))
        }
        Address::Tls { host, port } => {
            let Some(tls) = &settings.tls else {
                return Err(UpstreamFault::Tls(io::Error::other("TLS was not set up")));
            };
            let stream = connect_tcp(host, *port).await?;
            let (stream, is_http_2) = tls
                .handshake(host, stream, http_1_only)
                .await
                .map_err(UpstreamFault::Tls)?;
            let spoken = if is_http_2 {
                Spoken::Http2
            } else {
                Spoken::Http1
            };
            Ok((Stream::Tls(stream), spoken))
        }
        Address::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            let stream = stream.map_err(UpstreamFault::Connect)?;
            Ok((Stream::Unix(stream), Spoken::Http1))
        }
    }
}

async fn connect_tcp(host: &str, port: u16) -> Result<TcpStream, UpstreamFault> {
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(UpstreamFault::Connect)?;
    stream.set_nodelay(true).map_err(UpstreamFault::Connect)?;
    Ok(stream)
}

impl Stream {
    /// Whether the other side is there and has nothing to say.
    pub(super) fn is_quiet(&mut self) -> bool {
        if let Self::Tls(stream) = self {
            // TLS may hold bytes back, and says things of its own.
            let mut byte = [0];
            let mut context = Context::from_waker(Waker::noop());
            let read = Pin::new(stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte));
            if read.is_ready() {
                return false;
            }
        }
        self.ask_kernel().is_pending()
    }

    /// Looks at what the kernel holds without taking it: ready if the stream has ended or failed, or if there are bytes.
    /// Under TLS any bytes will do: an app that says something between two answers is about to leave.
    fn ask_kernel(&self) -> Poll<io::Result<()>> {
        let socket = match self {
            Self::Tcp(stream) => SockRef::from(stream),
            Self::Unix(stream) => SockRef::from(stream),
            Self::Tls(stream) => SockRef::from(stream.get_ref().0),
        };
        match socket.peek(&mut [MaybeUninit::uninit(); 1]) {
            Ok(_) => Poll::Ready(Ok(())),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => Poll::Pending,
            Err(fault) => Poll::Ready(Err(fault)),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // Sockets hold nothing back.
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
