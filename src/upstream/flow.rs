//! The body of an answer over HTTP/2, read off its stream when the visitor's side asks for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Frame, SizeHint};
use tokio::sync::Semaphore;

use super::download::Part;
use super::http2::StreamLease;

/// So much of a body is looked at before its head goes on, if it is here already.
const EARLY_BYTES_MAX: usize = 16 * 1024;

/// A body on a stream. It holds the stream: read to its end it gives that back, dropped before it resets it.
pub(super) struct Flow {
    stream: RecvStream,
    /// Came along with the head; given out first.
    early: VecDeque<Bytes>,
    /// What is left of the length that the head told.
    left: Option<u64>,
    hold: Option<StreamLease>,
}

impl Flow {
    /// The body that follows a head which told `length`. What of it has come with the head is taken here, so that a body
    /// that is broken from the start, or of another length than it was told to be, is known before its head is passed
    /// on: h2 counts.
    ///
    /// # Errors
    /// It is broken.
    pub(super) fn begin(
        stream: RecvStream,
        length: Option<u64>,
        lease: StreamLease,
    ) -> Result<Self, h2::Error> {
        let mut flow = Self {
            stream,
            early: VecDeque::new(),
            left: length,
            hold: Some(lease),
        };
        // Whoever waits for more of it asks again, and is woken then.
        let mut cx = Context::from_waker(Waker::noop());
        let mut bytes = 0;
        while bytes < EARLY_BYTES_MAX && !flow.stream.is_end_stream() {
            let Poll::Ready(Some(data)) = flow.stream.poll_data(&mut cx) else {
                break;
            };
            let data = data?;
            bytes += data.len();
            flow.early.push_back(data);
        }
        Ok(flow)
    }

    /// Has it hold one of `places` instead of its own; false when there is none.
    pub(super) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        self.hold.as_mut().is_none_or(|lease| lease.move_to(places))
    }

    /// All of it was read.
    pub(super) fn give_back(&mut self) {
        if let Some(lease) = self.hold.take() {
            lease.release();
        }
    }

    /// Nothing more will be read.
    pub(super) fn cut(&mut self) {
        self.hold = None;
    }

    pub(super) fn is_end(&self) -> bool {
        self.early.is_empty() && self.stream.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.left
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    pub(super) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let data = match self.early.pop_front() {
            Some(data) => Some(Ok(data)),
            None => ready!(self.stream.poll_data(cx)),
        };
        if let Some(data) = data {
            let data = data.map_err(|cause| Arc::new(cause) as _);
            return Poll::Ready(Some(data.map(|data| {
                // The visitor's side takes one part at a time, so this is when there is room for more. It fails only
                // when the stream has ended, and then nobody waits for room.
                let _ = self.stream.flow_control().release_capacity(data.len());
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                self.left = self.left.map(|left| left.saturating_sub(length));
                Frame::data(data)
            })));
        }
        let trailers = ready!(self.stream.poll_trailers(cx));
        let trailers = trailers.map_err(|cause| Arc::new(cause) as _);
        let trailers = trailers.map(|fields| fields.map(Frame::trailers));
        Poll::Ready(trailers.transpose())
    }
}
