//! HTTP/2 from visitors: WebSockets, what is malformed, and what is abuse (SECURITY 2.3 to 2.5).

mod ends;
mod frames;
#[path = "../support/mod.rs"]
mod support;

mod abuse;
mod malformed;
mod slow;
mod websocket;
mod websocket_up;
