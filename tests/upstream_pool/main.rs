//! The way to the apps, through real sockets: good apps, faulty apps, and visitors who do not keep to it.

#![allow(clippy::unwrap_used, reason = "a test may fail where it likes")]

mod rig;

mod bodies;
mod faults;
mod reuse;
mod tunnels;
