//! Sends a visitor to the provider. A script gets nothing here, and no cookie either: a thousand of its requests leave a
//! browser as it was.

use std::time::Duration;

use http::{Method, Response};

use super::super::Gateway;
use super::super::access::Rule;
use super::super::access_log::Line;
use super::super::conclude::goes_on;
use super::super::demand::Asking;
use super::super::form_page::Asked;
use super::super::path::NormalPath;
use super::super::reason::Reason;
use super::super::refusal::Refusal;
use super::OidcLogin;
use super::failed::Why;
use crate::base::meter::Count;
use crate::cookie::login_state::{LoginState, RETURN_BYTES_MAX};
use crate::login::back::way_on;
use crate::login::oidc::{Ask, challenge};
use crate::login::typed;
use crate::session::Root;
use crate::store::StoreFault;
use crate::upstream::Body;

impl Gateway {
    /// The page at `login`.
    pub(super) async fn begin_login(
        &self,
        (asked, oidc): (Asked<'_>, &OidcLogin),
        line: &mut Line,
    ) -> Result<Response<Body>, Refusal> {
        asked.is_for_people()?;
        let (site, now) = (asked.site, line.time);
        let return_to = return_to(asked);
        self.check_circles(asked, &return_to, line).await?;
        let tie = self.tie(asked, oidc, now);
        let max_age = max_age(asked, &return_to);
        let state = LoginState::begin(tie.binding.hash(), max_age, return_to.clone());
        let until = now.plus(oidc.login_timeout);
        let sealed = state.seal(&self.values.load(), &site.name, until, now);
        let ask = Ask {
            redirect_uri: &asked.address_of("callback"),
            state: &sealed,
            nonce: &state.nonce(),
            challenge: &challenge(&state.verifier()),
            max_age,
            prompt: None,
        };
        let address = oidc.provider.authorize_url(&ask, now).await;
        let address = address.map_err(|fault| asked.failed(fault, &return_to))?;
        let mut answer = goes_on(&address);
        self.give(&tie, oidc, answer.headers_mut());
        self.meter.count(Count::OidcLoginsBegun);
        Ok(answer)
    }

    /// Who is logged in and is sent to log in all the same, again and again, goes round in a circle. Sessions do not
    /// tell, as each login begins another one; the user does. Tabs that begin at once have none yet.
    async fn check_circles(
        &self,
        asked: Asked<'_>,
        return_to: &str,
        line: &mut Line,
    ) -> Result<(), Refusal> {
        let cookies = self.screen_in(asked.site, &asked.head.headers)?;
        let visit = self
            .look(asked, &cookies, &asked.provenance(), line)
            .await?;
        if line.reason == Reason::StoreOutage {
            return Err(StoreFault::Timeout.into());
        }
        let user = visit.record().and_then(|record| record.user.as_deref());
        let Some(user) = user.filter(|user| *user.site == *asked.site.name) else {
            return Ok(());
        };
        line.user = Some(user.id.clone());
        if self.circles.note(&Root(user.key().0), return_to, line.time) {
            return Err(asked.failed(Why::Circles, return_to));
        }
        Ok(())
    }
}

/// Where the visitor goes on, as far as it fits the state.
fn return_to(asked: Asked<'_>) -> String {
    let query = asked.head.uri.query().unwrap_or_default();
    let wanted = typed::value(query.as_bytes(), "return_to").ok().flatten();
    let wanted = wanted.as_ref().map(|wanted| wanted.expose().as_str());
    let prefix = &asked.site.prefix;
    let to = way_on(wanted, prefix);
    if to.len() > RETURN_BYTES_MAX {
        way_on(None, prefix)
    } else {
        to
    }
}

/// Asked with it, a provider has to say when the user proved who they are (OpenID Connect Core 1.0, 2), and asks nobody again
/// who did so in a year.
const TELL_WHEN: Duration = Duration::from_secs(365 * 86_400);

/// How long ago the user may have proved who they are, for what they ask for. Where any rule of the site may ask one day, it
/// has to be known: else a login that proves nothing would count as a recent one.
fn max_age(asked: Asked<'_>, return_to: &str) -> Option<Duration> {
    let age = |rule: &Rule| rule.require.user.as_ref()?.max_auth_age;
    let is_asked = asked.site.rules.iter().any(|rule| age(rule).is_some());
    let wanted = wanted_age(asked, return_to);
    wanted.or_else(|| is_asked.then_some(TELL_WHEN))
}

fn wanted_age(asked: Asked<'_>, return_to: &str) -> Option<Duration> {
    let path = return_to.split('?').next().unwrap_or_default();
    let asking = Asking::of(&Method::GET, asked.hops);
    let rule = asked.site.rule(&NormalPath::read(path), &asking).ok()??;
    rule.require.user.as_ref()?.max_auth_age
}
