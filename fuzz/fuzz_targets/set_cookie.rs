//! Whatever an app sends as Set-Cookie: nothing that mentions our name passes, what the browser gets is hard, what the
//! jar gets comes back where it was set for and nowhere else, and nothing panics. `laws/set_cookie.rs` says it in full.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code, reason = "each target holds laws of its own")]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::set_cookie::hold(input));
