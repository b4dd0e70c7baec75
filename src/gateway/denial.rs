//! What a visitor is told who may not have a path: sent to log in where that loses nothing, told so where it would, and
//! a program told in a form that it can read. Which of them it is, is decided by [`audience`]; the table is in
//! docs/LOGIN.md.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    CONTENT_SECURITY_POLICY, HeaderValue, LOCATION, SET_COOKIE, VARY, WWW_AUTHENTICATE,
};
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::demand::Lack;
use super::looks::Manner;
use super::looks::pages::{Kind, Page};
use super::looks::texts::Text;
use super::page::HTML;
use super::resume::KeptFor;
use super::session_page::SessionPage;
use super::site::Site;
use crate::base::meter::Count;
use crate::headers::navigation::{Audience, DECISIVE};
use crate::login::forward::No;

/// Of a page that a login service writes: on the site's own origin it runs nothing and loads nothing from elsewhere.
const SERVICE_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
);

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why somebody may not have a path, and what they can be told.
#[derive(Debug)]
pub struct Denial {
    /// What is lacking.
    pub lack: Lack,
    audience: Audience,
    /// The site's name, for whoever asks what it is that wants a login.
    realm: Arc<str>,
    /// Where to log in, if that is known and helps. For a visitor with the way back.
    login: Option<String>,
    /// Where to ask again from here, as the ticket was kept back on the way from another site.
    pub(super) detour: Option<String>,
    /// They were sent to log in again and again, and come back every time.
    pub(super) in_circles: bool,
    /// How people are told.
    manner: Manner,
    /// What the login service says to people.
    no: Option<No>,
    /// It goes to a proxy that follows no redirect.
    is_for_nginx: bool,
    /// Their form is kept until they have logged in.
    kept: Option<HeaderValue>,
}

/// What is done with whoever may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// They are sent to log in.
    Send,
    /// They are sent to log in, and their form is kept meanwhile.
    Keep,
    /// They are told that they must log in.
    Tell,
    /// They may not, login or no login.
    Forbid,
}

/// A problem as programs read it (RFC 9457).
#[derive(Serialize)]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: String,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<&'a str>,
    request_id: &'a str,
}

impl Denial {
    /// What is to be said to `audience` that lacks `lack` at `site`, where it asked for `target`, in this `manner`.
    pub fn of(lack: Lack, site: &Site, audience: Audience, target: &str, manner: Manner) -> Self {
        let page = site.login_page.as_ref().filter(|_| lack.is_for_login());
        Self {
            lack,
            audience,
            realm: Arc::clone(&site.name),
            login: page.map(|page| match audience {
                Audience::Visitor => page.address_and_back(target),
                // What they sent cannot be asked for again.
                Audience::Sender | Audience::Framed | Audience::Program => page.address(),
            }),
            detour: None,
            in_circles: false,
            manner,
            no: None,
            kept: None,
            is_for_nginx: false,
        }
    }

    /// What is to be said to `audience` whose session waits until they have picked which other one ends.
    pub fn waiting(site: &Site, audience: Audience, target: &str, manner: Manner) -> Self {
        let page = SessionPage::of(site);
        Self {
            login: Some(match audience {
                Audience::Visitor => page.address_and_back(target),
                Audience::Sender | Audience::Framed | Audience::Program => page.address(),
            }),
            ..Self::of(Lack::Pick, site, audience, target, manner)
        }
    }

    /// The same, but they are first to ask again from here: `address` is where.
    #[must_use]
    pub(super) fn by_way_of(self, address: String) -> Self {
        Self {
            detour: Some(address),
            ..self
        }
    }

    /// The same, told by way of a proxy that asks about a request to `authority`: with whole addresses, since it may read
    /// others as its own; and for one such as nginx no redirect, but where it may lead to.
    #[must_use]
    pub(super) fn through(self, authority: &str, is_for_nginx: bool) -> Self {
        let whole = |address: String| match address.starts_with('/') {
            true => format!("https://{authority}{address}"),
            false => address,
        };
        Self {
            login: self.login.map(whole),
            is_for_nginx,
            ..self
        }
    }

