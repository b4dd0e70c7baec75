//! Promise: every engine keeps the consistency contract (DESIGN section 4). One suite, run over each engine that the
//! table of `docs/STORES.md` says keeps the point in question; what only a durable engine can promise, and what only
//! SQLite can suffer, has a folder of its own.
//!
//! Time is an argument here, so nothing waits for it to pass. Parallel means threads, each with a runtime of its own,
//! as in the gateway.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where its rig fails, helpers included"
)]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod local;

mod remote;

mod table;

mod changes;

mod ends;

mod rotation;

mod clocks;

mod nodes;

mod notes;

mod costs;

mod alike;

mod catalogue;

mod sqlite;
