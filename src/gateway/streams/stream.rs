//! One stream that is open, as whoever carries it holds it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::oneshot;

use super::Streams;
use crate::base::clock::Stopwatch;
use crate::base::meter::Count;
use crate::session::{Closed, SessionId};
use crate::upstream::tunnel::{Carried, End, Parting};

/// What kind of stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An upgraded connection, or an HTTP/2 stream that was.
    WebSocket,
    /// A response of `text/event-stream`.
    Events,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::WebSocket, Self::Events];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Events => "events",
        }
    }

    pub(super) const fn opened(self) -> Count {
        match self {
            Self::WebSocket => Count::WebSocketsOpened,
            Self::Events => Count::EventStreamsOpened,
        }
    }
}

/// Why a stream is ended that neither side has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its session is over.
    Session(Closed),
    /// The gateway ends.
    GoingAway,
}

impl Why {
    /// A word for logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Session(Closed::Unknown) => "session-unknown",
            Self::Session(Closed::Ended) => "session-ended",
            Self::Session(Closed::Superseded) => "user-changed",
            Self::Session(Closed::IdleExpired) => "session-idle-expired",
            Self::Session(Closed::AbsoluteExpired) => "session-absolute-expired",
            Self::GoingAway => "going-away",
        }
    }

    /// What both ends of a WebSocket are told. A page need not know more of why its session is over.
    pub const fn parting(self) -> Parting {
        match self {
            Self::Session(_) => Parting {
                code: 1008,
                reason: "session ended",
            },
            Self::GoingAway => Parting {
                code: 1001,
                reason: "going away",
            },
        }
    }
}

/// For the log.
pub(super) struct About {
    pub(super) request_id: Arc<str>,
    pub(super) site: Arc<str>,
    /// The session's ID at the site, as the access log has it.
    pub(super) session: Option<SessionId>,
    pub(super) user: Option<String>,
}

/// A stream that is open. It is when this is dropped that it no longer is.
pub struct Stream {
    place: Place,
    pub(super) told: oneshot::Receiver<Why>,
    moved: Arc<AtomicBool>,
    about: About,
    since: Stopwatch,
    why: Option<Why>,
    carried: Option<Carried>,
}

impl Stream {
    pub(super) fn new(
        place: Place,
        told: oneshot::Receiver<Why>,
        moved: Arc<AtomicBool>,
        about: About,
    ) -> Self {
        Self {
            place,
            told,
            moved,
            about,
            since: Stopwatch::start(),
            why: None,
            carried: None,
        }
    }

    /// To be set whenever the stream carries something.
    pub(super) fn moved(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.moved)
    }

    /// Resolves when the stream is to end, and why. To be awaited once.
    pub async fn ended(&mut self) -> Why {
        match (&mut self.told).await {
            Ok(why) => *self.why.insert(why),
            // The registry keeps the other end for as long as the stream has its place.
            Err(_) => std::future::pending().await,
        }
    }

    /// Notes what it carried, for the log.
    pub(super) const fn note(&mut self, carried: Carried) {
        self.carried = Some(carried);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let carried = self.carried;
        let why = match (self.why, carried.map(|carried| carried.end)) {
            (Some(why), _) => why.word(),
            (None, Some(End::Quiet)) => "idle",
            (None, _) => "closed",
        };
        tracing::info!(
            request_id = &*self.about.request_id,
            site = &*self.about.site,
            session = self.about.session.as_ref().map(SessionId::as_str),
            user = self.about.user.as_deref(),
            kind = self.place.kind.name(),
            why,
            cut = carried.is_some_and(|carried| carried.end == End::Cut),
            seconds = self.since.elapsed().as_secs(),
            up_bytes = carried.map(|carried| carried.up),
            down_bytes = carried.map(|carried| carried.down),
            "a stream ended"
        );
    }
}

/// A place in the registry, given back when it is dropped.
pub(super) struct Place {
    streams: Arc<Streams>,
    root: [u8; 32],
    id: u64,
    kind: Kind,
}

impl Place {
    pub(super) const fn new(streams: Arc<Streams>, root: [u8; 32], id: u64, kind: Kind) -> Self {
        Self {
            streams,
            root,
            id,
            kind,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.streams.remove(&self.root, self.id, self.kind);
    }
}
