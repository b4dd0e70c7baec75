//! The apps behind one site, and which of them gets a request.
//!
//! ```text
//! member   one app of the set: how much it has to do, whether it can be trusted with more
//! report   the same, told for people and machines
//! pick     which member a request goes to
//! probe    asks members whether they are well, before visitors have to find out
//! ```
//!
//! # Laws
//! - A request goes to another member only if nothing of it was sent to the first.
//! - What is known of a member is shared by all cores and outlives a change of the configuration.
//! - A set with one member that is well pays one read of an atomic for each request.
//! - Failing requests alone never leave a site without an app: with no member left in service, those are asked on that
//!   still take connections, and of those that cannot be reached one request at a time finds out whether they are back.
//!   Whoever would have waited for that is refused at once.

mod harm;
mod member;

mod report;

mod pick;

mod probe;

pub use probe::run as probe;
pub use report::{Report, Standing};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use self::harm::Harm;
pub(super) use self::member::InFlight;
use self::member::State;
use super::body::Body;
use super::client::TellEarly;
use super::fault::UpstreamFault;
use super::pool::Pool;
use super::{Address, UpstreamSettings};
use crate::base::clock::{Clock, Time};
use crate::session::Home;

/// A set has no more members: which of them were tried is told in a machine word.
pub const MEMBERS_MAX: usize = 64;

/// So many members are asked for one request, at most.
const ATTEMPTS_MAX: u32 = 3;

/// One app of a set, finished.
#[derive(Clone, Debug)]
pub struct MemberSettings {
    /// Where it is and how it is spoken to.
    pub upstream: UpstreamSettings,
    /// Its share of the requests, beside the weights of the others. Zero counts as one.
    pub weight: u32,
    /// Whether it gets no new sessions.
    pub drain: bool,
    /// Whether it is asked only when no other is in service.
    pub backup: bool,
}

/// How requests are shared out.
#[derive(Clone, Debug)]
pub struct BalanceSettings {
    /// Whether a session keeps to its member.
    pub sticky: bool,
    /// So many failures in a row take a member out of service. Zero counts as one.
    pub max_fails: u32,
    /// Failures further apart are not in a row; and for so long a member is out.
    pub fail_timeout: Duration,
    /// How long a member that came back takes to its whole share.
    pub slow_start: Duration,
    /// How members are asked whether they are well, if they are.
    pub health: Option<HealthSettings>,
}

/// How members are asked whether they are well.
#[derive(Clone, Debug)]
pub struct HealthSettings {
    /// What is asked for. An answer from 200 to 399 is a good one.
    pub target: PathAndQuery,
    /// As which host.
    pub host: HeaderValue,
    /// How often.
    pub interval: Duration,
    /// How long the answer may take.
    pub timeout: Duration,
    /// So many good answers in a row bring a member back.
    pub rise: u32,
    /// So many bad ones take it out.
    pub fall: u32,
}

/// The apps behind one site.
pub struct Upstreams {
    site: Arc<str>,
    settings: BalanceSettings,
    members: Vec<Member>,
    /// Goes on with each choice between equals.
    turn: AtomicU32,
    /// What was said last of whether any member is in service.
    serves: AtomicBool,
}

struct Member {
    settings: Arc<UpstreamSettings>,
    /// Its address as a configuration writes it: what it is known by.
    name: Box<str>,
    authority: Box<str>,
    weight: f64,
    backup: bool,
    drain: bool,
    state: Arc<State>,
}

/// Why a request got no answer from any member.
#[derive(Debug, thiserror::Error)]
pub enum Unserved {
    /// The one that was asked last failed.
    #[error(transparent)]
    Fault(#[from] UpstreamFault),
    /// None may be asked: all are down, out or drained.
    #[error("no upstream of the site is in service")]
    NoneInService,
}

impl Upstreams {
    /// A set for `site`, all of it well. Members after the [`MEMBERS_MAX`]th are left out. `now` is when those that are
    /// drained by the configuration begin to be.
    pub fn new(
        site: Arc<str>,
        members: Vec<MemberSettings>,
        settings: BalanceSettings,
        now: Time,
    ) -> Self {
        let members = members.into_iter().take(MEMBERS_MAX).map(|member| {
            let name = member.upstream.address.to_string().into_boxed_str();
            let drained = member.drain.then_some(now);
            let state = State::new(Arc::clone(&site), name.clone(), drained);
            Member {
                authority: member.upstream.address.authority().into_boxed_str(),
                weight: f64::from(member.weight.max(1)),
                backup: member.backup,
                drain: member.drain,
                settings: Arc::new(member.upstream),
                state: Arc::new(state),
                name,
            }
        });
        Self {
            members: members.collect(),
            turn: AtomicU32::new(0),
            serves: AtomicBool::new(true),
            settings,
            site,
        }
    }

    /// One app, and the product's defaults.
    pub fn single(site: Arc<str>, upstream: UpstreamSettings) -> Self {
        let member = MemberSettings {
            upstream,
            weight: 1,
            drain: false,
            backup: false,
        };
        Self::new(
            site,
            vec![member],
            BalanceSettings::default(),
            Time::default(),
        )
    }

