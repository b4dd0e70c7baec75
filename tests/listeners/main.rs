//! Promises of the listeners: every kind of address, who the visitor is behind a proxy, and that nobody is turned away
//! while the gateway is restarted or upgraded. The real binary, through real sockets.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod proxy;

mod sockets;

mod upgrade;
