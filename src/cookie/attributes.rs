//! Our own `Set-Cookie`: the one ticket, with the attributes of `[session.cookie]`.

use std::time::Duration;

use cookie::{Cookie, CookieBuilder};
use http::HeaderValue;

use super::name::Prefix;
use super::owner::SUFFIX;
use super::parse::{PlainValue, plain_value};
use super::set_cookie::{LIFE_MAX, PAIR_BYTES_MAX};
use crate::base::domain;
use crate::base::kept::SameSite;

/// The largest cookie of ours, in bytes with name and attributes. Browsers count name and value alone; what they take is
/// taken on the way too.
pub const COOKIE_BYTES_MAX: usize = PAIR_BYTES_MAX;

/// `[session.cookie]` as it was written, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketCookieSettings {
    /// The name of our cookie.
    pub name: String,
    /// Its Domain; `None`: the host only.
    pub domain: Option<String>,
    /// Its Path.
    pub path: String,
    /// Whether it is Secure.
    pub secure: bool,
    /// Whether it is HttpOnly.
    pub http_only: bool,
    /// Its SameSite.
    pub same_site: SameSite,
    /// Whether it is Partitioned (CHIPS).
    pub partitioned: bool,
}

impl Default for TicketCookieSettings {
    fn default() -> Self {
        Self {
            name: "__Host-session".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
        }
    }
}

/// Why settings make no cookie that a browser would take and keep safe. [`TicketCookieFault::key`] names the key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketCookieFault {
    /// The name is no token.
    #[error(
        "{0:?} is no cookie name; write letters, digits and any of !#$%&'*+-.^_`|~ (RFC 9110 token)"
    )]
    NameNotAToken(String),
    /// `__Host-` without Secure.
    #[error("a browser refuses a {0} name without Secure; write secure = true")]
    PrefixNeedsSecure(&'static str),
    /// `__Host-` with another path.
    #[error(
        "a browser refuses a __Host- name with the path {0:?}; write path = \"/\", or choose a __Secure- name"
    )]
    HostNeedsRootPath(String),
    /// `__Host-` with a domain.
    #[error(
        "a browser refuses a __Host- name with a domain ({0:?}); leave domain empty, or choose a __Secure- name"
    )]
    HostForbidsDomain(String),
    /// `__Http-` without HttpOnly.
    #[error("a browser refuses a {0} name without HttpOnly; write http_only = true")]
    PrefixNeedsHttpOnly(&'static str),
    /// `SameSite=None` without Secure.
    #[error(
        "a browser refuses SameSite=None without Secure; write secure = true, or same_site = \"Lax\""
    )]
    SameSiteNoneNeedsSecure,
    /// Partitioned without Secure.
    #[error(
        "a browser refuses Partitioned without Secure; write secure = true, or partitioned = false"
    )]
    PartitionedNeedsSecure,
    /// The path is none.
    #[error(
        "{0:?} is no path; write one that begins with / and has no semicolon, space, control or non-ASCII letter"
    )]
    PathInvalid(String),
    /// The domain is none.
    #[error(
        "{0:?} is no domain; write a name like \"example.com\": lower case, no port, no leading dot, no address"
    )]
    DomainInvalid(String),
    /// The domain belongs to everybody.
    #[error(
        "{0:?} is a public suffix, for which browsers refuse cookies; name a domain beneath it"
    )]
    DomainPublic(String),
}

impl TicketCookieFault {
    /// The key of `[session.cookie]` that is at fault.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NameNotAToken(_) => "name",
            Self::PrefixNeedsSecure(_) | Self::PartitionedNeedsSecure => "secure",
            Self::HostNeedsRootPath(_) | Self::PathInvalid(_) => "path",
            Self::HostForbidsDomain(_) | Self::DomainInvalid(_) | Self::DomainPublic(_) => "domain",
            Self::PrefixNeedsHttpOnly(_) => "http_only",
            Self::SameSiteNoneNeedsSecure => "same_site",
        }
    }
}

