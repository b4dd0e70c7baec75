//! The app is asked, once all that it is told is known.

use std::sync::Arc;

use http::header::TRAILER;
use http::request::Parts;
use http::{Response, Version};

use super::Gateway;
use super::access_log::Line;
use super::duties::{accept_upgrade, hint_to};
use super::forward::take_request;
use super::refusal::Refusal;
use super::site::Site;
use super::streams::Joint;
use super::witness::Witness;
use crate::base::clock::Stopwatch;
use crate::headers::websocket::Handshake;
use crate::session::Home;
use crate::upstream::visitor::Incoming;
use crate::upstream::{Body, Pool, TellEarly, aside, tunnel};

impl Gateway {
    /// Sends the request up, and tells the answer, with the two ends of a stream where one was opened.
    pub(super) async fn ask_app(
        &self,
        (pool, home): (&Pool, Option<Home>),
        site: &Site,
        head: &mut Parts,
        (mut body, witness, websocket): (Incoming, &mut Option<Witness<'_>>, Option<Handshake>),
        line: &mut Line,
    ) -> Result<(Response<Body>, Option<Joint>), Refusal> {
        let visitor_side = body.take_upgrade();
        let hints = body.aside().cloned();
        let announces = line.version == Version::HTTP_2 || head.headers.contains_key(TRAILER);
        let mut body =
            Body::visitor(body, self.body_limits).screening_trailers(Arc::clone(&site.trailers));
        if !announces {
            body = body.refusing_trailers();
        }
        // Who sends nothing of a body holds no place at the app that others need.
        let upstreams = &site.upstreams;
        let begun = body.begin(&head.headers, || upstreams.early_places(pool));
        begun.await?;
        if witness.is_some() {
            aside(self.hear_login(witness, &mut body, head, line.time)).await?;
        }
        if site.stamp.signs() {
            aside(self.sign(site, head, &mut body, line)).await?;
        }
        let form = self.observers.form(site, head, &mut body).await?;
        let asked = Stopwatch::start();
        let request = take_request(head, body);
        let hint = hints.as_deref().map(|aside| hint_to(aside, &self.meter));
        let early = hint.as_ref().map(|hint| hint as TellEarly<'_>);
        let sent = upstreams.send(pool, request, home, &self.clock, early);
        let mut response = sent.await.inspect_err(|_| self.unheard(witness))?;
        line.app = Some(asked.elapsed());
        self.observers.login(site, form, &response, line.time);
        accept_upgrade(websocket.as_ref(), &mut response)?;
        *response.version_mut() = line.version;
        let both = visitor_side.zip(tunnel::app_side(&mut response));
        let joint = both.map(|(visitor, app)| Joint { visitor, app });
        let trailers = Arc::clone(&site.trailers);
        Ok((
            response.map(|body| body.screening_trailers(trailers)),
            joint,
        ))
    }
}
