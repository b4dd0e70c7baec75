//! How many requests are with an app at once, which connection each of them gets, and who waits.
//!
//! A request takes a place first, then the connection that was used last, then a new one. As a new one is made only when
//! none is idle, there are never more connections than places. Whoever finds no place waits in a queue, which has a
//! length and a deadline.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Weak as ArcWeak};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::UpstreamSettings;
use super::address::Address;
use super::begin::PLACES_FOR_EARLY;
use super::body::Body;
use super::client::{self, TellEarly, opens_stream};
use super::fault::{Unanswered, UpstreamFault};
use super::http1::Connection;
use super::http2::Shared;

/// How many may wait for each place.
const WAITERS_PER_PLACE: usize = 4;

/// An idle connection is closed by the first sweep that finds it older than this many sweeps.
const SWEEPS_PER_IDLE_TIMEOUT: u8 = 4;

/// The connections of one core to all apps. Cloning it gives the same pool.
#[derive(Clone, Default)]
pub struct Pool {
    /// By the address of the settings. The weak reference keeps the address from being used for others, and tells when
    /// no configuration on any core has these settings any more.
    upstreams: Rc<RefCell<HashMap<*const UpstreamSettings, Known>>>,
}

type Known = (ArcWeak<UpstreamSettings>, Rc<Upstream>);

impl Pool {
    /// A pool without connections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `request` to the app at `to` and waits for the head of its response. The body of the response holds the
    /// connection until it has been read or dropped. Dropping the future closes the connection.
    ///
    /// The target is sent in origin form, and `Content-Length` and `Transfer-Encoding` are written from the body,
    /// whatever the request said. `Host` and everything else is sent as it is. `Expect` must have been removed:
    /// reading the visitor's body is what answers it.
    ///
    /// A response `101 Switching Protocols` comes only if the request had an `Upgrade` field; hand it to
    /// [`tunnel::app_side`](super::tunnel::app_side).
    ///
    /// # Errors
    /// [`Unanswered`] says who failed, and gives the request back if nothing of it was sent.
    ///
    /// # Panics
    /// Outside of a [`LocalSet`](tokio::task::LocalSet).
    pub async fn send(
        &self,
        to: &Arc<UpstreamSettings>,
        request: impl Into<Box<Request<Body>>>,
    ) -> Result<Response<Body>, Unanswered> {
        self.send_hearing(to, request.into(), None).await
    }

    /// The same; `early` is told what the app says before its answer.
    ///
    /// # Errors
    /// As [`Pool::send`].
    pub async fn send_hearing(
        &self,
        to: &Arc<UpstreamSettings>,
        request: Box<Request<Body>>,
        early: Option<TellEarly<'_>>,
    ) -> Result<Response<Body>, Unanswered> {
        let upstream = self.upstream(to);
        match upstream.place().await {
            Ok(place) => {
                let mut response = client::exchange(&upstream, place, request, early).await?;
                // What stays open for hours must not keep the places of requests.
                if opens_stream(&response) && !response.body_mut().move_to(&upstream.streams) {
                    return Err(UpstreamFault::Exhausted.into());
                }
                response.body_mut().go_both_ways(&upstream.streams);
                Ok(response)
            }
            Err(fault) => Err(Unanswered::unsent(fault, request)),
        }
    }

    /// The places for requests to `to` whose body has not begun. These need one of the others beside it.
    pub(super) fn early_places(&self, to: &Arc<UpstreamSettings>) -> Arc<Semaphore> {
        Arc::clone(&self.upstream(to).early)
    }

    fn upstream(&self, to: &Arc<UpstreamSettings>) -> Rc<Upstream> {
        let mut upstreams = self.upstreams.borrow_mut();
        if let Some((_, upstream)) = upstreams.get(&Arc::as_ptr(to)) {
            return Rc::clone(upstream);
        }
        // Settings that nobody holds are of a configuration that was replaced.
        upstreams.retain(|_, (settings, _)| settings.strong_count() > 0);
        let upstream = Rc::new(Upstream::new(UpstreamSettings::clone(to)));
        let known = (Arc::downgrade(to), Rc::clone(&upstream));
        upstreams.insert(Arc::as_ptr(to), known);
        upstream
    }
}

