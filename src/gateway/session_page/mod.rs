//! The page where visitors look at their sessions and end them: this one, another one, all others. Every site with users
//! has it, whoever logs them in.
//!
//! It is for people, as the login page is: a script of the app, which has the same origin, gets neither to read it nor to
//! post to it. To look at it keeps no session alive. A session is named there by what opens nothing, and a form is tied to
//! the session that it was shown in.
//!
//! Here a user picks, too, which session ends when they have more than they may (`session.over_limit = "ask"`).

mod asked;
mod mine;
mod show;

use std::sync::Arc;

use http::{Method, Response, StatusCode};

use self::asked::{Deed, Filled};
use self::mine::Others;
use self::show::Done;
use super::Gateway;
use super::access_log::Line;
use super::conclude::goes_on;
use super::demand::Lack;
use super::denial::Denial;
use super::form_page::Asked;
use super::looks::pages::Page;
use super::looks::texts::Text;
use super::own::not_allowed;
use super::reason::Reason;
use super::refusal::Refusal;
use super::site::Site;
use super::visit::{SessionMode, Visit};
use crate::base::meter::Count;
use crate::cookie::screen::Incoming as Cookies;
use crate::headers::fetch::Provenance;
use crate::headers::navigation::audience;
use crate::login::back::{is_local, is_resume_page, session_page, way_on};
use crate::login::page::{LoginPage, with_way_back};
use crate::login::typed::{self, Kind as FormKind};
use crate::session::{Change, Record, Session, Turn, User};
use crate::store::StoreFault;
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

/// Where the page of a site is.
pub(super) struct SessionPage<'s>(&'s Site);

impl<'s> SessionPage<'s> {
    pub(super) const fn of(site: &'s Site) -> Self {
        Self(site)
    }

    pub(super) fn address(self) -> String {
        session_page(&self.0.prefix)
    }

    /// The same with the way back to `target`, if nobody could be led away by it.
    pub(super) fn address_and_back(self, target: &str) -> String {
        let prefix = &self.0.prefix;
        if is_local(target) || is_resume_page(target, prefix) {
            with_way_back(&self.address(), "return_to", target)
        } else {
            self.address()
        }
    }
}

/// A visitor who may see the page: their session, and the user in it.
struct Seen<'v> {
    visit: &'v Visit,
    record: &'v Record,
    user: &'v User,
}

impl Gateway {
    /// Whether anybody can be logged in at `site`.
    pub(super) fn has_session_page(&self, site: &Site) -> bool {
        let may_bind = |binder: &Site| binder.binds_users() && site.sees_users_of(&binder.name);
        site.session != SessionMode::Off && self.sites().any(may_bind)
    }

    /// The page at `session`.
    pub(super) async fn session_page(
        &self,
        asked: Asked<'_>,
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        asked.is_for_people()?;
        match asked.head.method {
            Method::GET | Method::HEAD => self.show_sessions(asked, line).await,
            Method::POST => self.change_sessions(asked, body, line).await,
            _ => Ok(not_allowed("GET, HEAD, POST")),
        }
    }

    async fn show_sessions(
        &self,
        asked: Asked<'_>,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let from = asked.provenance();
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self.own_visit(asked, &cookies, &from, line).await?;
        let seen = self.seen(asked, &visit, &from, line)?;
        let now = self.clock.now();
        let others = self.others(seen.user, visit.root(), now).await?;
        let query = asked.head.uri.query().unwrap_or_default();
        let wanted = typed::value(query.as_bytes(), "return_to").ok().flatten();
        let wanted = wanted.as_ref().map(|wanted| wanted.expose().as_str());
        let return_to = way_on(wanted, &asked.site.prefix);
        let said = (&*return_to, Done::default());
        Ok(self.page(asked, &seen, &others, said, now))
    }

    async fn change_sessions(
        &self,
        asked: Asked<'_>,
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let from = asked.provenance();
        if !from.is_same_origin() {
            return Err(Refusal::CrossSite);
        }
        let (site, query) = (asked.site, asked.head.uri.query());
        typed::head_allows(&asked.head.headers, query, "token", FormKind::Form)
            .map_err(Refusal::LoginForm)?;
        let filled = Filled::read(&self.read_form(body).await?).map_err(Refusal::LoginForm)?;
        let cookies = self.screen_in(site, &asked.head.headers)?;
        let visit = self.own_visit(asked, &cookies, &from, line).await?;
        let seen = self.seen(asked, &visit, &from, line)?;
        let now = self.clock.now();
        let return_to = way_on(filled.return_to.as_deref(), &site.prefix);
        if filled.token != self.form_token(site, &visit) {
            let others = self.others(seen.user, visit.root(), now).await?;
            let done = Done {
                fault: Some(Text::StaleSessions),
                ..Done::default()
            };
            return Ok(self.page(asked, &seen, &others, (&return_to, done), now));
        }
        if filled.deed == Deed::LogOut {
            return self
                .log_out_here((asked, cookies, &from), visit, line)
                .await;
        }
        let mut others = self.others(seen.user, visit.root(), now).await?;
        let ended = match &filled.deed {
            Deed::End(name) => {
                let is_meant =
                    |session: &Session| self.name_of(site, &session.record.root) == *name;
                self.end_others(site, &mut others, is_meant, (line, now))
                    .await?
            }
            Deed::EndOthers => {
                self.end_others(site, &mut others, |_| true, (line, now))
                    .await?
            }
            Deed::GoOn | Deed::LogOut => 0,
        };
        if seen.record.waits() && self.has_room(&others) {
            return self.go_on(asked, visit, &return_to, line).await;
        }
        let done = Done {
            note: told(&filled.deed, ended),
            ..Done::default()
        };
        Ok(self.page(asked, &seen, &others, (&return_to, done), now))
    }

