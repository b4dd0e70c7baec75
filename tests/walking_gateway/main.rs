//! The whole path, seen from outside: a browser on one side, an app on the other, the gateway as a process between.
//!
//! One function for each promise; its name is the promise.

#[path = "../support/mod.rs"]
mod support;

mod tickets;

mod users;

mod watch;

mod presets;

mod guessing;

mod cookies;

mod headers;

mod caching;

mod wire;

mod faults;

mod outage;

mod tls_app;