/// Why a ticket does not become a cookie. Nothing was cut or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetFault {
    /// The ticket holds what a cookie value cannot.
    #[error("the ticket holds a byte that no cookie value may hold")]
    NotCookieOctets,
    /// Browsers would not take it.
    #[error(
        "the cookie would have {bytes} bytes with its attributes; browsers take {COOKIE_BYTES_MAX}"
    )]
    TooLarge {
        /// How large it would be.
        bytes: usize,
    },
}

/// The finished settings of our cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketCookie {
    settings: TicketCookieSettings,
    deletion: HeaderValue,
}

impl TicketCookie {
    /// Judges the settings, and names all that is wrong with them.
    pub fn new(settings: TicketCookieSettings) -> Result<Self, Vec<TicketCookieFault>> {
        let mut faults = faults(&settings);
        let deletion = build(&settings, "")
            // Both: old clients know only Expires.
            .max_age(cookie::time::Duration::ZERO)
            .expires(cookie::time::OffsetDateTime::UNIX_EPOCH)
            .build();
        match HeaderValue::try_from(deletion.to_string()) {
            Ok(mut deletion) if faults.is_empty() => {
                deletion.set_sensitive(true);
                Ok(Self { settings, deletion })
            }
            Ok(_) => Err(faults),
            Err(_) => {
                if faults.is_empty() {
                    faults.push(TicketCookieFault::NameNotAToken(settings.name));
                }
                Err(faults)
            }
        }
    }

    /// The name of the cookie.
    pub fn name(&self) -> &str {
        &self.settings.name
    }

    /// The name of the owner's mark.
    pub fn mark_name(&self) -> String {
        [&*self.settings.name, SUFFIX].concat()
    }

    /// All settings, for those who reason about when the cookie comes along.
    pub fn settings(&self) -> &TicketCookieSettings {
        &self.settings
    }

    /// How many bytes the cookie has with its attributes, if its value has so many characters. [`TicketCookie::set`]
    /// refuses more than [`COOKIE_BYTES_MAX`].
    pub fn bytes_of(&self, value_chars: usize, max_age: Option<Duration>) -> usize {
        let frame = self.build("", max_age).build().to_string();
        frame.len() + value_chars
    }

    /// The field that gives the browser `ticket`, for `max_age` (at most 400 days) or, without one, until it closes.
    pub fn set(&self, ticket: &str, max_age: Option<Duration>) -> Result<HeaderValue, SetFault> {
        if ticket.is_empty() || plain_value(ticket.as_bytes()) != Some(PlainValue::Solid) {
            return Err(SetFault::NotCookieOctets);
        }
        let text = self.build(ticket, max_age).build().to_string();
        if text.len() > COOKIE_BYTES_MAX {
            return Err(SetFault::TooLarge { bytes: text.len() });
        }
        let mut field = HeaderValue::try_from(text).map_err(|_| SetFault::NotCookieOctets)?;
        field.set_sensitive(true);
        Ok(field)
    }

    fn build<'a>(&'a self, ticket: &'a str, max_age: Option<Duration>) -> CookieBuilder<'a> {
        let cookie = build(&self.settings, ticket);
        let Some(age) = max_age else {
            return cookie;
        };
        let secs = i64::try_from(age.min(LIFE_MAX).as_secs()).unwrap_or(0);
        cookie.max_age(cookie::time::Duration::seconds(secs))
    }

    /// The field that gives the browser the owner's mark with this value, for `max_age`. No script reads it.
    pub fn mark(&self, value: &str, max_age: Duration) -> Result<HeaderValue, SetFault> {
        let settings = TicketCookieSettings {
            name: self.mark_name(),
            http_only: true,
            ..self.settings.clone()
        };
        let deletion = self.deletion.clone();
        Self { settings, deletion }.set(value, Some(max_age))
    }

    /// The field that makes the browser forget the ticket, with the attributes it was set with.
    pub fn delete(&self) -> HeaderValue {
        self.deletion.clone()
    }
}

