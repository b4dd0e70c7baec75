//! `cloakroom healthcheck`: asks a running gateway of this machine whether it is well, for those who have no curl.
//!
//! The listener of the administration says whether it is ready. Where there is none, any HTTP answer over TLS shows
//! that it serves.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, complain, say};
use crate::admin::dial;
use crate::base::causes::Causes;
use crate::config;
use crate::config::settings::{AdminAddress, Settings};

/// For each step: connecting, and every read and write.
const TIMEOUT: Duration = Duration::from_secs(3);

/// More of an answer is not read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// `cloakroom healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// Why the gateway is not known to be well.
#[derive(Debug, thiserror::Error)]
enum Ill {
    /// It says so.
    #[error("{0}")]
    NotReady(String),
    /// It does not answer.
    #[error("{at} does not answer")]
    Silent {
        at: String,
        #[source]
        source: io::Error,
    },
    /// What answers does not speak HTTP.
    #[error("{0} does not answer in HTTP")]
    NotHttp(String),
    /// The configuration does not say where it listens.
    #[error("{0} has port 0: which one the system picked is not known here; write a port")]
    AnyPort(&'static str),
}

/// Asks and tells the exit code.
pub fn main(args: &HealthcheckArgs) -> u8 {
    let settings = match config::load(&args.config.file(), &config::variables()) {
        Ok(loaded) => loaded.settings,
        Err(faults) => {
            complain(faults);
            return BAD_CONFIG;
        }
    };
    match ask(&settings) {
        Ok(word) => {
            say(word);
            FINE
        }
        Err(ill) => {
            complain(Causes(&ill));
            FAILED
        }
    }
}

fn ask(settings: &Settings) -> Result<&'static str, Ill> {
    match &settings.server.admin {
        Some(AdminAddress::Unix(path)) => {
            let at = format!("server.admin (unix:{})", path.display());
            readiness(&at, dial(path).and_then(patient_unix))
        }
        Some(AdminAddress::Tcp(address)) => {
            let at = format!("server.admin ({address})");
            readiness(&at, connect(*address, "server.admin")?)
        }
        None => liveness(&settings.server.https),
    }
}

/// What `/readyz` says.
fn readiness<S: Read + Write>(at: &str, stream: io::Result<S>) -> Result<&'static str, Ill> {
    let answer = stream.and_then(|stream| get(stream, "/readyz", "localhost"));
    let answer = answer.map_err(|source| silent(at, source))?;
    let (status, body) = parts(&answer).ok_or_else(|| Ill::NotHttp(at.to_owned()))?;
    match status {
        200 => Ok("ready"),
        _ => Err(Ill::NotReady(format!(
            "not ready: {}",
            body.trim().replace('\n', "; ")
        ))),
    }
}

/// Whether anything is served. Nothing secret is sent, so it does not matter whose certificate is shown: it is the
/// gateway's own business and need not name this address.
fn liveness(https: &[SocketAddr]) -> Result<&'static str, Ill> {
    let Some(address) = https.first().map(|address| reachable(*address)) else {
        return Err(Ill::NotHttp("server.https".to_owned()));
    };
    let at = format!("server.https ({address})");
    let answer = connect(address, "server.https")?.and_then(|stream| {
        let name = ServerName::IpAddress(address.ip().into());
        let tls = ClientConnection::new(credulous().map_err(io::Error::other)?, name);
        let stream = StreamOwned::new(tls.map_err(io::Error::other)?, stream);
        get(stream, "/", &address.to_string())
    });
    let answer = answer.map_err(|source| silent(&at, source))?;
    parts(&answer).ok_or(Ill::NotHttp(at))?;
    Ok("serving")
}

fn silent(at: &str, source: io::Error) -> Ill {
    let at = at.to_owned();
    Ill::Silent { at, source }
}

/// Where this machine reaches what listens on `address`.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    address
}

fn connect(address: SocketAddr, key: &'static str) -> Result<io::Result<TcpStream>, Ill> {
    if address.port() == 0 {
        return Err(Ill::AnyPort(key));
    }
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).and_then(|stream| {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(stream)
    });
    Ok(stream)
}

fn patient_unix(stream: UnixStream) -> io::Result<UnixStream> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

/// Asks for `path`, and reads what comes back until the other side closes.
fn get<S: Read + Write>(mut stream: S, path: &str, host: &str) -> io::Result<Vec<u8>> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer) {
        // Whoever has answered may close as it likes.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// The status and the body of an answer, if it is one.
fn parts(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status.get(..3)?.parse().ok()?, body.to_owned()))
}

/// TLS that takes any certificate.
fn credulous() -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(provider)))
        .with_no_client_auth();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(client))
}

/// Takes any certificate; the handshake itself is verified all the same.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let parts = |text: &str| parts(text.as_bytes());
        let ready = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n";
        assert_eq!(parts(ready), Some((200, "ready\n".to_owned())));
        assert_eq!(parts("HTTP/1.0 503 \r\n\r\n"), Some((503, String::new())));
        for text in ["", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 2", "SSH-2.0-x"] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_listens_everywhere_is_reached_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:443", "127.0.0.1:443"),
            ("[::]:443", "[::1]:443"),
            ("192.0.2.1:443", "192.0.2.1:443"),
        ] {
            let address = reachable(listens.parse().unwrap());
            assert_eq!(address.to_string(), reached);
        }
    }
}
