//! A certificate authority of our own, TLS clients that trust it, and a server on threads of its own.

#![allow(dead_code, reason = "each test file uses its own part of this")]

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use cloakroom::base::clock::Clock;
use cloakroom::base::latest::Latest;
use cloakroom::base::meter::{Count, Meter};
use cloakroom::gateway::Arrival;
use cloakroom::server::certificate::{CertificateSettings, names};
use cloakroom::server::drain::Drain;
use cloakroom::server::tls::{
    CertificateSet, Certificates, TlsSettings, TlsVersion, server_config,
};
use cloakroom::server::{Limits, Listeners, ServerSettings, Setup, accept, run_core};
use cloakroom::upstream::visitor::Incoming;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What the handlers of the tests answer with.
pub type TestBody = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// A whole body.
pub fn text(text: impl Into<Bytes>) -> Response<TestBody> {
    Response::new(Full::new(text.into()).boxed_unsync())
}

/// A root, and a folder for what it issues.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    pub folder: TempDir,
}

impl Ca {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        Self {
            issuer: Issuer::new(params, key),
            root,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Issues a certificate for `hosts` into files named after `name`.
    pub fn issue(&self, name: &str, hosts: &[&str]) -> CertificateSettings {
        self.issue_with(name, hosts, |_| {})
    }

    pub fn issue_with(
        &self,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> CertificateSettings {
        let key = KeyPair::generate().unwrap();
        let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        CertificateSettings {
            cert_file: self.write(&format!("{name}.pem"), &certificate.pem()),
            key_file: self.write(&format!("{name}-key.pem"), &key.serialize_pem()),
            hosts: Vec::new(),
        }
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        only_owner_reads(&path);
        path
    }

    /// A client that trusts this root and offers `alpn`.
    pub fn client(&self, alpn: &[&str]) -> ClientConfig {
        let mut config = ClientConfig::builder()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = protocols(alpn);
        config
    }

    /// A client that speaks no TLS but 1.2.
    pub fn tls12_client(&self) -> ClientConfig {
        ClientConfig::builder_with_protocol_versions(&[&rustls::version::TLS12])
            .with_root_certificates(self.roots())
            .with_no_client_auth()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        roots
    }
}

/// A client that believes any certificate, to look at what it is shown.
pub fn credulous_client(alpn: &[&str]) -> ClientConfig {
    let mut config = ClientConfig::builder()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous))
        .with_no_client_auth();
    config.alpn_protocols = protocols(alpn);
    config
}

pub async fn connect(
    address: SocketAddr,
    host: &str,
    config: impl Into<Arc<ClientConfig>>,
) -> io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let host = ServerName::try_from(host.to_owned()).unwrap();
    TlsConnector::from(config.into()).connect(host, tcp).await
}

/// The hosts of the certificate that the server showed.
pub fn shown_hosts(stream: &TlsStream<TcpStream>) -> Vec<String> {
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    names(&chain[0]).unwrap()
}

fn protocols(alpn: &[&str]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[cfg(unix)]
fn only_owner_reads(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

// === A server ===

/// What a test changes before the server starts.
pub struct Plan {
    pub limits: Limits,
    pub drain_timeout: Duration,
    pub min_version: TlsVersion,
    pub certificates: Vec<CertificateSettings>,
    pub cores: usize,
}

impl Plan {
    pub fn new(certificates: Vec<CertificateSettings>) -> Self {
        Self {
            limits: Limits::default(),
            drain_timeout: Duration::from_secs(20),
            min_version: TlsVersion::Tls12,
            certificates,
            cores: 1,
        }
    }
}

/// A running server. It is cut when dropped.
pub struct Server {
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub drain: Drain,
    pub meter: Arc<Meter>,
    pub certificates: Arc<Certificates>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Server {
    pub fn start<H, F>(plan: Plan, handler: H) -> Self
    where
        H: Fn(Rc<Arrival>, Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<TestBody>> + 'static,
    {
        let tls = TlsSettings {
            min_version: plan.min_version,
            certificates: plan.certificates,
        };
        let set = CertificateSet::load(&tls, Clock::system().now()).unwrap();
        let certificates = Certificates::new(set);
        let tls = server_config(plan.min_version, Arc::clone(&certificates)).unwrap();

        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let https = accept::bind("server.https", any_port, plan.cores).unwrap();
        let http = accept::bind("server.http", any_port, plan.cores).unwrap();
        let addresses = [&https, &http].map(|bound| bound[0].local_addr().unwrap());

        let settings = Arc::new(ServerSettings {
            limits: plan.limits,
            proxy_protocol: None,
            drain_timeout: plan.drain_timeout,
            redirect_port: addresses[0].port(),
            redirect_hosts: ["localhost", "*.example", "[::1]"]
                .map(str::to_owned)
                .to_vec(),
        });
        let setup = Latest::new(Setup { settings, tls });
        let drain = Drain::new();
        let meter = Arc::new(Meter::default());
        let core = |(https, http): (std::net::TcpListener, std::net::TcpListener)| {
            let listeners = Listeners {
                https: vec![https.into()],
                http: vec![http.into()],
            };
            let (setup, handler) = (setup.clone(), handler.clone());
            let (drain, meter) = (drain.clone(), meter.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, run_core(listeners, setup, handler, drain, meter))
            })
        };
        let threads = https.into_iter().zip(http).map(core).collect();
        Self {
            https: addresses[0],
            http: addresses[1],
            drain,
            meter,
            certificates,
            threads,
        }
    }

    pub fn count(&self, what: Count) -> u64 {
        self.meter.total(what)
    }

    /// Waits until the cores have ended by themselves.
    pub fn join(mut self) {
        for thread in self.threads.drain(..) {
            thread.join().unwrap().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.drain.cut();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

// === impl Credulous ===

#[derive(Debug)]
struct Credulous;

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ECDSA_NISTP256_SHA256,
            SignatureScheme::ED25519,
            SignatureScheme::RSA_PSS_SHA256,
        ]
    }
}