/// The connections of one core to one app.
pub(super) struct Upstream {
    pub(super) settings: UpstreamSettings,
    places: Arc<Semaphore>,
    /// Of open WebSockets, event streams and exchanges that go both ways.
    streams: Arc<Semaphore>,
    /// Of requests whose body has not begun. There may be none.
    early: Arc<Semaphore>,
    waiters: Cell<usize>,
    /// The one used last is at the end, and is used next: so what is not needed grows old.
    #[allow(
        clippy::vec_box,
        reason = "a connection is large, and goes in and out with every request"
    )]
    idle: RefCell<Vec<Box<Connection>>>,
    /// The connections of HTTP/2, each for many requests. Those that are full or new are at the end.
    shared: RefCell<Vec<Rc<Shared>>>,
    /// Held by whoever makes a connection that others may share, so that they wait for it and make none of their own.
    pub(super) dialing: Mutex<()>,
    /// Whether an app that was offered HTTP/2 has chosen HTTP/1.1: then nobody waits.
    pub(super) chose_http_1: Cell<bool>,
    sweeping: Cell<bool>,
}

impl Upstream {
    fn new(settings: UpstreamSettings) -> Self {
        let semaphore = |permits: usize| {
            let permits = permits.clamp(1, Semaphore::MAX_PERMITS);
            Arc::new(Semaphore::new(permits))
        };
        Self {
            places: semaphore(settings.connections),
            streams: semaphore(settings.streams),
            early: Arc::new(Semaphore::new(
                settings.connections.min(Semaphore::MAX_PERMITS) / PLACES_FOR_EARLY,
            )),
            settings,
            waiters: Cell::new(0),
            idle: RefCell::default(),
            shared: RefCell::default(),
            dialing: Mutex::default(),
            chose_http_1: Cell::new(false),
            sweeping: Cell::new(false),
        }
    }

    /// A place for one request, at once or after a wait of up to `connect_timeout`.
    async fn place(&self) -> Result<OwnedSemaphorePermit, UpstreamFault> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let waiters_max = self
            .settings
            .connections
            .max(1)
            .saturating_mul(WAITERS_PER_PLACE);
        if self.waiters.get() >= waiters_max {
            return Err(UpstreamFault::Exhausted);
        }
        let _waiter = Waiter::enter(&self.waiters);
        let wait = Arc::clone(&self.places).acquire_owned();
        match tokio::time::timeout(self.settings.connect_timeout, wait).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(UpstreamFault::Exhausted),
        }
    }

    /// The connection that was used last and still seems to be there.
    pub(super) fn take_idle(&self) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut connection) = idle.pop() {
            if connection.is_quiet() {
                connection.sweeps = 0;
                return Some(connection);
            }
        }
        None
    }

    /// Whether a request may go on a connection that carries others too.
    pub(super) const fn shares(&self, http_1_only: bool) -> bool {
        match self.settings.address {
            Address::Tcp { .. } | Address::Unix(_) => false,
            Address::H2c { .. } => true,
            Address::Tls { .. } => !http_1_only,
        }
    }

    /// A connection of HTTP/2 that takes one more request.
    pub(super) fn shared(&self) -> Option<Rc<Shared>> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| connection.is_usable());
        let free = shared.iter().find(|connection| connection.has_room());
        free.map(Rc::clone)
    }

    /// Lets others use `connection` too.
    pub(super) fn share(self: &Rc<Self>, connection: Rc<Shared>) {
        self.shared.borrow_mut().push(connection);
        self.keep_sweeping();
    }

    fn park(self: &Rc<Self>, connection: Box<Connection>) {
        self.idle.borrow_mut().push(connection);
        self.keep_sweeping();
    }

    fn keep_sweeping(self: &Rc<Self>) {
        if !self.sweeping.replace(true) {
            let tick = self.settings.idle_timeout / u32::from(SWEEPS_PER_IDLE_TIMEOUT);
            let tick = tick.max(Duration::from_millis(1));
            tokio::task::spawn_local(sweep(Rc::downgrade(self), tick));
        }
    }

    /// Closes what is old or gone; tells whether anything is left.
    fn sweep_once(&self) -> bool {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|connection| {
            connection.sweeps = connection.sweeps.saturating_add(1);
            connection.sweeps <= SWEEPS_PER_IDLE_TIMEOUT && connection.is_quiet()
        });
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| {
            connection.is_usable() && connection.sweep() <= SWEEPS_PER_IDLE_TIMEOUT
        });
        !idle.is_empty() || !shared.is_empty()
    }
}

