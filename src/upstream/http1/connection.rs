//! The connection of HTTP/1.1: a socket to an app, and what was read from it.
//!
//! A pooled connection may have been closed by the app, or hold bytes that nobody asked for, without the event loop
//! having told us yet. A request written now would be lost, or answered by those bytes: somebody else's answer. So before
//! a connection is used again the kernel is asked itself, at the price of one system call.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use http::StatusCode;
use tokio::io::AsyncReadExt;
use tokio::task::JoinHandle;

use super::send::{Sending, SendingFault};
use super::switched::Switched;
use super::{closed, refused};
use crate::upstream::UpstreamSettings;
use crate::upstream::client::TellEarly;
use crate::upstream::fault::UpstreamFault;
use crate::upstream::patience::Patience;
use crate::upstream::scan::{Asked, Flaw, Head, Left, Piece, Scan};
use crate::upstream::stream::Stream;

/// How much is read at once: a head, and a small body with it.
const READ_BYTES: usize = 16 * 1024;

/// How much is read at once of a body that is larger.
const READ_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    /// Room to read to, for whichever connection of the core reads next: nobody holds it while waiting.
    static SPARE: RefCell<BytesMut> = RefCell::default();
}

/// One connection to an app. Dropped, it closes.
pub(in crate::upstream) struct Connection {
    stream: Shared,
    /// What was read and is not yet understood. Idle, a connection has none.
    buffer: BytesMut,
    scan: Scan,
    /// How long the head of a response may be waited for. The timer goes from one request to the next.
    pub(super) patience: Patience,
    /// How many times the pool's sweeper has found it idle.
    pub(in crate::upstream) sweeps: u8,
    heard: bool,
    /// The latest read has filled the buffer: there is more.
    is_flood: bool,
    /// What is still going up while the answer comes.
    rest: Option<Rest>,
}

/// The socket; while a body goes up by itself, two hold it.
enum Shared {
    Own(Stream),
    Both(Rc<RefCell<Stream>>),
    /// It has gone to somebody else.
    Gone,
}

/// A body that goes up by itself, and whether all of it did; dropped, it breaks off.
pub(in crate::upstream) struct Rest(JoinHandle<bool>);

