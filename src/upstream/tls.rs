//! TLS to the apps. The certificate of an app is verified always, its chain and its name: by the system's roots, or by
//! those of a file and no others. There is no switch to leave that out.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const ALPN_HTTP_1: &[u8] = b"http/1.1";
const ALPN_HTTP_2: &[u8] = b"h2";

/// `ca_file`, `client_cert_file`, `client_key_file` and `tls_name` of `[site.upstream_options]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificates that count as roots; none: the system's.
    pub ca_file: Option<PathBuf>,
    /// The certificate with its chain, and its key, that the app is shown.
    pub client: Option<ClientFiles>,
    /// The name that the certificate must hold; none: the host of the address.
    pub name: Option<String>,
}

/// Where a client certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// PEM, the chain behind the certificate.
    pub cert_file: PathBuf,
    /// PEM.
    pub key_file: PathBuf,
}

/// TLS to the apps of one site, ready: files read, keys parsed. Cloning it gives the same, and the same sessions to
/// resume.
#[derive(Clone)]
pub struct Tls {
    /// Offers HTTP/2 and HTTP/1.1.
    any: TlsConnector,
    /// Offers HTTP/1.1 alone, for what HTTP/2 cannot carry.
    http_1: TlsConnector,
    name: Option<ServerName<'static>>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A [`TlsFault`] that names the file.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsFault> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsFault::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(settings.ca_file.as_deref(), provider)?);
        let mut config = match &settings.client {
            None => builder.with_no_client_auth(),
            Some(files) => {
                let (chain, key) = client_certificate(files)?;
                let fault = |source| TlsFault::ClientPair {
                    path: files.cert_file.clone(),
                    source,
                };
                builder.with_client_auth_cert(chain, key).map_err(fault)?
            }
        };
        let name = settings.name.as_deref().map(server_name).transpose()?;
        config.alpn_protocols = vec![ALPN_HTTP_1.to_vec()];
        let http_1 = TlsConnector::from(Arc::new(config.clone()));
        config.alpn_protocols = vec![ALPN_HTTP_2.to_vec(), ALPN_HTTP_1.to_vec()];
        Ok(Self {
            any: TlsConnector::from(Arc::new(config)),
            http_1,
            name,
        })
    }

    /// Speaks TLS over `stream` to the app at `host`. Answers whether HTTP/2 was agreed on; it is not offered if
    /// `http_1_only`.
    pub(super) async fn handshake(
        &self,
        host: &str,
        stream: TcpStream,
        http_1_only: bool,
    ) -> io::Result<(Box<TlsStream<TcpStream>>, bool)> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => server_name(host).map_err(io::Error::other)?,
        };
        let connector = if http_1_only { &self.http_1 } else { &self.any };
        // A future of its own, so that its size is not part of every request's.
        let stream = Box::pin(connector.connect(name, stream)).await;
        let stream = stream.map_err(with_way_out)?;
        let is_http_2 = stream.get_ref().1.alpn_protocol() == Some(ALPN_HTTP_2);
        Ok((Box::new(stream), is_http_2))
    }
}

/// A handshake that failed for something that the configuration may cure.
#[derive(Debug, thiserror::Error)]
enum Untrusted {
    #[error(
        "the app's certificate is for another name; write the name that it is for as site.upstream_options.tls_name"
    )]
    OtherName(#[source] rustls::Error),
    #[error(
        "the app's certificate is from an issuer that is not known; write site.upstream_options.ca_file to trust its own"
    )]
    UnknownIssuer(#[source] rustls::Error),
}

fn with_way_out(error: io::Error) -> io::Error {
    let kind = error.kind();
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let untrusted = match inner {
        Some(fault @ rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Untrusted::OtherName(fault.clone())
            }
            CertificateError::UnknownIssuer => Untrusted::UnknownIssuer(fault.clone()),
            _ => return error,
        },
        _ => return error,
    };
    io::Error::new(kind, untrusted)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish()
    }
}

impl PartialEq for Tls {
    /// Whether it is the same one; what was read from files is not compared.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.any.config(), other.any.config())
    }
}

impl Eq for Tls {}

/// What a certificate may be asked to hold: a DNS name or an IP address.
///
/// # Errors
/// [`TlsFault::Name`].
pub fn server_name(text: &str) -> Result<ServerName<'static>, TlsFault> {
    ServerName::try_from(text.to_owned()).map_err(|_| TlsFault::Name(text.to_owned()))
}

fn verifier(
    ca_file: Option<&Path>,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsFault> {
    let Some(path) = ca_file else {
        let verifier = rustls_platform_verifier::Verifier::new(provider);
        return Ok(Arc::new(verifier.map_err(TlsFault::Rustls)?));
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates(path)? {
        store.add(certificate).map_err(|source| TlsFault::Root {
            path: path.to_owned(),
            source,
        })?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
    Ok(builder.build().map_err(TlsFault::Verifier)?)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn client_certificate(files: &ClientFiles) -> Result<Pair, TlsFault> {
    let key = PrivateKeyDer::from_pem_file(&files.key_file);
    let key = key.map_err(|source| TlsFault::KeyFile {
        path: files.key_file.clone(),
        source,
    })?;
    Ok((certificates(&files.cert_file)?, key))
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let fault = |source| TlsFault::CertFile {
        path: path.to_owned(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| fault(Some(error)))?;
    let certificates: Result<Vec<_>, _> = certificates.collect();
    let certificates = certificates.map_err(|error| fault(Some(error)))?;
    if certificates.is_empty() {
        return Err(fault(None));
    }
    Ok(certificates)
}

/// Why there is no TLS to be had.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// A file of certificates cannot be used.
    #[error("{} holds no certificate that can be read", path.display())]
    CertFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, where there is more to say.
        #[source]
        source: Option<rustls::pki_types::pem::Error>,
    },
    /// What stands in a file of roots is none.
    #[error("{} holds a certificate that cannot be a root", path.display())]
    Root {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// A file with a key cannot be used.
    #[error("{} holds no private key that can be read", path.display())]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key of ours do not go together, or are of a kind that is not spoken.
    #[error("the client certificate in {} cannot be used with its key", path.display())]
    ClientPair {
        /// The certificate's file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// Neither a DNS name nor an IP address.
    #[error("{0:?} is no name that a certificate can hold")]
    Name(String),
    /// rustls refuses what it is given.
    #[error("TLS to the app cannot be set up")]
    Rustls(#[source] rustls::Error),
    /// The same, of the roots.
    #[error("the trusted certificates cannot be used")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}

impl TlsFault {
    /// Which of `settings` is at fault, as `[site.upstream_options]` calls it, and what to do about it.
    pub fn way_out(&self, settings: &TlsSettings) -> (&'static str, &'static str) {
        let is_root = |path| settings.ca_file.as_ref() == Some(path);
        match self {
            Self::CertFile { path, .. } | Self::Root { path, .. } if is_root(path) => (
                "ca_file",
                "name a PEM file of the certificates that the app's may come from",
            ),
            Self::Rustls(_) | Self::Verifier(_) => (
                "ca_file",
                "name a PEM file of the certificates that the app's may come from, or take it out for the system's",
            ),
            Self::CertFile { .. } | Self::Root { .. } => (
                "client_cert_file",
                "name a PEM file with our certificate and its chain",
            ),
            Self::KeyFile { .. } => (
                "client_key_file",
                "name a PEM file with the private key, not encrypted",
            ),
            Self::ClientPair { .. } => (
                "client_key_file",
                "name the key of the certificate in client_cert_file",
            ),
            Self::Name(_) => ("tls_name", "write a DNS name or an IP address"),
        }
    }
}
