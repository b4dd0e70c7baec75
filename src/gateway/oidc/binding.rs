//! Which of the cookies that tie logins to a browser it brings, and which it gets.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};

use super::super::Gateway;
use super::super::form_page::Asked;
use super::OidcLogin;
use crate::base::clock::Time;
use crate::cookie::binding::{BINDINGS_MAX, Binding};

/// What a login that begins goes by.
pub(super) struct Tie {
    /// Of which the state tells the hash.
    pub binding: Binding,
    /// Whether the browser has yet to get it.
    is_new: bool,
    /// Those that it holds too many of.
    surplus: Vec<Binding>,
}

impl Gateway {
    /// Those that came, the oldest first.
    pub(super) fn bindings(&self, headers: &HeaderMap) -> Vec<Binding> {
        let fields = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        Binding::all(fields, self.desk.cookie.name())
    }

    /// What a login goes by that begins now: the newest that came, if it lasts long enough.
    pub(super) fn tie(&self, asked: Asked<'_>, oidc: &OidcLogin, now: Time) -> Tie {
        let mut came = self.bindings(&asked.head.headers);
        let last = came.last().cloned();
        let known = last.filter(|last| last.serves(now, oidc.login_timeout));
        let is_new = known.is_none();
        let count = came.len() + usize::from(is_new);
        came.truncate(count.saturating_sub(BINDINGS_MAX).min(came.len()));
        Tie {
            binding: known.unwrap_or_else(|| Binding::mint(self.desk.cookie.name(), now)),
            is_new,
            surplus: came,
        }
    }

    /// Gives it to the browser, and takes those away of which there are too many.
    pub(super) fn give(&self, tie: &Tie, oidc: &OidcLogin, headers: &mut HeaderMap) {
        let ticket = &self.desk.cookie;
        let new = tie
            .is_new
            .then(|| tie.binding.set(ticket, oidc.login_timeout));
        let gone = tie.surplus.iter().map(|binding| binding.delete(ticket));
        for field in new.into_iter().chain(gone) {
            match field {
                Ok(field) => {
                    headers.append(SET_COOKIE, field);
                }
                Err(error) => tracing::error!(%error, "a login could not be tied to its browser"),
            }
        }
    }
}
