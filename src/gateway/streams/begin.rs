//! How a response becomes a stream that is watched.

use std::sync::Arc;

use http::{Response, StatusCode};
use http_body::Body as _;

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::site::Site;
use super::stream::{About, Kind};
use super::subject::Subject;
use crate::upstream::tunnel::AppSide;
use crate::upstream::visitor::Upgrade;
use crate::upstream::{Body, is_event_stream};

/// Both sides of an upgrade, before they are joined.
pub struct Joint {
    /// The visitor's.
    pub visitor: Upgrade,
    /// The app's.
    pub app: AppSide,
}

/// A stream that a response is to be.
pub enum Opening {
    /// A WebSocket.
    WebSocket(Joint),
    /// Events.
    Events,
}

impl Opening {
    /// What stream `response` is, if it is one.
    pub fn of(response: &Response<Body>, joint: Option<Joint>) -> Option<Self> {
        if let Some(joint) = joint {
            return Some(Self::WebSocket(joint));
        }
        let is_one = response.status() == StatusCode::OK
            && is_event_stream(response.headers())
            && !response.body().is_end_stream();
        is_one.then_some(Self::Events)
    }
}

impl Gateway {
    /// Opens the stream: from now on it ends when the session of `subject` does.
    #[inline(never)]
    pub(in super::super) fn open_stream(
        &self,
        opening: Opening,
        response: Response<Body>,
        (site, line): (&Site, &Line),
        subject: Option<&Subject>,
    ) -> Response<Body> {
        let about = About {
            request_id: Arc::clone(&line.request_id),
            site: Arc::clone(&site.name),
            session: line.session.clone(),
            user: line.user.clone(),
        };
        match opening {
            Opening::WebSocket(Joint { visitor, app }) => {
                let mut stream = self.streams.begin(Kind::WebSocket, subject, about);
                let idle = site.stream_timeout;
                tokio::task::spawn_local(async move {
                    let moved = stream.moved();
                    let stop = async { stream.ended().await.parting() };
                    // Either side may be gone before the other has switched; then there is nothing to carry.
                    let carried = app.carry(visitor, idle, &moved, stop).await;
                    if let Ok(carried) = carried {
                        stream.note(carried);
                    }
                });
                response
            }
            Opening::Events => {
                let mut stream = self.streams.begin(Kind::Events, subject, about);
                let moved = stream.moved();
                let stop = async move {
                    stream.ended().await;
                };
                response.map(|body| body.until(stop, moved))
            }
        }
    }
}
