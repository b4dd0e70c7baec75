//! Floor 2: the way to the apps. Bodies, the pool of connections that each core keeps, upgraded streams.
//!
//! ```text
//! address   where an app is: http://host:port or unix:/path
//! body      every body that passes through: the visitor's, the app's, our own; `upload` holds the visitor's limits
//! pool      how many requests at once, which connection, who waits
//! client    one request on one connection, its deadlines, the one safe retry
//! framing   what of a head says where a message ends: written by us, never passed on
//! wire      a socket to an app, and the question whether it is still of use
//! tunnel    two upgraded streams, joined
//! ```
//!
//! Everything here lives on one core: a [`Pool`] is made on the thread that uses it and needs a
//! [`LocalSet`](tokio::task::LocalSet) around it. Nothing is shared between cores and nothing is locked.
//!
//! # Laws
//! - A connection whose message has not ended, or on which anything came that nobody asked for, is closed and never used
//!   again. Bytes after a response reach nobody.
//! - A request is sent a second time only if nothing of it was sent the first time.
//! - No body is held whole: it is read only as fast as the other side takes it. A [`Tap`] copies a short one.
//! - Whoever drops the future or the body closes the connection behind it and gives its place back.
//!
//! Left out, for later: several upstreams of one site, health, `https:` and `h2c:` upstreams.

mod address;
mod body;
mod client;
mod framing;
mod pool;
mod upload;
mod wire;

pub mod tunnel;

pub use address::{Address, AddressFault};
pub use body::{AppBody, Body, BodyFault, ScreenTrailers};
pub use client::{Unanswered, UpstreamFault};
pub use pool::Pool;
pub use upload::{BodyLimits, RATE_GRACE, Tap, VisitorBody};

use std::time::Duration;

/// Where an app is and how patient we are with it: `site.upstream` and `[site.upstream_options]`, finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// Where the app listens.
    pub address: Address,
    /// How long a connection may take to be made, and how long a request may wait for a free one.
    pub connect_timeout: Duration,
    /// How long the app may take to the head of its response, from when it has the request; while the request is being
    /// sent, how long the app may take nothing of it.
    pub response_timeout: Duration,
    /// How long a connection that nobody uses is kept. It may live a quarter longer.
    pub idle_timeout: Duration,
    /// How many requests may be with the app at once, from this core. As a connection carries one request at a time and
    /// is made only when none is idle, there are never more connections than this. Zero counts as one.
    pub connections: usize,
}

impl UpstreamSettings {
    /// The product's defaults for an app at `address`.
    pub const fn new(address: Address) -> Self {
        Self {
            address,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(60),
            connections: 256,
        }
    }
}
