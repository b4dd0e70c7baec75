//! Whether a visitor may have what is asked for, and what they are told otherwise.

use http::request::Parts;

use super::Gateway;
use super::access::Rule;
use super::demand::Asking;
use super::denial::{Denial, Sentence};
use super::forward::Call;
use super::reason::Reason;
use super::refusal::Refusal;
use crate::base::clock::Time;
use crate::headers::navigation::{Audience, audience};
use crate::login::forward::No;

impl Gateway {
    /// Whether the visitor may have what is asked for, as the rule has it. `no`: the login service does not let them pass.
    ///
    /// # Errors
    /// What they are told otherwise.
    pub(super) fn check_access(
        &self,
        (rule, no): (Option<&Rule>, Option<&No>),
        call: &Call<'_>,
        head: &Parts,
        upgrades: bool,
        now: Time,
    ) -> Result<(), Refusal> {
        let Some(rule) = rule else { return Ok(()) };
        let asking = Asking::of(&head.method, call.hops);
        let Err(lack) = rule.require.judge(&asking, call.user(), now) else {
            return Ok(());
        };
        // Nobody knows whether they are logged in: an outage is no logout.
        if lack.is_for_login() && call.visit.reason == Reason::StoreOutage {
            return Err(Refusal::UserUnknown);
        }
        let audience = audience(&head.method, &head.headers, upgrades);
        let target = head.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let manner = call.site.looks.manner(&head.headers);
        let mut denial = Denial::of(lack, call.site, audience, target, manner).hearing(no);
        if audience == Audience::Visitor && denial.lack.is_for_login() {
            self.look_around(&mut denial, call, target, now);
        }
        Err(Refusal::Denied(Box::new(denial)))
    }

    /// Whether it would help nobody to be sent to log in from `target`.
    fn look_around(&self, denial: &mut Denial, call: &Call<'_>, target: &str, now: Time) {
        // Under SameSite=Strict a link of another site brings no ticket. Asked again by a page of ours it does.
        if !call.could_carry {
            denial.detour = Some(format!("https://{}{target}", call.admitted.authority));
            return;
        }
        let root = call.visit.root().filter(|_| !call.visit.is_new());
        denial.in_circles = denial.sentence() == Sentence::Send
            && root.is_some_and(|root| self.circles.note(&root, target, now));
    }
}
