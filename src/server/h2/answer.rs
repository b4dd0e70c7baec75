//! The body of an answer on its way out, as fast as its reader makes room for it.
//!
//! On HTTP/1.1 a reader that stalls is seen at the socket. On HTTP/2 it is not: a stream whose window stays shut waits
//! while the connection works on (CVE-2019-9517 and its kin), so each stream has a clock of its own.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;
use tokio::time::Sleep;

/// Why an answer does not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutShort {
    /// The app broke off: no fault of the visitor's.
    #[error("the answer broke off")]
    ByApp,
    /// The visitor takes no more of it.
    #[error("the visitor takes no more")]
    ByVisitor(#[from] h2::Error),
}

/// Ends when all of a body was handed over, or cannot be. Dropped before, it resets the stream.
pub(super) struct Pour<B> {
    stream: SendStream<Bytes>,
    body: B,
    /// A part that waits for room, and whether it is the last.
    part: Option<(Bytes, bool)>,
    write_timeout: Duration,
    /// Runs while the reader takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<B> Pour<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    pub(super) const fn new(stream: SendStream<Bytes>, body: B, write_timeout: Duration) -> Self {
        Self {
            stream,
            body,
            part: None,
            write_timeout,
            stalled: None,
        }
    }

    /// Waits for some room, and no longer than it may take.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while self.stream.capacity() == 0 {
            match self.stream.poll_capacity(cx) {
                Poll::Ready(Some(room)) => drop(room?),
                Poll::Ready(None) => return Poll::Ready(Err(Reason::CANCEL.into())),
                Poll::Pending => {
                    let write_timeout = self.write_timeout;
                    let stalled = self
                        .stalled
                        .get_or_insert_with(|| Box::pin(tokio::time::sleep(write_timeout)));
                    ready!(stalled.as_mut().poll(cx));
                    self.stream.send_reset(Reason::CANCEL);
                    return Poll::Ready(Err(Reason::CANCEL.into()));
                }
            }
        }
        self.stalled = None;
        Poll::Ready(Ok(()))
    }
}

impl<B> Future for Pour<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = Result<(), CutShort>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let pour = self.get_mut();
        loop {
            if pour.part.is_some() {
                ready!(pour.poll_room(cx))?;
            }
            if let Some((part, is_last)) = pour.part.take() {
                // h2 cuts it into frames as there is room.
                pour.stream.send_data(part, is_last)?;
                if is_last {
                    return Poll::Ready(Ok(()));
                }
            }
            let Poll::Ready(frame) = Pin::new(&mut pour.body).poll_frame(cx) else {
                // The visitor may lose interest while the app is waited for.
                let reset = ready!(pour.stream.poll_reset(cx))?;
                return Poll::Ready(Err(h2::Error::from(reset).into()));
            };
            let frame = match frame {
                Some(Ok(frame)) => frame,
                Some(Err(_)) => {
                    pour.stream.send_reset(Reason::INTERNAL_ERROR);
                    return Poll::Ready(Err(CutShort::ByApp));
                }
                None => return Poll::Ready(Ok(pour.stream.send_data(Bytes::new(), true)?)),
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {
                    if pour.body.is_end_stream() {
                        return Poll::Ready(Ok(pour.stream.send_data(data, true)?));
                    }
                }
                Ok(data) => {
                    // No more than a foot in the door: whoever claims much gets it at the cost of the other streams. What
                    // is given to h2 is claimed then.
                    pour.stream.reserve_capacity(1);
                    let is_last = pour.body.is_end_stream();
                    pour.part = Some((data, is_last));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    return Poll::Ready(Ok(pour.stream.send_trailers(trailers)?));
                }
            }
        }
    }
}
