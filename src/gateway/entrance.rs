//! Who comes in at a login, and whether they must first say which of their sessions ends (`session.over_limit = "ask"`).
//!
//! Such a session waits: it holds its user, but every request is led to the page that asks, and no app sees the user
//! before. It ends by itself after five minutes, so that nobody has more sessions than they may by never answering.

use http::request::Parts;

use super::Gateway;
use super::access_log::Line;
use super::denial::Denial;
use super::refusal::Refusal;
use super::site::Site;
use super::visit::Visit;
use crate::base::clock::Time;
use crate::headers::navigation::audience;
use crate::headers::user_agent;
use crate::login::page::LoginPage;
use crate::session::{Entrance, Root, User};

impl Gateway {
    /// What a login of `user` notes of itself, for the list of their sessions; nothing where no list is kept. `was` is
    /// the session that gives way to it.
    pub(super) async fn entrance(
        &self,
        user: Option<&User>,
        was: Option<Root>,
        line: &Line,
        now: Time,
    ) -> Option<Box<Entrance>> {
        let user = user?;
        self.store.catalogue()?;
        let device = line.agent.as_ref().and_then(user_agent::device);
        let entrance = Entrance::of(device, line.client_ip);
        let crowd = self.crowd.as_ref();
        let waits = match crowd.filter(|crowd| crowd.asks && self.has_a_page_for(user)) {
            Some(crowd) => crowd.is_full(user, was, now).await,
            None => false,
        };
        Some(Box::new(if waits { entrance.waiting() } else { entrance }))
    }

    /// Whether the login is on a page of ours. Who logs in elsewhere may be a program, which can pick nothing.
    fn has_a_page_for(&self, user: &User) -> bool {
        let mut sites = self.sites();
        let site = sites.find(|site| *site.name == *user.site);
        site.is_some_and(|site| matches!(site.login_page, Some(LoginPage::Ours { .. })))
    }

    /// The visit as an app may have it.
    ///
    /// # Errors
    /// The way to the page that asks, if the session waits.
    pub(super) fn let_in(
        &self,
        visit: Visit,
        site: &Site,
        head: &Parts,
        upgrades: bool,
    ) -> Result<Visit, Refusal> {
        let user = match visit.record() {
            Some(record) if record.waits() => record.user.as_deref(),
            _ => return Ok(visit),
        };
        if !user.is_some_and(|user| site.sees_users_of(&user.site)) {
            return Ok(visit.out_of_sight());
        }
        let audience = audience(&head.method, &head.headers, upgrades);
        let target = head.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let manner = site.looks.manner(&head.headers);
        let denial = Denial::waiting(site, audience, target, manner);
        Err(Refusal::Denied(Box::new(denial)))
    }
}
