//! Cookies of a service that tells who visitors are: they go to it and to nobody else.
//!
//! The browser holds them under the host of the site, so the screen knows them by name: no app gets them, none can set
//! them, and no jar keeps them. What the service sets reaches the browser hardened like any cookie that passes.

use http::HeaderValue;

use super::harden::{Hardening, harden};
use super::incoming::written;
use super::name::{NamePattern, mentions};
use super::parse::{PlainValue, pairs, plain_value};
use super::policy::{CookiePolicy, Overrides};
use super::set_cookie::{Refused, SetCookie};
use crate::base::clock::Time;

/// The cookies of one service, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceCookies(Vec<NamePattern>);

impl ServiceCookies {
    /// Those whose names are like one of `names`.
    pub const fn new(names: Vec<NamePattern>) -> Self {
        Self(names)
    }

    /// Their names.
    pub fn names(&self) -> &[NamePattern] {
        &self.0
    }

    /// Whether a cookie of that name is one of them.
    pub fn hold(&self, name: &[u8]) -> bool {
        self.0.iter().any(|pattern| pattern.matches(name))
    }

    /// What of a request's `Cookie` fields is for the service, as one field. Of pairs with one name the first counts, as
    /// everywhere. A value in which some reader could find another cookie stays here, and with it our ticket.
    pub fn field<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]>,
        policy: &CookiePolicy,
        ticket_name: &[u8],
    ) -> Option<HeaderValue> {
        let mut names: Vec<&[u8]> = Vec::new();
        let mut found: Vec<&[u8]> = Vec::new();
        for pair in pairs(fields) {
            let is_theirs = self.hold(pair.name)
                && !policy.is_ours_to_somebody(pair.name, ticket_name)
                && !names.contains(&pair.name);
            if !is_theirs {
                continue;
            }
            names.push(pair.name);
            if plain_value(pair.value) == Some(PlainValue::Solid) {
                found.push(pair.whole);
            }
        }
        if found.is_empty() {
            return None;
        }
        let mut field = HeaderValue::from_bytes(&written(found.iter().copied())).ok()?;
        field.set_sensitive(true);
        Some(field)
    }

    /// What the browser of a visitor who asked `visitor_host` gets of a `Set-Cookie` of the service.
    ///
    /// # Errors
    /// Why it gets nothing: the name is not one of the service's, or is or pretends to be ours, or no browser would take it.
    pub fn set(
        &self,
        field: &HeaderValue,
        policy: &CookiePolicy,
        ticket_name: &[u8],
        (visitor_host, now): (&str, Time),
    ) -> Result<HeaderValue, Refused> {
        let is_ours = |name: &[u8]| policy.is_ours_to_somebody(name, ticket_name);
        if mentions(field.as_bytes(), is_ours) {
            return Err(Refused::OurName);
        }
        let set = SetCookie::read(field.as_bytes())?;
        if !self.hold(set.name) {
            return Err(Refused::NotTheServices);
        }
        let how = Hardening {
            overrides: &Overrides::default(),
            http_only: true,
            value: None,
            now,
            visitor_host,
            shared_domains: &policy.shared_domains,
        };
        harden(&set, &how)
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Mode;
    use super::*;

    const TICKET: &[u8] = b"__Host-session";

    fn service() -> ServiceCookies {
        let names = ["authelia_session", "_oauth2_proxy*"];
        ServiceCookies::new(names.map(|name| NamePattern::parse(name).unwrap()).into())
    }

    fn sent(fields: &[&str]) -> Option<String> {
        let fields = fields.iter().map(|field| field.as_bytes());
        let field = service().field(fields, &CookiePolicy::plain(Mode::Keep), TICKET)?;
        Some(field.to_str().unwrap().to_owned())
    }

    fn set(field: &str) -> Result<String, Refused> {
        let field = HeaderValue::from_str(field).unwrap();
        let policy = CookiePolicy::plain(Mode::Keep);
        let at = ("shop.example.com", Time::from_secs(1_800_000_000));
        let field = service().set(&field, &policy, TICKET, at)?;
        Ok(field.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_service_is_sent_its_own_cookies_and_no_others() {
        let rows: [(&[&str], Option<&str>); 9] = [
            (
                &["sid=1; authelia_session=a; x=2"],
                Some("authelia_session=a"),
            ),
            (
                &["authelia_session=a", "_oauth2_proxy_1=b; _oauth2_proxy=c"],
                Some("authelia_session=a; _oauth2_proxy_1=b; _oauth2_proxy=c"),
            ),
            (
                &["authelia_session=a; authelia_session=b"],
                Some("authelia_session=a"),
            ),
            (&["__Host-session=TICKET; sid=1"], None),
            (&["AUTHELIA_SESSION=a; authelia_session2=b"], None),
            // Some reader finds the ticket in these.
            (&["authelia_session=a __Host-session=TICKET"], None),
            (&["authelia_session=a,__Host-session=TICKET"], None),
            (&["authelia_session=\"a; __Host-session=TICKET\""], None),
            (&[], None),
        ];
        for (fields, expected) in rows {
            assert_eq!(sent(fields).as_deref(), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_the_service_sets_is_hard_and_its_own() {
        let rows = [
            (
                "authelia_session=a; Path=/",
                Ok("authelia_session=a; Path=/; Secure; HttpOnly; SameSite=Lax"),
            ),
            (
                "authelia_session=a; Domain=example.com; SameSite=None; Secure",
                Ok("authelia_session=a; SameSite=Lax; Secure; HttpOnly"),
            ),
            (
                "authelia_session=; Max-Age=0; SameSite=Strict",
                Ok("authelia_session=; Max-Age=0; SameSite=Strict; Secure; HttpOnly"),
            ),
            ("sid=1", Err(Refused::NotTheServices)),
            ("__Host-session=planted; Path=/", Err(Refused::OurName)),
            ("__host-SESSION=planted", Err(Refused::OurName)),
            ("=__Host-session=planted", Err(Refused::OurName)),
            (
                "authelia_session=a,__Host-session=planted",
                Err(Refused::OurName),
            ),
            ("authelia_session", Err(Refused::NotTheServices)),
        ];
        for (field, expected) in rows {
            assert_eq!(set(field), expected.map(str::to_owned), "{field}");
        }
    }
}
