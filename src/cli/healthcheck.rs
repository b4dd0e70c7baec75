//! `cloakroom healthcheck`: asks a running gateway of this machine whether it is well, for those who have no curl.
//!
//! The listener of the administration says whether it is ready. Where there is none, any HTTP answer over TLS shows
//! that it serves.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::admin_client::{
    Line, Unheard, ask, connect, connect_port, connect_socket, parts, place, request,
};
use super::{BAD_CONFIG, ConfigArgs, FAILED, FINE, complain, say};
use crate::admin::Page;
use crate::base::causes::Causes;
use crate::config::settings::{Admin, AdminAddress, Server, Settings};
use crate::config::{self, token_file};
use crate::server::listener::Address;

/// `cloakroom healthcheck`.
#[derive(Debug, Args)]
pub struct HealthcheckArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

/// The PROXY header of one who has no visitor behind it.
const OWN_CONNECTION: &[u8] = b"PROXY UNKNOWN\r\n";

/// Why the gateway is not known to be well.
#[derive(Debug, thiserror::Error)]
enum Ill {
    /// It says so.
    #[error("{0}")]
    NotReady(String),
    /// Nothing was heard of it.
    #[error(transparent)]
    Unheard(#[from] Unheard),
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
    match well(&settings) {
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

fn well(settings: &Settings) -> Result<&'static str, Ill> {
    match &settings.server.admin {
        Some(address) => readiness(address, &settings.admin),
        None => liveness(&settings.server),
    }
}

/// What `/readyz` says. The token is sent only where it is asked for.
fn readiness(address: &AdminAddress, admin: &Admin) -> Result<&'static str, Ill> {
    let token = match admin.open.contains(&Page::Readyz) {
        true => None,
        false => Some(token_file::read(&admin.token_file).map_err(Unheard::from)?),
    };
    let at = place(address);
    let request = request("/readyz", token.as_ref());
    let answer = ask(connect(address)?, request.expose());
    let answer = answer.map_err(|source| Unheard::silent(&at, source))?;
    let (status, body) = parts(&answer).ok_or(Unheard::NotHttp(at))?;
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
fn liveness(server: &Server) -> Result<&'static str, Ill> {
    let Some((address, line)) = server.https.iter().find_map(dial_https) else {
        return Err(Unheard::NotHere.into());
    };
    let at = format!("server.https ({address})");
    let answer = line?.and_then(|mut line| {
        if server.proxy_protocol {
            line.write_all(OWN_CONNECTION)?;
        }
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let tls = ClientConnection::new(credulous().map_err(io::Error::other)?, name);
        let stream = StreamOwned::new(tls.map_err(io::Error::other)?, line);
        // A host of no site (RFC 6761, 6.4): the gateway answers by itself, whatever its apps are doing.
        let head = "GET / HTTP/1.1\r\nHost: healthcheck.invalid\r\nConnection: close\r\n\r\n";
        ask(stream, head)
    });
    let answer = answer.map_err(|source| Unheard::silent(&at, source))?;
    parts(&answer).ok_or(Unheard::NotHttp(at))?;
    Ok("serving")
}

type Dialled = Result<io::Result<Line>, Unheard>;

/// A connection to the listener, if it is one that can be reached from here.
fn dial_https(listener: &Address) -> Option<(String, Dialled)> {
    match listener {
        Address::Tcp(address) => {
            let address = reachable(*address);
            let line = connect_port(address, "server.https");
            Some((address.to_string(), line.map(|line| line.map(Line::Tcp))))
        }
        Address::Unix { path, .. } => Some((listener.to_string(), Ok(connect_socket(path)))),
        Address::Systemd(_) => None,
    }
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
