//! Whatever an app answers: what is taken is what hyper's client takes too, it ends where it ends for hyper, and nothing
//! panics. `laws/app_answer.rs` says it in full.
#![no_main]

#[path = "../laws/mod.rs"]
#[allow(dead_code, reason = "each target holds laws of its own")]
mod laws;

libfuzzer_sys::fuzz_target!(|input: &[u8]| laws::app_answer::hold(input));
