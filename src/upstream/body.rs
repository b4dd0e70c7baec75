//! Every body that passes through: one enum, so that a body costs no virtual call. The large ones are boxed, as a message is
//! moved about a dozen times on its way and most have none of them.
//!
//! Bodies are streams; nothing here holds one whole, except the short ones that we write ourselves.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::Semaphore;

use super::balance::InFlight;
use super::begin::begin;
use super::download::AppBody;
use super::duplex::Duplex;
use super::until::UntilBody;
use super::upload::{BodyLimits, Progress, VisitorBody};
use super::visitor::{Broken, Incoming};

/// Removes from trailers what may not pass.
pub type ScreenTrailers = Arc<dyn Fn(&mut HeaderMap) + Send + Sync>;

/// A body, whoever's it is. Belongs to one core, as the connection behind it does.
#[derive(Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A short body of our own; taken by the first read.
    Full(Option<Bytes>),
    /// What a visitor sends.
    Visitor(Box<VisitorBody>),
    /// What an app answers.
    App(Box<AppBody>),
    /// What an app streams, until somebody ends it.
    Until(Box<UntilBody>),
}

impl Body {
    /// No body.
    pub const fn empty() -> Self {
        Self::Empty
    }

    /// A body of our own, held whole.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() {
            Self::Empty
        } else {
            Self::Full(Some(bytes))
        }
    }

    /// The body of a visitor's request, within `limits`. Beyond what [`Body::begin`] reads, it is read only as fast as
    /// the app takes it.
    pub fn visitor(incoming: Incoming, limits: BodyLimits) -> Self {
        if incoming.is_end_stream() {
            Self::Empty
        } else {
            Self::Visitor(Box::new(VisitorBody::new(incoming, limits)))
        }
    }

    /// Lets trailers through, after `screen` has removed what may not pass. Without this call they are dropped: a
    /// trailer is a header field that nobody has looked at.
    #[must_use]
    pub fn screening_trailers(mut self, screen: ScreenTrailers) -> Self {
        match &mut self {
            Self::Empty | Self::Full(_) => {}
            Self::Visitor(body) => body.screen_trailers(screen),
            Self::App(body) => body.screen_trailers(screen),
            Self::Until(body) => body.map(|body| body.screening_trailers(screen)),
        }
        self
    }

    /// Has an app's response count until it has ended.
    pub(super) fn counted(mut self, counted: InFlight) -> Self {
        if let Self::App(body) = &mut self {
            body.count(counted);
        }
        self
    }

    /// Makes trailers of the visitor's break the body off: the request did not announce any.
    #[must_use]
    pub fn refusing_trailers(mut self) -> Self {
        if let Self::Visitor(body) = &mut self {
            body.refuse_trailers();
        }
        self
    }

    /// Waits until something of a visitor's body is here, within its limits; no other body is waited for. A visitor who
    /// expects `100 Continue` gets it now. Until then nothing shall be taken from others: no connection to an app, no
    /// place. But if its length is not told and it does not come, one of `places` is enough.
    ///
    /// # Errors
    /// The body is refused, or did not come.
    pub async fn begin(
        &mut self,
        headers: &HeaderMap,
        places: impl FnOnce() -> Option<Arc<Semaphore>>,
    ) -> Result<(), BodyFault> {
        match self {
            Self::Visitor(body) => begin(body, headers, places).await,
            Self::Empty | Self::Full(_) | Self::App(_) | Self::Until(_) => Ok(()),
        }
    }

    /// The app answers while a visitor's body is still on its way: both go on, as long as either does.
    pub(super) fn answered(&mut self, stream_timeout: Duration) -> Option<Rc<Duplex>> {
        match self {
            Self::Visitor(body) => body.answered(stream_timeout),
            Self::Empty | Self::Full(_) | Self::App(_) | Self::Until(_) => None,
        }
    }

    /// Has an app's body that goes both ways hold one of `places`; where there is none, it is waited for as any other.
    pub(super) fn go_both_ways(&mut self, places: &Arc<Semaphore>) {
        if let Self::App(body) = self {
            body.go_both_ways(places);
        }
    }

    /// Waits until all of a visitor's body is here, or more than `bytes_max` bytes of it, within its limits; no other body is
    /// waited for. For bodies that have to be read before the app may be asked.
    ///
    /// # Errors
    /// The body is refused, or did not come.
    pub async fn hold(&mut self, bytes_max: usize) -> Result<(), BodyFault> {
        match self {
            Self::Visitor(body) => poll_fn(|cx| body.poll_hold(bytes_max, cx)).await,
            Self::Empty | Self::Full(_) | Self::App(_) | Self::Until(_) => Ok(()),
        }
    }

    /// All of a visitor's body, if [`Body::hold`] has come to its end.
    pub fn held(&self) -> Option<&[u8]> {
        match self {
            Self::Empty => Some(&[]),
            Self::Visitor(body) => body.held(),
            Self::Full(_) | Self::App(_) | Self::Until(_) => None,
        }
    }

    /// How many bytes it has, if that is known.
    pub fn length(&self) -> Option<u64> {
        if self.is_end_stream() {
            Some(0)
        } else {
            self.size_hint().exact()
        }
    }

    /// Has an app's body hold one of `places` instead of the place of its request; false when there is none.
    pub(super) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        match self {
            Self::App(body) => body.move_to(places),
            Self::Empty | Self::Full(_) | Self::Visitor(_) | Self::Until(_) => true,
        }
    }

    pub(super) fn progress(&self) -> Option<Rc<Progress>> {
        match self {
            Self::Visitor(body) => Some(body.progress()),
            Self::Empty | Self::Full(_) | Self::App(_) | Self::Until(_) => None,
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Visitor(body) => body.poll_frame(cx),
            Self::App(body) => body.poll_frame(cx),
            Self::Until(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_none(),
            Self::Visitor(body) => body.is_end_stream(),
            Self::App(body) => body.is_end(),
            Self::Until(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Visitor(body) => body.size_hint(),
            Self::App(body) => body.size_hint(),
            Self::Until(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    /// Says whose body it is, never what is in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "Body(empty)",
            Self::Full(_) => "Body(full)",
            Self::Visitor(_) => "Body(visitor)",
            Self::App(_) | Self::Until(_) => "Body(app)",
        })
    }
}

/// The trailers that `screen` lets through, if any are left.
pub(super) fn screened(
    frame: Frame<Bytes>,
    screen: Option<&ScreenTrailers>,
) -> Option<Frame<Bytes>> {
    let screen = screen?;
    let mut trailers = frame.into_trailers().ok()?;
    screen(&mut trailers);
    (!trailers.is_empty()).then(|| Frame::trailers(trailers))
}

/// Why a body broke off.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BodyFault {
    /// The visitor sent more than `server.limits.body_bytes`. 413.
    #[error("the visitor's body is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The visitor sent nothing for `server.limits.body_timeout`. 408.
    #[error("the visitor's body stalled")]
    Stalled,
    /// The visitor sends slower than `server.limits.body_min_rate`. 408.
    #[error("the visitor's body comes too slowly")]
    TooSlow,
    /// The visitor sent trailers without announcing them, or a last chunk that can be read in two ways. 400.
    #[error("the visitor's body ends in a way that can be read in more than one way")]
    Trailers,
    /// The visitor's connection or stream ended, or its framing is broken.
    #[error("the visitor's body broke off")]
    VisitorGone(#[source] Arc<Broken>),
    /// The app's connection ended in the middle of a response, or its framing is broken.
    #[error("the app's response broke off")]
    AppBroke(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Nothing of a response came for `body_timeout`.
    #[error("the app's response stalled")]
    AppStalled,
}

impl BodyFault {
    /// Whether the visitor went away, and did nothing else that is wrong.
    pub fn is_visitor_gone(&self) -> bool {
        matches!(self, Self::VisitorGone(broken) if broken.is_gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_our_own_tell_their_length() {
        let table = [
            (Body::empty(), 0, true),
            (Body::full(""), 0, true),
            (Body::full("four"), 4, false),
        ];
        for (body, length, ended) in table {
            assert_eq!(body.size_hint().exact(), Some(length));
            assert_eq!(body.is_end_stream(), ended);
        }
    }

    #[test]
    fn trailers_that_nobody_screens_are_dropped() {
        let trailers = || {
            let mut fields = HeaderMap::new();
            fields.insert("x-sum", http::HeaderValue::from_static("1"));
            fields.insert("x-bad", http::HeaderValue::from_static("2"));
            Frame::trailers(fields)
        };

        let clear: ScreenTrailers = Arc::new(HeaderMap::clear);
        assert!(screened(trailers(), None).is_none());
        assert!(screened(trailers(), Some(&clear)).is_none());

        let screen: ScreenTrailers = Arc::new(|fields| drop(fields.remove("x-bad")));
        let left = screened(trailers(), Some(&screen));
        let left = left.and_then(|frame| frame.into_trailers().ok()).unwrap();
        assert_eq!(left.len(), 1);
        assert!(left.contains_key("x-sum"));
    }
}
