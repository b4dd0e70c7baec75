//! Whatever a browser sends as Cookie: our own name is found exactly when a browser would have sent it, cookies marked
//! pass keep name, value and order byte for byte, nothing marked otherwise gets through in any reading, and nothing
//! panics. `laws/cookie_field.rs` says it in full.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code, reason = "each target holds laws of its own")]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::cookie_field::hold(input));
