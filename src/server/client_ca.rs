//! `tls.client_ca_file`: whose client certificates count.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};

/// Why client certificates cannot be asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClientCaFault {
    /// The file cannot be read.
    #[error("tls.client_ca_file: cannot read {}; put it there, and let the user that runs cloakroom read it", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("tls.client_ca_file: {} is not a PEM file; convert it with `openssl x509`", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// What the PEM reader said.
        #[source]
        source: pem::Error,
    },
    /// A certificate in it cannot be a root.
    #[error("tls.client_ca_file: a certificate in {} cannot be read; issue it again", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// There is no certificate in it.
    #[error("tls.client_ca_file: no certificate in {}; it must hold a `BEGIN CERTIFICATE` section", file.display())]
    Empty {
        /// The file.
        file: PathBuf,
        /// What rustls said.
        #[source]
        source: VerifierBuilderError,
    },
}

/// Verifies client certificates by the roots in `file`. Who shows none is let in all the same: other sites are behind
/// the same listeners, and those that want a certificate look for it. Who shows another one is not.
///
/// # Errors
/// [`ClientCaFault`], which names the file and the way out.
pub fn client_verifier(file: &Path) -> Result<Arc<dyn ClientCertVerifier>, ClientCaFault> {
    let named = || file.to_owned();
    let text = fs::read(file).map_err(|source| ClientCaFault::Unreadable {
        file: named(),
        source,
    })?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|source| ClientCaFault::NotPem {
            file: named(),
            source,
        })?;
        roots
            .add(certificate)
            .map_err(|source| ClientCaFault::Malformed {
                file: named(),
                source,
            })?;
    }
    let provider = Arc::new(default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|source| ClientCaFault::Empty {
            file: named(),
            source,
        })
}
