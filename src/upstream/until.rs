//! A response body that somebody may end before its time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::body::{Body, BodyFault};

/// A body that streams until its app ends it, or until it is told to stop. Then it ends as if the app had ended it, in
/// good order: a proxy in between, and a page that reads it, see no broken message.
pub struct UntilBody {
    body: Body,
    /// Set whenever a part comes.
    moved: Arc<AtomicBool>,
    /// `None`: it was told to stop.
    stop: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl Body {
    /// Ends the body when `stop` does. `moved` is set whenever a part of it comes. The future is dropped with the body.
    #[must_use]
    pub fn until(self, stop: impl Future<Output = ()> + 'static, moved: Arc<AtomicBool>) -> Self {
        Self::Until(Box::new(UntilBody {
            body: self,
            moved,
            stop: Some(Box::pin(stop)),
        }))
    }
}

impl UntilBody {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Some(stop) = &mut self.stop else {
            return Poll::Ready(None);
        };
        if stop.as_mut().poll(cx).is_ready() {
            self.stop = None;
            // The app's connection is in the middle of a response: dropping the body closes it.
            self.body = Body::Empty;
            return Poll::Ready(None);
        }
        let part = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if part.is_some() && !self.moved.load(Ordering::Relaxed) {
            self.moved.store(true, Ordering::Relaxed);
        }
        Poll::Ready(part)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    pub(super) fn inner(&mut self) -> &mut Body {
        &mut self.body
    }
}

impl fmt::Debug for UntilBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.body.fmt(f)
    }
}
