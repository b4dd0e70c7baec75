//! Who looks on at a site's cookies, and what they are shown. Costs one read of a number while nobody does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::Response;
use http::header::{CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use http::request::Parts;

use super::refusal::Refusal;
use super::site::Site;
use super::visit::Visit;
use crate::base::clock::Time;
use crate::cookie::logins::LoginForm;
use crate::cookie::set_cookie::SetCookie;
use crate::cookie::tally::{Asked, Tally, Watch};
use crate::login::typed::BODY_BYTES_MAX;
use crate::login::watch::Answer;
use crate::session::Record;
use crate::session::ticket::Root;
use crate::upstream::{Body, aside};

/// How many watches there are at most at a time.
pub const WATCHES_MAX: usize = 4;

/// The watches that are on.
#[derive(Debug, Default)]
pub struct Observers {
    /// How many there are, to be read without a lock.
    count: AtomicUsize,
    watches: Mutex<Vec<Arc<Seat>>>,
}

/// Where somebody looks on from.
#[derive(Debug)]
struct Seat {
    site: Arc<str>,
    watch: Mutex<Watch>,
}

/// A watch that is on until this is dropped.
#[derive(Debug)]
pub struct Looking {
    observers: Arc<Observers>,
    seat: Arc<Seat>,
}

/// All seats are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{WATCHES_MAX} watches are on already; end one of them")]
pub struct Crowded;

impl Observers {
    /// Begins a watch over the site of that name.
    ///
    /// # Errors
    /// When there are too many already.
    pub fn look(self: &Arc<Self>, site: Arc<str>) -> Result<Looking, Crowded> {
        let mut watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        if watches.len() >= WATCHES_MAX {
            return Err(Crowded);
        }
        let watch = Mutex::default();
        let seat = Arc::new(Seat { site, watch });
        watches.push(Arc::clone(&seat));
        self.count.store(watches.len(), Ordering::Relaxed);
        Ok(Looking {
            observers: Arc::clone(self),
            seat,
        })
    }

    /// A login made another session of this one.
    pub(super) fn goes_on(&self, before: &Root, after: &Root) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        for seat in &*watches {
            seat.lock().goes_on(&before.0, &after.0);
        }
    }

    fn over(&self, site: &Site) -> Vec<Arc<Seat>> {
        if self.count.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let watches = self.watches.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = watches.iter().filter(|seat| *seat.site == *site.name);
        mine.cloned().collect()
    }

    /// A request came, and this is how the browser sent it.
    pub(super) fn request(&self, site: &Site, head: &Parts, visit: &Visit, ticket_name: &str) {
        let seats = self.over(site);
        if seats.is_empty() {
            return;
        }
        let values = head.headers.get_all(COOKIE).iter();
        let cookies: Vec<&[u8]> = values.map(HeaderValue::as_bytes).collect();
        let fields = head.headers.iter().filter(|(name, _)| *name != COOKIE);
        let fields: Vec<(&str, &[u8])> = fields
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let root = visit.root();
        let asked = Asked {
            visitor: root.as_ref().map(|root| &root.0),
            cookies: &cookies,
            ticket_name: ticket_name.as_bytes(),
            fields: &fields,
            query: head.uri.query().unwrap_or_default(),
            jar: visit
                .record()
                .map_or(&[], |record: &Record| record.jar(&site.name)),
            policy: &site.cookies,
        };
        for seat in seats {
            seat.lock().request(&asked);
        }
    }

    /// The form with a password that a request brings, while somebody looks on: held until all of it is here, up to what
    /// a login is read from.
    pub(super) async fn form(
        &self,
        site: &Site,
        head: &Parts,
        body: &mut Body,
    ) -> Result<Option<LoginForm>, Refusal> {
        if self.over(site).is_empty() {
            return Ok(None);
        }
        let kind = head
            .headers
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        let kind = kind.and_then(|kind| kind.split(';').next());
        let kind = kind.map(|kind| kind.trim().to_ascii_lowercase());
        let json = match kind.as_deref() {
            Some("application/x-www-form-urlencoded") => false,
            Some("application/json") => true,
            _ => return Ok(None),
        };
        let held = aside(body.hold(BODY_BYTES_MAX)).await;
        held?;
        let body = body.held().filter(|body| body.len() <= BODY_BYTES_MAX);
        let (method, path) = (head.method.as_str(), head.uri.path());
        Ok(body.and_then(|body| LoginForm::read(method, path, json, body)))
    }

    /// The app answered such a form.
    pub(super) fn login(
        &self,
        site: &Site,
        form: Option<LoginForm>,
        response: &Response<Body>,
        now: Time,
    ) {
        let Some(form) = form else {
            return;
        };
        let answer = Answer::read(response.status(), response.headers(), now);
        for seat in self.over(site) {
            let names = answer.names_set();
            let status = response.status().as_u16();
            seat.lock().login(form.clone(), status, names);
        }
    }

    /// The app answered it, and this is what it said.
    pub(super) fn answer(
        &self,
        site: &Site,
        headers: &HeaderMap,
        path: &str,
        (visit, ticket_name): (&Visit, &str),
        now: Time,
    ) {
        let seats = self.over(site);
        if seats.is_empty() {
            return;
        }
        let root = visit.root();
        let visitor = root.as_ref().map(|root| &root.0);
        for seat in seats {
            let mut watch = seat.lock();
            for field in headers.get_all(SET_COOKIE) {
                if let Ok(set) = SetCookie::read(field.as_bytes()) {
                    watch.answer(visitor, path, &set, ticket_name.as_bytes(), now);
                }
            }
        }
    }
}

impl Seat {
    fn lock(&self) -> std::sync::MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Looking {
    /// What was seen so far.
    pub fn tally(&self) -> Tally {
        self.seat.lock().tally().clone()
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        let watches = &self.observers.watches;
        let mut watches = watches.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
        self.observers.count.store(watches.len(), Ordering::Relaxed);
    }
}
