//! Certificates and their keys: read from files, and checked before anything is served with them.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

use crate::base::clock::Time;

/// One `[[tls.certificate]]`, finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateSettings {
    /// PEM: the certificate, then those that lead to its root.
    pub cert_file: PathBuf,
    /// PEM: its private key, as PKCS#8, SEC1 or PKCS#1 (RSA).
    pub key_file: PathBuf,
    /// The hosts that it is shown for; empty: those that it names itself.
    pub hosts: Vec<String>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateFault {
    /// There is no such file.
    #[error(
        "{key}: no such file: {}; put it there, change {key}, or make one with `cloakroom cert self-signed`",
        file.display()
    )]
    Missing {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
    },
    /// The file is there and cannot be read.
    #[error("{key}: cannot read {}; let the user that runs cloakroom read it", file.display())]
    Unreadable {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("{key}: {} is not a PEM file; convert it with `openssl x509` or `openssl pkey`", file.display())]
    NotPem {
        /// The configuration key that names the file.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What the PEM reader said.
        #[source]
        source: pem::Error,
    },
    /// There is no certificate in the file.
    #[error("cert_file: no certificate in {}; it must hold a `BEGIN CERTIFICATE` section", .0.display())]
    NoCertificate(PathBuf),
    /// There is no key in the file.
    #[error("key_file: no private key in {}; it must hold a `BEGIN PRIVATE KEY` section", .0.display())]
    NoKey(PathBuf),
    /// The key is encrypted.
    #[error(
        "key_file: the key in {} is encrypted; decrypt it with `openssl pkey -in FILE -out NEW_FILE`",
        .0.display()
    )]
    EncryptedKey(PathBuf),
    /// The key is of a kind that we cannot sign with.
    #[error(
        "key_file: the key in {} cannot be used; take ECDSA P-256 or P-384, Ed25519, or RSA from 2048 bits",
        file.display()
    )]
    UnusableKey {
        /// The file.
        file: PathBuf,
        /// What rustls said.
        #[source]
        source: rustls::Error,
    },
    /// The certificate is not X.509, or not of a form that we read.
    #[error("cert_file: the first certificate in {} cannot be read; issue it again", .0.display())]
    Malformed(PathBuf),
    /// The key is that of another certificate.
    #[error(
        "key_file: {} is not the key of the first certificate in {}; name the key it was issued for",
        key_file.display(), cert_file.display()
    )]
    Mismatch {
        /// The certificate's file.
        cert_file: PathBuf,
        /// The key's file.
        key_file: PathBuf,
    },
    /// The certificate's time is over.
    #[error("cert_file: the certificate in {} expired on {ended}; renew it", file.display())]
    Expired {
        /// The file.
        file: PathBuf,
        /// When it ended.
        ended: String,
    },
    /// The certificate's time has not come.
    #[error(
        "cert_file: the certificate in {} is not valid before {begins}; wait, or set the clock right",
        file.display()
    )]
    NotYetValid {
        /// The file.
        file: PathBuf,
        /// When it begins.
        begins: String,
    },
    /// The certificate names no host.
    #[error(
        "cert_file: the certificate in {} names no host; issue it with a subject alternative name",
        .0.display()
    )]
    NoNames(PathBuf),
    /// There is not one certificate.
    #[error(
        "tls.certificate: none is given; add a [[tls.certificate]] with cert_file and key_file"
    )]
    None,
}

impl CertificateFault {
    /// The file at fault.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Missing { file, .. }
            | Self::Unreadable { file, .. }
            | Self::NotPem { file, .. }
            | Self::UnusableKey { file, .. }
            | Self::Expired { file, .. }
            | Self::NotYetValid { file, .. }
            | Self::Mismatch { key_file: file, .. }
            | Self::NoCertificate(file)
            | Self::NoKey(file)
            | Self::EncryptedKey(file)
            | Self::Malformed(file)
            | Self::NoNames(file) => Some(file),
            Self::None => None,
        }
    }
}

