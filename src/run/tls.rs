//! From finished settings to certificates and how TLS is spoken.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::build::one;
use super::fault::StartFault;
use crate::base::clock::Time;
use crate::config::settings;
use crate::server::certificate::{CertificateFault, CertificateSettings};
use crate::server::client_ca::client_verifier;
use crate::server::tls::{
    CertificateSet, Certificates, TlsSettings, TlsVersion, server_config, server_config_after,
    server_config_asking,
};

/// Reads every certificate, or tells all that cannot be used.
pub(super) fn load_certificates(
    settings: &settings::Tls,
    now: Time,
) -> Result<CertificateSet, Vec<StartFault>> {
    let certificates = settings
        .certificates
        .iter()
        .map(|certificate| CertificateSettings {
            cert_file: certificate.cert_file.clone(),
            key_file: certificate.key_file.clone(),
            hosts: Vec::new(),
        });
    let finished = TlsSettings {
        min_version: tls_version(settings.min_version),
        certificates: certificates.collect(),
    };
    let loaded = CertificateSet::load(&finished, now);
    let placed = |source: CertificateFault| {
        let file = source.file().map(Path::to_owned);
        let named = settings
            .certificates
            .iter()
            .enumerate()
            .find_map(|(at, certificate)| {
                let is = |named: &Path| file.as_deref() == Some(named);
                let key = is(&certificate.key_file).then_some("key_file");
                let key = key.or_else(|| is(&certificate.cert_file).then_some("cert_file"))?;
                Some(format!("tls.certificate[{at}].{key}"))
            });
        let key = named.unwrap_or_else(|| "tls.certificate".to_owned());
        StartFault::Certificate { key, source }
    };
    loaded.map_err(|faults| faults.into_iter().map(placed).collect())
}

/// How TLS is spoken with them.
pub(super) fn tls_config(
    settings: &settings::Tls,
    certificates: Arc<Certificates>,
) -> Result<Arc<rustls::ServerConfig>, Vec<StartFault>> {
    let version = tls_version(settings.min_version);
    let made = match &settings.client_ca_file {
        None => server_config(version, certificates),
        Some(file) => {
            let clients = client_verifier(file).map_err(one)?;
            server_config_asking(clients, version, certificates)
        }
    };
    made.map_err(|error| vec![StartFault::Runtime(io::Error::other(error))])
}

/// The same after a reload: who comes back with a session ticket of `before` is known.
pub(super) fn tls_config_after(
    before: &rustls::ServerConfig,
    settings: &settings::Tls,
    certificates: Arc<Certificates>,
) -> Result<Arc<rustls::ServerConfig>, Vec<StartFault>> {
    server_config_after(before, tls_version(settings.min_version), certificates)
        .map_err(|error| vec![StartFault::Runtime(io::Error::other(error))])
}

const fn tls_version(version: settings::TlsVersion) -> TlsVersion {
    match version {
        settings::TlsVersion::V12 => TlsVersion::Tls12,
        settings::TlsVersion::V13 => TlsVersion::Tls13,
    }
}
