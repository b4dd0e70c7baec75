//! Whatever a connection begins with: a PROXY header is read to its end and no further, in its one form, and nothing
//! panics. `laws/proxy_header.rs` says it in full.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code, reason = "each target holds laws of its own")]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::proxy_header::hold(input));
