//! One app of a set: how much it has to do, and whether it can be trusted with more.

use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::fault::UpstreamFault;
use super::harm::{Harm, ProbeFault};
use super::report::Standing;
use super::{BalanceSettings, HealthSettings};
use crate::base::causes::Causes;
use crate::base::clock::{Clock, Time};

/// Its last requests failed, but not enough of them.
const FAILING: u8 = 1;
/// So many requests failed that it is out of service.
const OUT: u8 = 2;
/// Of those none got through to it.
const UNREACHABLE: u8 = 4;
/// Its probes failed.
const DOWN: u8 = 8;
/// It gets no new sessions.
const DRAINED: u8 = 16;

/// While one request finds out whether a member is back, the next does so only after this.
const TRIAL_PATIENCE: Duration = Duration::from_secs(1);

/// No member that came back begins with less than this share of its weight.
const SHARE_MIN: f64 = 0.1;

/// What is known of a member. Shared by all cores.
pub(super) struct State {
    site: Arc<str>,
    name: Box<str>,
    /// What is not as it should be; zero: nothing. Written under `run` alone.
    marks: AtomicU8,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    failures: AtomicU64,
    ejections: AtomicU64,
    /// When the youngest request began that was answered.
    answered: AtomicU64,
    /// In milliseconds, as are the others: until when it is out of service.
    out_until: AtomicU64,
    /// Since when it is in service again; zero: it always was.
    back_since: AtomicU64,
    /// Zero: it is not drained by the administration, or by the configuration.
    drained_by_admin: AtomicU64,
    drained_by_configuration: AtomicU64,
    /// Guards what is only looked at when something is wrong. Of std: nothing waits while it is held.
    run: Mutex<Run>,
}

/// What has come in a row.
#[derive(Default)]
struct Run {
    fails: u32,
    last_failure: Time,
    /// Whether one of these requests got through to it.
    reached: bool,
    /// Probes that came out alike.
    probes: u32,
    /// How they came out.
    well: bool,
    /// When a request went out to see whether it is back, if that has not come to an end.
    trial: Option<Time>,
}

impl State {
    pub(super) fn new(site: Arc<str>, name: Box<str>, drained: Option<Time>) -> Self {
        let since = drained.map_or(0, |since| since.as_millis().max(1));
        Self {
            site,
            name,
            marks: AtomicU8::new(if since == 0 { 0 } else { DRAINED }),
            in_flight: AtomicUsize::new(0),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            ejections: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            out_until: AtomicU64::new(0),
            back_since: AtomicU64::new(0),
            drained_by_admin: AtomicU64::new(0),
            drained_by_configuration: AtomicU64::new(since),
            run: Mutex::default(),
        }
    }

    /// Whether nothing is wrong with it.
    pub(super) fn is_sound(&self) -> bool {
        self.marks.load(Relaxed) == 0
    }

    pub(super) fn standing(&self) -> Standing {
        let marks = self.marks.load(Relaxed);
        if marks & DOWN != 0 {
            Standing::Down
        } else if marks & OUT != 0 {
            Standing::Out
        } else {
            Standing::Up
        }
    }

    /// Of one that is [`Standing::Out`]: whether it takes connections all the same.
    pub(super) fn is_reachable(&self) -> bool {
        self.marks.load(Relaxed) & UNREACHABLE == 0
    }

