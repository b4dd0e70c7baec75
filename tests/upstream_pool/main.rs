//! The way to the apps, through real sockets: good apps, faulty apps, and visitors who do not keep to it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it likes")]

mod authority;
mod rig;

mod bodies;
mod faults;
mod http2;
mod repeats;
mod reuse;
mod tls;
mod tunnels;
