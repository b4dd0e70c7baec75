//! What an engine gives back: an answer that is here, or one that is on its way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::StoreFault;

/// An answer that an engine has at once, or that has to be waited for. Memory answers without an allocation.
pub enum Answer<T> {
    /// It is here; taken by the first poll.
    Now(Option<Result<T, StoreFault>>),
    /// It is on its way.
    Later(Pin<Box<dyn Future<Output = Result<T, StoreFault>> + Send>>),
}

impl<T> Answer<T> {
    /// An answer that is here.
    pub const fn now(value: T) -> Self {
        Self::Now(Some(Ok(value)))
    }

    /// The store did not answer, and that is known at once.
    pub const fn fault(fault: StoreFault) -> Self {
        Self::Now(Some(Err(fault)))
    }

    /// An answer that `future` brings.
    pub fn later(future: impl Future<Output = Result<T, StoreFault>> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<T: Unpin + 'static> Answer<T> {
    /// The answer with `then` done to it.
    pub fn map<U>(self, then: impl FnOnce(T) -> U + Send + 'static) -> Answer<U> {
        match self {
            Self::Now(answer) => Answer::Now(answer.map(|answer| answer.map(then))),
            Self::Later(future) => Answer::later(async move { Ok(then(future.await?)) }),
        }
    }
}

impl<T: Unpin> Future for Answer<T> {
    type Output = Result<T, StoreFault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Now(answer) => match answer.take() {
                Some(answer) => Poll::Ready(answer),
                None => Poll::Pending,
            },
            Self::Later(future) => future.as_mut().poll(cx),
        }
    }
}