fn build<'a>(settings: &'a TicketCookieSettings, value: &'a str) -> CookieBuilder<'a> {
    let mut cookie = Cookie::build((settings.name.as_str(), value))
        .path(settings.path.as_str())
        .secure(settings.secure)
        .http_only(settings.http_only)
        .partitioned(settings.partitioned)
        .same_site(match settings.same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::None => cookie::SameSite::None,
        });
    if let Some(domain) = &settings.domain {
        cookie = cookie.domain(domain.as_str());
    }
    cookie
}

fn faults(settings: &TicketCookieSettings) -> Vec<TicketCookieFault> {
    use TicketCookieFault as Fault;

    let mut faults = Vec::new();
    let mut check = |wrong: bool, fault: Fault| {
        if wrong {
            faults.push(fault);
        }
    };
    let TicketCookieSettings {
        name,
        domain,
        path,
        secure,
        http_only,
        same_site,
        partitioned,
    } = settings;
    check(!is_token(name), Fault::NameNotAToken(name.clone()));
    check(!is_path(path), Fault::PathInvalid(path.clone()));
    if let Some(domain) = domain {
        if !is_domain(domain) {
            check(true, Fault::DomainInvalid(domain.clone()));
        } else if domain::is_public_suffix(domain) {
            check(true, Fault::DomainPublic(domain.clone()));
        }
    }
    if let Some(prefix) = Prefix::of(name.as_bytes()) {
        check(!secure, Fault::PrefixNeedsSecure(prefix.as_str()));
        check(
            !http_only && prefix.needs_http_only(),
            Fault::PrefixNeedsHttpOnly(prefix.as_str()),
        );
        if prefix.needs_host() {
            check(path != "/", Fault::HostNeedsRootPath(path.clone()));
            if let Some(domain) = domain {
                check(true, Fault::HostForbidsDomain(domain.clone()));
            }
        }
    }
    check(
        *same_site == SameSite::None && !secure,
        Fault::SameSiteNoneNeedsSecure,
    );
    check(*partitioned && !secure, Fault::PartitionedNeedsSecure);
    faults
}

/// RFC 9110 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b';')
}

