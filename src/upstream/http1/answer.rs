//! The body of an answer, read off its connection when the visitor's side asks for it.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::switched::Switched;
use crate::upstream::download::Part;
use crate::upstream::pool::Lease;
use crate::upstream::scan::{Left, Piece};

/// A body that has not ended when its head came. It holds the connection: read to its end it gives that back to the pool,
/// dropped before it closes it.
pub(in crate::upstream) struct Answer {
    /// None when it was given back, or closed.
    lease: Option<Lease>,
    /// What was read and not yet given away.
    data: Bytes,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// The rest of an answer of which `piece` came along with the head.
    pub(super) fn new(lease: Lease, piece: Piece) -> Self {
        Self {
            lease: Some(lease),
            data: piece.data,
            trailers: piece.trailers,
        }
    }

    pub(in crate::upstream) fn is_switched(&self) -> bool {
        self.left() == Left::Switched
    }

    /// The stream and the place that it goes on to hold, if the app has switched protocols.
    pub(in crate::upstream) fn into_switched(self) -> Option<(Switched, OwnedSemaphorePermit)> {
        let (connection, place) = self.lease?.into_parts();
        Some((connection.into_switched()?, place))
    }

    /// Has it hold one of `places` instead of its own; false when there is none.
    pub(in crate::upstream) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        self.lease
            .as_mut()
            .is_none_or(|lease| lease.move_to(places))
    }

    fn left(&self) -> Left {
        let left = self.lease.as_ref().map(|lease| lease.connection.left());
        left.unwrap_or(Left::Bytes(0))
    }

    fn has_ended(&self) -> bool {
        matches!(self.left(), Left::Bytes(0) | Left::Switched)
    }

    pub(in crate::upstream) fn is_end(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none() && self.has_ended()
    }

    pub(in crate::upstream) fn size_hint(&self) -> SizeHint {
        let here = u64::try_from(self.data.len()).unwrap_or(u64::MAX);
        match self.left() {
            // What has a length has no trailers.
            Left::Bytes(_) if self.trailers.is_some() => SizeHint::default(),
            Left::Bytes(left) => SizeHint::with_exact(left.saturating_add(here)),
            Left::Switched => SizeHint::with_exact(0),
            Left::Chunks | Left::Connection => SizeHint::default(),
        }
    }

    /// Closes the connection.
    pub(in crate::upstream) fn cut(&mut self) {
        self.lease = None;
    }

    pub(in crate::upstream) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        if self.data.is_empty()
            && !self.has_ended()
            && let Some(lease) = &mut self.lease
        {
            match ready!(lease.connection.poll_piece(cx)) {
                Ok(Some(piece)) => {
                    self.data = piece.data;
                    self.trailers = piece.trailers;
                }
                Ok(None) => self.cut(),
                Err(cause) => {
                    self.cut();
                    return Poll::Ready(Some(Err(Arc::new(cause))));
                }
            }
        }
        if self.has_ended()
            && !self.is_switched()
            && let Some(lease) = self.lease.take()
        {
            lease.release();
        }
        if !self.data.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        Poll::Ready(
            self.trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        )
    }
}
