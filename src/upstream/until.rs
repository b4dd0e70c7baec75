//! A response body that somebody may end before its time.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use tokio::task::AbortHandle;

use super::body::{Body, BodyFault};

/// A body that streams until its app ends it, or until it is told to stop. Then it ends as if the app had ended it, in
/// good order: a proxy in between, and a page that reads it, see no broken message. The app's side ends at once, whether
/// or not anybody reads what is left.
pub struct UntilBody {
    held: Rc<Held>,
    /// Set whenever a part comes.
    moved: Arc<AtomicBool>,
    /// Who stops it: nobody polls a body whose visitor takes nothing.
    watch: AbortHandle,
}

#[derive(Default)]
struct Held {
    /// None: it was told to stop.
    body: RefCell<Option<Body>>,
    /// Who waits for the next part.
    reader: RefCell<Option<Waker>>,
}

impl Body {
    /// Ends the body when `stop` does. `moved` is set whenever a part of it comes. The future is dropped with the body.
    ///
    /// # Panics
    /// Outside of a [`LocalSet`](tokio::task::LocalSet).
    #[must_use]
    pub fn until(self, stop: impl Future<Output = ()> + 'static, moved: Arc<AtomicBool>) -> Self {
        let held = Rc::new(Held {
            body: RefCell::new(Some(self)),
            reader: RefCell::default(),
        });
        let watched = Rc::clone(&held);
        let watch = tokio::task::spawn_local(async move {
            stop.await;
            watched.stop();
        });
        Self::Until(Box::new(UntilBody {
            held,
            moved,
            watch: watch.abort_handle(),
        }))
    }
}

impl Held {
    fn stop(&self) {
        // The app's connection is in the middle of a response: dropping the body closes it.
        drop(self.body.take());
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn await_stop(&self, waker: &Waker) {
        let mut reader = self.reader.borrow_mut();
        match &mut *reader {
            Some(known) => known.clone_from(waker),
            None => *reader = Some(waker.clone()),
        }
    }
}

impl UntilBody {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let mut body = self.held.body.borrow_mut();
        let Some(body) = &mut *body else {
            return Poll::Ready(None);
        };
        let Poll::Ready(part) = Pin::new(body).poll_frame(cx) else {
            self.held.await_stop(cx.waker());
            return Poll::Pending;
        };
        if part.is_some() && !self.moved.load(Ordering::Relaxed) {
            self.moved.store(true, Ordering::Relaxed);
        }
        Poll::Ready(part)
    }

    pub(super) fn is_end_stream(&self) -> bool {
        let body = self.held.body.borrow();
        body.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let body = self.held.body.borrow();
        body.as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }

    /// Puts what `change` makes of the body in its place.
    pub(super) fn map(&mut self, change: impl FnOnce(Body) -> Body) {
        let body = self.held.body.take();
        self.held.body.replace(body.map(change));
    }
}

impl Drop for UntilBody {
    fn drop(&mut self) {
        self.watch.abort();
        // Now, and not when the watch has gone.
        drop(self.held.body.take());
    }
}

impl fmt::Debug for UntilBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(until)")
    }
}
