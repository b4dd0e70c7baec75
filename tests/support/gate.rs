//! The gateway: the real binary as a process of its own, with a folder, a CA and ports of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::{App, Browser, DEADLINE, eventually};

/// The cookie that holds the ticket.
pub const TICKET: &str = "__Host-session";

/// What a test adds to the configuration: lines of TOML for the tables of these names.
#[derive(Clone, Copy, Default)]
pub struct Setup<'a> {
    pub server: &'a str,
    pub session: &'a str,
    /// An engine of its own takes the place of SQLite.
    pub store: &'a str,
    /// The key ring file, for several gateways with one.
    pub keys: &'a str,
    /// Lines of `[[site]]`, then tables that belong to it such as `[site.cookies]`.
    pub site: &'a str,
}

/// A gateway process. It is killed when dropped.
pub struct Gate {
    child: Child,
    folder: Arc<TempDir>,
    https: Arc<Mutex<SocketAddr>>,
    http: Option<SocketAddr>,
    stdout: Lines,
    stderr: Lines,
    ca: CertificateDer<'static>,
}

impl Gate {
    /// A gateway with defaults in front of `app`, for `localhost` and `other.test`.
    pub async fn in_front_of(app: &App) -> Self {
        Self::with(app, Setup::default()).await
    }

    /// The same with something of its own.
    pub async fn with(app: &App, setup: Setup<'_>) -> Self {
        Self::before(app.addr(), setup).await
    }

    /// The same in front of an app that is a process of its own, for what [`App::forwarding`] does not carry.
    pub async fn before(app: SocketAddr, setup: Setup<'_>) -> Self {
        Self::before_several(app, "", setup).await
    }

    /// The same in front of an app that speaks HTTP/2 without TLS.
    pub async fn before_h2c(app: SocketAddr, setup: Setup<'_>) -> Self {
        let configuration = configuration(app, setup);
        Self::configured(configuration.replace("http://", "h2c://"), setup).await
    }

    /// The same in front of more apps: what follows the first in the list `site.upstream`, with its comma.
    pub async fn before_several(app: SocketAddr, more: &str, setup: Setup<'_>) -> Self {
        let configuration = configuration(app, setup).replace(
            &format!("[\"http://{app}\"]"),
            &format!("[\"http://{app}\"{more}]"),
        );
        Self::configured(configuration, setup).await
    }

    async fn configured(configuration: String, setup: Setup<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let ca = write_certificate(folder.path());
        let file = folder.path().join("cloakroom.toml");
        fs::write(file, configuration).expect("the configuration");
        let plain = setup.server.contains("http =");
        let started = start(folder.path(), plain).await;
        Self {
            child: started.child,
            folder: Arc::new(folder),
            https: Arc::new(Mutex::new(started.https)),
            http: started.http,
            stdout: started.stdout,
            stderr: started.stderr,
            ca,
        }
    }

    /// Another node: a process of its own with the same configuration, keys and store.
    pub async fn another(&self) -> Self {
        let started = start(self.folder.path(), self.http.is_some()).await;
        Self {
            child: started.child,
            folder: Arc::clone(&self.folder),
            https: Arc::new(Mutex::new(started.https)),
            http: started.http,
            stdout: started.stdout,
            stderr: started.stderr,
            ca: self.ca.clone(),
        }
    }

    /// The TLS listener.
    pub fn https(&self) -> SocketAddr {
        *self.https.lock().expect("the address")
    }

    /// The plain listener, if there is one.
    pub fn http(&self) -> Option<SocketAddr> {
        self.http
    }

    /// What a browser calls us: `https://localhost:PORT`.
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.https().port())
    }

    /// A browser that knows this gateway, also after a restart, and holds nothing.
    pub fn browser(&self) -> Browser {
        Browser::new(Arc::clone(&self.https), self.tls(false), self.tls(true))
    }

    /// The process, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The same, which shows a client certificate.
    pub fn browser_showing(&self, chain: &[CertificateDer<'static>], key: &KeyPair) -> Browser {
        let [http1, http2] = [false, true].map(|http2| self.tls_showing(http2, Some((chain, key))));
        Browser::new(Arc::clone(&self.https), http1, http2)
    }

    /// TLS that trusts this gateway's CA alone.
    pub fn tls(&self, http2: bool) -> TlsConnector {
        self.tls_showing(http2, None)
    }

    /// The same, with a client certificate.
    pub fn tls_showing(
        &self,
        http2: bool,
        shown: Option<(&[CertificateDer<'static>], &KeyPair)>,
    ) -> TlsConnector {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.clone()).expect("the CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_root_certificates(roots);
        let mut client = match shown {
            None => client.with_no_client_auth(),
            Some((chain, key)) => {
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                let client = client.with_client_auth_cert(chain.to_vec(), key);
                client.expect("a key that can sign")
            }
        };
        let protocol: &[u8] = if http2 { b"h2" } else { b"http/1.1" };
        client.alpn_protocols = vec![protocol.to_vec()];
        TlsConnector::from(Arc::new(client))
    }

    /// Asks it to end, waits until it has, and tells how.
    pub async fn stop(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        // The shell's own kill: a bare machine has no other.
        let killed = Command::new("sh")
            .args(["-c", "kill -TERM $0", &pid])
            .status();
        assert!(
            killed.is_ok_and(|status| status.success()),
            "kill -TERM {pid}"
        );
        self.ended().await
    }

    /// Waits until it has ended, and tells how.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the gateway ends after SIGTERM", async || {
            self.child.try_wait().expect("the process")
        })
        .await
    }

    /// Ends it as a power cut would.
    pub fn kill9(&mut self) {
        self.child.kill().expect("kill -9");
        self.child.wait().expect("the process");
    }

    /// Starts it again on the same folder, once it has ended.
    pub async fn restart(&mut self) {
        let started = start(self.folder.path(), self.http.is_some()).await;
        self.child = started.child;
        *self.https.lock().expect("the address") = started.https;
        self.http = started.http;
        self.stdout.then(started.stdout);
        self.stderr.then(started.stderr);
    }

    /// The folder that holds its configuration and data.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The access log of this start, once it has at least `count` lines.
    pub async fn access_log(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} lines of access log"), async || {
            let lines = self.stdout.all();
            let lines: Vec<Value> = lines
                .iter()
                .map(|line| serde_json::from_str(line).expect("a line of JSON"))
                .filter(|line: &Value| line.get("reason").is_some())
                .collect();
            (lines.len() >= count).then_some(lines)
        })
        .await
    }

    /// Waits until it has printed these words: an answer may be here before the line that tells of it.
    pub async fn says(&self, words: &str) {
        eventually(words, async || self.printed().contains(words).then_some(())).await;
    }

    /// Everything it printed.
    pub fn printed(&self) -> String {
        let lines = [self.stdout.all(), self.stderr.all()].concat();
        lines.join("\n")
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the gateway printed:\n{}\n---", self.printed());
        }
    }
}