    /// Takes over what `old`, the set of the same site in the configuration before, knows of the members that stay.
    /// They are known by their addresses. To be called before the set is used.
    pub fn take_over(&mut self, old: &Self, now: Time) {
        for member in &mut self.members {
            let known = old.members.iter().find(|known| known.name == member.name);
            if let Some(known) = known {
                member.state = Arc::clone(&known.state);
                if member.settings == known.settings {
                    // The pools of the cores know its connections by this.
                    member.settings = Arc::clone(&known.settings);
                }
                member.state.drain_by_configuration(member.drain, now);
                if self.settings.health.is_none() {
                    member.state.forget_probes();
                }
            }
        }
        self.serves = AtomicBool::new(old.serves.load(Relaxed));
        self.tell_service();
    }

    /// Says so if the last member has gone out of service, or the first has come back.
    fn tell_service(&self) {
        let mut standings = self.members.iter().map(|member| member.state.standing());
        let serves = standings.any(|standing| standing == Standing::Up);
        if self.serves.load(Relaxed) == serves || self.serves.swap(serves, Relaxed) == serves {
            return;
        }
        let site = &*self.site;
        if serves {
            tracing::info!(site, "a site has an upstream in service again");
        } else {
            tracing::warn!(site, "a site has no upstream in service");
        }
    }

    /// Sends `request` to one of the members, as [`Pool::send`] does, and to another if nothing of it was sent. `home`
    /// is where the session of the visitor is at home, and `early` is told what an app says before its answer.
    ///
    /// # Errors
    /// [`Unserved`]: which says who failed last.
    pub async fn send(
        &self,
        pool: &Pool,
        request: Request<Body>,
        home: Option<Home>,
        clock: &Clock,
        early: Option<TellEarly<'_>>,
    ) -> Result<Response<Body>, Unserved> {
        // In a box, as it passes through many hands.
        let mut request = Box::new(request);
        let (mut tried, mut last) = (0u64, None);
        let begun = clock.now();
        loop {
            let Some(at) = self.next(tried, home.as_ref(), clock) else {
                return Err(last.map_or(Unserved::NoneInService, Unserved::Fault));
            };
            let Some(member) = self.members.get(at) else {
                return Err(Unserved::NoneInService);
            };
            let counted = InFlight::begin(&member.state);
            let unanswered = match pool.send_hearing(&member.settings, request, early).await {
                Ok(response) => {
                    if member.state.answered(begun, clock) {
                        self.tell_service();
                    }
                    return Ok(counting(response, counted));
                }
                Err(unanswered) => unanswered,
            };
            drop(counted);
            let fault = &unanswered.fault;
            let harm = member.state.failed(fault, begun, &self.settings, clock);
            if harm != Harm::None {
                self.tell_service();
            }
            tried |= 1 << at;
            match unanswered.unsent {
                Some(again) if harm != Harm::None && tried.count_ones() < ATTEMPTS_MAX => {
                    request = again;
                    last = Some(unanswered.fault);
                }
                _ => return Err(unanswered.fault.into()),
            }
        }
    }

    /// The member to ask next, if there is one that was not tried.
    fn next(&self, tried: u64, home: Option<&Home>, clock: &Clock) -> Option<usize> {
        match self.members.as_slice() {
            [only] if only.state.is_sound() => (tried == 0).then_some(0),
            _ => self.pick(tried, home, clock.now()),
        }
    }

    /// The places of this core for requests whose body has not begun, whichever member is asked.
    pub fn early_places(&self, pool: &Pool) -> Option<Arc<Semaphore>> {
        let first = self.members.first()?;
        Some(pool.early_places(&first.settings))
    }

    /// Whether sessions keep to their members.
    pub const fn is_sticky(&self) -> bool {
        self.settings.sticky
    }

    /// The site that they are behind.
    pub const fn site(&self) -> &Arc<str> {
        &self.site
    }

    /// What the members are called in their own redirects: host and port.
    pub fn authorities(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.authority)
    }

    /// Where the members listen.
    pub fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.members.iter().map(|member| &member.settings.address)
    }

    /// How each member is.
    pub fn reports(&self) -> impl Iterator<Item = Report<'_>> {
        self.members.iter().map(|member| Report {
            address: &member.name,
            weight: member.weight,
            backup: member.backup,
            standing: member.state.standing(),
            drained_by: member.state.drained_by(),
            in_flight: member.state.in_flight(),
            requests: member.state.requests(),
            failures: member.state.failures(),
            ejections: member.state.ejections(),
        })
    }

    /// Begins to drain the member at `address`, or ends that; false if there is none. What the configuration drains
    /// stays drained.
    pub fn drain(&self, address: &str, drains: bool, now: Time) -> bool {
        let member = self.members.iter().find(|member| &*member.name == address);
        if let Some(member) = member {
            member.state.drain_by_admin(drains, now);
        }
        member.is_some()
    }
}

impl Default for BalanceSettings {
    fn default() -> Self {
        Self {
            sticky: false,
            max_fails: 3,
            fail_timeout: Duration::from_secs(10),
            slow_start: Duration::from_secs(10),
            health: None,
        }
    }
}

/// Has the response count for its member until it has ended; of an upgrade, until the streams have.
fn counting(mut response: Response<Body>, counted: InFlight) -> Response<Body> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        response.extensions_mut().insert(counted);
        return response;
    }
    response.map(|body| body.counted(counted))
}
