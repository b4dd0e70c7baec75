//! OpenID Connect, as a relying party: what is asked of a provider, and what is believed of its answers.
//!
//! ```text
//! settings   what a site says of its provider
//! provider   what is asked of it: the way there, tokens for a code, fresh ones, the way out
//! discovery  where it is asked what
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

mod endpoint;

mod fault;

pub use endpoint::EndpointFault;
pub use fault::{ErrorCode, OidcFault, RefreshFault};
pub use provider::{
    Ask, LogoutToken, Profile, Provider, ProviderFault, Redemption, Refreshed, Tokens, challenge,
};
pub use settings::{Issuer, IssuerFault, OidcSettings, Roots, RootsFault};
