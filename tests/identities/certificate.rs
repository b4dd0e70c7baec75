//! `method = "certificate"`: the client certificate of the connection names the user.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, SanType,
};
use rustls::HandshakeKind;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{App, Browser, Gate, Reply, Setup, eventually};

/// Who issues client certificates.
pub struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub struct Shown {
    chain: [CertificateDer<'static>; 1],
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a CA");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a file");
        let issuer = Issuer::new(params, key);
        Self { folder, issuer }
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub fn issue(&self, name: &str, emails: &[&str]) -> Shown {
        self.issue_until(name, emails, |_| {})
    }

    fn issue_until(
        &self,
        name: &str,
        emails: &[&str],
        adjust: impl FnOnce(&mut CertificateParams),
    ) -> Shown {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let email = |email: &&str| SanType::Rfc822Name((*email).try_into().expect("ASCII"));
        params.subject_alt_names = emails.iter().map(email).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        adjust(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = [certificate.der().clone()];
        Shown { chain, key }
    }

    async fn gate(&self, app: &App, user: &str) -> Gate {
        self.gate_with(app, user, "").await
    }

    pub async fn gate_with(&self, app: &App, user: &str, rules: &str) -> Gate {
        let server = format!("[tls]\nclient_ca_file = {:?}", self.file());
        let site = format!("[site.login]\nmethod = \"certificate\"\nuser = {user:?}\n{rules}");
        let setup = Setup {
            server: &server,
            site: &site,
            ..Setup::default()
        };
        Gate::with(app, setup).await
    }
}

impl Shown {
    pub fn browser(&self, gate: &Gate) -> Browser {
        gate.browser_showing(&self.chain, &self.key)
    }

    fn tls(&self, gate: &Gate) -> TlsConnector {
        gate.tls_showing(false, Some((&self.chain, &self.key)))
    }
}

async fn app() -> App {
    App::answering(|seen| {
        let user = seen.header("x-session-user").unwrap_or("nobody".into());
        Reply::ok(user)
    })
    .await
}

async fn user(browser: &Browser) -> String {
    let answer = browser.get("/").send().await;
    assert_eq!(answer.status(), 200);
    answer.text()
}

#[tokio::test]
async fn the_certificate_names_the_user_of_each_connection() {
    let app = app().await;
    let authority = Authority::new();
    let gate = authority.gate(&app, "subject.cn").await;
    let alice = authority.issue("alice", &[]);

    for http2 in [false, true] {
        let browser = match http2 {
            true => alice.browser(&gate).http2(),
            false => alice.browser(&gate),
        };
        assert_eq!(user(&browser).await, "alice");
        let ticket = browser.ticket();
        let answer = browser.get("/").send().await;
        assert_eq!(answer.set_cookies(), [""; 0], "nothing is written twice");
        assert_eq!(answer.text(), "alice");

        // The ticket without the certificate, and with another, is worth nothing.
        let thief = gate.browser();
        let call = thief.get("/").holding(&browser.ticket_line());
        assert_eq!(call.send().await.text(), "nobody");
        assert_eq!(browser.ticket(), ticket);
        let bob = authority.issue("bob", &[]).browser(&gate);
        let call = bob.get("/").holding(&browser.ticket_line());
        assert_eq!(call.send().await.text(), "bob");
    }

    // Who has none is served too, as nobody.
    assert_eq!(user(&gate.browser()).await, "nobody");
}

#[tokio::test]
async fn a_certificate_of_another_authority_or_purpose_gets_no_connection() {
    let app = app().await;
    let authority = Authority::new();
    let gate = authority.gate(&app, "subject.cn").await;
    let foreign = Authority::new().issue("alice", &[]);
    let servers = authority.issue_until("alice", &[], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    let over = authority.issue_until("alice", &[], |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    for (what, shown) in [("foreign", foreign), ("servers", servers), ("over", over)] {
        let browser = shown.browser(&gate);
        assert!(browser.get("/").try_send().await.is_none(), "{what}");
    }
    assert_eq!(app.seen().len(), 0);
}

#[tokio::test]
async fn the_email_counts_when_it_is_the_only_one() {
    let app = app().await;
    let authority = Authority::new();
    let gate = authority.gate(&app, "san.email").await;
    for (emails, name) in [
        (&["a@example.com"][..], "a@example.com"),
        (&[], "nobody"),
        (&["a@example.com", "root@example.com"], "nobody"),
    ] {
        let shown = authority.issue("alice", emails);
        assert_eq!(user(&shown.browser(&gate)).await, name, "{emails:?}");
    }
    gate.says("the client certificate does not have exactly one name")
        .await;
}

/// One request on a connection of its own, and whether that was resumed.
async fn ask(gate: &Gate, tls: &TlsConnector) -> (Option<HandshakeKind>, String) {
    let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
    let name = "localhost".try_into().expect("a name");
    let mut stream = tls.connect(name, stream).await.expect("a handshake");
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("a request");
    let mut answer = String::new();
    // Not everybody says good-bye in TLS.
    let _ = stream.read_to_string(&mut answer).await;
    let body = answer.rsplit("\r\n\r\n").next().unwrap_or_default();
    (stream.get_ref().1.handshake_kind(), body.trim().to_owned())
}

#[tokio::test]
async fn a_resumed_connection_brings_the_certificate_back_until_it_is_over() {
    let app = app().await;
    let authority = Authority::new();
    let gate = authority.gate(&app, "subject.cn").await;
    let soon = time::OffsetDateTime::now_utc() + Duration::from_secs(5);
    let shown = authority.issue_until("alice", &[], |params| params.not_after = soon);
    let tls = shown.tls(&gate);

    let (kind, text) = ask(&gate, &tls).await;
    assert_eq!((kind, &*text), (Some(HandshakeKind::Full), "alice"));
    let (kind, text) = ask(&gate, &tls).await;
    assert_eq!((kind, &*text), (Some(HandshakeKind::Resumed), "alice"));

    eventually("nobody is named by what is over", async || {
        let (kind, text) = ask(&gate, &tls).await;
        assert_eq!(kind, Some(HandshakeKind::Resumed));
        (text == "nobody").then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_authority_that_is_taken_away_counts_no_more_after_a_reload() {
    let app = app().await;
    let authority = Authority::new();
    let gate = authority.gate(&app, "subject.cn").await;
    let shown = authority.issue("alice", &[]);
    let tls = shown.tls(&gate);
    assert_eq!(ask(&gate, &tls).await.1, "alice");

    let other = Authority::new();
    fs::copy(other.file(), authority.file()).expect("a copy");
    let pid = gate.pid().to_string();
    let hup = Command::new("sh")
        .args(["-c", "kill -HUP $0", &pid])
        .status();
    assert!(hup.is_ok_and(|status| status.success()));

    // Neither a new handshake nor a resumed one.
    eventually("the old certificate gets no connection", async || {
        let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
        let name = "localhost".try_into().expect("a name");
        let Ok(mut stream) = tls.connect(name, stream).await else {
            return Some(());
        };
        let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let _ = stream.write_all(request).await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        (!answer.contains("alice")).then_some(())
    })
    .await;
    assert_eq!(user(&other.issue("bob", &[]).browser(&gate)).await, "bob");
}