    /// The visitor's session, as it is.
    pub(super) async fn own_visit(
        &self,
        asked: Asked<'_>,
        cookies: &Cookies<'_>,
        from: &Provenance,
        line: &mut Line,
    ) -> Result<Visit, Refusal> {
        let visit = self.look(asked, cookies, from, line).await?;
        let id = |root| self.ids.derive(&root, &asked.site.name);
        line.session = visit.root().map(id);
        // An outage is no logout.
        if line.reason == Reason::StoreOutage {
            return Err(Refusal::UserUnknown);
        }
        Ok(visit)
    }

    /// # Errors
    /// The way to the login, for whoever is not logged in.
    fn seen<'v>(
        &self,
        asked: Asked<'_>,
        visit: &'v Visit,
        from: &Provenance,
        line: &mut Line,
    ) -> Result<Seen<'v>, Refusal> {
        let Asked { site, head, .. } = asked;
        if let Some(record) = visit.record()
            && let Some(user) = self.user_here(asked, visit, from, line)
        {
            line.user = Some(user.id.clone());
            return Ok(Seen {
                visit,
                record,
                user,
            });
        }
        let target = session_page(&site.prefix);
        let audience = audience(&head.method, &head.headers, false);
        let manner = site.looks.manner(&head.headers);
        let mut denial = Denial::of(Lack::Login, site, audience, &target, manner);
        // Under SameSite=Strict a link of another site brings no ticket. Asked again by a page of ours it does.
        if !from.could_carry(self.desk.cookie.settings().same_site) {
            denial = denial.by_way_of(format!("https://{}{target}", asked.admitted.authority));
        }
        Err(Refusal::Denied(Box::new(denial)))
    }

    /// The user whom the site may see. One whom somebody else names with each request must be named with this one.
    pub(super) fn user_here<'v>(
        &self,
        asked: Asked<'_>,
        visit: &'v Visit,
        from: &Provenance,
        line: &Line,
    ) -> Option<&'v User> {
        let Asked {
            site,
            head,
            arrival,
            ..
        } = asked;
        let user = visit.record()?.user.as_deref();
        let user = user.filter(|user| !visit.is_frozen() && site.sees_users_of(&user.site))?;
        match &site.namer {
            Some(namer) if *user.site == *site.name => {
                let by = (&head.headers, arrival);
                let named = self.named(namer, (site, None), by, (from, false), line)?;
                (named.id == user.id).then_some(user)
            }
            _ => Some(user),
        }
    }

    /// What ties a form to the session that it is shown in.
    fn form_token(&self, site: &Site, visit: &Visit) -> String {
        // No site is called so.
        let purpose = format!("{}/session form", site.name);
        let token = visit.root().map(|root| self.ids.derive(&root, &purpose));
        token.map_or_else(String::new, |token| token.as_str().to_owned())
    }

    /// Whether a session that waits need not wait any more, once `others` are all that there are.
    fn has_room(&self, others: &Others) -> bool {
        let most = self.crowd.as_ref().map(|crowd| crowd.most);
        most.is_none_or(|most| others.count() < most)
    }

    async fn log_out_here(
        &self,
        by: (Asked<'_>, Cookies<'_>, &Provenance),
        visit: Visit,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        self.meter.count(Count::FormLogouts);
        let Asked { site, head, .. } = by.0;
        let page = site.login_page.as_ref().map(LoginPage::address);
        let page = Page::LoggedOut {
            log_in: page.as_deref().unwrap_or_default(),
        };
        let manner = site.looks.manner(&head.headers);
        let farewell = self.farewell(by.0, &visit, line).await;
        let answer = farewell.unwrap_or_else(|| manner.answer(&page, StatusCode::OK));
        let (answer, _) = self.conclude(by, visit, Turn::End, answer, line).await?;
        Ok(answer)
    }

    /// Lets a session that waited go on.
    async fn go_on(
        &self,
        asked: Asked<'_>,
        visit: Visit,
        return_to: &str,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let change = Change {
            picked: true,
            ..Change::default()
        };
        let now = self.clock.now();
        let settled = self.settle(visit, change, line, now).await?;
        let Some(record) = &settled.record else {
            // Nobody shall be sent on who would come back at once.
            return Err(StoreFault::Timeout.into());
        };
        if let Some(crowd) = &self.crowd {
            // Another one of theirs may have picked at the same moment.
            crowd.hold(Arc::clone(record)).await;
        }
        let mut answer = goes_on(return_to);
        let host = &asked.admitted.host;
        self.desk
            .write(answer.headers_mut(), &settled.news, host, now);
        Ok(answer)
    }
}

/// What became of it, in words.
fn told(deed: &Deed, ended: usize) -> Option<(Text, usize)> {
    Some(match (deed, ended) {
        (Deed::GoOn | Deed::LogOut, _) => return None,
        (Deed::End(_), 0) => (Text::EndedAlready, 0),
        (Deed::EndOthers, 0) => (Text::NoOthers, 0),
        (_, ended) => (Text::Ended, ended),
    })
}
