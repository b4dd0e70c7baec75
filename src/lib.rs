//! cloakroom: a session gateway. This file is the map; `docs/ARCHITECTURE.md` is the guide.
//!
//! A module imports only lower floors, and on its own floor only files of its own folder
//! (`tests/floors.rs` holds it).
//!
//! ```text
//! 5  cli  run  config       reads text, builds, wires, stops
//! 4  server  admin          sockets, TLS, connections, drain; health and metrics
//! 3  gateway                one request, in order, on one page
//! 2  store  upstream  login the places that wait for somebody else; how a visitor becomes a user
//! 1  session cookie headers pure rules: no async, no I/O, no clock of their own
//! 0  base                   clock, secret, meter, kept
//! ```

pub mod base;

pub mod cookie;
pub mod headers;
pub mod session;

pub mod login;
pub mod store;
pub mod upstream;

pub mod gateway;

pub mod admin;
pub mod server;

pub mod cli;
pub mod config;
pub mod run;
