//! When a session ends by itself. Judged on every read: a sweeper only tidies up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::base::clock::Time;

/// How long sessions and tickets live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// OWASP's idle timeout: a session ends when nobody used it for so long. An unstored ticket opens an empty
    /// session for so long after its issue.
    pub idle: Duration,
    /// OWASP's absolute timeout: a session ends so long after it began, whatever its use.
    pub absolute: Duration,
    /// How long parallel requests may still bring the old ticket after a rotation or a fork.
    pub rotation_grace: Duration,
    /// How old a ticket gets before a new one takes its place; `None`: only at a user change and when asked for.
    pub rotate_every: Option<Duration>,
    /// Whether each request writes the idle clock (Django's `SESSION_SAVE_EVERY_REQUEST`), instead of one in a tenth
    /// of the idle timeout.
    pub save_every_request: bool,
    /// The largest session, all in, in bytes.
    pub max_bytes: usize,
    /// The largest number of cookies in the jar of one site; past it the oldest goes.
    pub jar_cookies_max: usize,
}

/// A session's own expiry, set by the app (Django's `set_expiry`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// So many seconds without use, instead of the idle timeout.
    IdleSecs(u32),
    /// When the browser closes: the cookie has no Max-Age. The server keeps the usual timeouts.
    AtBrowserClose,
}

/// Why a session ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Nobody used it for the idle timeout.
    Idle,
    /// It reached the absolute timeout.
    Absolute,
}

impl Terms {
    /// The idle timeout of `record`. Its own may be longer than ours, as in Django, but the absolute one still holds.
    pub fn idle_of(&self, record: &Record) -> Duration {
        match record.expiry {
            Some(Expiry::IdleSecs(secs)) => Duration::from_secs(secs.into()),
            Some(Expiry::AtBrowserClose) | None => self.idle,
        }
    }

    /// Whether `record` has ended by itself.
    pub fn expired(&self, record: &Record, now: Time) -> Option<Expired> {
        if now.since(record.created) >= self.absolute {
            Some(Expired::Absolute)
        } else if now.since(record.touched) >= self.idle_of(record) {
            Some(Expired::Idle)
        } else {
            None
        }
    }

    /// Whether the idle clock should be written: a tenth of the idle timeout has passed since it last was, or every
    /// request writes it.
    pub fn touch_is_due(&self, record: &Record, now: Time) -> bool {
        self.save_every_request || now.since(record.touched) >= self.idle_of(record) / 10
    }

    /// What is left of the absolute life of a session that began at `created`.
    pub fn left(&self, created: Time, now: Time) -> Duration {
        self.absolute.saturating_sub(now.since(created))
    }
}
