//! A gateway that listens where a test wants it, and clients that speak TLS over any stream.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{
    App, DEADLINE, Setup, cloakroom, configuration, eventually, write_certificate,
};

/// How a gateway is started.
#[derive(Default)]
pub struct Plan {
    /// The list of `server.https`.
    pub https: String,
    /// More lines of `[server]`.
    pub server: String,
    /// Sockets that are passed, with their names.
    pub passed: Vec<(&'static str, OwnedFd)>,
    /// Variables that are set.
    pub variables: Vec<(&'static str, String)>,
    /// The program, if it is not the binary under test by its own path.
    pub program: Option<PathBuf>,
}

impl Plan {
    pub fn at(https: impl Into<String>) -> Self {
        let https = https.into();
        Self {
            https,
            ..Self::default()
        }
    }

    pub fn with(self, server: impl Into<String>) -> Self {
        let server = server.into();
        Self { server, ..self }
    }

    pub fn passing(mut self, name: &'static str, socket: impl Into<OwnedFd>) -> Self {
        self.passed.push((name, socket.into()));
        self
    }
}

/// A gateway. It and its successors are killed when it is dropped.
pub struct Node {
    child: Child,
    folder: Arc<TempDir>,
    ca: CertificateDer<'static>,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Node {
    /// Starts a gateway before `app`, and waits until it listens.
    pub async fn start(app: &App, plan: Plan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = write_certificate(folder.path());
        let Plan { https, server, .. } = &plan;
        let setup = Setup {
            server,
            ..Setup::default()
        };
        let text = configuration(app.addr(), setup);
        let text = text.replace("https = [\"127.0.0.1:0\"]", &format!("https = [{https}]"));
        fs::write(folder.path().join("cloakroom.toml"), text).unwrap();
        Self::start_in(Arc::new(folder), ca, plan).await
    }

    /// Starts another in the same folder.
    pub async fn another(&self, plan: Plan) -> Self {
        Self::start_in(Arc::clone(&self.folder), self.ca.clone(), plan).await
    }

    async fn start_in(folder: Arc<TempDir>, ca: CertificateDer<'static>, plan: Plan) -> Self {
        let mut child = command(folder.path(), plan).spawn().unwrap();
        let lines = Arc::default();
        read(child.stdout.take().unwrap(), &lines);
        read(child.stderr.take().unwrap(), &lines);
        let mut node = Self {
            child,
            folder,
            ca,
            lines,
        };
        eventually("the gateway listens", async || {
            let ended = node.child.try_wait().unwrap();
            assert!(ended.is_none(), "it does not start: {:?}", node.lines());
            (!node.listening().is_empty()).then_some(())
        })
        .await;
        node
    }

    /// The https addresses that it said it listens on.
    pub fn listening(&self) -> Vec<String> {
        let lines = self.lines().into_iter();
        let listening = lines.filter(|line| line["message"] == "listening");
        listening
            .filter_map(|line| Some(line["https"].as_str()?.to_owned()))
            .collect()
    }

    /// Everything it and its successors logged.
    pub fn lines(&self) -> Vec<Value> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that says so.
    pub async fn says(&self, message: &str) -> Value {
        eventually(message, async || {
            let lines = self.lines().into_iter();
            lines.rev().find(|line| line["message"] == message)
        })
        .await
    }

    pub fn port(&self) -> u16 {
        let listening = self.listening();
        listening[0].rsplit(':').next().unwrap().parse().unwrap()
    }

    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port()))
            .await
            .unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it ends by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the gateway ends", async || self.child.try_wait().unwrap()).await
    }

    pub async fn stop(&mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        self.ended().await
    }

    pub fn client(&self) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.ca.clone()).unwrap();
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Client(TlsConnector::from(Arc::new(config)))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for line in self.lines() {
            if line["message"] == "another process has taken over" {
                let pid = line["pid"].to_string();
                let _ = Command::new("sh")
                    .args(["-c", "kill -KILL $0", &pid])
                    .status();
            }
        }
        if std::thread::panicking() {
            eprintln!("--- the gateway printed: {:#?}", self.lines());
        }
    }
}

/// The command that starts a gateway in `folder`.
pub fn command(folder: &Path, plan: Plan) -> Command {
    let args = ["run", "--config", "cloakroom.toml"];
    let mut command = cloakroom(folder, &args);
    if let Some(program) = plan.program {
        command = Command::new(program);
        command.args(args).current_dir(folder).stdin(Stdio::null());
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.envs(plan.variables);
    if !plan.passed.is_empty() {
        let names: Vec<_> = plan.passed.iter().map(|(name, _)| *name).collect();
        command
            .env("LISTEN_FDS", names.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        let numbered = plan.passed.into_iter().zip(3..);
        let mappings = numbered.map(|((_, parent_fd), child_fd)| FdMapping {
            parent_fd,
            child_fd,
        });
        command.fd_mappings(mappings.collect()).unwrap();
    }
    command
}

/// The shell's own kill: a bare machine has no other.
pub fn signal(pid: u32, name: &str) {
    let line = format!("kill -{name} {pid}");
    let sent = Command::new("sh").args(["-c", &line]).status().unwrap();
    assert!(sent.success(), "{line}");
}

fn read(pipe: impl io::Read + Send + 'static, lines: &Arc<Mutex<Vec<Value>>>) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
            lines.lock().unwrap().push(line);
        }
    });
}

/// A client that trusts one gateway.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// A TLS connection over `stream` that begins with `begin`, in one piece with the handshake.
    pub async fn connect<S>(&self, stream: S, begin: &[u8]) -> io::Result<TlsStream<BufWriter<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut stream = BufWriter::new(stream);
        stream.write_all(begin).await?;
        let name = "localhost".try_into().unwrap();
        self.0.connect(name, stream).await
    }

    /// One request on a connection of its own; the whole answer.
    pub async fn ask<S>(&self, stream: S, begin: &[u8], fields: &str) -> io::Result<String>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let asked = async {
            let mut tls = self.connect(stream, begin).await?;
            let head =
                format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{fields}\r\n");
            tls.write_all(head.as_bytes()).await?;
            tls.flush().await?;
            let mut answer = Vec::new();
            tls.read_to_end(&mut answer).await?;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let limit = Duration::from_secs(60).max(DEADLINE);
        tokio::time::timeout(limit, asked).await.unwrap()
    }
}
