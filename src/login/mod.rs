//! Floor 2: how a visitor becomes a user.
//!
//! ```text
//! watch        which requests are a login or a logout of the app's own, and by which signs one succeeded
//! presets      what that is for apps that many people run
//! typed        the user that a login names, read strictly or not at all
//! told         the user that the app's own cookie names, against whom that is held
//! json         the same in a JSON body
//! normalise    one spelling for the names that an app takes for one
//! attempts     how often somebody may try
//! form         a login page of ours: users, passwords, codes, and where visitors go on
//! oidc         a provider of OpenID Connect says who it is
//! named        a user whom somebody else names with each request
//! header       … a trusted proxy, in headers
//! certificate  … the certificate of the connection
//! forward      … a service that is asked over HTTP
//! page         where visitors are sent who should log in, and how they come back
//! ```

pub mod watch;

pub mod presets;

pub mod typed;

pub mod told;

pub mod form;

pub mod oidc;

mod json;

pub mod normalise;

pub mod attempts;

pub mod named;

pub mod header;

pub mod certificate;

pub mod forward;

pub mod page;

pub mod back;
