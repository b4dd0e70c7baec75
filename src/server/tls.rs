//! TLS: which versions, which protocols above it, and which certificate for whom.
//!
//! TLS 1.2 and 1.3 with ECDHE and AEAD alone, X25519MLKEM768 first, no early data: rustls brings these and has
//! nothing weaker to switch on. What this file adds is the choice of certificate, which a reload can replace while
//! connections are open.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{Ticketer, default_provider};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};

use crate::base::clock::Time;
use crate::server::certificate::{Certificate, CertificateFault, CertificateSettings};

pub(super) const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// `[tls]`, finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
    /// The certificates; the first is shown where no other fits.
    pub certificates: Vec<CertificateSettings>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl TlsVersion {
    /// This version and every later one.
    fn and_later(self) -> Vec<&'static SupportedProtocolVersion> {
        match self {
            Self::Tls12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
            Self::Tls13 => vec![&rustls::version::TLS13],
        }
    }
}

/// A checked set of certificates, looked up by the host that a visitor names.
#[derive(Debug)]
pub struct CertificateSet {
    certificates: Vec<Certificate>,
    /// Shown to who names no host, or one that nobody here has.
    default: Arc<CertifiedKey>,
    exact: HashMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl CertificateSet {
    /// Reads and checks all certificates of `settings`.
    ///
    /// # Errors
    /// Everything that is wrong at `now`: one fault for each certificate that cannot be used.
    pub fn load(settings: &TlsSettings, now: Time) -> Result<Self, Vec<CertificateFault>> {
        let provider = default_provider();
        let mut certificates = Vec::new();
        let mut faults = Vec::new();
        for certificate in &settings.certificates {
            match Certificate::load(certificate, &provider, now) {
                Ok(certificate) => certificates.push(certificate),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Self::of(certificates).ok_or_else(|| vec![CertificateFault::None])
    }

    /// `None` when there is not one. A host that two certificates have gets the earlier one.
    fn of(certificates: Vec<Certificate>) -> Option<Self> {
        let default = Arc::clone(&certificates.first()?.signer);
        let mut exact = HashMap::new();
        let mut wildcard = HashMap::new();
        for certificate in &certificates {
            for host in &certificate.hosts {
                let (map, name) = match host.strip_prefix("*.") {
                    Some(parent) => (&mut wildcard, parent),
                    None => (&mut exact, host.as_str()),
                };
                map.entry(Box::from(name))
                    .or_insert_with(|| Arc::clone(&certificate.signer));
            }
        }
        Some(Self {
            certificates,
            default,
            exact,
            wildcard,
        })
    }

    /// The certificates, in the order of the settings.
    pub fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The exact name, else the wildcard one label up, else the default. The gateway answers 421 where the host
    /// that is then asked for is not ours.
    fn choose(&self, host: Option<&str>) -> &Arc<CertifiedKey> {
        let Some(host) = host else {
            return &self.default;
        };
        let wildcard = || {
            let (_, parent) = host.split_once('.')?;
            self.wildcard.get(parent)
        };
        let found = self.exact.get(host).or_else(wildcard);
        found.unwrap_or(&self.default)
    }
}

/// The certificates that handshakes are answered with. Replacing them leaves open connections alone.
#[derive(Debug)]
pub struct Certificates(ArcSwap<CertificateSet>);

impl Certificates {
    /// Shows `set`.
    pub fn new(set: CertificateSet) -> Arc<Self> {
        Arc::new(Self(ArcSwap::from_pointee(set)))
    }

    /// From the next handshake on, shows `set`.
    pub fn replace(&self, set: CertificateSet) {
        self.0.store(Arc::new(set));
    }

    /// The set that is shown now.
    pub fn current(&self) -> Arc<CertificateSet> {
        self.0.load_full()
    }
}

impl ResolvesServerCert for Certificates {
    /// rustls hands the name over in lower case.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(self.0.load().choose(hello.server_name())))
    }
}

/// What all TLS listeners of this process speak. Made once: it holds the keys of the session tickets, which all
/// cores must share and which rotate by themselves every six hours.
///
/// # Errors
/// The system gives no random numbers.
pub fn server_config(
    min_version: TlsVersion,
    certificates: Arc<Certificates>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    server_config_asking(
        WebPkiClientVerifier::no_client_auth(),
        min_version,
        certificates,
    )
}

/// The same, where clients are asked for a certificate that `clients` verifies. A session ticket brings it back, so
/// that each set of roots needs a configuration that shares no tickets with another.
///
/// # Errors
/// The system gives no random numbers.
pub fn server_config_asking(
    clients: Arc<dyn ClientCertVerifier>,
    min_version: TlsVersion,
    certificates: Arc<Certificates>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&min_version.and_later())?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(certificates);
    // A client that offers protocols, but neither of these, is refused with no_application_protocol.
    config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
    // Tickets resume on every core; a table of sessions would only take memory beside them.
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // Each costs a key schedule, and whoever resumes gets another.
    config.send_tls13_tickets = 1;
    // A replayed first flight must never reach an app (RFC 8470).
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// The same for another oldest version, with the session tickets of `before`: who resumes need not shake hands in full
/// because of a reload.
///
/// # Errors
/// The system gives no random numbers.
pub fn server_config_after(
    before: &ServerConfig,
    min_version: TlsVersion,
    certificates: Arc<Certificates>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::clone(&*server_config(min_version, certificates)?);
    config.ticketer = Arc::clone(&before.ticketer);
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rustls::NamedGroup;

    use super::*;

    fn certificate(hosts: &[&str]) -> Certificate {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["any.example".to_owned()]).unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let signer = CertifiedKey::from_der(vec![der], key, &default_provider()).unwrap();
        Certificate {
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            not_after: Time::from_secs(0),
            signer: Arc::new(signer),
        }
    }

    #[test]
    fn exact_before_wildcard_before_default() {
        let set = CertificateSet::of(vec![
            certificate(&["default.example"]),
            certificate(&["*.shop.example"]),
            certificate(&["www.shop.example", "default.example"]),
        ])
        .unwrap();
        for (host, expected) in [
            (None, 0),
            (Some("default.example"), 0),
            (Some("other.example"), 0),
            (Some("shop.example"), 0),
            (Some("a.shop.example"), 1),
            (Some("a.b.shop.example"), 0),
            (Some("www.shop.example"), 2),
        ] {
            let wanted = &set.certificates()[expected].signer;
            assert!(Arc::ptr_eq(set.choose(host), wanted), "{host:?}");
        }
    }

    #[test]
    fn the_hybrid_key_exchange_comes_first() {
        let groups: Vec<_> = default_provider()
            .kx_groups
            .iter()
            .map(|group| group.name())
            .collect();
        assert_eq!(groups.first(), Some(&NamedGroup::X25519MLKEM768));
        assert!(groups.contains(&NamedGroup::X25519));
    }

    #[test]
    fn only_forward_secret_authenticated_suites_are_offered() {
        for suite in default_provider().cipher_suites {
            let name = format!("{:?}", suite.suite());
            let is_tls13 = name.starts_with("TLS13_");
            let is_aead = name.contains("_GCM_") || name.contains("CHACHA20_POLY1305");
            assert!(
                is_aead && (is_tls13 || name.starts_with("TLS_ECDHE_")),
                "{name}"
            );
        }
    }

    #[test]
    fn neither_early_data_nor_an_unknown_protocol() {
        let certificates = Certificates::new(CertificateSet::of(vec![certificate(&[])]).unwrap());
        let config = server_config(TlsVersion::Tls12, certificates).unwrap();
        assert_eq!(config.max_early_data_size, 0);
        assert_eq!(config.alpn_protocols, [ALPN_H2, ALPN_HTTP1]);
        assert!(config.ticketer.enabled());
    }

    #[test]
    fn a_server_without_a_certificate_is_a_fault() {
        let settings = TlsSettings {
            min_version: TlsVersion::Tls12,
            certificates: Vec::new(),
        };
        let faults = CertificateSet::load(&settings, Time::from_secs(0)).unwrap_err();
        assert!(matches!(faults.as_slice(), [CertificateFault::None]));
    }
}
