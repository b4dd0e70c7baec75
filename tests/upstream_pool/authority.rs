//! A certificate authority, and apps that speak TLS with what it issues.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::upstream::{Address, ClientFiles, Tls, TlsSettings, UpstreamSettings};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::rig::Raw;

/// The name in the certificates of apps.
pub const NAME: &str = "app.example";

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pub folder: TempDir,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), root.pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            root: root.der().clone(),
            folder,
        }
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for `name`; it has expired long ago if `expired`.
    fn issue(&self, name: &str, expired: bool) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key)
    }

    /// A certificate of a client's, in files.
    pub fn client_files(&self) -> ClientFiles {
        let (certificate, key) = self.issue("gateway.example", false);
        let cert_file = self.folder.path().join("client.pem");
        let key_file = self.folder.path().join("client-key.pem");
        std::fs::write(&cert_file, certificate.pem()).unwrap();
        std::fs::write(&key_file, key.serialize_pem()).unwrap();
        ClientFiles {
            cert_file,
            key_file,
        }
    }

    /// What an app of `name` speaks TLS with.
    pub fn acceptor(&self, app: AppCertificate, alpn: &[&str]) -> TlsAcceptor {
        let (certificate, key) = self.issue(app.name, app.expired);
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if app.asks_client {
            let mut roots = RootCertStore::empty();
            roots.add(self.root.clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    /// What trusts this authority and wants [`NAME`].
    pub fn trusting(&self) -> TlsSettings {
        TlsSettings {
            ca_file: Some(self.ca_file()),
            client: None,
            name: Some(NAME.to_owned()),
        }
    }
}

/// What an app shows, and asks for.
#[derive(Clone, Copy)]
pub struct AppCertificate {
    pub name: &'static str,
    pub expired: bool,
    pub asks_client: bool,
}

/// Nothing is wrong with it.
pub const GOOD: AppCertificate = AppCertificate {
    name: NAME,
    expired: false,
    asks_client: false,
};

/// Settings for `app` behind TLS.
pub fn tls_settings(app: &TcpListener, tls: &TlsSettings) -> UpstreamSettings {
    let address = app.local_addr().unwrap();
    UpstreamSettings {
        tls: Some(Tls::new(tls).unwrap()),
        connect_timeout: Duration::from_secs(5),
        ..UpstreamSettings::new(Address::parse(&format!("https://{address}")).unwrap())
    }
}

/// The next connection to `app`, and what was agreed on in it.
pub async fn accept_tls(
    app: &TcpListener,
    acceptor: &TlsAcceptor,
) -> std::io::Result<(Raw<TlsStream<TcpStream>>, Option<String>)> {
    let (stream, _) = app.accept().await?;
    let stream = acceptor.accept(stream).await?;
    let alpn = stream.get_ref().1.alpn_protocol();
    let alpn = alpn.map(|name| String::from_utf8_lossy(name).into_owned());
    Ok((Raw(stream), alpn))
}
