//! What RFC 9113, sections 3 to 8, asks of a server for each way to break HTTP/2, at the level of frames: an error of the
//! connection, of the stream, or nothing at all. Malformed requests (8.1 to 8.3) are in `tests/http2/malformed.rs`, floods
//! in `tests/http2/abuse.rs`.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../http2/frames.rs"]
#[allow(dead_code, reason = "the other tests of HTTP/2 use the rest")]
mod frames;

mod rig;

mod blocks;

mod forms;

mod states;

mod windows;
