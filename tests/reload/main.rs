//! Promises of a reload, and of the end: what changes, what stays, and that no visitor loses a request by either.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod load;

mod faults;

mod certificates;

mod apps;

mod waiting;

mod drain;
