//! The body of a request, as it comes.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};

use super::aside::{Aside, Interim};
use super::upgrade::Upgrade;

/// What a visitor sends, and the ways back to them that go with it.
pub struct Incoming {
    source: Source,
    upgrade: Option<Upgrade>,
    aside: Option<Rc<Aside>>,
}

enum Source {
    Empty,
    Http1(hyper::body::Incoming),
    Http2(Received),
}

/// Why a body broke off.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The connection ended, or its framing is broken.
    #[error("the HTTP/1.1 connection failed")]
    Http1(#[source] hyper::Error),
    /// The stream was reset, or its connection ended.
    #[error("the HTTP/2 stream failed")]
    Http2(#[source] h2::Error),
}

impl Broken {
    /// Whether the visitor went away, and did nothing else that is wrong.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Http1(fault) => fault.is_incomplete_message() || has_hung_up(fault),
            Self::Http2(fault) => {
                fault.is_reset() && fault.is_remote() || fault.is_io() || fault.is_go_away()
            }
        }
    }
}

/// Whether the end of the connection is at the bottom of it.
fn has_hung_up(fault: &hyper::Error) -> bool {
    let mut cause = std::error::Error::source(fault);
    while let Some(deeper) = cause {
        if let Some(io) = deeper.downcast_ref::<io::Error>() {
            return matches!(
                io.kind(),
                ErrorKind::UnexpectedEof
                    | ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe
            );
        }
        cause = deeper.source();
    }
    false
}

impl Incoming {
    /// A body on HTTP/1.1. `aside` is for a visitor who knows interim answers; `100 Continue` is hyper's there.
    pub fn http1(
        body: hyper::body::Incoming,
        upgrade: Option<Upgrade>,
        aside: Option<Rc<Aside>>,
    ) -> Self {
        Self {
            source: Source::Http1(body),
            upgrade,
            aside,
        }
    }

    /// A body on HTTP/2. `length` is what the head told, and `expects` whether the visitor waits for `100 Continue`.
    pub fn http2(stream: RecvStream, length: Option<u64>, expects: bool, aside: Rc<Aside>) -> Self {
        let source = if stream.is_end_stream() {
            Source::Empty
        } else {
            Source::Http2(Received {
                stream: Some(stream),
                left: length,
                unreleased: 0,
                expects,
                aside: Rc::clone(&aside),
            })
        };
        Self {
            source,
            upgrade: None,
            aside: Some(aside),
        }
    }

    /// No body, of a request on HTTP/2 that asks for an upgrade.
    pub const fn upgrading(upgrade: Upgrade, aside: Rc<Aside>) -> Self {
        Self {
            source: Source::Empty,
            upgrade: Some(upgrade),
            aside: Some(aside),
        }
    }

    /// The visitor's side of an upgrade, if one was asked for. Taken once.
    pub const fn take_upgrade(&mut self) -> Option<Upgrade> {
        self.upgrade.take()
    }

    /// Where to say something before the answer, if the visitor would understand it.
    pub const fn aside(&self) -> Option<&Rc<Aside>> {
        self.aside.as_ref()
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut self.get_mut().source {
            Source::Empty => Poll::Ready(None),
            Source::Http1(body) => Pin::new(body).poll_frame(cx).map_err(Broken::Http1),
            Source::Http2(received) => received.poll_frame(cx).map_err(Broken::Http2),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Empty => true,
            Source::Http1(body) => body.is_end_stream(),
            Source::Http2(received) => received.is_end(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty => SizeHint::with_exact(0),
            Source::Http1(body) => body.size_hint(),
            Source::Http2(received) => received
                .left
                .map_or_else(SizeHint::default, SizeHint::with_exact),
        }
    }
}

/// A body on a stream of HTTP/2. The visitor may send on as far as the app has taken what came.
struct Received {
    /// None when it was left to be read away.
    stream: Option<RecvStream>,
    left: Option<u64>,
    /// What was handed over last, and may not have been taken yet.
    unreleased: usize,
    /// The visitor waits to be asked.
    expects: bool,
    aside: Rc<Aside>,
}

impl Received {
    fn is_end(&self) -> bool {
        self.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(stream) = &mut self.stream else {
            return Poll::Ready(None);
        };
        // Whoever asks for more has taken what came. It fails only where nobody waits for room any more.
        let taken = std::mem::take(&mut self.unreleased);
        if taken > 0 {
            let _ = stream.flow_control().release_capacity(taken);
        }
        let Poll::Ready(part) = stream.poll_data(cx) else {
            if std::mem::take(&mut self.expects) {
                self.aside.say(Interim::Continue);
            }
            return Poll::Pending;
        };
        self.expects = false;
        let Some(data) = part.transpose()? else {
            let trailers = ready!(stream.poll_trailers(cx))?;
            return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
        };
        self.unreleased = data.len();
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.left = self.left.map(|left| left.saturating_sub(length));
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

impl Drop for Received {
    /// What is left is read away by whoever answers, so that the visitor can read the answer.
    fn drop(&mut self) {
        if let Some(mut stream) = self.stream.take().filter(|stream| !stream.is_end_stream()) {
            let _ = stream.flow_control().release_capacity(self.unreleased);
            self.aside.leave(stream);
        }
    }
}
