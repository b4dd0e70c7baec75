//! Floor 2: the way to the apps. Bodies, the pool of connections that each core keeps, upgraded streams.
//!
//! ```text
//! balance   the apps behind one site, and which of them gets a request
//! aside     room for what a request seldom does
//! address   where an app is and what it speaks: http:, https:, h2c: or unix:
//! body      every body that passes through: the visitor's, the app's, our own; `upload` is the visitor's, `download` the app's
//! begin     when a request with a body goes to its app; `duplex`: the app answers before it has all of it
//! until     a response body that somebody may end before its time
//! pool      how many requests at once, which connection, who waits
//! client    one request: which connection it gets, and the one safe retry
//! http1     on a connection of its own, polled where its answer is awaited; what comes is read strictly by `scan`
//! http2     on a connection that many share; `pour` sends a body, `flow` reads one, `pulse` asks whether the app is there;
//!           `websocket` opens one there, `streamed` carries its bytes
//! framing   what of a head says where a message ends: written by us, never passed on
//! stream    a socket to an app, with TLS or without; `tls` has the certificates
//! patience  how long the next part of a response may be waited for
//! fault     why there is no response, and whether the request may go elsewhere
//! tunnel    two upgraded streams, joined
//! visitor   the other end: a request's body, and the ways back that go with it, as the server hands them over
//! ```
//!
//! Everything here lives on one core: a [`Pool`] is made on the thread that uses it and needs a
//! [`LocalSet`](tokio::task::LocalSet) around it. Nothing is shared between cores and nothing is locked.
//!
//! # Laws
//! - A connection whose message has not ended, or on which anything came that nobody asked for, is closed and never used
//!   again. Bytes after a response reach nobody.
//! - A request is sent a second time only if the app cannot have processed it the first time, or if the app has closed a
//!   pooled connection without a word and repeating the request does no harm.
//! - An app's bytes are read in one way or not at all.
//! - No body is held whole: it is read only as fast as the other side takes it. [`Body::hold`] waits for a short one.
//! - Whoever drops the future or the body closes the connection behind it and gives its place back.
//!
mod address;
mod aside;
mod balance;
mod begin;
mod body;
mod client;
mod download;
mod duplex;
mod fault;
mod flow;
mod framing;
mod http1;
mod http2;
mod patience;
mod pool;
mod pour;
mod pulse;
mod stream;
mod streamed;
mod tls;
mod until;
mod upload;

pub mod tunnel;
pub mod visitor;

// For its laws alone (`fuzz/laws/app_answer.rs`).
#[doc(hidden)]
pub mod scan;

pub use address::{Address, AddressFault};
pub(crate) use aside::aside;
pub use balance::{
    BalanceSettings, HealthSettings, MEMBERS_MAX, MemberSettings, Report, Standing, Unserved,
    Upstreams, probe,
};
pub use body::{Body, BodyFault, ScreenTrailers};
pub use client::{TellEarly, is_event_stream};
pub use download::AppBody;
pub use fault::{Unanswered, UpstreamFault};
pub use pool::Pool;
pub use scan::Flaw;
pub use tls::{ClientFiles, Tls, TlsFault, TlsSettings, server_name};
pub use until::UntilBody;
pub use upload::{BodyLimits, RATE_GRACE, VisitorBody};

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
    /// How many requests may be with the app at once, from this core. As a connection is made only when none is idle or,
    /// with HTTP/2, has room, there are never more connections than this. Zero counts as one.
    pub connections: usize,
    /// How many WebSockets, event streams and exchanges that go both ways may be open with the app at once, from this core. They hold none of the
    /// places that `connections` gives. Zero counts as one.
    pub streams: usize,
    /// The longest wait between two parts of a response's body; zero: no limit. Event streams (`text/event-stream`) may
    /// be silent for longer.
    pub body_timeout: Duration,
    /// How long nothing may come from either side while the app has answered and the request has not ended; zero: no limit.
    pub stream_timeout: Duration,
    /// The largest head of a response, and the largest trailers.
    pub header_bytes: usize,
    /// How an app behind `https:` is spoken to; without it such an app cannot be reached.
    pub tls: Option<Tls>,
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
            streams: 4096,
            body_timeout: Duration::from_secs(60),
            stream_timeout: Duration::from_secs(3600),
            header_bytes: 64 * 1024,
            tls: None,
        }
    }
}
