//! OpenID Connect, as a relying party: what is asked of a provider, and what is believed of its answers.
//!
//! ```text
//! settings   what a site says of its provider
//! provider   what is asked of it: the way there, tokens for a code, fresh ones, the way out
//! told       what is asked for in a login, and what comes of it
//! discovery  where it is asked what
//! grant      tokens for a code or for a refresh token
//! keys       what it signs with
//! token      what must be true of a token of its
//! profile    what it tells of a user, within limits
//! cached     what is fetched now and then, by one at a time
//! endpoint   one exchange over HTTP
//! query      texts as queries and forms carry them
//! fault      why something is not believed
//! ```
//!
//! Which browser a login belongs to, where its state is kept and what becomes of a session is for the caller.

mod settings;

mod provider;

mod told;

mod discovery;

mod grant;

mod keys;

mod token;

mod profile;

mod cached;

mod endpoint;

mod query;

mod fault;

pub use endpoint::EndpointFault;
pub use fault::{ErrorCode, OidcFault, RefreshFault};
pub use provider::{Provider, ProviderFault, challenge};
pub use settings::{Issuer, IssuerFault, OidcSettings, Roots, RootsFault};
pub use told::{Ask, LogoutToken, Profile, Redemption, Refreshed, Tokens};
