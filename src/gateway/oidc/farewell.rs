//! The way out, at the provider too: without it the next login would be over before anybody saw it.

use http::{Response, StatusCode};

use super::super::Gateway;
use super::super::access_log::Line;
use super::super::form_page::Asked;
use super::super::page::whole;
use super::super::visit::Visit;
use super::page::{POLICY, Page};
use super::tokens::Kept;
use crate::base::causes::Causes;
use crate::upstream::Body;

impl Gateway {
    /// The page that sends a visitor on whose session ends here, to end it at the provider too; `None` where there is
    /// nothing to end there, or no way to. It is a page and no redirect: of those that follow a form, a browser follows
    /// none that the page's policy does not allow.
    pub(in super::super) async fn farewell(
        &self,
        asked: Asked<'_>,
        visit: &Visit,
        line: &Line,
    ) -> Option<Response<Body>> {
        let oidc = asked.site.oidc.as_ref()?;
        let record = visit.record()?;
        let user = record.user.as_deref();
        let user = user.filter(|user| *user.site == *asked.site.name)?;
        let grant = record.grant();
        let kept = grant.map(|grant| Kept::open(grant, &self.values.load(), user, line.time));
        let hint = kept.as_ref().and_then(|kept| kept.id_token.as_ref());
        let back = asked.address_of("logout");
        let address = oidc.provider.logout_url(hint, &back, None, line.time).await;
        let address = address.unwrap_or_else(|fault| {
            let request_id = &*line.request_id;
            tracing::warn!(request_id, site = %asked.site.name, reason = fault.word(), error = %Causes(&fault), "a visitor has logged out here, and not at the OpenID provider");
            None
        })?;
        let page = Page {
            title: "Logging out",
            text: "You are logged out here, and are being logged out at the login service.",
            link: Some((&address, "Continue")),
            refresh: Some(&address),
            request_id: &line.request_id,
        };
        Some(whole(StatusCode::OK, page.to_string(), &POLICY))
    }
}
