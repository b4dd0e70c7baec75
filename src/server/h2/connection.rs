//! The connection itself: it begins its streams, and ends when it is abused, with a GOAWAY that says why.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::{self, Builder, Handshake};
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;

use crate::base::meter::Count;
use crate::gateway::Arrival;
use crate::server::h2::noise::{Heard, Noise};
use crate::server::h2::pulse::Pulse;
use crate::server::h2::stream::Streams;
use crate::upstream::visitor::Incoming;

/// How long a peer whom we leave may take to read our last words.
const PARTING: Duration = Duration::from_secs(3);

/// Why a connection is closed that its peer would keep open.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Abuse {
    #[error("it broke off too many streams")]
    Breaks,
    #[error("it sent too many frames that bring nothing")]
    Noise,
    #[error("a request head took longer than server.limits.header_timeout")]
    SlowHead,
}

/// One connection, from its preface to its end.
pub(super) struct Connection<I, H> {
    state: State<I>,
    streams: Rc<Streams<H>>,
    noise: Rc<Noise>,
    /// Runs while a header block is open. Other streams go on meanwhile, so no clock of the connection tells.
    head_must_end: Option<Pin<Box<Sleep>>>,
    pulse: Option<Pulse>,
    /// It was to be closed before it was there.
    closes: bool,
    /// Runs when its last GOAWAY is on its way. Nothing that comes is looked at any more.
    ends: Option<Pin<Box<Sleep>>>,
}

type Http2<I> = server::Connection<Heard<I>, Bytes>;

enum State<I> {
    Shaking(Handshake<Heard<I>, Bytes>),
    Open(Http2<I>),
}

impl<I, H> Connection<I, H>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    pub(super) fn new(io: I, builder: &Builder, streams: Rc<Streams<H>>) -> Self {
        let noise = Rc::new(Noise::new());
        Self {
            state: State::Shaking(builder.handshake(Heard::new(io, Rc::clone(&noise)))),
            streams,
            noise,
            head_must_end: None,
            pulse: None,
            closes: false,
            ends: None,
        }
    }

    /// Ends it when what is under way has ended: the peer is told which streams still count.
    pub(super) fn close(self: Pin<&mut Self>) {
        let connection = self.get_mut();
        match &mut connection.state {
            State::Shaking(_) => connection.closes = true,
            State::Open(http2) => http2.graceful_shutdown(),
        }
    }

    fn open(&mut self, mut http2: Http2<I>) {
        let limits = &self.streams.core.settings.limits;
        // An idle connection is closed before it is ever asked; this finds the dead peer of a stream that waits.
        self.pulse = Some(Pulse::new(
            http2.ping_pong(),
            limits.keepalive_timeout,
            limits.write_timeout,
        ));
        if self.closes {
            http2.graceful_shutdown();
        }
        self.state = State::Open(http2);
    }

    /// Tells the peer why, and ends whatever is under way.
    fn leave(&mut self, reason: Reason) {
        self.ends = Some(Box::pin(tokio::time::sleep(PARTING)));
        if let State::Open(http2) = &mut self.state {
            http2.abrupt_shutdown(reason);
        }
    }

    fn poll_abuse(&mut self, cx: &mut Context<'_>) -> Poll<Abuse> {
        if self.streams.breaks.are_spent() {
            return Poll::Ready(Abuse::Breaks);
        }
        if self.noise.is_too_much() {
            return Poll::Ready(Abuse::Noise);
        }
        if !self.noise.head_is_open() {
            self.head_must_end = None;
            return Poll::Pending;
        }
        let header_timeout = self.streams.core.settings.limits.header_timeout;
        let must_end = self
            .head_must_end
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(header_timeout)));
        must_end.as_mut().poll(cx).map(|()| Abuse::SlowHead)
    }

    /// Why the connection is to be left at once, if it is.
    fn poll_leave(&mut self, cx: &mut Context<'_>) -> Poll<Reason> {
        if self.noise.begins_badly() {
            return Poll::Ready(Reason::PROTOCOL_ERROR);
        }
        if let Poll::Ready(abuse) = self.poll_abuse(cx) {
            self.streams.core.meter.count(Count::ConnectionsAbused);
            let peer = self.streams.arrival.peer;
            tracing::warn!(%peer, why = %abuse, "an HTTP/2 connection was closed");
            return Poll::Ready(Reason::ENHANCE_YOUR_CALM);
        }
        let pulse = self.pulse.as_mut();
        match pulse.map(|pulse| pulse.poll_gone(cx, &self.noise)) {
            Some(Poll::Ready(())) => Poll::Ready(Reason::NO_ERROR),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }
}

impl<I, H, F, B> Future for Connection<I, H>
where
    I: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Rc<Arrival>, Request<Incoming>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<(), h2::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let connection = self.get_mut();
        loop {
            let accepted = match &mut connection.state {
                State::Shaking(handshake) => {
                    let http2 = ready!(Pin::new(handshake).poll(cx))?;
                    connection.open(http2);
                    continue;
                }
                State::Open(http2) => match &mut connection.ends {
                    None => http2.poll_accept(cx),
                    Some(ends) => {
                        let closed = http2.poll_closed(cx);
                        let is_late = ends.as_mut().poll(cx).is_ready();
                        return if is_late { Poll::Ready(Ok(())) } else { closed };
                    }
                },
            };
            // Before the next stream begins: nothing more is asked of an app for a connection that ends.
            if let Poll::Ready(reason) = connection.poll_leave(cx) {
                connection.leave(reason);
                continue;
            }
            match ready!(accepted).transpose()? {
                Some((request, respond)) => connection.streams.begin(request, respond),
                None => return Poll::Ready(Ok(())),
            }
        }
    }
}