fn is_domain(domain: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    domain.len() <= 253 && domain.split('.').all(is_label) && !domain::is_ip(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(edit: impl FnOnce(&mut TicketCookieSettings)) -> TicketCookieSettings {
        let mut settings = TicketCookieSettings::default();
        edit(&mut settings);
        settings
    }

    fn set(settings: TicketCookieSettings, max_age: Option<Duration>) -> String {
        let field = TicketCookie::new(settings)
            .unwrap()
            .set("TICKET", max_age)
            .unwrap();
        assert!(field.is_sensitive());
        field.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_default_cookie_is_as_hard_as_a_cookie_gets() {
        assert_eq!(
            set(TicketCookieSettings::default(), None),
            "__Host-session=TICKET; HttpOnly; SameSite=Lax; Secure; Path=/"
        );
        assert_eq!(
            set(
                TicketCookieSettings::default(),
                Some(Duration::from_secs(86_400))
            ),
            "__Host-session=TICKET; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=86400"
        );
    }

    #[test]
    fn every_setting_is_written() {
        let settings = with(|settings| {
            settings.name = "__Secure-sid".to_owned();
            settings.domain = Some("example.com".to_owned());
            settings.path = "/app".to_owned();
            settings.same_site = SameSite::None;
            settings.partitioned = true;
            settings.http_only = false;
        });
        assert_eq!(
            set(settings, Some(Duration::from_secs(1))),
            "__Secure-sid=TICKET; SameSite=None; Partitioned; Secure; Path=/app; Domain=example.com; Max-Age=1"
        );
    }

    #[test]
    fn no_cookie_is_for_more_than_400_days() {
        let field = set(TicketCookieSettings::default(), Some(Duration::MAX));
        assert!(field.ends_with("; Max-Age=34560000"), "{field}");
    }

    #[test]
    fn deletion_has_the_attributes_of_setting() {
        let settings = with(|settings| {
            settings.name = "sid".to_owned();
            settings.domain = Some("example.com".to_owned());
            settings.path = "/app".to_owned();
        });
        let deletion = TicketCookie::new(settings).unwrap().delete();
        assert_eq!(
            deletion.to_str().unwrap(),
            "sid=; HttpOnly; SameSite=Lax; Secure; Path=/app; Domain=example.com; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        );
    }

    #[test]
    fn a_cookie_of_4096_bytes_goes_out_and_one_more_does_not() {
        let cookie = TicketCookie::new(TicketCookieSettings::default()).unwrap();
        let frame = cookie.set("x", None).unwrap().len() - 1;
        assert!(
            cookie
                .set(&"x".repeat(PAIR_BYTES_MAX - frame), None)
                .is_ok()
        );
        assert_eq!(
            cookie.set(&"x".repeat(PAIR_BYTES_MAX - frame + 1), None),
            Err(SetFault::TooLarge {
                bytes: PAIR_BYTES_MAX + 1
            })
        );
    }

    #[test]
    fn nothing_can_be_smuggled_in_a_ticket() {
        let cookie = TicketCookie::new(TicketCookieSettings::default()).unwrap();
        for ticket in ["", "a;b", "a b", "a,b", "a\r\nSet-Cookie: b=c", "a\"", "ä"] {
            assert_eq!(
                cookie.set(ticket, None),
                Err(SetFault::NotCookieOctets),
                "{ticket:?}"
            );
        }
    }

    #[test]
    fn settings_that_a_browser_would_refuse_are_faults_that_name_their_key() {
        type Edit = fn(&mut TicketCookieSettings);
        let table: [(Edit, &[&str]); 16] = [
            (|settings| settings.secure = false, &["secure"]),
            (|settings| settings.path = "/app".to_owned(), &["path"]),
            (
                |settings| settings.domain = Some("example.com".to_owned()),
                &["domain"],
            ),
            (
                |settings| (settings.name, settings.secure) = ("__HOST-x".to_owned(), false),
                &["secure"],
            ),
            (
                |settings| (settings.name, settings.secure) = ("__secure-x".to_owned(), false),
                &["secure"],
            ),
            (
                |settings| (settings.name, settings.http_only) = ("__Http-x".to_owned(), false),
                &["http_only"],
            ),
            (|settings| settings.name = String::new(), &["name"]),
            (|settings| settings.name = "a b".to_owned(), &["name"]),
            (|settings| settings.name = "a;\r\n".to_owned(), &["name"]),
            (|settings| settings.path = String::new(), &["path", "path"]),
            (
                |settings| (settings.name, settings.path) = ("sid".to_owned(), "/a;b".to_owned()),
                &["path"],
            ),
            (
                |settings| {
                    (settings.name, settings.domain) =
                        ("sid".to_owned(), Some(".example.com".to_owned()))
                },
                &["domain"],
            ),
            (
                |settings| {
                    (settings.name, settings.domain) =
                        ("sid".to_owned(), Some("127.0.0.1".to_owned()))
                },
                &["domain"],
            ),
            (
                |settings| {
                    (settings.name, settings.domain) = ("sid".to_owned(), Some("co.uk".to_owned()))
                },
                &["domain"],
            ),
            (
                |settings| {
                    settings.name = "sid".to_owned();
                    settings.secure = false;
                    settings.same_site = SameSite::None;
                    settings.partitioned = true;
                },
                &["same_site", "secure"],
            ),
            (
                |settings| {
                    settings.secure = false;
                    settings.path = "/x".to_owned();
                    settings.domain = Some("example.com".to_owned());
                },
                &["secure", "path", "domain"],
            ),
        ];
        for (edit, expected) in table {
            let settings = with(edit);
            let faults = TicketCookie::new(settings.clone()).unwrap_err();
            let keys: Vec<_> = faults.iter().map(TicketCookieFault::key).collect();
            assert_eq!(keys, expected, "{settings:?}");
        }
        let plain = with(|settings| (settings.name, settings.secure) = ("sid".to_owned(), false));
        assert!(TicketCookie::new(plain).is_ok());
    }
}
