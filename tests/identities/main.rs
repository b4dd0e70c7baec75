//! Who the app is told that somebody is, and by whose word.
//!
//! One function for each promise; its name is the promise.

#[path = "../support/mod.rs"]
mod support;

mod presets;

mod assertion;

mod signature;

mod header;

mod certificate;

mod rules;

mod sharing;
