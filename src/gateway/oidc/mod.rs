//! Logins at an OpenID provider, on the request path.
//!
//! ```text
//! start        sends a visitor there
//! callback     takes them back, and has their session begin
//! binding      which of our small cookies a browser brings, and which it gets
//! tokens       what the provider gave, sealed before it goes into a session
//! refresh      fresh tokens, asked for by one of all nodes
//! farewell     the way out, at the provider too
//! backchannel  the provider says that somebody has logged out
//! failed       what a visitor is told where it did not work
//! page         how that looks
//! ```
//!
//! What the provider says, and whether it is believed, is the business of [`login::oidc`](crate::login::oidc). Nothing of
//! a login is kept before it ends: it travels with the visitor, sealed.

mod backchannel;
mod binding;
mod callback;
mod failed;
mod farewell;
mod page;
mod refresh;
mod start;
mod tokens;

pub use self::failed::{Failed, Why};

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};

use super::Gateway;
use super::access_log::Line;
use super::form_page::Asked;
use super::own::not_allowed;
use super::refusal::Refusal;
use super::site::Site;
use crate::login::back::own_page;
use crate::login::oidc::{OidcFault, Provider};
use crate::upstream::Body;
use crate::upstream::visitor::Incoming;

/// The provider of a site.
#[derive(Clone, Debug)]
pub struct OidcLogin {
    /// Who is asked. Shared by all cores, and kept by a reload that changes none of its settings.
    pub provider: Arc<Provider>,
    /// How long a login may take.
    pub login_timeout: Duration,
    /// Whether an anonymous session's data and jar go along into the login.
    pub carry: bool,
}

impl OidcLogin {
    /// Goes on with the provider of before, and what is known of it, if it is the same.
    pub fn take_over(&mut self, before: &Self) {
        if self.provider.settings() == before.provider.settings() {
            self.provider = Arc::clone(&before.provider);
        }
    }

    fn issuer(&self) -> &str {
        self.provider.settings().issuer.as_str()
    }
}

/// What ties a login to a browser comes to all sites of the host, and reaches no app.
pub(super) fn keep_bindings(sites: &mut [Site]) {
    let has_bindings = sites.iter().any(|site| site.oidc.is_some());
    for site in sites {
        site.cookies.has_bindings = has_bindings;
    }
}

/// Whether a page of ours belongs to logins at a provider.
pub(super) fn is_page(page: &str) -> bool {
    matches!(
        page,
        "/login" | "/callback" | "/logout" | "/backchannel-logout"
    )
}

impl Gateway {
    /// One of the pages.
    pub(super) async fn oidc_page(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        page: &str,
        body: Incoming,
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        let method = &asked.head.method;
        match page {
            "/login" | "/callback" if !matches!(*method, Method::GET | Method::HEAD) => {
                Ok(not_allowed("GET, HEAD"))
            }
            "/login" => self.begin_login((asked, oidc), line).await,
            "/callback" => self.end_login((asked, oidc), line).await,
            "/logout" => self.logout_page(asked, line).await,
            "/backchannel-logout" if *method == Method::POST => {
                self.logout_told((asked, oidc), body, line).await
            }
            "/backchannel-logout" => Ok(not_allowed("POST")),
            _ => Err(Refusal::OwnPath),
        }
    }
}

impl Asked<'_> {
    /// The whole address of a page of ours, at the host that was asked.
    fn address_of(&self, page: &str) -> String {
        let page = own_page(&self.site.prefix, page);
        format!("https://{}{page}", self.admitted.authority)
    }

    /// What to tell them where it did not work. Trying again leads on to where they were going.
    fn failed(&self, why: impl Into<Why>, return_to: &str) -> Refusal {
        let page = self.site.login_page.as_ref();
        Refusal::Provider(Box::new(Failed {
            why: why.into(),
            again: page.map(|page| page.address_and_back(return_to)),
        }))
    }
}

impl From<OidcFault> for Why {
    fn from(fault: OidcFault) -> Self {
        Self::Fault(fault)
    }
}
