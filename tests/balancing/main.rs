//! Several upstreams behind a site: who is asked, who is not, and what a visitor notices of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod rig;

mod breaking;
mod draining;
mod health;
mod sharing;
mod sticky;
