//! What HTTP asks of whoever stands in between (SECURITY 1.5), over both of its versions where both have it.

#[path = "../support/mod.rs"]
mod support;

mod bidi;
mod early;
mod events;
mod expect;
mod hops;
mod targets;
mod trailers;