impl Rest {
    /// Ends when nothing more goes up.
    pub(in crate::upstream) async fn end(&mut self) -> bool {
        matches!((&mut self.0).await, Ok(true))
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Shared {
    fn with<T>(&mut self, act: impl FnOnce(&mut Stream) -> T) -> io::Result<T> {
        match self {
            Self::Own(stream) => Ok(act(stream)),
            Self::Both(stream) => Ok(act(&mut stream.borrow_mut())),
            Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Connection {
    /// Speaks HTTP/1.1 on `stream`.
    pub(in crate::upstream) fn open(stream: Stream, settings: &UpstreamSettings) -> Box<Self> {
        Box::new(Self {
            stream: Shared::Own(stream),
            buffer: BytesMut::new(),
            scan: Scan::new(settings.header_bytes),
            patience: Patience::new(settings.response_timeout),
            sweeps: 0,
            heard: false,
            is_flood: false,
            rest: None,
        })
    }

    /// Whether the app is still there and has nothing to say.
    pub(in crate::upstream) fn is_quiet(&mut self) -> bool {
        self.stream.with(Stream::is_quiet).unwrap_or(false)
    }

    /// Says what will be asked next.
    pub(super) fn expect(&mut self, asked: Asked) {
        self.scan.expect(asked);
        self.heard = false;
        self.is_flood = false;
        self.patience.relieve();
    }

    /// Whether the app has said anything since the last [`Connection::expect`].
    pub(super) const fn has_heard(&self) -> bool {
        self.heard
    }

    /// What is left of the answer.
    pub(super) const fn left(&self) -> Left {
        self.scan.left()
    }

    pub(super) fn poll_send(
        &mut self,
        sending: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendingFault>> {
        let sent = self.stream.with(|stream| sending.poll_send(stream, cx));
        sent.unwrap_or_else(|fault| Poll::Ready(Err(SendingFault::App(fault))))
    }

    /// The app has answered before it had the whole request. What is left of it still goes up.
    pub(super) fn send_on(&mut self, mut sending: Sending) {
        let Shared::Own(stream) = std::mem::replace(&mut self.stream, Shared::Gone) else {
            return;
        };
        let stream = Rc::new(RefCell::new(stream));
        self.stream = Shared::Both(Rc::clone(&stream));
        let rest = tokio::task::spawn_local(async move {
            let sent = poll_fn(|cx| sending.poll_send(&mut stream.borrow_mut(), cx)).await;
            // Its faults show in the response, if that has not ended.
            sent.is_ok()
        });
        self.rest = Some(Rest(rest));
    }

    /// What is still going up.
    pub(in crate::upstream) const fn take_rest(&mut self) -> Option<Rest> {
        self.rest.take()
    }

    /// The answer has ended: tells whether another request may be sent.
    pub(in crate::upstream) fn settle(&mut self) -> bool {
        if self.scan.left() != Left::Bytes(0) || !self.buffer.is_empty() {
            return false;
        }
        self.give_back();
        self.stream = match std::mem::replace(&mut self.stream, Shared::Gone) {
            Shared::Both(stream) => match Rc::try_unwrap(stream) {
                Ok(stream) => Shared::Own(stream.into_inner()),
                Err(_) => return false,
            },
            other => other,
        };
        true
    }

    /// The stream and what was read of it, if it has become another protocol's.
    pub(super) fn into_switched(self) -> Option<Switched> {
        match self.stream {
            Shared::Own(stream) if self.scan.left() == Left::Switched => {
                Some(Switched::new(stream, self.buffer.freeze()))
            }
            _ => None,
        }
    }

    /// The head of the answer; `early` is told what comes before it.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        early: Option<TellEarly<'_>>,
    ) -> Poll<Result<Head, UpstreamFault>> {
        loop {
            if ready!(self.poll_fill(cx, READ_BYTES)).map_err(closed)? == 0 {
                return Poll::Ready(Err(closed(io::ErrorKind::UnexpectedEof.into())));
            }
            self.heard = true;
            while let Some(head) = self.scan.head(&mut self.buffer).map_err(refused)? {
                if head.status != StatusCode::EARLY_HINTS {
                    return Poll::Ready(Ok(head));
                }
                if let Some(early) = early {
                    early(head.headers);
                }
            }
        }
    }

    /// What is here of the body.
    pub(super) fn piece(&mut self) -> Result<Piece, Flaw> {
        self.scan.body(&mut self.buffer)
    }

    /// What comes next of the body; nothing if it has ended with the connection.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Piece>>> {
        loop {
            let room = match self.scan.left() {
                Left::Bytes(left) => usize::try_from(left).unwrap_or(READ_BYTES_MAX),
                _ if self.is_flood => READ_BYTES_MAX,
                _ => READ_BYTES,
            };
            let room = room.clamp(READ_BYTES, READ_BYTES_MAX);
            if ready!(self.poll_fill(cx, room))? == 0 {
                return Poll::Ready(match self.scan.left() {
                    Left::Connection => Ok(None),
                    _ => Err(io::Error::new(io::ErrorKind::UnexpectedEof, Flaw::Cut)),
                });
            }
            let piece = self.piece();
            let piece = piece.map_err(|flaw| io::Error::new(io::ErrorKind::InvalidData, flaw))?;
            let is_end = self.scan.left() == Left::Bytes(0);
            if is_end || !piece.data.is_empty() {
                return Poll::Ready(Ok(Some(piece)));
            }
        }
    }

    /// Reads up to about `room` bytes more and tells how many these were; none at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let Self { stream, buffer, .. } = self;
        if buffer.capacity() == 0 {
            *buffer = SPARE.take();
        }
        buffer.reserve(room);
        let read = stream.with(|stream| {
            // It holds nothing between two polls.
            pin!(stream.read_buf(buffer)).as_mut().poll(cx)
        })?;
        if buffer.is_empty() {
            self.give_back();
        }
        let read = ready!(read)?;
        self.is_flood = self.buffer.len() == self.buffer.capacity();
        Poll::Ready(Ok(read))
    }

    /// Nothing is in the buffer, so the next who reads may have it.
    fn give_back(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.capacity() != 0 {
            buffer.clear();
            SPARE.set(buffer);
        }
    }
}
