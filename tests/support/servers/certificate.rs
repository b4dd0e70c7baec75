//! A certificate for a server, from a CA of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

/// The files, as PEM.
pub struct Files {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Writes them into `folder`, for `localhost` and 127.0.0.1.
pub fn write(folder: &Path) -> Files {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
    ca.distinguished_name.push(DnType::CommonName, "the CA");
    let ca_certificate = ca.self_signed(&ca_key).expect("a CA");
    let issuer = Issuer::new(ca, ca_key);

    let hosts = ["localhost", "127.0.0.1"].map(String::from);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(hosts).expect("parameters");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate");

    let file = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).expect("a PEM file");
        // PostgreSQL takes no key that others may read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("mode 0600");
        path
    };
    Files {
        ca: file("ca.pem", ca_certificate.pem()),
        certificate: file("server.pem", certificate.pem()),
        key: file("server-key.pem", key.serialize_pem()),
    }
}