    /// The same, where the login service has said no: it knows where to log in, and whether that helps.
    #[must_use]
    pub fn hearing(mut self, no: Option<&No>) -> Self {
        let Some(no) = no.filter(|_| self.lack == Lack::Login) else {
            return self;
        };
        if no.is_final {
            self.lack = Lack::Consent;
            self.login = None;
        } else if no.location.is_some() {
            self.login = no.location.clone();
        }
        self.no = (self.audience == Audience::Visitor).then(|| no.clone());
        self
    }

    /// What the service shows people, where that is what they get.
    fn shown(&self) -> Option<&(HeaderValue, Bytes)> {
        let is_shown = !self.in_circles && self.sentence() != Sentence::Send;
        self.no.as_ref().filter(|_| is_shown)?.page.as_ref()
    }

    /// The same, but they come back otherwise: `login` is where they log in for that.
    #[must_use]
    pub(super) fn back_from(self, login: Option<String>) -> Self {
        Self {
            login: login.or(self.login),
            ..self
        }
    }

    /// The same of whom the app sends back as often as they are sent to it.
    #[must_use]
    pub(super) fn going_in_circles(self) -> Self {
        Self {
            in_circles: true,
            ..self
        }
    }

    /// Whether they send something that could be sent again once they have logged in.
    pub(super) fn is_for_a_form_to_come_back(&self) -> bool {
        self.audience == Audience::Sender && self.lack.is_for_login() && self.login.is_some()
    }

    /// Their form is kept.
    pub(super) fn keep(&mut self, kept: KeptFor) {
        self.login = Some(kept.login);
        self.kept = Some(kept.cookie);
    }

    /// Whether their form is kept, and so was read.
    pub(super) const fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// What is done with them.
    pub fn sentence(&self) -> Sentence {
        match (self.audience, &self.login) {
            _ if !self.lack.is_for_login() && self.lack != Lack::Pick => Sentence::Forbid,
            _ if self.in_circles || self.detour.is_some() => Sentence::Tell,
            _ if self.kept.is_some() => Sentence::Keep,
            (Audience::Visitor, Some(_)) if !self.is_for_nginx => Sentence::Send,
            _ => Sentence::Tell,
        }
    }

