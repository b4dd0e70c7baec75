//! The body of an app's response on its way down, and how long its parts may be waited for.

use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::balance::InFlight;
use super::body::{BodyFault, ScreenTrailers, screened};
use super::duplex::Duplex;
use super::flow::Flow;
use super::http1::Answer;
use super::http2::websocket::Joining;
use super::patience::Patience;
use super::tunnel::AppStream;

/// The body of an app's response. It holds the connection or its stream: read to its end it gives that back to the pool,
/// dropped before it ends it.
pub struct AppBody {
    source: Source,
    screen: Option<ScreenTrailers>,
    patience: Patience,
    /// The request is still on its way meanwhile.
    duplex: Option<Rc<Duplex>>,
    /// What the response counts as until it has ended, where somebody counts.
    counted: Option<InFlight>,
}

/// Where the parts come from, and what has to be given back.
pub(super) enum Source {
    Http1(Answer),
    Http2(Flow),
    /// No body: the app has opened a WebSocket on a stream of HTTP/2.
    WebSocket(Box<Joining>),
}

impl AppBody {
    pub(super) fn new(source: Source, patience: Patience, duplex: Option<Rc<Duplex>>) -> Box<Self> {
        Box::new(Self {
            source,
            screen: None,
            patience,
            duplex,
            counted: None,
        })
    }

    pub(super) fn screen_trailers(&mut self, screen: ScreenTrailers) {
        self.screen = Some(screen);
    }

    pub(super) fn count(&mut self, counted: InFlight) {
        self.counted = Some(counted);
    }

    pub(super) fn is_end(&self) -> bool {
        self.source.is_end()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }

    /// If it goes both ways, it is no longer one of the requests; without a place elsewhere it is waited for as any other.
    pub(super) fn go_both_ways(&mut self, places: &Arc<Semaphore>) {
        if self.duplex.is_some() && !self.move_to(places) {
            self.duplex = None;
        }
    }

    /// Has it hold one of `places` instead of its own; false when there is none.
    pub(super) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        match &mut self.source {
            Source::Http1(answer) => answer.move_to(places),
            Source::Http2(flow) => flow.move_to(places),
            Source::WebSocket(joining) => joining.move_to(places),
        }
    }

    /// Whether the app has switched protocols, and there is no body at all.
    pub(super) fn is_switched(&self) -> bool {
        match &self.source {
            Source::Http1(answer) => answer.is_switched(),
            Source::Http2(_) => false,
            Source::WebSocket(_) => true,
        }
    }

    /// The stream of an app that has switched protocols, and the place that it goes on to hold.
    pub(super) fn into_switched(self) -> Option<(AppStream, OwnedSemaphorePermit)> {
        match self.source {
            Source::Http1(answer) => {
                let (stream, place) = answer.into_switched()?;
                Some((Box::pin(stream), place))
            }
            Source::Http2(_) => None,
            Source::WebSocket(joining) => {
                let (stream, place) = joining.into_stream()?;
                Some((Box::pin(stream), place))
            }
        }
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Poll::Ready(part) = self.source.poll_part(cx) else {
            loop {
                ready!(self.patience.poll_end(cx));
                if !self.duplex.as_deref().is_some_and(Duplex::excuses_app) {
                    break;
                }
                self.patience.relieve();
            }
            self.source.cut();
            return Poll::Ready(Some(Err(BodyFault::AppStalled)));
        };
        self.patience.relieve();
        if let Some(duplex) = &self.duplex {
            duplex.moves();
            if self.source.is_end() {
                self.duplex = None;
            }
        }
        let part = match part {
            Some(Ok(frame)) if frame.is_data() => {
                // Nobody asks again after the last part of a body whose length was told.
                if self.source.is_end() {
                    self.source.give_back();
                }
                Some(Ok(frame))
            }
            Some(Ok(frame)) => {
                self.source.give_back();
                screened(frame, self.screen.as_ref()).map(Ok)
            }
            Some(Err(cause)) => {
                self.source.cut();
                Some(Err(BodyFault::AppBroke(cause)))
            }
            None => {
                self.source.give_back();
                None
            }
        };
        Poll::Ready(part)
    }
}

/// What a source gives at a time.
pub(super) type Part = Result<Frame<Bytes>, Arc<dyn std::error::Error + Send + Sync>>;

impl Source {
    /// All of it was read.
    fn give_back(&mut self) {
        match self {
            // It does so by itself, as it knows first.
            Self::Http1(_) => {}
            Self::Http2(flow) => flow.give_back(),
            Self::WebSocket(_) => {}
        }
    }

    /// Nothing more will be read.
    fn cut(&mut self) {
        match self {
            Self::Http1(answer) => answer.cut(),
            Self::Http2(flow) => flow.cut(),
            // It ends with whoever holds it.
            Self::WebSocket(_) => {}
        }
    }

    fn is_end(&self) -> bool {
        match self {
            Self::Http1(answer) => answer.is_end(),
            Self::Http2(flow) => flow.is_end(),
            Self::WebSocket(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(answer) => answer.size_hint(),
            Self::Http2(flow) => flow.size_hint(),
            Self::WebSocket(_) => SizeHint::with_exact(0),
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        match self {
            Self::Http1(answer) => answer.poll_part(cx),
            Self::Http2(flow) => flow.poll_part(cx),
            Self::WebSocket(_) => Poll::Ready(None),
        }
    }
}
