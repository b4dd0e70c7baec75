//! An app that is reached over TLS, and speaks HTTP/2 there.

#![allow(clippy::unwrap_used, reason = "a test may fail where it likes")]

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::support::{App, Gate, Setup};

/// The PEM of an authority, and what speaks TLS for `app.test` with what it issues.
fn authority() -> (String, TlsAcceptor) {
    let root_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&root_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let issued = CertificateParams::new(vec!["app.test".to_owned()]).unwrap();
    let issued = issued
        .signed_by(&key, &Issuer::new(params, root_key))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![issued.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    (root.pem(), TlsAcceptor::from(Arc::new(config)))
}

/// Answers each request of HTTP/2 with what it has of a session.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                let id = request.headers().get("x-session-id").cloned();
                let id = id.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(id.as_bytes()));
                let mut body = respond.send_response(Response::new(()), false).unwrap();
                body.send_data(id, true).unwrap();
            }
        });
    }
}

#[tokio::test]
async fn an_app_behind_tls_is_served_if_its_certificate_is_good_and_is_a_502_if_not() {
    let (ca, acceptor) = authority();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(serve(listener, acceptor));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, ca).unwrap();
    let site = |name: &str, tls_name: &str| {
        format!(
            "[[site]]\nname = \"{name}\"\nhosts = [\"localhost\"]\npath = \"/{name}\"\n\
             upstream = [\"https://127.0.0.1:{port}\"]\n[site.upstream_options]\n\
             ca_file = {file:?}\ntls_name = \"{tls_name}\"\n"
        )
    };
    let app = App::plain().await;
    let setup = Setup {
        site: &[site("good", "app.test"), site("bad", "other.test")].concat(),
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    let browser = gate.browser();

    let answer = browser.get("/good").send().await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(!answer.text().is_empty(), "the app saw no session");
    let answer = browser.get("/bad").send().await;
    assert_eq!(answer.status(), 502, "{answer:?}");
    assert!(!answer.text().contains(&port.to_string()), "{answer:?}");
}
