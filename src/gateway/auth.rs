//! `/.cloakroom/auth`: another proxy asks whether a visitor may have what they ask it for, by the conventions of nginx'
//! `auth_request`, Traefik's `ForwardAuth` and Caddy's `forward_auth`.
//!
//! The rules are those of the site that owns the host and the path that the question is about, decided on the normalised path
//! as for a request of our own. A question is believed from proxies of `server.trusted_proxies` alone, and only where all
//! that it says agrees ([`Original`]). The answer reaches no browser, as a rule, so that it sets and deletes no cookie; a
//! session that is there is kept alive all the same, since nobody else does.

use std::sync::{Arc, LazyLock};

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, UPGRADE};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};

use super::Gateway;
use super::access::{Rule, check_cross_site};
use super::access_log::Line;
use super::admit::{Admitted, TARGET_BYTES_MAX, host_of};
use super::demand::Asking;
use super::form_page::Asked;
use super::forward::Call;
use super::own::not_allowed;
use super::path::NormalPath;
use super::refusal::Refusal;
use super::site::Site;
use super::visit::SessionMode;
use crate::base::causes::Causes;
use crate::base::meter::Count;
use crate::headers::fetch::Provenance;
use crate::headers::identity::Stamp;
use crate::headers::original::{Original, Untold};
use crate::session::Change;
use crate::upstream::Body;

/// What a proxy is told of the user.
static VOUCHER: LazyLock<Stamp> = LazyLock::new(Stamp::vouching);

/// The request that a question is about.
struct Question {
    head: Parts,
    admitted: Admitted,
    is_for_nginx: bool,
}

impl Site {
    /// Whether other proxies may ask about it. Not where somebody else names the user with each request: the one who asks
    /// stands between them and us.
    fn vouches(&self) -> bool {
        let knows_users = self.binds_users() || !self.accepts_users_from.is_empty();
        knows_users && !self.is_told_users()
    }
}

impl Gateway {
    /// Answers a question: 200 if the visitor may have what they ask for, with who they are in the head.
    ///
    /// # Errors
    /// Why they may not, or why nobody can tell.
    pub(super) async fn auth(
        &self,
        asked: Asked<'_>,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let peer = asked.arrival.peer.ip();
        if asked.arrival.is_peers_own || !self.forwarded.trusts(peer) {
            self.meter.count(Count::AuthDistrusted);
            let request_id = &*line.request_id;
            tracing::warn!(request_id, %peer, "/.cloakroom/auth was asked by a peer that is none of server.trusted_proxies");
            return Err(Refusal::OwnPath);
        }
        if !matches!(asked.head.method, Method::GET | Method::HEAD) {
            return Ok(not_allowed("GET, HEAD"));
        }
        self.meter.count(Count::AuthAsked);
        let question = Question::read(asked).inspect_err(|why| {
            let request_id = &*line.request_id;
            let error = Causes(why);
            tracing::warn!(request_id, %peer, %error, "a question to /.cloakroom/auth says nothing that could be acted on");
        })?;
        let asking = Asking::of(&question.head.method, asked.hops);
        let placed = self.sites.place(&question.admitted, &asking);
        let (site, rule) = placed.map_err(|refusal| match refusal {
            Refusal::AmbiguousPath => refusal,
            // What we would answer ourselves, the one who asks cannot.
            _ => Refusal::AuthElsewhere,
        })?;
        line.at(site, &question.head.headers);
        if !site.vouches() {
            return Err(Refusal::AuthElsewhere);
        }
        let judged = self.judge(asked, &question, (site, rule), line).await;
        judged.map_err(|refusal| match refusal {
            Refusal::Denied(denial) => {
                let (authority, for_nginx) = (&question.admitted.authority, question.is_for_nginx);
                Refusal::Denied(Box::new(denial.through(authority, for_nginx)))
            }
            other => other,
        })
    }

    async fn judge(
        &self,
        asked: Asked<'_>,
        question: &Question,
        (site, rule): (&Site, Option<&Rule>),
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let Question { head, admitted, .. } = question;
        let upgrades = opens_websocket(&head.headers);
        let from = Provenance::of(&head.method, &head.headers, |origin| {
            site.is_own_origin(origin)
        });
        let cookies = self.screen_in(site, &head.headers)?;
        let mode = rule.and_then(|rule| rule.session).unwrap_or(site.session);
        let looks_on = match mode {
            SessionMode::Off => SessionMode::Off,
            _ => SessionMode::Observe,
        };
        let place = self.desk.place(&admitted.host);
        let opened = self.open_visit((&cookies, place), looks_on, &from, line);
        let visit = opened.await?;
        check_cross_site(from.crosses_site_changing_state(upgrades), rule, &visit)?;
        let visit = self.let_in(visit, site, head, upgrades)?;
        let call = Call {
            arrival: asked.arrival,
            hops: asked.hops,
            version: line.version,
            admitted,
            site,
            visit: &visit,
            named: None,
            could_carry: from.could_carry(self.desk.cookie.settings().same_site),
            request_id: Arc::clone(&line.request_id),
            session_id: visit.root().map(|root| self.ids.derive(&root, &site.name)),
            now: line.time,
        };
        line.session = call.session_id.clone();
        line.user = call.user().map(|user| user.id.clone());
        self.check_access((rule, None), &call, head, upgrades, line.time)?;
        let mut answer = Response::new(Body::empty());
        let headers = answer.headers_mut();
        VOUCHER.write(headers, &call.facts(None));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let renews = !matches!(mode, SessionMode::Observe | SessionMode::Off);
        if renews && visit.touch_is_due(&self.desk.terms, line.time) {
            let change = Change {
                touch: true,
                ..Change::default()
            };
            // What there would be to tell of a ticket reaches nobody.
            self.settle(visit, change, line, line.time).await?;
        }
        Ok(answer)
    }
}

impl Question {
    fn read(asked: Asked<'_>) -> Result<Self, Refusal> {
        let headers = &asked.head.headers;
        let original = Original::read(headers)?;
        let authority = match original.authority {
            Some(authority) => authority,
            None => asked.admitted.authority.clone(),
        };
        let host = host_of(&authority).ok_or(Untold::Malformed)?;
        let target = Some(original.target).filter(|target| target.len() <= TARGET_BYTES_MAX);
        let target: Option<PathAndQuery> = target.and_then(|target| target.parse().ok());
        let target = target.ok_or(Untold::Malformed)?;
        let path = NormalPath::read(target.path());
        let mut request = Request::new(());
        *request.method_mut() = original.method;
        *request.uri_mut() = Uri::from(target);
        *request.headers_mut() = headers.clone();
        Ok(Self {
            head: request.into_parts().0,
            admitted: Admitted {
                authority,
                host,
                path,
            },
            is_for_nginx: original.is_for_nginx,
        })
    }
}

/// Whether the request is about a WebSocket, as far as anything of that is left: proxies take some of it out on the way.
fn opens_websocket(headers: &HeaderMap) -> bool {
    let says = |name: &str, word: &str| {
        let mut values = headers.get_all(name).iter();
        values.any(|value| value.as_bytes().eq_ignore_ascii_case(word.as_bytes()))
    };
    says(UPGRADE.as_str(), "websocket")
        || says("sec-fetch-mode", "websocket")
        || headers.contains_key("sec-websocket-key")
}
