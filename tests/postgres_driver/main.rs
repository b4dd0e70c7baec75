//! Promise: the PostgreSQL driver keeps the laws of a driver against a real server, directly and behind a pooler, also
//! while the server and the way to it fail.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod rows;

mod together;

mod lists;

mod schema;

mod outage;

mod tls;

mod watch;

mod command;
