//! Promises about those who are slow or do nothing, visitors and apps, by the dozens (SECURITY 2.5): all of them are cut
//! off, and meanwhile everybody else is served.
//!
//! They hold on to their connections, so whatever ends is ended by the gateway. That is seen by the sockets that it has
//! open.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../http2/frames.rs"]
#[allow(dead_code, reason = "the other tests of HTTP/2 use the rest")]
mod frames;

mod crowd;

mod visitors;

mod apps;
