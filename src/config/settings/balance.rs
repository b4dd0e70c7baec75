//! The apps behind a site, and how requests are shared out among them.

use std::time::Duration;

use crate::upstream::Address;

/// One of `site.upstream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Where it listens.
    pub address: Address,
    /// Its share.
    pub weight: u32,
    /// Whether it gets no new sessions.
    pub drain: bool,
    /// Whether it is asked only when no other is in service.
    pub backup: bool,
}

/// What of `[site.upstream_options]` is about several apps, and about their health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Whether a session keeps to its app.
    pub sticky: bool,
    /// The path that is probed; none: nobody probes.
    pub health: Option<String>,
    /// How often.
    pub health_interval: Duration,
    /// How long the answer may take.
    pub health_timeout: Duration,
    /// So many good answers in a row bring an app back.
    pub rise: u32,
    /// So many bad ones take it out.
    pub fall: u32,
    /// So many failed requests in a row take it out.
    pub max_fails: u32,
    /// How far they may lie apart, and for how long it is out.
    pub fail_timeout: Duration,
    /// How long an app that came back takes to its whole share.
    pub slow_start: Duration,
}