/// Runs as long as there are idle connections, so that an idle gateway does nothing.
async fn sweep(upstream: Weak<Upstream>, tick: Duration) {
    loop {
        tokio::time::sleep(tick).await;
        let Some(upstream) = upstream.upgrade() else {
            return;
        };
        if !upstream.sweep_once() {
            upstream.sweeping.set(false);
            return;
        }
    }
}

struct Waiter<'a>(&'a Cell<usize>);

impl<'a> Waiter<'a> {
    fn enter(waiters: &'a Cell<usize>) -> Self {
        waiters.set(waiters.get() + 1);
        Self(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// One request's hold on a place and a connection. Dropped, it closes the connection and gives the place back.
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    upstream: Rc<Upstream>,
    reusable: bool,
    // Last, so that the next in the queue finds the connection parked or closed.
    place: OwnedSemaphorePermit,
}

impl Lease {
    pub(super) const fn new(
        upstream: Rc<Upstream>,
        connection: Box<Connection>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            connection,
            upstream,
            reusable: true,
            place,
        }
    }

    /// Takes one of `places` instead of its own; false when there is none.
    pub(super) fn move_to(&mut self, places: &Arc<Semaphore>) -> bool {
        let Ok(place) = Arc::clone(places).try_acquire_owned() else {
            return false;
        };
        self.place = place;
        true
    }

    /// How patient we are with the app.
    pub(super) fn settings(&self) -> &UpstreamSettings {
        &self.upstream.settings
    }

    /// Closes the connection and keeps the place.
    pub(super) fn into_place(self) -> OwnedSemaphorePermit {
        self.place
    }

    /// The connection, and the place that it holds.
    pub(super) fn into_parts(self) -> (Box<Connection>, OwnedSemaphorePermit) {
        (self.connection, self.place)
    }

    /// The connection will not be used again.
    pub(super) const fn spoil(&mut self) {
        self.reusable = false;
    }

    /// The response has ended: the connection goes back to the pool if it can carry another request.
    pub(super) fn release(mut self) {
        if !self.reusable {
            return;
        }
        let Some(mut rest) = self.connection.take_rest() else {
            self.park();
            return;
        };
        // The app has answered before it had the whole request. What is left of it still goes up, for as long as a
        // response may take.
        tokio::task::spawn_local(async move {
            let limit = self.settings().response_timeout;
            if let Ok(true) = tokio::time::timeout(limit, rest.end()).await {
                self.park();
            }
        });
    }

    fn park(mut self) {
        if self.connection.settle() {
            self.upstream.park(self.connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_forgotten_when_its_configuration_is() {
        let settings = || Arc::new(UpstreamSettings::new(Address::Unix("app.sock".into())));
        let pool = Pool::new();
        let old = settings();
        let first = pool.upstream(&old);
        assert!(Rc::ptr_eq(&first, &pool.upstream(&old)));

        // Equal settings of another site are another upstream.
        let new = settings();
        assert!(!Rc::ptr_eq(&first, &pool.upstream(&new)));
        drop(old);
        pool.upstream(&settings());

        assert_eq!(Rc::strong_count(&first), 1);
    }
}