    /// Whether it may be tried again, by its time out of service.
    pub(super) fn is_due(&self, now: Time) -> bool {
        now.as_millis() >= self.out_until.load(Relaxed)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// The part of its weight that it gets at `now`.
    pub(super) fn share(&self, slow_start: Duration, now: Time) -> f64 {
        let back_since = self.back_since.load(Relaxed);
        let since = now.since(Time::from_millis(back_since));
        if back_since == 0 || since >= slow_start {
            return 1.0;
        }
        (since.as_secs_f64() / slow_start.as_secs_f64()).max(SHARE_MIN)
    }

    /// Since when it takes no new sessions, if it does not.
    pub(super) fn drained_since(&self) -> Option<Time> {
        if self.marks.load(Relaxed) & DRAINED == 0 {
            return None;
        }
        let drains = [&self.drained_by_admin, &self.drained_by_configuration];
        let times = drains.map(|since| since.load(Relaxed));
        let since = times.into_iter().filter(|since| *since != 0).min();
        since.map(Time::from_millis)
    }

    pub(super) fn drained_by(&self) -> Option<&'static str> {
        if self.drained_by_configuration.load(Relaxed) != 0 {
            Some("configuration")
        } else {
            (self.drained_by_admin.load(Relaxed) != 0).then_some("admin")
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }

    pub(super) fn ejections(&self) -> u64 {
        self.ejections.load(Relaxed)
    }

    /// Lets one request find out whether a member that is out is back. `before_time`: there is no other.
    pub(super) fn takes_trial(
        &self,
        terms: &BalanceSettings,
        now: Time,
        before_time: bool,
    ) -> bool {
        let mut run = self.run();
        let is_under_way = run
            .trial
            .is_some_and(|begun| now.since(begun) < TRIAL_PATIENCE);
        if is_under_way || !(before_time || self.is_due(now)) {
            return false;
        }
        run.trial = Some(now);
        let again = now.plus(terms.fail_timeout).as_millis();
        self.out_until.store(again, Relaxed);
        true
    }

    /// It has answered; tells whether it was out.
    pub(super) fn answered(&self, begun: Time, clock: &Clock) -> bool {
        // One line of memory for all cores: written once in a millisecond.
        if self.answered.load(Relaxed) < begun.as_millis() {
            self.answered.store(begun.as_millis(), Relaxed);
        }
        if self.marks.load(Relaxed) & (FAILING | OUT) == 0 {
            return false;
        }
        let mut run = self.run();
        let was_out = self.well_again(&mut run, clock.now());
        drop(run);
        if was_out {
            tracing::info!(
                site = &*self.site,
                upstream = &*self.name,
                "an upstream answers again"
            );
        }
        was_out
    }

    /// Forgets failures; tells whether it was out.
    fn well_again(&self, run: &mut Run, now: Time) -> bool {
        let was_out = self.marks.load(Relaxed) & OUT != 0;
        run.fails = 0;
        run.trial = None;
        if was_out {
            self.back_since.store(now.as_millis(), Relaxed);
        }
        self.unmark(FAILING | OUT | UNREACHABLE);
        was_out
    }

    /// A request that began at `begun` failed; tells what that says of it.
    pub(super) fn failed(
        &self,
        fault: &UpstreamFault,
        begun: Time,
        terms: &BalanceSettings,
        clock: &Clock,
    ) -> Harm {
        let harm = Harm::of(fault);
        // Who has answered younger requests does not hang: it takes long over this one. Otherwise anybody who knows a
        // slow path could have it taken out of service.
        let takes_long = matches!(fault, UpstreamFault::ResponseTimeout)
            && self.answered.load(Relaxed) > begun.as_millis();
        if harm == Harm::None || takes_long {
            return Harm::None;
        }
        self.failures.fetch_add(1, Relaxed);
        let now = clock.now();
        let mut run = self.run();
        let marks = self.marks.load(Relaxed);
        let is_out = marks & OUT != 0;
        if !is_out && now.since(run.last_failure) > terms.fail_timeout {
            run.fails = 0;
        }
        if run.fails == 0 {
            run.reached = false;
        }
        run.fails = run.fails.saturating_add(1);
        run.last_failure = now;
        // Once it was reached and once not: the latest counts when it is out already.
        run.reached = harm == Harm::Answer || (run.reached && !is_out);
        run.trial = None;
        let fails = run.fails;
        if fails < terms.max_fails.max(1) && !is_out {
            self.mark(FAILING);
            return harm;
        }
        self.mark(OUT);
        if run.reached {
            self.unmark(UNREACHABLE);
        } else {
            self.mark(UNREACHABLE);
        }
        let until = now.plus(terms.fail_timeout).as_millis();
        self.out_until.store(until, Relaxed);
        drop(run);
        if !is_out {
            if marks & DOWN == 0 {
                self.ejections.fetch_add(1, Relaxed);
            }
            let (site, upstream) = (&*self.site, &*self.name);
            tracing::warn!(
                site,
                upstream,
                fails,
                error = %Causes(fault),
                "an upstream is out: its requests fail"
            );
        }
        harm
    }

    /// A probe was answered well or not.
    pub(super) fn probed(
        &self,
        outcome: Result<(), ProbeFault>,
        health: &HealthSettings,
        now: Time,
    ) {
        let well = outcome.is_ok();
        let mut run = self.run();
        let marks = self.marks.load(Relaxed);
        if run.well != well {
            run.well = well;
            run.probes = 0;
        }
        run.probes = run.probes.saturating_add(1);
        // A member that cannot be reached is not left for its time if the probes say that it is back.
        let is_news = if well {
            marks & (DOWN | UNREACHABLE) != 0
        } else {
            marks & DOWN == 0
        };
        let enough = if well { health.rise } else { health.fall };
        if !is_news || run.probes < enough.max(1) {
            return;
        }
        let (site, upstream) = (&*self.site, &*self.name);
        let Err(fault) = outcome else {
            self.well_again(&mut run, now);
            self.back_since.store(now.as_millis(), Relaxed);
            self.unmark(DOWN);
            drop(run);
            tracing::info!(site, upstream, "an upstream is up: its probes are answered");
            return;
        };
        self.mark(DOWN);
        drop(run);
        // One outage is one, whether requests or probes find it first.
        if marks & OUT == 0 {
            self.ejections.fetch_add(1, Relaxed);
        }
        let error = Causes(&fault);
        tracing::warn!(site, upstream, %error, "an upstream is down: its probes fail");
    }

    /// Nobody probes it any more.
    pub(super) fn forget_probes(&self) {
        let mut run = self.run();
        run.probes = 0;
        self.unmark(DOWN);
    }

    pub(super) fn drain_by_admin(&self, drains: bool, now: Time) {
        self.set_drain(&self.drained_by_admin, "admin", drains, now);
    }

    pub(super) fn drain_by_configuration(&self, drains: bool, now: Time) {
        self.set_drain(&self.drained_by_configuration, "configuration", drains, now);
    }

    fn set_drain(&self, which: &AtomicU64, by: &str, drains: bool, now: Time) {
        let run = self.run();
        let since = which.load(Relaxed);
        if drains == (since != 0) {
            return;
        }
        let since = if drains { now.as_millis().max(1) } else { 0 };
        which.store(since, Relaxed);
        if self.drained_by().is_some() {
            self.mark(DRAINED);
        } else {
            self.unmark(DRAINED);
        }
        drop(run);
        let (site, upstream) = (&*self.site, &*self.name);
        if drains {
            tracing::info!(
                site,
                upstream,
                by,
                "an upstream is drained: it gets no new sessions"
            );
        } else {
            tracing::info!(site, upstream, by, "an upstream is no longer drained");
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn mark(&self, marks: u8) {
        self.marks.fetch_or(marks, Relaxed);
    }

    fn unmark(&self, marks: u8) {
        self.marks.fetch_and(!marks, Relaxed);
    }
}

/// A request that counts for a member until this is dropped.
pub struct InFlight(Arc<State>);

impl InFlight {
    pub(super) fn begin(state: &Arc<State>) -> Self {
        state.requests.fetch_add(1, Relaxed);
        state.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(state))
    }
}

impl Clone for InFlight {
    fn clone(&self) -> Self {
        self.0.in_flight.fetch_add(1, Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}
