//! Certificates, and how TLS is spoken.

use std::fs;
use std::sync::Arc;

use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

use super::rig::{
    Kept, edit_top, gate, metric, reload, reload_by_signal, reload_well, shake_hands,
};
use super::support::{App, write_certificate};

const NOT_AFTER: &str = "cloakroom_tls_certificate_not_after_seconds{name=\"localhost\"}";

fn trusting(ca: &CertificateDer<'static>) -> TlsConnector {
    speaking(ca, rustls::ALL_VERSIONS)
}

fn speaking(
    ca: &CertificateDer<'static>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

/// Promise: new handshakes see the new certificate though only its files have changed, connections that are open go on,
/// and a pair that cannot be used changes nothing.
#[tokio::test]
async fn a_certificate_is_swapped_under_open_connections() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    let mut old = Kept::h1(&gate).await;
    let mut old_h2 = Kept::h2(&gate).await;
    assert_eq!(old.get("/").await.unwrap().status(), 200);
    assert!(metric(&gate, NOT_AFTER).await > 1_700_000_000);

    let ca = write_certificate(gate.folder());
    reload_by_signal(&gate).await;

    assert!(
        shake_hands(&gate, &gate.tls(false)).await.is_err(),
        "the old"
    );
    let new = trusting(&ca);
    shake_hands(&gate, &new).await.unwrap();
    for kept in [&mut old, &mut old_h2] {
        assert_eq!(kept.get("/").await.unwrap().status(), 200);
    }

    let key = fs::read_to_string(gate.folder().join("gate-key.pem")).unwrap();
    write_certificate(gate.folder());
    // The key of before for the certificate of now.
    fs::write(gate.folder().join("gate-key.pem"), key).unwrap();
    let (status, told) = reload(&gate).await;
    assert_eq!(status, 422, "{told}");
    let fault = &told["faults"][0];
    assert_eq!(fault["file"], "cloakroom.toml", "{told}");
    let text = fault["text"].as_str().unwrap();
    assert!(text.contains("gate-key.pem is not the key"), "{text}");
    shake_hands(&gate, &trusting(&ca))
        .await
        .expect("the last that could be used");
    assert_eq!(old.get("/").await.unwrap().status(), 200);
}

/// Promise: who comes back after a reload resumes, also when TLS is spoken in another way, and an old version is no
/// longer spoken then.
#[tokio::test]
async fn sessions_of_tls_are_resumed_across_a_reload() {
    let app = App::plain().await;
    let gate = gate(&app, "").await;
    let ca = write_certificate(gate.folder());
    reload_well(&gate).await;
    let tls = trusting(&ca);
    let resumed = async || {
        let stream = shake_hands(&gate, &tls).await.unwrap();
        let kind = stream.get_ref().1.handshake_kind();
        // The tickets come behind the handshake, so that something has to be read first.
        let io = hyper_util::rt::TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Kept::H1(sender).get("/").await.unwrap();
        kind == Some(HandshakeKind::Resumed)
    };
    assert!(!resumed().await);
    assert!(resumed().await);
    let old_version = || speaking(&ca, &[&rustls::version::TLS12]);
    shake_hands(&gate, &old_version()).await.expect("TLS 1.2");

    edit_top(&gate, "[tls]\nmin_version = \"1.3\"");
    reload_well(&gate).await;

    assert!(resumed().await, "after a reload");
    shake_hands(&gate, &old_version())
        .await
        .expect_err("TLS 1.2 is not spoken any more");
}
