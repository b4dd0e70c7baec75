//! Why the gateway does not start.

use std::io;
use std::path::PathBuf;

use crate::config::keyring::KeysFault;
use crate::server::accept::BindFault;
use crate::server::certificate::CertificateFault;
use crate::store::sqlite::StoreOpenFault;

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
    /// The key ring cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysFault),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreOpenFault),
    /// A listener cannot be bound.
    #[error("cannot listen")]
    Bind {
        /// The key that names the address, counted from 0: `server.https[0]`.
        key: String,
        /// Why.
        source: BindFault,
    },
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
    /// The configuration key at fault, where there is exactly one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Keys(_) => Some("session.keys.file"),
            Self::Store(_) => Some("session.store.path"),
            Self::AccessLog { .. } => Some("log.access"),
            Self::Certificate { key, .. } | Self::Bind { key, .. } => Some(key),
            Self::Setting { .. } | Self::Runtime(_) => None,
        }
    }
}
