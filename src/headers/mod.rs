//! Header rules: what a visitor may not claim, what the app is told, and what the app may ask for.
//!
//! On the way to the app the order decides everything, and it is this one:
//!
//! ```text
//! let from  = Provenance::of(method, &headers, is_own_origin);   fetch      before anything is removed
//! let hops  = policy.read(&headers, peer);                       forwarded  what trusted proxies said, while it is there
//! let ws    = hop::is_websocket_upgrade(method, version, &headers);
//! let spoof = stamp.strip(&mut headers);                         identity   1. drop by folded name
//! hop::strip_request(&mut headers);                              hop        2. remove hop-by-hop fields
//! if ws { hop::keep_websocket_upgrade(&mut headers) }
//! policy.write(&mut headers, &hops, &origin, request_id);        forwarded  3. write ours
//! stamp.write(&mut headers, &facts);                             identity
//! ```
//!
//! A `Connection` field can name any field for removal, so ours are written after step 2. Request and response
//! trailers go through [`identity::Stamp::screen_trailers`].
//!
//! On the way back: [`directive::take`], then [`hop::strip_response`], then [`location::rewrite`]. What comes before the
//! answer goes through [`early::screen`] alone.
//!
//! Cookies are not looked at here (the `cookie` folder does that), nor are paths, hosts or bodies.

pub mod fold;

pub mod fetch;
pub mod forwarded;
pub mod hop;
pub mod identity;

pub mod accept_language;
pub mod clear_site_data;
pub mod directive;
pub mod early;
pub mod location;
pub mod navigation;
pub mod original;
pub mod path_params;
pub mod signature;
pub mod strict;
pub mod user_agent;
pub mod websocket;
