//! What a visitor is told whose login at the provider did not work: what happened, in words of ours alone, and a way to
//! try again that nobody is sent by on their own.

use std::fmt;

use http::StatusCode;

use super::page::Page;
use crate::login::oidc::{EndpointFault, ErrorCode, OidcFault};

/// A login that did not work.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub why: Why,
    /// Where to try again, if that is known.
    pub(super) again: Option<String>,
}

/// Why a login did not work.
#[derive(Debug)]
pub enum Why {
    /// What came back is no answer of a provider.
    NoAnswer,
    /// What came back is of no login that began here.
    NoState,
    /// The login took too long.
    Expired,
    /// It was begun in another browser, or this one keeps no cookies.
    OtherBrowser,
    /// It has ended before.
    Replayed,
    /// The provider says no.
    Denied(ErrorCode),
    /// The visitor logs in again and again, and is sent back every time.
    Circles,
    /// The session cannot hold what is known of the user.
    TooLarge,
    /// The provider does not answer, or says what cannot be believed.
    Fault(OidcFault),
}

impl Why {
    /// The word for it in logs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoAnswer => "no-callback",
            Self::NoState => "unknown-state",
            Self::Expired => "expired-state",
            Self::OtherBrowser => "other-browser",
            Self::Replayed => "replayed-state",
            Self::Denied(_) => "denied",
            Self::Circles => "login-loop",
            Self::TooLarge => "too-large",
            Self::Fault(fault) => fault.word(),
        }
    }

    /// Whether the provider took too long.
    pub fn is_timeout(&self) -> bool {
        let Self::Fault(OidcFault::NoAnswer(cause)) = self else {
            return false;
        };
        matches!(**cause, EndpointFault::TimedOut)
    }
}

impl Failed {
    /// The page that tells it.
    pub(in super::super) fn page(&self, status: StatusCode, request_id: &str) -> String {
        let page = Page {
            title: status.canonical_reason().unwrap_or("Error"),
            text: &format!("{self}."),
            link: self.again.as_deref().map(|again| (again, "Log in again")),
            refresh: None,
            request_id,
        };
        page.to_string()
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.why {
            Why::NoAnswer => "this page is where a login ends, and there was none",
            Why::NoState => "this login did not begin here",
            Why::Expired => "this login took too long",
            Why::OtherBrowser => {
                "this login began in another browser, or this browser does not accept our cookies"
            }
            Why::Replayed => "this login has ended already",
            Why::Denied(code) => {
                return write!(f, "the login was not granted ({code})");
            }
            Why::Circles => {
                "you have logged in several times in a row and are sent to log in again and again: \
                 wait a moment, or tell whoever runs this site"
            }
            Why::TooLarge => "more is known of you than a session may hold",
            Why::Fault(fault) if fault.is_no_answer() => {
                "the login service does not answer at the moment"
            }
            Why::Fault(OidcFault::LongAgo) => {
                "this address asks for a login that is more recent than the one that the login service vouches for"
            }
            Why::Fault(_) => "what the login service says cannot be believed",
        })
    }
}

impl std::error::Error for Failed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.why {
            Why::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_provider_writes_is_shown_but_a_code() {
        let shown = |code: &str| {
            let failed = Failed {
                why: Why::Denied(ErrorCode::of(code)),
                again: Some("/.cloakroom/login?return_to=%2F".to_owned()),
            };
            failed.page(StatusCode::FORBIDDEN, "r1")
        };
        let html = shown("access_denied");
        for part in [
            "access_denied",
            "Request id: r1",
            "href=\"/.cloakroom/login",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("http-equiv"), "nobody is sent on: {html}");
        assert!(!shown("<script>alert(1)</script>").contains("<script"));
    }
}
