//! A socket to an app and the HTTP/1.1 connection on it.
//!
//! A pooled connection may have been closed by the app, or hold bytes that nobody asked for, without the event loop
//! having told us yet. A request written now would be lost, or answered by those bytes: somebody else's answer. So the
//! first read for each reused connection asks the kernel itself, at the price of one system call. What it finds ends the
//! connection before anything of the request is written, and the request goes to a fresh one.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;

use super::UpstreamSettings;
use super::address::Address;
use super::body::Body;
use super::client::UpstreamFault;
use crate::base::causes::Causes;

/// The largest response head, and how much of a body is read or held at once. A head has at most 100 fields, which is
/// hyper's own limit; another one would cost an allocation for each response.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// One connection to an app. Dropped, it closes.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Body>,
    /// How many times the pool's sweeper has found it idle.
    pub(super) sweeps: u8,
    doubt: Arc<AtomicBool>,
    /// The task that moves the bytes; none when the stream was upgraded and must outlive this.
    driver: Option<AbortHandle>,
}

impl Connection {
    /// Makes a connection, within `connect_timeout`.
    pub(super) async fn open(settings: &UpstreamSettings) -> Result<Self, UpstreamFault> {
        let stream = tokio::time::timeout(settings.connect_timeout, connect(&settings.address))
            .await
            .map_err(|_| UpstreamFault::ConnectTimeout)?
            .map_err(UpstreamFault::Connect)?;
        let doubt = Arc::new(AtomicBool::new(false));
        let wire = Wire {
            stream,
            doubt: Arc::clone(&doubt),
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES_MAX)
            .max_header_size(BUFFER_BYTES_MAX)
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
            doubt,
            driver: Some(driver.abort_handle()),
        })
    }

    /// Whether it could take a request now. Not a promise: see [`Connection::doubt`].
    pub(super) fn is_idle(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Has the next read ask the kernel, before a request is written.
    pub(super) fn doubt(&self) {
        self.doubt.store(true, Ordering::Relaxed);
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

async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Stream::Tcp(stream))
        }
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path).await?)),
    }
}

enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A socket that can be asked whether it really has nothing to say.
struct Wire {
    stream: Stream,
    doubt: Arc<AtomicBool>,
}

impl Wire {
    /// Looks at what the kernel holds without taking it.
    fn ask_kernel(&self) -> Poll<io::Result<()>> {
        let socket = match &self.stream {
            Stream::Tcp(stream) => SockRef::from(stream),
            Stream::Unix(stream) => SockRef::from(stream),
        };
        match socket.peek(&mut [MaybeUninit::uninit(); 1]) {
            // An empty read is the end of the stream.
            Ok(0) => Poll::Ready(Ok(())),
            Ok(_) => Poll::Ready(Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the app sent bytes that nobody asked for",
            ))),
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => Poll::Pending,
            Err(fault) => Poll::Ready(Err(fault)),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = match &mut this.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if this.doubt.load(Ordering::Relaxed) {
            this.doubt.store(false, Ordering::Relaxed);
            if read.is_pending() {
                return this.ask_kernel();
            }
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
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets hold nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
