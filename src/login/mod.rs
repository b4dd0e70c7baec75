//! Floor 2: how a visitor becomes a user.
//!
//! ```text
//! watch  which requests are a login or a logout of the app's own, and by which signs one succeeded
//! typed  the user that a login form names, read strictly or not at all
//! ```

pub mod watch;

pub mod typed;
