//! The login watch at work on one request: what it asks of the app, and what the app's answer makes of the session.

use std::sync::Arc;

use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::forward::Call;
use super::site::Site;
use crate::base::clock::Time;
use crate::base::meter::{Count, Meter};
use crate::login::typed::{self, Unread};
use crate::login::watch::{Asked, Watch, names_set};
use crate::session::{Turn, User};
use crate::upstream::Tap;

/// Sees one request that may be a login or a logout, and the answer to it.
pub(super) struct Witness<'a> {
    site: &'a Site,
    watch: &'a Watch,
    request_id: Arc<str>,
    asked: Asked,
    /// Where the user will be read from, or why nobody can be read.
    form: Result<Tap, Unread>,
}

impl<'a> Witness<'a> {
    /// Looks at a request as it came. `None` for one that is neither login nor logout, or that may change no session.
    pub fn of(call: &Call<'a>, head: &Parts) -> Option<Self> {
        let site = call.site;
        let watch = site.watch.as_ref()?;
        let path = &call.admitted.path;
        let query = head.uri.query();
        let asked = watch.asks(&head.method, [path.as_str(), path.bare()], query)?;
        if !call.visit.may_keep_cookies() {
            return None;
        }
        let field = &watch.login.user_field;
        let form = typed::head_allows(&head.headers, query, field)
            .map(|()| Tap::new(typed::BODY_BYTES_MAX));
        Some(Self {
            site,
            watch,
            request_id: Arc::clone(&call.request_id),
            asked,
            form,
        })
    }

    /// What shall copy the body, if there is a user to be read in it.
    pub fn tap(&self) -> Option<Tap> {
        let form = self.form.as_ref().ok();
        form.filter(|_| self.asked == Asked::Login).cloned()
    }

    /// What the app's answer makes of the session.
    pub fn turn(self, status: StatusCode, headers: &HeaderMap, now: Time, meter: &Meter) -> Turn {
        let fields = headers.get_all(SET_COOKIE).iter();
        let set = names_set(fields.map(HeaderValue::as_bytes), now);
        let succeeded = self.watch.succeeded(self.asked, status, &set);
        match self.asked {
            Asked::Logout if succeeded => {
                meter.count(Count::LogoutsSeen);
                Turn::End
            }
            Asked::Logout => Turn::Stay,
            Asked::Login if succeeded => {
                meter.count(Count::LoginsSeen);
                self.log_in(now, meter)
            }
            Asked::Login => {
                meter.count(Count::LoginsFailed);
                Turn::Stay
            }
        }
    }

    fn log_in(self, now: Time, meter: &Meter) -> Turn {
        let field = &self.watch.login.user_field;
        let body = self.form.and_then(|tap| tap.take().ok_or(Unread::Body));
        let typed = body.and_then(|body| typed::user(body.expose(), field));
        match typed {
            Ok(id) => Turn::LogIn {
                user: Some(Box::new(User {
                    id,
                    issuer: None,
                    name: None,
                    email: None,
                    groups: Vec::new(),
                    claims: serde_json::Map::new(),
                    site: self.site.name.to_string(),
                    auth_time: now,
                })),
                carry: self.watch.carry,
            },
            Err(unread) => {
                meter.count(Count::LoginsUnread);
                tracing::warn!(
                    request_id = &*self.request_id,
                    site = %self.site.name,
                    reason = %unread,
                    "somebody logged in to the app, but who cannot be read; nobody is bound"
                );
                // Whoever it is, they are not who was there before, and a ticket from before opens nothing of theirs.
                Turn::LogIn {
                    user: None,
                    carry: self.watch.carry,
                }
            }
        }
    }
}
