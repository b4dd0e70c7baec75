//! The screen, outwards: the verdict over every cookie that an app sets.
//!
//! It goes into the jar, to the browser hardened, or nowhere. What the browser is to get sealed or signed waits until
//! the session has been written: a login gives it a new root, and values are bound to that.

use http::HeaderValue;

use super::expire::{is_apart, place};
use super::harden::{Hardening, harden};
use super::jar::{AppRequest, JarAct, receive};
use super::name::mentions;
use super::policy::{Binding, CookiePolicy, CookieRule, Mode};
use super::seal::{Form, ValueKeys};
use super::set_cookie::{Ends, Refused, SetCookie};
use crate::base::clock::Time;
use crate::base::kept::CookieIdentity;

/// What becomes of a `Set-Cookie` of the app.
#[derive(Debug)]
pub enum Outgoing<'a> {
    /// The browser gets nothing; the jar changes.
    Keep(JarAct),
    /// The jar changes, and once it has, the browser gets this copy.
    Mirror(JarAct, HeaderValue),
    /// The browser gets it sealed or signed, by [`Unbound::bind`].
    Bind(Unbound<'a>),
    /// The browser gets this field.
    Pass(HeaderValue),
    /// It vanishes, as a rule says.
    Strip,
    /// It vanishes, because no browser would take it or because it would harm.
    Refused(Refused),
}

/// A cookie that is to be sealed or signed.
#[derive(Debug)]
pub struct Unbound<'a> {
    form: Form,
    policy: &'a CookiePolicy,
    rule: &'a CookieRule,
    field: HeaderValue,
}

/// What a value is bound to, and when.
#[derive(Clone, Copy)]
pub struct Bond<'a> {
    /// The keys.
    pub keys: &'a ValueKeys,
    /// The site's name.
    pub site: &'a str,
    /// What the session's values are bound to. `None`: there is no session that could have them.
    pub session: Option<&'a [u8; 32]>,
    /// The host that the visitor asked.
    pub visitor_host: &'a str,
    /// When.
    pub now: Time,
}

impl CookiePolicy {
    /// Judges one `Set-Cookie` of the app.
    pub fn screen_out<'a>(
        &'a self,
        field: &HeaderValue,
        ticket_name: &[u8],
        request: &AppRequest<'_>,
    ) -> Outgoing<'a> {
        let is_ours = |name: &[u8]| self.is_ours_to_somebody(name, ticket_name);
        if mentions(field.as_bytes(), is_ours) {
            return Outgoing::Refused(Refused::OurName);
        }
        let set = match SetCookie::read(field.as_bytes()) {
            Ok(set) => set,
            Err(refused) => return Outgoing::Refused(refused),
        };
        if self.is_of_a_service(set.name) {
            return Outgoing::Refused(Refused::OfAService);
        }
        let rule = self.rule_for(set.name);
        let to_browser = |http_only, value| {
            let how = Hardening {
                overrides: &rule.overrides,
                http_only,
                value,
                now: request.now,
                visitor_host: request.visitor_host,
                shared_domains: &self.shared_domains,
            };
            harden(&set, &how)
        };
        let to_jar = || receive(&rule.overrides.apply(set, request.now), request);
        let judged = match rule.mode {
            Mode::Keep => to_jar().map(Outgoing::Keep),
            Mode::Mirror => {
                to_jar().and_then(|act| Ok(Outgoing::Mirror(act, to_browser(false, None)?)))
            }
            // There is nothing in a deletion to be guarded.
            Mode::Seal | Mode::Sign if set.ends(request.now) == Ends::Past => {
                to_browser(true, Some(b"")).map(Outgoing::Pass)
            }
            Mode::Seal => Ok(self.unbound(Form::Sealed, rule, field)),
            Mode::Sign => Ok(self.unbound(Form::Signed, rule, field)),
            Mode::Pass => to_browser(true, None).map(Outgoing::Pass),
            Mode::Strip => Ok(Outgoing::Strip),
        };
        judged.unwrap_or_else(Outgoing::Refused)
    }

    fn unbound<'a>(
        &'a self,
        form: Form,
        rule: &'a CookieRule,
        field: &HeaderValue,
    ) -> Outgoing<'a> {
        Outgoing::Bind(Unbound {
            form,
            policy: self,
            rule,
            field: field.clone(),
        })
    }
}

impl Unbound<'_> {
    /// The field as the app wrote it.
    pub const fn field(&self) -> &HeaderValue {
        &self.field
    }

    /// Whether it needs a session to be bound to.
    pub fn needs_session(&self) -> bool {
        self.rule.binding == Binding::Session
    }

    /// Where the browser will hold it, if it is bound to the session and not every request finds it.
    pub fn place_apart(&self, request: &AppRequest<'_>) -> Option<CookieIdentity> {
        let set = SetCookie::read(self.field.as_bytes()).ok()?;
        let overrides = &self.rule.overrides;
        let is_everywhere = overrides.path.is_none()
            && set.path == Some(b"/")
            && overrides.domain.is_none()
            && set.domain.is_none();
        if !self.needs_session() || is_everywhere {
            return None;
        }
        let how = Hardening {
            overrides: &self.rule.overrides,
            http_only: true,
            value: Some(b""),
            now: request.now,
            visitor_host: request.visitor_host,
            shared_domains: &self.policy.shared_domains,
        };
        let place = place(harden(&set, &how).ok()?.as_bytes(), request)?;
        is_apart(&place, request.visitor_host).then_some(place)
    }

    /// The field that the browser gets.
    ///
    /// # Errors
    /// When the session that it should be bound to is not there, or when the value has become too large for a browser.
    pub fn bind(&self, bond: &Bond<'_>) -> Result<HeaderValue, Refused> {
        let set = SetCookie::read(self.field.as_bytes())?;
        let session = match bond.session {
            Some(session) => session,
            None if self.needs_session() => return Err(Refused::NoSession),
            None => &[0; 32],
        };
        let until = match self.rule.overrides.apply(set, bond.now).ends(bond.now) {
            Ends::At(end) => Some(end),
            Ends::WithSession | Ends::Past => None,
        };
        let context = self.rule.context(self.form, bond.site, set.name, session);
        let value = bond.keys.close(set.value, &context, until, bond.now);
        let how = Hardening {
            overrides: &self.rule.overrides,
            // A signed value is there for scripts to read.
            http_only: self.form == Form::Sealed,
            value: Some(&value),
            now: bond.now,
            visitor_host: bond.visitor_host,
            shared_domains: &self.policy.shared_domains,
        };
        harden(&set, &how)
    }
}
