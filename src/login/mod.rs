//! Floor 2: how a visitor becomes a user.
//!
//! ```text
//! watch        which requests are a login or a logout of the app's own, and by which signs one succeeded
//! typed        what a login form says, read strictly or not at all
//! form         a login page of ours: users, passwords, codes, and where visitors go on
//! named        a user whom somebody else names with each request
//! header       … a trusted proxy, in headers
//! certificate  … the certificate of the connection
//! ```

pub mod watch;

pub mod typed;

pub mod form;

pub mod named;

pub mod header;

pub mod certificate;
