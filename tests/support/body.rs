//! Bodies that tests send and answer with.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tokio::sync::mpsc;

/// Whatever went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Any body.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that is known whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body that the test feeds as it likes; it ends when the [`Feed`] is dropped.
pub fn fed() -> (Feed, Body) {
    let (feed, frames) = mpsc::channel(1);
    (Feed(feed), Fed(frames).boxed_unsync())
}

/// Feeds a body.
pub struct Feed(mpsc::Sender<Frame<Bytes>>);

impl Feed {
    /// Sends some bytes; waits while the reader has no room.
    pub async fn data(&self, bytes: impl Into<Bytes>) {
        self.frame(Frame::data(bytes.into())).await;
    }

    /// Waits until nobody wants more.
    pub async fn closed(&self) {
        self.0.closed().await;
    }

    /// Ends the body with trailers.
    pub async fn trailers(self, trailers: HeaderMap) {
        self.frame(Frame::trailers(trailers)).await;
    }

    async fn frame(&self, frame: Frame<Bytes>) {
        let sent = self.0.send(frame).await;
        sent.expect("the body is still being read");
    }
}

struct Fed(mpsc::Receiver<Frame<Bytes>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}
