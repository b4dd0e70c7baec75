//! An HTTP/1.1 connection that sleeps while it is idle.
//!
//! hyper holds a read buffer, a write buffer and the room for a request for as long as it has a connection. Between two
//! messages none of them is needed: the connection is taken back from it, and given to it again when a whole head has
//! come.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1::{Builder, UpgradeableConnection};
use hyper::service::HttpService;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::server::drive::Ended;
use crate::server::h1::strict::Strict;
use crate::server::h1::talk::Talk;

type Hyper<I, S> = UpgradeableConnection<TokioIo<Strict<I>>, S>;

/// One connection, from its first request to its end.
pub(super) struct Connection<I, S: HttpService<Incoming>> {
    state: State<I, S>,
    builder: Builder,
    talk: Arc<Talk>,
}

enum State<I, S: HttpService<Incoming>> {
    /// Between messages. Nothing of a head has come, or a part of one.
    Asleep(Strict<I>, S),
    /// hyper has it.
    Awake(Box<Hyper<I, S>>),
    /// It is being closed in good order.
    Closing(Strict<I>),
    Gone,
}

impl<I, S, B> Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    pub(super) fn new(io: Strict<I>, service: S, builder: Builder, talk: Arc<Talk>) -> Self {
        Self {
            state: State::Asleep(io, service),
            builder,
            talk,
        }
    }

    /// Ends it when what is under way has ended.
    pub(super) fn close(self: Pin<&mut Self>) {
        let connection = self.get_mut();
        connection.talk.rest(false);
        match mem::replace(&mut connection.state, State::Gone) {
            State::Asleep(io, _) => connection.state = State::Closing(io),
            State::Awake(mut hyper) => {
                Pin::new(&mut *hyper).graceful_shutdown();
                connection.state = State::Awake(hyper);
            }
            state @ (State::Closing(_) | State::Gone) => connection.state = state,
        }
    }

    /// Has a head that does not come to its end answered.
    pub(super) fn tell_slow(self: Pin<&mut Self>) {
        self.talk.tell_slow();
    }

    /// Takes it back from hyper, if nothing is under way there.
    pub(super) fn rest(self: Pin<&mut Self>) {
        let connection = self.get_mut();
        if let State::Awake(hyper) = &mut connection.state
            && connection.talk.may_rest()
        {
            connection.talk.rest(true);
            // Idle as it is, it sends nothing and ends.
            Pin::new(&mut **hyper).graceful_shutdown();
        }
    }

    fn wake(&mut self) {
        self.state = match mem::replace(&mut self.state, State::Gone) {
            State::Asleep(io, service) => {
                let hyper = self.builder.serve_connection(TokioIo::new(io), service);
                State::Awake(Box::new(hyper.with_upgrades()))
            }
            state => state,
        };
    }

    /// hyper has ended: back to sleep if it was asked to.
    fn take_back(&mut self) {
        let State::Awake(hyper) = mem::replace(&mut self.state, State::Gone) else {
            return;
        };
        if !self.talk.is_resting() {
            return;
        }
        self.talk.rest(false);
        if let Some(parts) = hyper.into_parts() {
            let io = parts.io.into_inner();
            // There was nothing to be left. If there is, nobody knows any more where a message begins.
            self.state = if parts.read_buf.is_empty() {
                State::Asleep(io, parts.service)
            } else {
                State::Closing(io)
            };
        }
    }
}

impl<I, S, B> Future for Connection<I, S>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Output = Result<(), Ended>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let connection = self.get_mut();
        loop {
            match &mut connection.state {
                State::Asleep(io, _) => match ready!(io.poll_begin(cx)).map_err(Ended::Io)? {
                    true => connection.wake(),
                    false => {
                        Pin::new(&mut *connection).close();
                    }
                },
                State::Awake(hyper) => {
                    ready!(Pin::new(&mut **hyper).poll(cx)).map_err(Ended::Http)?;
                    connection.take_back();
                }
                State::Closing(io) => {
                    ready!(Pin::new(io).poll_shutdown(cx)).map_err(Ended::Io)?;
                    connection.state = State::Gone;
                }
                State::Gone => return Poll::Ready(Ok(())),
            }
        }
    }
}
