//! Floor 1: cookies, as pure rules over bytes.
//!
//! Browsers and frameworks read cookies differently, and attackers live in the difference. So nothing here decodes,
//! folds or repairs: what is not written the plain way is dropped. All `Set-Cookie` bytes that leave the gateway are
//! made in this folder. Tickets are not: one comes in as text and goes out as a sensitive header value.

pub mod parse;

pub mod name;

pub mod policy;

pub mod screen;

pub mod why;

pub mod admission;

pub mod owner;

pub mod binding;
pub mod service;

pub mod form_key;

pub mod login_state;

pub mod rivals;

pub mod copies;

pub mod outlook;

pub mod field;

pub mod outgoing;

pub mod expire;

pub mod logins;

pub mod tally;

pub mod proposal;

pub mod set_cookie;

pub mod harden;

pub mod jar;

pub mod seal;

pub mod attributes;

mod date;
mod incoming;
mod label;
mod reading;