/// A certificate that passed every check, with its key.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The hosts that it is shown for: lower case, `*.` in front of a wildcard, addresses as text.
    pub hosts: Vec<String>,
    /// When its time is over.
    pub not_after: Time,
    pub(super) signer: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads the files and checks them. A key file that others may read is only warned about.
    ///
    /// # Errors
    /// The first thing that is wrong with it at `now`.
    pub fn load(
        settings: &CertificateSettings,
        provider: &CryptoProvider,
        now: Time,
    ) -> Result<Self, CertificateFault> {
        let chain = read_chain(&settings.cert_file)?;
        let key = read_key(&settings.key_file)?;

        let end_entity = chain
            .first()
            .ok_or_else(|| CertificateFault::NoCertificate(settings.cert_file.clone()))?;
        let (named, not_after) = inspect(end_entity, &settings.cert_file, now)?;
        let signing_key = provider.key_provider.load_private_key(key);
        let signing_key = signing_key.map_err(|source| CertificateFault::UnusableKey {
            file: settings.key_file.clone(),
            source,
        })?;
        let signer = CertifiedKey::new(chain, signing_key);
        signer
            .keys_match()
            .map_err(|_| CertificateFault::Mismatch {
                cert_file: settings.cert_file.clone(),
                key_file: settings.key_file.clone(),
            })?;

        warn_if_others_may_read(&settings.key_file);
        let hosts = match settings.hosts.as_slice() {
            [] => named,
            hosts => hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        };
        Ok(Self {
            hosts,
            not_after,
            signer: Arc::new(signer),
        })
    }
}

/// The hosts that a certificate names: lower case, each once. `None` when it is not a readable certificate.
///
/// Only subject alternative names count, as in browsers; a common name does not (RFC 9525, 2).
pub fn names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    names_of(&certificate)
}

fn names_of(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let Some(alternatives) = certificate.subject_alternative_name().ok()? else {
        return Some(Vec::new());
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(host) => Some(host.to_ascii_lowercase()),
        GeneralName::IPAddress(octets) => address(octets).map(|address| address.to_string()),
        _ => None,
    };
    let mut seen = BTreeSet::new();
    let names = alternatives.value.general_names.iter().filter_map(name);
    Some(names.filter(|name| seen.insert(name.clone())).collect())
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// The names of a certificate that is valid at `now`, and when it ends.
fn inspect(der: &[u8], file: &Path, now: Time) -> Result<(Vec<String>, Time), CertificateFault> {
    let malformed = || CertificateFault::Malformed(file.to_owned());
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| malformed())?;

    let validity = certificate.validity();
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > validity.not_after.timestamp() {
        return Err(CertificateFault::Expired {
            file: file.to_owned(),
            ended: validity.not_after.to_string(),
        });
    }
    if now < validity.not_before.timestamp() {
        return Err(CertificateFault::NotYetValid {
            file: file.to_owned(),
            begins: validity.not_before.to_string(),
        });
    }
    let names = names_of(&certificate).ok_or_else(malformed)?;
    if names.is_empty() {
        return Err(CertificateFault::NoNames(file.to_owned()));
    }
    let not_after = u64::try_from(validity.not_after.timestamp()).unwrap_or(0);
    Ok((names, Time::from_secs(not_after)))
}

fn read_chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let text = read("cert_file", file)?;
    let sections = CertificateDer::pem_slice_iter(&text);
    let chain: Vec<_> = sections
        .collect::<Result<_, _>>()
        .map_err(|source| not_pem("cert_file", file, source))?;
    match chain.is_empty() {
        true => Err(CertificateFault::NoCertificate(file.to_owned())),
        false => Ok(chain),
    }
}

fn read_key(file: &Path) -> Result<PrivateKeyDer<'static>, CertificateFault> {
    let text = Zeroizing::new(read("key_file", file)?);
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if mentions_encryption(&text) => {
            Err(CertificateFault::EncryptedKey(file.to_owned()))
        }
        Err(pem::Error::NoItemsFound) => Err(CertificateFault::NoKey(file.to_owned())),
        Err(source) => Err(not_pem("key_file", file, source)),
    }
}

fn mentions_encryption(text: &[u8]) -> bool {
    const MARK: &[u8] = b"BEGIN ENCRYPTED PRIVATE KEY";
    text.windows(MARK.len()).any(|window| window == MARK)
}

fn read(key: &'static str, file: &Path) -> Result<Vec<u8>, CertificateFault> {
    fs::read(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => CertificateFault::Missing {
            key,
            file: file.to_owned(),
        },
        _ => CertificateFault::Unreadable {
            key,
            file: file.to_owned(),
            source,
        },
    })
}

fn not_pem(key: &'static str, file: &Path, source: pem::Error) -> CertificateFault {
    CertificateFault::NotPem {
        key,
        file: file.to_owned(),
        source,
    }
}

#[cfg(unix)]
fn warn_if_others_may_read(file: &Path) {
    use std::os::unix::fs::PermissionsExt;

    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        let mode = format!("{:04o}", mode & 0o7777);
        tracing::warn!(file = %file.display(), mode, "others may read this private key; chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_if_others_may_read(_file: &Path) {}