/// The binary under test, asked to do `args` in `folder`.
pub fn cloakroom(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cloakroom"));
    command.args(args).current_dir(folder).stdin(Stdio::null());
    // Nothing of the one who runs the tests may change what is tested.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CLOAKROOM_") {
            command.env_remove(name);
        }
    }
    command
}

/// The configuration that every test starts from.
pub fn configuration(app: SocketAddr, setup: Setup<'_>) -> String {
    let Setup {
        server,
        session,
        store,
        keys,
        site,
    } = setup;
    let keys = if keys.is_empty() {
        "data/session.keys"
    } else {
        keys
    };
    let store = if store.contains("engine =") {
        store.to_owned()
    } else {
        format!("engine = \"sqlite\"\npath = \"data/sessions.db\"\n{store}")
    };
    format!(
        r#"
[server]
https = ["127.0.0.1:0"]
threads = 2
{server}

[[tls.certificate]]
cert_file = "gate.pem"
key_file = "gate-key.pem"

[log]
format = "json"
access = "stdout"

[session]
{session}

[session.keys]
file = "{keys}"

[session.store]
{store}

[[site]]
name = "app"
hosts = ["localhost", "other.test"]
upstream = ["http://{app}"]
{site}
"#
    )
}

/// A CA of our own and a certificate of its for the test hosts; returns the CA.
pub fn write_certificate(folder: &Path) -> CertificateDer<'static> {
    let ca_key = KeyPair::generate().expect("a key");
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).expect("a CA");
    let issuer = Issuer::new(ca, ca_key);

    let hosts = [
        "localhost",
        "other.test",
        "www.other.test",
        "b.other.test",
        "x.a.b.c.other.test",
        "127.0.0.1",
    ];
    let hosts = hosts.map(String::from);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(hosts).expect("parameters");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate");
    fs::write(folder.join("gate.pem"), certificate.pem()).expect("the certificate");
    let key_file = folder.join("gate-key.pem");
    fs::write(&key_file, key.serialize_pem()).expect("the key");
    let for_us_alone = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(key_file, for_us_alone).expect("mode 0600");
    ca_certificate.der().clone()
}

struct Started {
    child: Child,
    https: SocketAddr,
    http: Option<SocketAddr>,
    stdout: Lines,
    stderr: Lines,
}

async fn start(folder: &Path, plain: bool) -> Started {
    let mut child = cloakroom(folder, &["run", "--config", "cloakroom.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let (heard, listening) = mpsc::channel();
    let stdout = Lines::of(child.stdout.take().expect("stdout"), |_| {});
    let stderr = Lines::of(child.stderr.take().expect("stderr"), move |line| {
        if let Some(found) = Listening::read(line) {
            // Nobody listens any more once both are known.
            let _ = heard.send(found);
        }
    });
    let (mut https, mut http) = (None, None);
    while https.is_none() || (plain && http.is_none()) {
        match listening.recv_timeout(DEADLINE) {
            Ok(found) => (https, http) = (https.or(found.https), http.or(found.http)),
            Err(_) => {
                let _ = child.kill();
                panic!("the gateway does not listen: {}", stderr.all().join("\n"));
            }
        }
    }
    let https = https.expect("the loop ends with it");
    Started {
        child,
        https,
        http,
        stdout,
        stderr,
    }
}

struct Listening {
    https: Option<SocketAddr>,
    http: Option<SocketAddr>,
}

impl Listening {
    fn read(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        if line.get("message")?.as_str()? != "listening" {
            return None;
        }
        let address = |key| line.get(key)?.as_str()?.parse().ok();
        Some(Self {
            https: address("https"),
            http: address("http"),
        })
    }
}

/// Lines that a thread reads from a pipe as they come.
#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    fn of(pipe: impl Read + Send + 'static, mut heard: impl FnMut(&str) + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let sink = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                heard(&line);
                sink.0.lock().expect("the lines").push(line);
            }
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("the lines").clone()
    }

    /// Goes on with the lines of the next start.
    fn then(&mut self, next: Self) {
        *self = next;
    }
}