    /// The word for it in logs.
    pub const fn word(&self) -> &'static str {
        if self.in_circles {
            "login-loop"
        } else {
            self.lack.word()
        }
    }

    /// Whether the app sends visitors back whom the gateway takes for strangers.
    pub(super) const fn is_in_circles(&self) -> bool {
        self.in_circles
    }

    /// Where they may log in.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// The body of the answer, and what kind it is.
    pub(super) fn body(&self, status: StatusCode, request_id: &str) -> (HeaderValue, Bytes) {
        if let Some(page) = self.shown() {
            return page.clone();
        }
        let title = status.canonical_reason().unwrap_or("Error");
        if self.audience != Audience::Program {
            return (HTML, self.manner.html(&self.page(request_id)).into());
        }
        let problem = Problem {
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            reason: self.word(),
            login: self.login.as_deref(),
            request_id,
        };
        (
            PROBLEM,
            serde_json::to_vec(&problem).unwrap_or_default().into(),
        )
    }

    fn page<'a>(&'a self, request_id: &'a str) -> Page<'a> {
        let on = match self.lack {
            Lack::Pick => Text::Continue,
            _ => Text::LogIn,
        };
        Page::Denied {
            title: match (self.sentence(), self.lack) {
                _ if self.detour.is_some() => Text::OneMoment,
                (_, Lack::Pick) => Text::TooManySessions,
                (Sentence::Forbid, _) => Text::Forbidden,
                (Sentence::Send | Sentence::Keep | Sentence::Tell, _) => Text::LoginRequired,
            },
            why: self.why(),
            link: match (&self.detour, &self.login) {
                (Some(again), _) => Some((again, Text::Continue)),
                (None, login) => login.as_deref().map(|login| (login, on)),
            },
            refresh: self.detour.as_deref(),
            request_id,
        }
    }

    const fn why(&self) -> Text {
        if self.in_circles {
            return Text::InCircles;
        }
        match self.lack {
            Lack::Network => Text::LacksNetwork,
            Lack::Method => Text::LacksMethod,
            Lack::Login => Text::LacksLogin,
            Lack::Group => Text::LacksGroup,
            Lack::RecentLogin => Text::LacksRecentLogin,
            Lack::Pick => Text::LacksPick,
            Lack::Consent => Text::LacksConsent,
        }
    }

    /// Adds what the head of the answer says beside that of other refusals.
    pub(super) fn dress(&self, headers: &mut HeaderMap) {
        let vary = HeaderValue::try_from(format!("Cookie, {DECISIVE}"));
        headers.extend(vary.map(|vary| (VARY, vary)));
        if self.shown().is_some() {
            headers.insert(CONTENT_SECURITY_POLICY, SERVICE_POLICY);
        } else if self.audience != Audience::Program {
            let policy = self.manner.policy(Kind::Denied).clone();
            headers.insert(CONTENT_SECURITY_POLICY, policy);
            self.manner.dress(headers);
        }
        let challenges = self.no.iter().flat_map(|no| &no.challenges);
        if self.sentence() == Sentence::Tell && !self.in_circles {
            challenges.for_each(|one| {
                headers.append(WWW_AUTHENTICATE, one.clone());
            });
        }
        let leads_on = self.is_for_nginx && self.audience == Audience::Visitor && !self.in_circles;
        if let Some(login) = self.login.as_deref().filter(|_| leads_on) {
            headers.extend(HeaderValue::try_from(login).map(|login| (LOCATION, login)));
        }
        let (name, value) = match (self.sentence(), &self.login) {
            (Sentence::Send | Sentence::Keep, Some(login)) => {
                headers.extend(self.kept.clone().map(|cookie| (SET_COOKIE, cookie)));
                (LOCATION, HeaderValue::try_from(login))
            }
            // A 401 names a scheme (RFC 9110 15.5.2); for one that they do not know browsers open no dialogue.
            (Sentence::Tell, _) if headers.contains_key(WWW_AUTHENTICATE) => return,
            (Sentence::Tell, _) => {
                let challenge = format!("Session realm=\"{}\"", self.realm);
                (WWW_AUTHENTICATE, HeaderValue::try_from(challenge))
            }
            (Sentence::Send | Sentence::Keep | Sentence::Forbid, _) => return,
        };
        headers.extend(value.map(|value| (name, value)));
    }

    /// Under what it is counted.
    pub(super) const fn count(&self) -> Count {
        match self.lack {
            Lack::Login | Lack::RecentLogin => Count::LoginsRequired,
            Lack::Pick => Count::PicksRequired,
            Lack::Network | Lack::Method | Lack::Group | Lack::Consent => Count::AccessDenied,
        }
    }
}

/// As programs are told, in English whoever they ask for.
impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.in_circles {
            return f.write_str(
                "you were sent to log in and came back several times, and no login was seen here: \
                 log out of the application, or delete its cookies, and log in again",
            );
        }
        f.write_str(match self.lack {
            Lack::Network => "this address is not served to your network",
            Lack::Method => "this address is not served by this method",
            Lack::Login => "this address is for visitors who are logged in",
            Lack::Group => "this address is for members of a group that you are not in",
            Lack::RecentLogin => "this address asks for a login that is more recent than yours",
            Lack::Pick => "you have more sessions than you may: pick one that ends, and go on",
            Lack::Consent => "the login service does not let you have this address",
        })
    }
}

impl std::error::Error for Denial {}
