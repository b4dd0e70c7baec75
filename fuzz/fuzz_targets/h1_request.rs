//! Law: no input makes the strict reading of HTTP/1.1 panic, pass what has two readings, or end a message elsewhere than
//! hyper does.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code, reason = "each target holds one of the laws")]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::h1_request::hold(input));
