//! How a page of ours ends that has somebody logged in or out: the session takes its turn as after an answer of the app.

use http::header::{CACHE_CONTROL, COOKIE, HeaderValue, LOCATION};
use http::{Response, StatusCode};

use super::Gateway;
use super::access_log::Line;
use super::cookies::Written;
use super::copies::Before;
use super::form_page::Asked;
use super::forward::{Call, jar_request};
use super::learn::{Scene, learn};
use super::path::as_browsers_ask;
use super::refusal::Refusal;
use super::visit::Visit;
use crate::cookie::screen::Incoming as Cookies;
use crate::headers::fetch::Provenance;
use crate::session::{GrantEdit, Turn};
use crate::upstream::Body;

/// What becomes of the session.
pub(super) struct Verdict {
    /// As a whole.
    pub turn: Turn,
    /// What a provider gave for the user.
    pub grant: Option<Box<GrantEdit>>,
}

impl From<Turn> for Verdict {
    fn from(turn: Turn) -> Self {
        Self { turn, grant: None }
    }
}

impl Gateway {
    /// Has the session take its turn, and dresses the answer as that of an app: cookies of before go as they would there.
    /// Tells too whether the store took the turn.
    pub(super) async fn conclude(
        &self,
        (asked, cookies, from): (Asked<'_>, Cookies<'_>, &Provenance),
        visit: Visit,
        verdict: impl Into<Verdict>,
        mut answer: Response<Body>,
        line: &mut Line,
    ) -> Result<(Response<Body>, bool), Refusal> {
        let Verdict { turn, grant } = verdict.into();
        let Asked { site, admitted, .. } = asked;
        let call = Call {
            arrival: asked.arrival,
            hops: asked.hops,
            version: line.version,
            admitted,
            site,
            visit: &visit,
            named: None,
            could_carry: from.could_carry(self.desk.cookie.settings().same_site),
            request_id: line.request_id.clone(),
            session_id: visit.root().map(|root| self.ids.derive(&root, &site.name)),
            now: line.time,
        };
        line.session = call.session_id.clone();
        let path = &*as_browsers_ask(asked.head.uri.path());
        let request = jar_request(site, admitted, path, from, line.time);
        let mut brought = self.admit_cookies(cookies, &call, &request);
        let came = asked.head.headers.get_all(COOKIE).iter();
        brought.came = came.cloned().collect();
        let request_id = line.request_id.clone();
        let scene = Scene {
            gateway: self,
            site,
            request: &request,
            record: visit.record(),
            was: None,
            may_keep: visit.may_keep_cookies(),
            request_id: &request_id,
        };
        let marked = std::mem::take(&mut brought.marked);
        let (mut change, mut parting) = learn(&mut answer, scene, brought, None, turn);
        change.grant = grant;
        parting.mark = self.mark_after(&change.turn, &visit, marked, line.time);
        let may_set = visit.may_keep_cookies();
        let before = Before::of(&change.turn, &visit);
        let held = (!self.streams.has_no_sessions()).then(|| visit.held());
        let now = self.clock.now();
        let settled = self.settle(visit, change, line, now).await?;
        if let Some(held) = held {
            self.follow(held.as_ref(), &settled);
        }
        let headers = answer.headers_mut();
        let record = settled.record.as_deref();
        let written = Written {
            record,
            before,
            may_set,
            request_id: &request_id,
        };
        parting.write(headers, self, site, &request, &written);
        self.desk.write(headers, &settled.news, &admitted.host, now);
        Ok((answer, record.is_some()))
    }
}

/// To where the visitor was going.
pub(super) fn goes_on(to: &str) -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    let headers = answer.headers_mut();
    headers.insert(LOCATION, location);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
