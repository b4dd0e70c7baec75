//! The login watch at work on one request: what it asks of the app, and what the app's answer makes of the session.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::Gateway;
use super::forward::Call;
use super::guesses::Attempt;
use super::refusal::Refusal;
use super::site::Site;
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::login::attempts::{self, Limits};
use crate::login::typed::{self, Unread};
use crate::login::watch::{Answer, Asked, Miss, Watch, Who};
use crate::session::{Turn, User};
use crate::upstream::Body;

/// Sees one request that may be a login or a logout, and the answer to it.
pub(super) struct Witness<'a> {
    site: &'a Site,
    watch: &'a Watch,
    request_id: Arc<str>,
    client_ip: IpAddr,
    asked: Asked,
    /// Whether the request may change a session. One that may not is an attempt all the same.
    may_bind: bool,
    /// Whether the body has to be read.
    reads_body: bool,
    /// Who logs in, or why nobody can be read.
    user: Result<String, Unread>,
    /// Whose attempt it is, as it was typed or always the same; `None`: that cannot be read.
    account: Option<String>,
    /// What counts until the app has answered.
    attempt: Option<Attempt>,
}

impl<'a> Witness<'a> {
    /// Looks at a request as it came. `None` for one that is neither login nor logout.
    pub fn of(call: &Call<'a>, head: &Parts) -> Option<Self> {
        let site = call.site;
        let watch = site.watch.as_ref()?;
        let path = &call.admitted.path;
        let query = head.uri.query();
        let asked = watch.asks(&head.method, path.readings(), query)?;
        let (user, reads_body) = match &watch.login.who {
            _ if asked == Asked::Logout => (Err(Unread::Missing), false),
            Who::Fixed(user) => (Ok(user.clone()), false),
            Who::Named { field, kind, .. } => {
                let allowed = typed::head_allows(&head.headers, query, field, *kind);
                let is_read = allowed.is_ok() || watch.login.shared_path;
                let unread = allowed.err().unwrap_or(Unread::Body);
                (Err(unread), is_read)
            }
        };
        Some(Self {
            site,
            watch,
            request_id: Arc::clone(&call.request_id),
            client_ip: call.hops.client_ip,
            asked,
            may_bind: call.visit.may_keep_cookies(),
            reads_body,
            account: user.as_ref().ok().cloned(),
            user,
            attempt: None,
        })
    }

    /// Whether the request is known to log somebody out.
    pub fn logs_out(&self) -> bool {
        self.asked == Asked::Logout
    }

    /// Reads the user in the body, of which all is here that will be read. False when it is no login after all, nor a
    /// logout.
    fn read(&mut self, head: &Parts, body: &Body) -> bool {
        let body = body
            .held()
            .filter(|body| body.len() <= typed::BODY_BYTES_MAX);
        let (query, headers) = (head.uri.query(), &head.headers);
        let Who::Named {
            field,
            kind,
            normalise,
        } = &self.watch.login.who
        else {
            self.asked = Asked::Login;
            return true;
        };
        if let Asked::LoginIfNamed { else_logout } = self.asked {
            let mentions = typed::may_mention(headers, query, body.unwrap_or_default(), field);
            if !mentions && !else_logout {
                return false;
            }
            self.asked = if mentions {
                Asked::Login
            } else {
                Asked::Logout
            };
        }
        if let (Some(body), Ok(())) = (body, typed::head_allows(headers, query, field, *kind)) {
            let typed = typed::user(body, field, *kind);
            self.account = typed.as_ref().ok().cloned();
            self.user = typed.and_then(|user| normalise.apply(user).ok_or(Unread::Value));
        }
        true
    }

