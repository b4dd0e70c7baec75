//! The consistency contract (DESIGN section 4), seen from outside: browsers, an app, and two gateway processes over one
//! store, for every engine that two processes can share.
//!
//! What an engine promises by itself is held by `store_contract`; here it is the whole path, and what goes wrong with
//! servers and processes.

#[path = "../support/mod.rs"]
mod support;

mod engines;

mod parallel;

mod ends;

mod rotation;

mod outages;

mod fail_over;

mod crash;

mod floods;
