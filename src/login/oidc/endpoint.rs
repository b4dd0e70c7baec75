//! One exchange with a provider over HTTP: a connection of its own, one deadline for all of it, an answer of bounded
//! size, and no redirect that is followed. There are few of them, so that no connection is kept; each runs on the
//! runtime of whoever asks.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::fault::OidcFault;
use super::provider::ProviderFault;
use super::settings::{Roots, is_loopback};
use crate::base::secret::Secret;

/// The longest answer, in bytes.
pub(super) const ANSWER_BYTES_MAX: usize = 512 * 1024;

/// An address of the provider's that may be asked: https, or http on loopback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    uri: Uri,
    host: String,
    port: u16,
    is_plain: bool,
}

impl Address {
    /// `None`: not the URL of anything that may be asked. `plain`: whether http will do, on loopback.
    pub(super) fn parse(text: &str, plain: bool) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let authority = uri.authority()?;
        let host = authority.host();
        if host.is_empty() || authority.as_str().contains('@') {
            return None;
        }
        let is_plain = match uri.scheme_str()? {
            "https" => false,
            "http" if plain && is_loopback(host) => true,
            _ => return None,
        };
        let default = if is_plain { 80 } else { 443 };
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(default),
            is_plain,
            uri,
        })
    }
}

/// What is sent.
pub(super) enum Question<'a> {
    /// A plain GET.
    Get,
    /// A GET with an access token.
    Bearer(&'a Secret<String>),
    /// A form, with the value of an `Authorization` if there is one.
    Form {
        body: Secret<String>,
        authorization: Option<Secret<String>>,
    },
}

/// An answer in full.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Asks providers.
#[derive(Clone)]
pub(super) struct Client {
    tls: TlsConnector,
    timeout: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl Client {
    pub(super) fn new(roots: &Roots, timeout: Duration) -> Result<Self, ProviderFault> {
        let provider = Arc::new(default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(ProviderFault::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(verifier(roots, provider)?);
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            timeout,
        })
    }

    /// How long one exchange may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// One exchange. A status that tells of trouble at the provider's, rather than of ours, is no answer.
    pub(super) async fn ask(
        &self,
        address: &Address,
        question: Question<'_>,
    ) -> Result<Answer, OidcFault> {
        // Boxed: rare, and large beside what the futures of requests are otherwise.
        let exchange = Box::pin(self.exchange(address, question));
        let answer = match tokio::time::timeout(self.timeout, exchange).await {
            Err(_) => Err(EndpointFault::TimedOut),
            Ok(answer) => answer,
        };
        let answer = answer.map_err(into_fault)?;
        let status = answer.status;
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(into_fault(EndpointFault::Status(status)));
        }
        Ok(answer)
    }

    async fn exchange(
        &self,
        address: &Address,
        question: Question<'_>,
    ) -> Result<Answer, EndpointFault> {
        let request = request(address, question)?;
        let stream = connect(address).await.map_err(EndpointFault::Connect)?;
        // Both are small requests that wait for an answer.
        let _ = stream.set_nodelay(true);
        if address.is_plain {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(address.host.clone());
        let name = name.map_err(|_| EndpointFault::Request)?;
        let stream = self.tls.connect(name, stream).await;
        send(stream.map_err(EndpointFault::Tls)?, request).await
    }
}

/// The first address of the host that takes a connection.
async fn connect(address: &Address) -> io::Result<TcpStream> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port)).await?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for socket in found {
        // What is called localhost need not be.
        if address.is_plain && !socket.ip().is_loopback() {
            continue;
        }
        match TcpStream::connect(socket).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Answer, EndpointFault> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect();
        let body = body.await.map_err(EndpointFault::of_body)?;
        Ok(Answer {
            status,
            body: body.to_bytes(),
        })
    };
    // Driven here rather than by a task of its own, so that nothing of it outlives the exchange. The connection may be
    // done before what it brought is read.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

fn request(
    address: &Address,
    question: Question<'_>,
) -> Result<Request<Full<Bytes>>, EndpointFault> {
    let target = address.uri.path_and_query();
    let host = address.uri.authority().map_or("", |host| host.as_str());
    let request = Request::builder()
        .uri(target.map_or("/", |target| target.as_str()))
        .header(HOST, host)
        .header(USER_AGENT, "cloakroom")
        .header(ACCEPT, "application/json");
    let request = match question {
        Question::Get => request.body(Full::default()),
        Question::Bearer(token) => {
            let bearer = Secret::new(format!("Bearer {}", token.expose()));
            request
                .header(AUTHORIZATION, hidden(&bearer)?)
                .body(Full::default())
        }
        Question::Form {
            body,
            authorization,
        } => {
            let mut request = request
                .method(Method::POST)
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, hidden(&authorization)?);
            }
            let body = body.expose().as_bytes();
            request.body(Full::from(Bytes::copy_from_slice(body)))
        }
    };
    request.map_err(|_| EndpointFault::Request)
}

