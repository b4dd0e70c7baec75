//! The watch over a site's cookies as a body: a snapshot at once, then one a second, each a line of JSON.
//!
//! It keeps nothing: a snapshot is made when the connection has room for it, so that a slow reader is shown fewer of
//! them and not later ones.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::gateway::observe::Looking;

/// The pause between two snapshots.
const EVERY: Duration = Duration::from_secs(1);
/// The longest watch: one that was forgotten in a terminal shall not cost a seat for ever.
const LIFE: Duration = Duration::from_secs(3600);

/// Something that comes sooner or later.
pub type Event = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A watch that is on. It ends with its reader, when the gateway drains, or after an hour.
pub(super) struct Watching {
    site: Arc<str>,
    /// Who looks on.
    peer: String,
    looking: Looking,
    ticks: Interval,
    /// The ends that do not come from the reader.
    draining: Event,
    too_long: Event,
    /// Told each time that a snapshot is taken.
    taken: Arc<Notify>,
}

impl Watching {
    pub(super) fn new(
        (site, peer): (Arc<str>, &str),
        looking: Looking,
        draining: Event,
        taken: Arc<Notify>,
    ) -> Self {
        tracing::info!(site = &*site, peer, "a watch over cookies begins");
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            site,
            peer: peer.to_owned(),
            looking,
            ticks,
            draining,
            too_long: Box::pin(sleep(LIFE)),
            taken,
        }
    }

    fn snapshot(&self) -> Bytes {
        // Names are texts there, so that nothing of it can fail to be written.
        let mut line = serde_json::to_vec(&self.looking.tally()).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

impl Body for Watching {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let is_over = self.draining.as_mut().poll(cx).is_ready()
            || self.too_long.as_mut().poll(cx).is_ready();
        if is_over {
            return Poll::Ready(None);
        }
        self.ticks.poll_tick(cx).map(|_| {
            self.taken.notify_one();
            Some(Ok(Frame::data(self.snapshot())))
        })
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let requests = self.looking.tally().requests;
        let (site, peer) = (&*self.site, &*self.peer);
        tracing::info!(site, peer, requests, "a watch over cookies ends");
    }
}
