//! Promises about HTTP/1.1 as bytes: no message of a visitor is ever read in two ways (SECURITY 2.3), slow and stalled
//! ones are cut off while others are served (2.5), and a connection that sleeps wakes up as if it had not.
//!
//! The app here is a recorder: it keeps the very bytes that the gateway sends.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

mod recorder;

mod ambiguous;

mod answers;

mod limits;

mod order;

mod slow;

mod sleep;
