//! Why the gateway does not start.

use std::io;
use std::path::PathBuf;

use super::inherited::InheritFault;
use crate::base::causes::Causes;
use crate::base::socket_file::SocketFault;
use crate::config::keyring::KeysFault;
use crate::config::looks_dir::LooksFault;
use crate::config::secret_file::SecretFault;
use crate::config::token_file::TokenFault;
use crate::config::users_file::UsersFault;
use crate::config::{Fault, Settings};
use crate::server::accept::BindFault;
use crate::server::certificate::CertificateFault;
use crate::server::client_ca::ClientCaFault;
use crate::store::postgres::PostgresFault;
use crate::store::redis;
use crate::store::sqlite::StoreOpenFault;
use crate::upstream::TlsFault;

/// Why the gateway does not start. Each names what to change.
#[derive(Debug, thiserror::Error)]
pub enum StartFault {
    /// A certificate cannot be used.
    #[error("tls.certificate cannot be used")]
    Certificate {
        /// The key that names the file, counted from 0: `tls.certificate[0].key_file`.
        key: String,
        /// What is wrong with it.
        source: CertificateFault,
    },
    /// Client certificates cannot be asked for.
    #[error(transparent)]
    ClientCa(#[from] ClientCaFault),
    /// TLS to an app cannot be spoken as it is configured.
    #[error("{key} cannot be used; {way_out}")]
    UpstreamTls {
        /// The key, counted from 0: `site[0].upstream_options.ca_file`.
        key: String,
        /// What to do.
        way_out: &'static str,
        /// What is wrong.
        source: Box<TlsFault>,
    },
    /// The key ring cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysFault),
    /// The key ring now names sessions by another key.
    #[error(
        "session.keys.file = \"{}\": its session_id_key has changed, and every session would get another ID at every \
         app; put the old session_id_key back, or restart cloakroom if that is what you want",
        path.display()
    )]
    OtherSessionIds {
        /// The file.
        path: PathBuf,
    },
    /// The store of the cookie engine's revocations cannot be opened.
    #[error("session.store.revocations cannot be opened")]
    Revocations {
        /// Why.
        source: Box<Self>,
    },
    /// A secret that stands in a file of its own cannot be read.
    #[error("a secret cannot be read")]
    Secret {
        /// The key that names the file: `session.store.url_file`.
        key: String,
        /// What is wrong with it.
        source: SecretFault,
    },
    /// The users of a login page cannot be read.
    #[error("{key} cannot be used")]
    Users {
        /// The key, counted from 0: `site[0].login.users_file`.
        key: String,
        /// Why.
        source: UsersFault,
    },
    /// The looks of a site's pages cannot be used.
    #[error("{key} cannot be used")]
    Looks {
        /// The key, counted from 0: `site[0].login.templates_dir`.
        key: String,
        /// Why.
        source: Box<LooksFault>,
    },
    /// An OpenID provider could not be asked with what is written.
    #[error("{key} cannot be used")]
    ProviderRoots {
        /// The key, counted from 0: `site[0].login.ca_file`.
        key: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenFault),
    /// PostgreSQL does not serve as the store.
    #[error("PostgreSQL cannot be used as the session store")]
    Postgres {
        /// The key that names the server: `session.store.url`.
        key: &'static str,
        /// Why.
        source: PostgresFault,
    },
    /// Redis does not serve as the store.
    #[error(transparent)]
    Redis(#[from] redis::OpenFault),
    /// A listener cannot be bound.
    #[error("cannot listen")]
    Bind {
        /// The key that names the address, counted from 0: `server.https[0]`.
        key: String,
        /// Why.
        source: BindFault,
    },
    /// A Unix socket cannot be bound.
    #[error(transparent)]
    Socket(#[from] SocketFault),
    /// A socket that somebody opened before us cannot be used.
    #[error("the sockets that were passed to us cannot be used")]
    Inherited(#[from] InheritFault),
    /// A socket that somebody should have opened before us was not.
    #[error(
        "{key}: no socket {name} was passed to us (passed: {passed}); start the .socket unit that has \
         FileDescriptorName={name}"
    )]
    NotPassed {
        /// The key that names the socket, counted from 0: `server.https[0]`.
        key: String,
        /// The socket.
        name: String,
        /// Those that were passed.
        passed: String,
    },
    /// The administration has no token.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// The access log cannot be opened.
    #[error("log.access: {} cannot be opened; choose a folder that cloakroom may write to", path.display())]
    AccessLog {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The check of the configuration let something through that the parts refuse.
    #[error("{key}: {why}")]
    Setting {
        /// The key.
        key: String,
        /// Why it is refused.
        why: String,
    },
    /// The operating system gave no thread, timer or signal handler.
    #[error("the operating system refused what is needed to run")]
    Runtime(#[source] io::Error),
}

impl StartFault {
    /// The fault of a secret text whose key is `key`, to be put behind `Text::read`.
    pub(super) fn of_secret(key: &'static str) -> impl FnOnce(SecretFault) -> Self {
        move |source| Self::Secret {
            key: format!("{key}_file"),
            source,
        }
    }

    /// As a fault of the configuration, with all its causes.
    pub fn placed(&self, settings: &Settings) -> Fault {
        let mut fault = settings
            .origins
            .fault(self.key().unwrap_or_default(), "", "");
        // What is told names the key already, as it is written.
        fault.key.clear();
        fault.value = None;
        fault.why = Causes(self).to_string();
        fault
    }

    /// Whether the configuration is not to blame: another start may work with it as it is.
    pub fn is_of_the_moment(&self) -> bool {
        match self {
            Self::Runtime(_) | Self::Inherited(_) | Self::NotPassed { .. } => true,
            // The other program may end.
            Self::Bind { source, .. } => matches!(source, BindFault::InUse { .. }),
            Self::Socket(fault) => matches!(fault, SocketFault::InUse { .. }),
            Self::Postgres { source, .. } => source.is_outage(),
            Self::Revocations { source } => source.is_of_the_moment(),
            Self::Redis(fault) => matches!(fault, redis::OpenFault::Unusable(_)),
            Self::Store(fault) => fault.is_of_the_moment(),
            _ => false,
        }
    }

    /// The configuration key at fault, where there is exactly one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Keys(_) | Self::OtherSessionIds { .. } => Some("session.keys.file"),
            Self::Store(_) => Some("session.store.path"),
            Self::ClientCa(_) => Some("tls.client_ca_file"),
            Self::Revocations { .. } => Some("session.store.revocations"),
            Self::AccessLog { .. } => Some("log.access"),
            Self::Socket(fault) => Some(fault.key()),
            Self::Token(_) => Some("admin.token_file"),
            Self::Postgres { key, .. } => Some(key),
            Self::Redis(_) => Some("session.store.url"),
            Self::Certificate { key, .. }
            | Self::UpstreamTls { key, .. }
            | Self::Bind { key, .. }
            | Self::NotPassed { key, .. }
            | Self::Users { key, .. }
            | Self::Looks { key, .. }
            | Self::ProviderRoots { key, .. }
            | Self::Secret { key, .. } => Some(key),
            Self::Setting { .. } | Self::Inherited(_) | Self::Runtime(_) => None,
        }
    }
}
