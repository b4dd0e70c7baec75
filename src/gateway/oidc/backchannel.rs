//! The provider says that somebody has logged out there (OpenID Connect Back-Channel Logout 1.0): their sessions here end,
//! on every node, and what they hold open closes within a second.
//!
//! No browser asks for this page, and no cookie says anything to it: what counts is the token, and that once.

use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::form_page::Asked;
use super::super::refusal::Refusal;
use super::OidcLogin;
use crate::base::causes::Causes;
use crate::base::meter::Count;
use crate::login::oidc::{LogoutToken, OidcFault, Tokens};
use crate::login::typed::{self, Kind};
use crate::session::{Closed, Session, UserKey};
use crate::store::{Catalogue, Note, NoteKey, Notes, StoreFault};
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

impl Gateway {
    /// The page at `backchannel-logout`.
    pub(super) async fn logout_told(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let (Some(catalogue), Some(notes)) = (self.store.catalogue(), self.store.notes()) else {
            // Who cannot list sessions cannot end them.
            return Ok(answer(StatusCode::NOT_IMPLEMENTED, "unsupported"));
        };
        let (head, now) = (asked.head, line.time);
        typed::head_allows(&head.headers, head.uri.query(), "logout_token", Kind::Form)
            .map_err(Refusal::LoginForm)?;
        let body = self.read_form(body).await?;
        let token = typed::value(&body, "logout_token").map_err(Refusal::LoginForm)?;
        let Some(token) = token else {
            return Err(self.not_believed(asked, &OidcFault::NoLogout, line));
        };
        let told = match oidc.provider.read_logout_token(token.expose(), now).await {
            Ok(told) => told,
            // Whether it is one cannot be told without the provider's keys; it may send it again.
            Err(fault) if fault.is_no_answer() => return Err(asked.failed(fault, "")),
            Err(fault) => return Err(self.not_believed(asked, &fault, line)),
        };
        let once = once(oidc, &told);
        let note = Note {
            value: Vec::new(),
            until: told.expires,
        };
        match notes.put_new(once, note, now).await {
            // To end sessions twice does less harm than not to end them.
            Ok(true) | Err(StoreFault::Overloaded) => {}
            Ok(false) => return Err(self.not_believed(asked, &OidcFault::Replayed, line)),
            Err(fault) => return Err(fault.into()),
        }
        let ended = self
            .end_all((catalogue, notes), (asked, oidc), &told, line)
            .await;
        let ended = match ended {
            Ok(ended) => ended,
            Err(fault) => {
                // The provider may say it again, and then it must count.
                let undone = notes.swap(once, Some(Vec::new()), None, now).await;
                if let Err(fault) = undone {
                    tracing::error!(error = %Causes(&fault), "a logout token that ended nothing counts as used");
                }
                return Err(fault.into());
            }
        };
        self.meter.count(Count::OidcLogouts);
        let request_id = &*line.request_id;
        tracing::info!(request_id, site = %asked.site.name, by_session = told.sid.is_some(), sessions = ended, "a logout at the OpenID provider ended sessions");
        Ok(answer(StatusCode::OK, ""))
    }

    fn not_believed(&self, asked: Asked<'_>, fault: &OidcFault, line: &Line) -> Refusal {
        self.meter.count(Count::OidcLogoutsRefused);
        let request_id = &*line.request_id;
        tracing::warn!(request_id, site = %asked.site.name, client_ip = %line.client_ip, reason = fault.word(), error = %Causes(fault), "a logout token was refused");
        Refusal::LogoutToken(fault.word())
    }

    /// Ends the sessions that are meant, and tells how many had not ended before.
    async fn end_all(
        &self,
        (catalogue, notes): (&dyn Catalogue, &dyn Notes),
        (asked, oidc): (Asked<'_>, &OidcLogin),
        told: &LogoutToken,
        line: &Line,
    ) -> Result<usize, StoreFault> {
        let now = line.time;
        let sub = match (&told.sub, &told.sid) {
            (Some(sub), _) => Some(sub.clone()),
            (None, Some(sid)) => {
                let known = notes.get(sid_key(oidc, sid), now).await?;
                known.and_then(|sub| String::from_utf8(sub).ok())
            }
            (None, None) => None,
        };
        let Some(sub) = sub else { return Ok(0) };
        let key = UserKey::of(Some(oidc.issuer()), &sub);
        let mut ended = 0;
        for session in catalogue.of_user(&key, now).await? {
            let holder = session.holders.last();
            let (Some(holder), true) = (holder, is_meant(&session, told)) else {
                continue;
            };
            if !catalogue.end(&holder.key, now).await? {
                continue;
            }
            ended += 1;
            let root = &session.record.root;
            // On other nodes the watch sees it within a second.
            self.streams.end(root, Closed::Ended);
            self.meter.count(Count::OidcSessionsEnded);
            let id = self.ids.derive(root, &asked.site.name);
            let request_id = Arc::clone(&line.request_id);
            tracing::info!(%request_id, site = %asked.site.name, user = sub, session = id.as_str(), "a session ended: its user has logged out at the OpenID provider");
        }
        Ok(ended)
    }

    /// Remembers whose a session of the provider's is: it may end it and say no more than its name.
    pub(super) async fn note_sid(
        &self,
        oidc: &OidcLogin,
        tokens: &Tokens,
        line: &Line,
    ) -> Result<(), StoreFault> {
        let (Some(sid), Some(notes)) = (&tokens.sid, self.store.notes()) else {
            return Ok(());
        };
        let (key, now) = (sid_key(oidc, sid), line.time);
        let note = Note {
            value: tokens.sub.clone().into_bytes(),
            until: now.plus(self.desk.terms.absolute).plus(oidc.login_timeout),
        };
        let known = notes.get(key, now).await?;
        if notes.swap(key, known, Some(note), now).await? {
            return Ok(());
        }
        // Another tab was first, and says the same.
        Ok(())
    }
}

fn is_meant(session: &Session, told: &LogoutToken) -> bool {
    let grant = session.record.grant();
    let sid = grant.and_then(|grant| grant.sid.as_deref());
    told.sid.is_none() || sid == told.sid.as_deref()
}

fn once(oidc: &OidcLogin, told: &LogoutToken) -> NoteKey {
    let client = oidc.provider.settings().client_id.as_bytes();
    NoteKey::of(
        "oidc logout",
        &[oidc.issuer().as_bytes(), client, told.jti.as_bytes()],
    )
}

fn sid_key(oidc: &OidcLogin, sid: &str) -> NoteKey {
    let client = oidc.provider.settings().client_id.as_bytes();
    NoteKey::of(
        "oidc sid",
        &[oidc.issuer().as_bytes(), client, sid.as_bytes()],
    )
}

/// As the standard has it (2.8): nobody keeps it.
fn answer(status: StatusCode, error: &str) -> Response<Body> {
    let body = match error {
        "" => Body::empty(),
        error => Body::full(format!(
            "{{\"error\":\"invalid_request\",\"error_description\":\"{error}\"}}\n"
        )),
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !error.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    answer
}
