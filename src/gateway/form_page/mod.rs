//! The login page of ours, and the one that logs out.
//!
//! Both are for people: a script of the app, which has the same origin, gets neither to read them nor to send them. A form
//! is taken from our own page alone, so that nobody is logged in or out by another site; where the visitor has a session,
//! the login form is tied to it as well.

mod asked;

pub(super) use self::asked::Asked;

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{Method, Response, StatusCode};

use self::asked::Filled;
use super::Gateway;
use super::access_log::Line;
use super::conclude::goes_on;
use super::looks::Manner;
use super::looks::pages::Page;
use super::looks::texts::Text;
use super::own::not_allowed;
use super::reason::Reason;
use super::refusal::Refusal;
use super::site::Site;
use super::visit::{SessionMode, Visit};
use crate::base::clock::Time;
use crate::base::meter::Count;
use crate::cookie::screen::Incoming as Cookies;
use crate::headers::fetch::Provenance;
use crate::login::attempts::Who;
use crate::login::back::way_on;
use crate::login::form::users::Account;
use crate::login::form::{Denied, FormLogin};
use crate::login::typed::{self, Kind};
use crate::session::{SessionId, Turn, User};
use crate::store::StoreFault;
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

impl Gateway {
    /// The page at `login`: shows the form, and judges what was typed into it.
    pub(super) async fn login_page(
        &self,
        (asked, form): (Asked<'_>, &FormLogin),
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        asked.is_for_people()?;
        match asked.head.method {
            Method::GET | Method::HEAD => self.show_login((asked, form), line).await,
            Method::POST => self.log_in((asked, form), body, line).await,
            _ => Ok(not_allowed("GET, HEAD, POST")),
        }
    }

    /// The page at `logout`. A link to it shows a button: to follow a link must log nobody out.
    pub(super) async fn logout_page(
        &self,
        asked: Asked<'_>,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        asked.is_for_people()?;
        let from = asked.provenance();
        let posts = match asked.head.method {
            Method::GET | Method::HEAD => false,
            Method::POST if from.is_same_origin() => true,
            Method::POST => return Err(Refusal::CrossSite),
            _ => return Ok(not_allowed("GET, HEAD, POST")),
        };
        let manner = asked.site.looks.manner(&asked.head.headers);
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self.look(asked, &cookies, &from, line).await?;
        let user = user_of(&visit, asked.site);
        line.user = user.map(|user| user.id.clone());
        if !posts {
            if user.is_none() && asked.site.oidc.is_some() {
                // They come back from the provider.
                return Ok(manner.answer(&Page::LoggedOut { log_in: "login" }, StatusCode::OK));
            }
            let user = user.map(|user| user.id.as_str());
            return Ok(manner.answer(&Page::Logout { user }, StatusCode::OK));
        }
        self.meter.count(Count::FormLogouts);
        let farewell = self.farewell(asked, &visit, line).await;
        let page = Page::LoggedOut { log_in: "login" };
        let answer = farewell.unwrap_or_else(|| manner.answer(&page, StatusCode::OK));
        let by = (asked, cookies, &from);
        let (answer, _) = self.conclude(by, visit, Turn::End, answer, line).await?;
        Ok(answer)
    }

    async fn show_login(
        &self,
        (asked, form): (Asked<'_>, &FormLogin),
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self
            .look(asked, &cookies, &asked.provenance(), line)
            .await?;
        let query = asked.head.uri.query().unwrap_or_default();
        let wanted = typed::value(query.as_bytes(), "return_to").ok().flatten();
        let wanted = wanted.as_ref().map(|wanted| wanted.expose().as_str());
        let return_to = way_on(wanted, &asked.site.prefix);
        let page = self.form_page((asked, form), &visit, (&return_to, ""), None, line);
        Ok(page.answer_with(StatusCode::OK))
    }

    async fn log_in(
        &self,
        (asked, form): (Asked<'_>, &FormLogin),
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let from = asked.provenance();
        if !from.is_same_origin() {
            return Err(Refusal::CrossSite);
        }
        let query = asked.head.uri.query();
        typed::head_allows(&asked.head.headers, query, "user", Kind::Form)
            .map_err(Refusal::LoginForm)?;
        let filled = Filled::read(&self.read_form(body).await?).map_err(Refusal::LoginForm)?;
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self
            .open_visit(
                (&cookies, self.desk.place(&asked.admitted.host)),
                SessionMode::Lazy,
                &from,
                line,
            )
            .await?;
        if line.reason == Reason::StoreOutage {
            return Err(StoreFault::Timeout.into());
        }
        let Filled {
            typed,
            return_to,
            token,
        } = filled;
        let return_to = way_on(Some(&return_to), &asked.site.prefix);
        let user = typed.user.clone();
        let shown = (return_to.as_str(), user.as_str());
        if visit.is_frozen() || !self.is_tied(&token, asked.site, &visit) {
            let page = self.form_page((asked, form), &visit, shown, Some(Text::Stale), line);
            return Ok(page.answer_with(StatusCode::CONFLICT));
        }
        let now = self.clock.now();
        let who = Who {
            site: &asked.site.name,
            address: line.client_ip,
            account: Some(&user),
        };
        let attempt = self.begin_attempt(who, &form.limits, now, &line.request_id);
        let attempt = attempt.await?;
        let code = typed.code.clone();
        let judged = match form.check(typed, &self.logins, now).await {
            Ok(Ok(account)) => {
                let code = form.spent(account, code.expose(), now);
                match self.attempts.spend(code, now).await {
                    Ok(true) => Ok(account),
                    Ok(false) => Err(Denied::UsedCode),
                    Err(fault) => {
                        self.attempts.undone(attempt, now);
                        return Err(fault.into());
                    }
                }
            }
            Ok(Err(denied)) => Err(denied),
            Err(busy) => {
                self.meter.count(Count::FormLoginsTurnedAway);
                self.attempts.undone(attempt, now);
                return Err(Refusal::LoginBusy(busy));
            }
        };
        let account = match judged {
            Ok(account) => account,
            Err(denied) => {
                self.tell_denied(denied, &user, asked.site, line);
                let page = self.form_page((asked, form), &visit, shown, Some(Text::Denied), line);
                let mut answer = page.answer_with(StatusCode::UNAUTHORIZED);
                // A 401 names a scheme (RFC 9110 15.5.2); for one that they do not know browsers open no dialogue.
                let challenge = format!("Session realm=\"{}\"", asked.site.name);
                let challenge = HeaderValue::try_from(challenge);
                let headers = answer.headers_mut();
                headers.extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
                return Ok(answer);
            }
        };
        self.attempts.succeeded(attempt, true, now);
        let turn = Turn::LogIn {
            user: Some(Box::new(user_from(account, asked.site, now))),
            carry: form.carry,
        };
        let by = (asked, cookies, &from);
        let (answer, took) = self
            .conclude(by, visit, turn, goes_on(&return_to), line)
            .await?;
        if !took {
            // Nobody shall believe in a login that the store did not take.
            return Err(StoreFault::Timeout.into());
        }
        self.meter.count(Count::FormLogins);
        line.user = Some(account.id.clone());
        Ok(answer)
    }

    /// The visitor's session as it is; none begins, and none is kept alive.
    pub(super) async fn look(
        &self,
        asked: Asked<'_>,
        cookies: &Cookies<'_>,
        from: &Provenance,
        line: &mut Line,
    ) -> Result<Visit, Refusal> {
        let place = self.desk.place(&asked.admitted.host);
        self.open_visit((cookies, place), SessionMode::Observe, from, line)
            .await
    }

    /// `shown` are the way back and who was typed before.
    fn form_page<'a>(
        &self,
        (asked, form): (Asked<'a>, &'a FormLogin),
        visit: &'a Visit,
        shown: (&'a str, &'a str),
        fault: Option<Text>,
        line: &mut Line,
    ) -> Tied<'a> {
        let site = asked.site;
        let user = user_of(visit, site);
        line.user = user.map(|user| user.id.clone());
        Tied {
            manner: site.looks.manner(&asked.head.headers),
            form,
            return_to: shown.0,
            typed: shown.1,
            token: self.token(site, visit),
            fault,
            user: user.map(|user| user.id.as_str()),
        }
    }

    /// What ties a form to the session that the visitor came with; empty without one. It is no secret to the visitor, and
    /// it opens nothing.
    fn token(&self, site: &Site, visit: &Visit) -> String {
        let came = visit.held().and_then(|_| visit.root());
        came.map_or_else(String::new, |root| {
            // No site is called so.
            let purpose = format!("{}/login form", site.name);
            let token: SessionId = self.ids.derive(&root, &purpose);
            token.as_str().to_owned()
        })
    }

    /// Whether a form with this token was shown in the visitor's session. One that was shown before there was any is as
    /// good, as long as nobody is logged in: a browser asks for an icon, or opens another tab, while somebody types.
    fn is_tied(&self, token: &str, site: &Site, visit: &Visit) -> bool {
        let has_user = visit.record().is_some_and(|record| record.user.is_some());
        token == self.token(site, visit) || (token.is_empty() && !has_user)
    }

    /// What was typed for a user nobody knows is not told: it may be a password in the wrong field.
    fn tell_denied(&self, denied: Denied, user: &str, site: &Site, line: &Line) {
        self.meter.count(Count::FormLoginsFailed);
        tracing::info!(
            request_id = &*line.request_id,
            site = %site.name,
            client_ip = %line.client_ip,
            user = (denied != Denied::UnknownUser).then_some(user),
            reason = denied.word(),
            "a login failed"
        );
    }
}

/// The form, tied to the visitor's session.
struct Tied<'a> {
    manner: Manner,
    form: &'a FormLogin,
    return_to: &'a str,
    typed: &'a str,
    token: String,
    fault: Option<Text>,
    user: Option<&'a str>,
}

impl Tied<'_> {
    fn answer_with(&self, status: StatusCode) -> Response<Body> {
        let page = Page::Login {
            second_factor: self.form.second_factor,
            typed: self.typed,
            return_to: self.return_to,
            token: &self.token,
            fault: self.fault,
            user: self.user,
        };
        self.manner.answer(&page, status)
    }
}

/// The user whom the site may see.
fn user_of<'v>(visit: &'v Visit, site: &Site) -> Option<&'v User> {
    let user = visit.record()?.user.as_deref()?;
    (*user.site == *site.name).then_some(user)
}

fn user_from(account: &Account, site: &Site, now: Time) -> User {
    User {
        name: account.name.clone(),
        email: account.email.clone(),
        groups: account.groups.clone(),
        ..User::new(account.id.clone(), &site.name, now)
    }
}
