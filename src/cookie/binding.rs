//! What ties a login at a provider to the browser that began it: a small cookie of ours, good for nothing else.
//!
//! A ticket cannot do it. Under `Strict` it does not come back from the provider, and a visitor without one gets none for
//! a login that may never end. So the browser gets a random value of its own, and what the provider brings back names the
//! hash of it. Tabs that begin at once, before any has such a cookie, get one each under names of their own, so that none
//! takes the place of another; a tab that begins later goes by what is there.

use std::time::Duration;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};

use super::attributes::{SetFault, TicketCookie, TicketCookieSettings};
use super::parse::pairs;
use crate::base::clock::Time;
use crate::base::framed;
use crate::base::kept::SameSite;
use crate::base::secret::{Secret, random_bytes};

/// What a name has behind that of the ticket, before letters of its own.
pub(super) const MARK: &[u8] = b"-login-";
/// How many letters follow.
const LETTERS: usize = 8;
const RANDOM_BYTES: usize = 16;
const VALUE_BYTES: usize = 8 + RANDOM_BYTES;
/// How far the clock of another node may be ahead of ours.
const CLOCK_SKEW_MAX: Duration = Duration::from_secs(60);

/// How many of them a browser may hold.
pub const BINDINGS_MAX: usize = 20;

/// Whether a cookie of that name is one.
pub(super) fn is_binding(name: &[u8], ticket_name: &[u8]) -> bool {
    let rest = name.strip_prefix(ticket_name);
    let letters = rest.and_then(|rest| rest.strip_prefix(MARK));
    let is_letter = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    letters.is_some_and(|letters| letters.len() == LETTERS && letters.iter().all(is_letter))
}

/// Such a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    name: String,
    issued: Time,
    random: Secret<[u8; RANDOM_BYTES]>,
}

impl Binding {
    /// A new one.
    pub fn mint(ticket_name: &str, now: Time) -> Self {
        let letters = HEXLOWER.encode(&random_bytes::<{ LETTERS / 2 }>());
        let mark = String::from_utf8_lossy(MARK);
        Self {
            name: format!("{ticket_name}{mark}{letters}"),
            issued: now,
            random: Secret::new(random_bytes()),
        }
    }

    /// Those that a browser brought, the oldest first.
    pub fn all<'a>(fields: impl Iterator<Item = &'a [u8]>, ticket_name: &str) -> Vec<Self> {
        let ours = pairs(fields).filter(|pair| is_binding(pair.name, ticket_name.as_bytes()));
        let mut all: Vec<_> = ours
            .filter_map(|pair| Self::read(pair.name, pair.value))
            .collect();
        all.sort_by_key(|binding| binding.issued);
        all
    }

    fn read(name: &[u8], value: &[u8]) -> Option<Self> {
        if value.len() != BASE64URL_NOPAD.encode_len(VALUE_BYTES) {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(value).ok()?;
        let (issued, random) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            name: std::str::from_utf8(name).ok()?.to_owned(),
            issued: Time::from_millis(u64::from_be_bytes(*issued)),
            random: Secret::new(random.try_into().ok()?),
        })
    }

    /// Whether a login that begins now may go by it: it lives as long again as any login may take.
    pub fn serves(&self, now: Time, login_timeout: Duration) -> bool {
        self.issued <= now.plus(CLOCK_SKEW_MAX) && now.since(self.issued) < login_timeout
    }

    /// What stands for the browser in the state of a login.
    pub fn hash(&self) -> [u8; 32] {
        framed::hash(&[b"cloakroom login binding v1", &self.bytes()])
    }

    fn bytes(&self) -> [u8; VALUE_BYTES] {
        let mut bytes = [0; VALUE_BYTES];
        bytes[..8].copy_from_slice(&self.issued.as_millis().to_be_bytes());
        bytes[8..].copy_from_slice(self.random.expose());
        bytes
    }

    /// The field that gives it to the browser.
    ///
    /// # Errors
    /// When it cannot be written beside a ticket of these settings.
    pub fn set(
        &self,
        ticket: &TicketCookie,
        login_timeout: Duration,
    ) -> Result<http::HeaderValue, SetFault> {
        let cookie = self.cookie(ticket)?;
        cookie.set(
            &BASE64URL_NOPAD.encode(&self.bytes()),
            Some(2 * login_timeout),
        )
    }

    /// The field that makes the browser forget it.
    ///
    /// # Errors
    /// As [`Binding::set`].
    pub fn delete(&self, ticket: &TicketCookie) -> Result<http::HeaderValue, SetFault> {
        Ok(self.cookie(ticket)?.delete())
    }

    /// Whatever the ticket is like, it has to come along when the provider sends the visitor back.
    fn cookie(&self, ticket: &TicketCookie) -> Result<TicketCookie, SetFault> {
        let settings = TicketCookieSettings {
            name: self.name.clone(),
            domain: None,
            secure: true,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
            ..ticket.settings().clone()
        };
        TicketCookie::new(settings).map_err(|_| SetFault::NotCookieOctets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const TIMEOUT: Duration = Duration::from_secs(600);

    fn ticket() -> TicketCookie {
        let settings = TicketCookieSettings {
            name: "__Host-session".to_owned(),
            domain: None,
            path: "/".to_owned(),
            secure: true,
            http_only: false,
            same_site: SameSite::Strict,
            partitioned: true,
        };
        TicketCookie::new(settings).unwrap()
    }

    #[test]
    fn names_are_told_from_all_others() {
        for (name, expected) in [
            ("__Host-session-login-0123abcd", true),
            ("__Host-session-login-0123abcde", false),
            ("__Host-session-login-0123abc", false),
            ("__Host-session-login-0123ABCD", false),
            ("__Host-session-login-", false),
            ("__Host-session", false),
            ("__Host-session-owner", false),
            ("session-login-0123abcd", false),
        ] {
            let found = is_binding(name.as_bytes(), b"__Host-session");
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn what_is_set_comes_back_and_stands_for_one_browser() {
        let binding = Binding::mint("__Host-session", NOW);
        let field = binding.set(&ticket(), TIMEOUT).unwrap();
        let text = field.to_str().unwrap();
        for part in [
            "HttpOnly",
            "SameSite=Lax",
            "Secure",
            "Path=/",
            "Max-Age=1200",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Partitioned") && !text.contains("Domain"));
        let pair = text.split(';').next().unwrap();
        let other = Binding::mint("__Host-session", NOW.plus(TIMEOUT));
        let odd = format!("__Host-session-login-00000000=x; a=b; {pair}");
        let read = Binding::all([odd.as_bytes()].into_iter(), "__Host-session");
        assert_eq!(read, std::slice::from_ref(&binding));
        assert_eq!(read[0].hash(), binding.hash());
        assert_ne!(other.hash(), binding.hash());
        assert!(
            binding
                .delete(&ticket())
                .unwrap()
                .to_str()
                .unwrap()
                .contains("Max-Age=0")
        );
        assert!(!format!("{binding:?}").contains(pair.split('=').nth(1).unwrap()));
    }

    #[test]
    fn one_that_would_end_before_the_login_does_is_not_gone_by() {
        let binding = Binding::mint("s", NOW);
        assert!(binding.serves(NOW, TIMEOUT));
        assert!(binding.serves(NOW.plus(TIMEOUT - Duration::from_secs(1)), TIMEOUT));
        assert!(!binding.serves(NOW.plus(TIMEOUT), TIMEOUT));
        assert!(!binding.serves(Time::from_secs(NOW.as_secs() - 61), TIMEOUT));
    }
}
