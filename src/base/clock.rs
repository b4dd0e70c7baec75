//! The only reader of time.
//!
//! Wall time may jump back (NTP, a restored snapshot, a hand on the dial). A session that has ended must not live
//! again because of that, so the time that cloakroom reasons with never goes back while the process runs: it ticks
//! with the monotonic clock and follows the wall clock forwards only.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The time that lies `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The time that lies `secs` seconds after the Unix epoch.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the Unix epoch.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The time `span` later; stops at the end of the representable range.
    pub fn plus(self, span: Duration) -> Self {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Tells the time. Cloning is cheap and all clones agree.
#[derive(Clone)]
pub struct Clock(Arc<Source>);

enum Source {
    System {
        started: Instant,
        /// Wall time at `started`, moved forwards whenever the wall clock is seen ahead.
        base_millis: AtomicU64,
        /// How many milliseconds after `started` the wall clock was looked at last.
        looked_millis: AtomicU64,
    },
    Manual {
        millis: AtomicU64,
    },
}

impl Clock {
    /// The clock of the machine.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the file where time is read"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Source::System {
            started: Instant::now(),
            base_millis: AtomicU64::new(wall_millis()),
            looked_millis: AtomicU64::new(0),
        }))
    }

    /// A clock that stands still until somebody moves it with [`Clock::advance`] or [`Clock::set`].
    pub fn manual(start: Time) -> Self {
        Self(Arc::new(Source::Manual {
            millis: AtomicU64::new(start.0),
        }))
    }

    /// The time now. Never earlier than what this clock has told before, whatever the wall clock does.
    pub fn now(&self) -> Time {
        self.start().0
    }

    /// The time now, and a stopwatch that starts now: for one reading.
    pub fn start(&self) -> (Time, Stopwatch) {
        let stopwatch = Stopwatch::start();
        (self.at(stopwatch.0), stopwatch)
    }

    /// The time at an instant that has just been read.
    fn at(&self, instant: Instant) -> Time {
        match &*self.0 {
            Source::System {
                started,
                base_millis,
                looked_millis,
            } => {
                let elapsed = instant.saturating_duration_since(*started).as_millis();
                let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
                let ticked = base_millis.load(Ordering::Relaxed).saturating_add(elapsed);
                // It jumps once in a blue moon, so that one look a millisecond is plenty.
                if looked_millis.load(Ordering::Relaxed) == elapsed {
                    return Time(ticked);
                }
                looked_millis.store(elapsed, Ordering::Relaxed);
                let wall = wall_millis();
                if wall <= ticked {
                    return Time(ticked);
                }
                base_millis.fetch_max(wall.saturating_sub(elapsed), Ordering::Relaxed);
                Time(wall)
            }
            Source::Manual { millis } => Time(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forwards; a system clock is left alone.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual { millis } = &*self.0 {
            millis.fetch_add(
                u64::try_from(span.as_millis()).unwrap_or(u64::MAX),
                Ordering::SeqCst,
            );
        }
    }

    /// Sets a manual clock, as a wall clock would be set; like the system clock it does not go back.
    pub fn set(&self, time: Time) {
        if let Source::Manual { millis } = &*self.0 {
            millis.fetch_max(time.0, Ordering::SeqCst);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// Measures how long something took, for logs. Sessions are never judged by it.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the file where time is read"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is the file where time is read"
)]
fn wall_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_stays_where_it_was() {
        let clock = Clock::manual(Time::from_secs(1000));
        clock.set(Time::from_secs(10));
        assert_eq!(clock.now(), Time::from_secs(1000));
        clock.set(Time::from_secs(2000));
        assert_eq!(clock.now(), Time::from_secs(2000));
    }

    #[test]
    fn spans_never_wrap() {
        assert_eq!(Time::from_secs(1).since(Time::from_secs(5)), Duration::ZERO);
        assert_eq!(
            Time::from_millis(u64::MAX).plus(Duration::from_secs(1)),
            Time::from_millis(u64::MAX)
        );
    }
}
