//! From an address to a connection that is logged in.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::{AsyncPushSender, MultiplexedConnection};
use ::redis::{AsyncConnectionConfig, ErrorKind, ProtocolVersion, RedisConnectionInfo, RedisError};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use super::address::{Endpoint, Login, Trust};
use super::fault::RedisFault;
use crate::base::secret::random_bytes;

/// How many requests may wait for a connection to take them; more wait before that.
const REQUESTS_WAITING_MAX: usize = 1024;

/// When the system begins to ask whether the other end of a quiet connection is still there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Makes connections.
pub(super) struct Dialer {
    login: RedisConnectionInfo,
    tls: Option<TlsConnector>,
}

/// A connection. It breaks once and for all, and is closed when it is dropped.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Tells it from every other.
    pub name: u64,
    task: AbortHandle,
}

impl Dialer {
    pub fn new(login: &Login, database: u32, tls: Option<TlsConnector>) -> Self {
        // Its name is not told to the server: a user with few rights would have each connection noted as a violation.
        let mut info = RedisConnectionInfo::default()
            .set_db(database.into())
            .set_skip_set_lib_name();
        if let Some(user) = &login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &login.password {
            info = info.set_password(password.expose());
        }
        Self { login: info, tls }
    }

    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Link, RedisFault> {
        let info = self.login.clone();
        self.connect(endpoint, info, config()).await
    }

    /// A connection on which the server also says what it was not asked.
    pub async fn dial_listening(
        &self,
        endpoint: &Endpoint,
        told: impl AsyncPushSender,
    ) -> Result<Link, RedisFault> {
        let info = self.login.clone().set_protocol(ProtocolVersion::RESP3);
        let config = config().set_push_sender(told);
        self.connect(endpoint, info, config).await
    }

    async fn connect(
        &self,
        endpoint: &Endpoint,
        info: RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<Link, RedisFault> {
        let unreachable = |source| RedisFault::Unreachable {
            server: endpoint.to_string(),
            source,
        };
        let link = match endpoint {
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                Link::over(stream, &info, config).await
            }
            Endpoint::Tcp { host, port } => {
                let stream = tcp(host, *port).await.map_err(unreachable)?;
                match &self.tls {
                    None => Link::over(stream, &info, config).await,
                    Some(tls) => {
                        let name = ServerName::try_from(host.clone());
                        let name = name.map_err(|fault| unreachable(io::Error::other(fault)))?;
                        let stream = tls.connect(name, stream).await.map_err(unreachable)?;
                        Link::over(stream, &info, config).await
                    }
                }
            }
        };
        link.map_err(|source| RedisFault::NotWelcome {
            server: endpoint.to_string(),
            source: without_arguments(source),
        })
    }
}

/// What a server says of a command that it does not know has the first arguments in it, and here one is the password.
fn without_arguments(said: RedisError) -> RedisError {
    let tells = said
        .detail()
        .is_some_and(|detail| detail.contains("with args beginning with"));
    if tells {
        let what = "the server does not know the command to log in (HELLO, AUTH)";
        return (ErrorKind::RESP3NotSupported, what).into();
    }
    said
}

impl Link {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        info: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<Self, RedisError> {
        let (connection, driver) =
            MultiplexedConnection::new_with_config(info, stream, config).await?;
        Ok(Self {
            connection,
            name: u64::from_ne_bytes(random_bytes()),
            task: tokio::spawn(driver).abort_handle(),
        })
    }

    /// To ask something; all who ask share the connection, and are answered in their order.
    pub fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It would wait for answers that a lost server never gives.
        self.task.abort();
    }
}

/// Whoever asks brings a deadline of their own.
fn config() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
        .set_pipeline_buffer_size(REQUESTS_WAITING_MAX)
}

async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE / 3);
    socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}

/// What checks the certificates of servers.
pub(super) fn tls(trust: &Trust) -> Result<TlsConnector, RedisFault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(RedisFault::Tls)?;
    let config = match &trust.ca_file {
        Some(file) => config.with_root_certificates(roots(file)?),
        None => config.with_platform_verifier().map_err(RedisFault::Tls)?,
    };
    Ok(TlsConnector::from(Arc::new(config.with_no_client_auth())))
}

fn roots(file: &Path) -> Result<RootCertStore, RedisFault> {
    let unusable = |source| RedisFault::CaFile {
        file: file.to_owned(),
        source,
    };
    let invalid = |why: Box<dyn std::error::Error + Send + Sync>| {
        unusable(io::Error::new(io::ErrorKind::InvalidData, why))
    };
    let text = std::fs::read(file).map_err(unusable)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|fault| invalid(fault.into()))?;
        roots
            .add(certificate)
            .map_err(|fault| invalid(fault.into()))?;
    }
    if roots.is_empty() {
        return Err(invalid("it has no certificate in it".into()));
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, copy, sink};
    use tokio::net::TcpListener;

    use super::*;
    use crate::base::causes::Causes;
    use crate::store::redis::RedisAddress;

    #[tokio::test]
    async fn a_server_that_repeats_what_it_does_not_know_has_nobody_told_the_password() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let said = "-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'hunter2' \r\n";
                stream.write_all(said.as_bytes()).await.unwrap();
                let _ = copy(&mut stream, &mut sink()).await;
            }
        });
        let address = RedisAddress::parse(&format!("redis://app:hunter2@127.0.0.1:{port}"));
        let dialer = Dialer::new(&address.unwrap().login, 0, None);
        let host = "127.0.0.1".to_owned();
        let endpoint = Endpoint::Tcp { host, port };
        let dialled = dialer
            .dial_listening(&endpoint, |_| Ok::<_, std::convert::Infallible>(()))
            .await;
        let Err(fault) = dialled else {
            panic!("it was let in");
        };
        let told = format!("{} {fault:?}", Causes(&fault));
        assert!(!told.contains("hunter2"), "{told}");
        assert!(fault.is_not_allowed(), "{told}");
    }
}