/// A value that `Debug` does not print.
fn hidden(text: &Secret<String>) -> Result<HeaderValue, EndpointFault> {
    let value = HeaderValue::from_str(text.expose());
    let mut value = value.map_err(|_| EndpointFault::Request)?;
    value.set_sensitive(true);
    Ok(value)
}

fn verifier(
    roots: &Roots,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, ProviderFault> {
    let Roots::These(certificates) = roots else {
        let verifier = rustls_platform_verifier::Verifier::new(provider);
        return Ok(Arc::new(verifier.map_err(ProviderFault::Tls)?));
    };
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        added.map_err(ProviderFault::Root)?;
    }
    let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider);
    Ok(builder.build().map_err(ProviderFault::Verifier)?)
}

/// Why an exchange came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum EndpointFault {
    /// There is no connection.
    #[error("it cannot be reached")]
    Connect(#[source] io::Error),
    /// It is not who it should be, or no TLS is spoken.
    #[error("no TLS connection came about")]
    Tls(#[source] io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("the connection broke, or HTTP was not spoken")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("it took too long")]
    TimedOut,
    /// It has trouble of its own.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// It answered with something else than was asked for, a redirect perhaps.
    #[error("it answered {0}, and with nothing that was asked for")]
    Unexpected(StatusCode),
    /// Too much to be read.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// Not JSON, or not the JSON that belongs there.
    #[error("the answer cannot be read")]
    Json(#[source] serde_json::Error),
    /// There is nothing to be sent that HTTP could carry.
    #[error("what was to be asked cannot be written")]
    Request,
}

impl EndpointFault {
    fn of_body(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        if error.is::<LengthLimitError>() {
            return Self::TooLong;
        }
        match error.downcast::<hyper::Error>() {
            Ok(error) => Self::Http(*error),
            Err(error) => Self::Connect(io::Error::other(error)),
        }
    }
}

/// As a fault of the protocol: silence is something else than nonsense.
pub(super) fn into_fault(fault: EndpointFault) -> OidcFault {
    match &fault {
        EndpointFault::Connect(_)
        | EndpointFault::Tls(_)
        | EndpointFault::Http(_)
        | EndpointFault::TimedOut
        | EndpointFault::Status(_) => OidcFault::NoAnswer(Arc::new(fault)),
        EndpointFault::Unexpected(_)
        | EndpointFault::TooLong
        | EndpointFault::Json(_)
        | EndpointFault::Request => OidcFault::BadAnswer(Arc::new(fault)),
    }
}

impl Answer {
    /// The JSON that it holds, if it is a 200.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, OidcFault> {
        if self.status != StatusCode::OK {
            return Err(into_fault(EndpointFault::Unexpected(self.status)));
        }
        let json = serde_json::from_slice(&self.body);
        json.map_err(|error| into_fault(EndpointFault::Json(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_and_loopback_are_asked() {
        let parsed =
            |text, plain| Address::parse(text, plain).map(|a| (a.host, a.port, a.is_plain));
        let plain = |host: &str, port| Some((host.to_owned(), port, true));
        let tls = |host: &str, port| Some((host.to_owned(), port, false));
        assert_eq!(parsed("https://id.test/x?y", false), tls("id.test", 443));
        assert_eq!(parsed("https://[::1]:8443/", true), tls("::1", 8443));
        assert_eq!(parsed("http://localhost/", true), plain("localhost", 80));
        assert_eq!(parsed("http://[::1]:81/", true), plain("::1", 81));
        for (odd, may_be_plain) in [
            ("http://localhost/", false),
            ("http://id.test/", true),
            ("https://me@id.test/", true),
            ("file:///etc/passwd", true),
            ("/token", true),
            ("", true),
        ] {
            assert_eq!(parsed(odd, may_be_plain), None, "{odd}");
        }
    }

    #[test]
    fn what_is_sent_is_not_printed() {
        let address = Address::parse("https://id.test/token", false).unwrap();
        let token = Secret::new("hunter2".to_owned());
        let request = request(&address, Question::Bearer(&token)).unwrap();
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
