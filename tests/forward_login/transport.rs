//! The service behind TLS, and behind a Unix socket.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::{RULES, user};

/// Says who the cookie names, on a connection that is kept.
async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut read = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut read).await {
        if !read.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&read);
        assert!(text.starts_with("GET /verify?x=1 HTTP/1.1\r\n"), "{text}");
        let user = match text.contains("sso=alice") {
            true => "remote-user: alice\r\n",
            false => "",
        };
        let head = format!("HTTP/1.1 200 OK\r\n{user}content-length: 0\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
        read.clear();
    }
}

async fn names_alice(url: &str, login: &str) -> (u16, Option<String>) {
    let app = super::app().await;
    let gate = super::gate(&app, url, login, RULES).await;
    let browser = gate.browser();
    super::log_in(&browser, "alice");
    let status = browser.get("/inside/").send().await.status();
    let again = browser.get("/inside/again").send().await.status();
    assert_eq!(status, again);
    (status, app.seen().pop().as_ref().and_then(user))
}

#[tokio::test]
async fn a_unix_socket_will_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("auth.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    let url = format!("unix:{}:/verify?x=1", path.display());
    let (status, user) = names_alice(&url, "").await;
    assert_eq!((status, user.as_deref()), (200, Some("alice")));
}

/// Promise: a service whose certificate is from an authority that is not named is not believed.
#[tokio::test]
async fn over_tls_the_service_must_be_who_it_should_be() {
    let folder = tempfile::tempdir().expect("a folder");
    let root_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&root_key).expect("a CA");
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, root.pem()).expect("the CA");
    let key = KeyPair::generate().expect("a key");
    let issued = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let issued = issued.signed_by(&key, &Issuer::new(params, root_key));
    let chain = vec![issued.expect("a certificate").der().clone()];
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS")
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .expect("a key that fits");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    answer(stream).await;
                }
            });
        }
    });
    let url = format!("https://localhost:{port}/verify?x=1");
    let login = format!("ca_file = \"{}\"", ca_file.display());
    let (status, user) = names_alice(&url, &login).await;
    assert_eq!((status, user.as_deref()), (200, Some("alice")));
    let (status, user) = names_alice(&url, "").await;
    assert_eq!((status, user), (503, None));
}