    /// What the app's answer makes of the session.
    pub fn turn(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        now: Time,
        gateway: &Gateway,
    ) -> Turn {
        let answer = Answer::read(status, headers, now);
        if self.asked == Asked::Logout {
            if !self.may_bind || !self.watch.logged_out(&answer) {
                return Turn::Stay;
            }
            gateway.meter.count(Count::LogoutsSeen);
            return Turn::End;
        }
        match self.watch.logged_in(&answer) {
            Ok(()) => {
                gateway.meter.count(Count::LoginsSeen);
                self.log_in(&answer, now, gateway)
            }
            Err(miss) => {
                self.tell_failed(miss, gateway);
                // What the app could not say counts against nobody.
                if let Some(attempt) = self.attempt.filter(|_| answer.is_broken()) {
                    gateway.attempts.undone(attempt, now);
                }
                Turn::Stay
            }
        }
    }

    /// The name that was typed is no part of it: some type their password there.
    fn tell_failed(&self, miss: Miss, gateway: &Gateway) {
        gateway.meter.count(Count::LoginsFailed);
        tracing::info!(
            request_id = &*self.request_id,
            site = %self.site.name,
            client_ip = %self.client_ip,
            reason = %miss,
            "a login to the app failed"
        );
    }

    fn log_in(mut self, answer: &Answer<'_>, now: Time, gateway: &Gateway) -> Turn {
        self.user = self.watch.who(self.user, answer);
        if let Some(attempt) = self.attempt {
            gateway.attempts.succeeded(attempt, self.user.is_ok(), now);
        }
        if !self.may_bind {
            return Turn::Stay;
        }
        let carry = self.watch.carry;
        match self.user {
            Ok(id) => Turn::LogIn {
                user: Some(Box::new(User::new(id, &self.site.name, now))),
                carry,
            },
            Err(unread) => {
                gateway.meter.count(Count::LoginsUnread);
                tracing::warn!(
                    request_id = &*self.request_id,
                    site = %self.site.name,
                    reason = %unread,
                    "somebody logged in to the app, but who cannot be read; nobody is bound"
                );
                // Whoever it is, they are not who was there before, and a ticket from before opens nothing of theirs.
                Turn::LogIn { user: None, carry }
            }
        }
    }
}

impl Gateway {
    /// Reads a login before the app is asked: it counts as an attempt from now on. Holds a body of the size of a form.
    pub(super) async fn hear_login(
        &self,
        heard: &mut Option<Witness<'_>>,
        body: &mut Body,
        head: &Parts,
        now: Time,
    ) -> Result<(), Refusal> {
        let Some(witness) = heard
            .as_mut()
            .filter(|witness| witness.asked != Asked::Logout)
        else {
            return Ok(());
        };
        if witness.reads_body {
            let held = body.hold(typed::BODY_BYTES_MAX).await;
            held?;
        }
        if !witness.read(head, body) {
            *heard = None;
            return Ok(());
        }
        if witness.asked == Asked::Logout {
            return Ok(());
        }
        let who = attempts::Who {
            site: &witness.site.name,
            address: witness.client_ip,
            account: witness.account.as_deref(),
        };
        let attempt = self.begin_attempt(who, &witness.watch.limits, now, &witness.request_id);
        let attempt = attempt.await?;
        witness.attempt = Some(attempt);
        Ok(())
    }

    /// The app was asked in vain.
    #[cold]
    pub(super) fn unheard(&self, witness: &mut Option<Witness<'_>>) {
        if let Some(attempt) = witness.as_mut().and_then(|witness| witness.attempt.take()) {
            self.attempts.undone(attempt, self.clock.now());
        }
    }

    /// Counts a login that is about to be tried.
    pub(super) async fn begin_attempt(
        &self,
        who: attempts::Who<'_>,
        limits: &Limits,
        now: Time,
        request_id: &str,
    ) -> Result<Attempt, Refusal> {
        self.attempts.begin(who, limits, now).await.map_err(|full| {
            self.meter.count(Count::LoginsLimited);
            if full.is_first {
                tracing::warn!(
                    request_id,
                    site = who.site,
                    client_ip = %who.address,
                    limit = full.of.key(),
                    "too many logins have failed; no password is tried"
                );
            }
            Refusal::TooManyLogins { wait: full.wait }
        })
    }
}
