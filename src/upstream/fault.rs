//! Why there is no response, and whether the request may go elsewhere.

use std::io;

use http::Request;

use super::body::{Body, BodyFault};
use super::scan::Flaw;

/// A request that got no response.
#[derive(Debug, thiserror::Error)]
#[error("the app did not answer")]
pub struct Unanswered {
    /// Why.
    #[source]
    pub fault: UpstreamFault,
    /// The request, if the app has processed nothing of it and nothing of its body was taken: it may go to another app,
    /// whatever its method. Its head may be framed already; framing it again changes nothing.
    pub unsent: Option<Box<Request<Body>>>,
}

impl Unanswered {
    pub(super) fn unsent(fault: UpstreamFault, request: Box<Request<Body>>) -> Self {
        Self {
            fault,
            unsent: Some(request),
        }
    }
}

impl From<UpstreamFault> for Unanswered {
    /// The request is gone, or on its way.
    fn from(fault: UpstreamFault) -> Self {
        Self {
            fault,
            unsent: None,
        }
    }
}

/// Why there is no response. The connection, if there was one, is closed.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamFault {
    /// No connection could be made: refused, unreachable, no such name or socket. 502.
    #[error("the app cannot be reached")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed: the app's certificate is not to be trusted or is another's, ours was refused, or there
    /// is no TLS. 502.
    #[error("there is no TLS with the app that can be trusted")]
    Tls(#[source] io::Error),
    /// No connection was made within `connect_timeout`, TLS and all. 504.
    #[error("the app did not take the connection in time")]
    ConnectTimeout,
    /// All connections were busy for `connect_timeout`, or too many wait for one already. 503.
    #[error("all connections to the app are busy")]
    Exhausted,
    /// There was no response head within `response_timeout`. 504.
    #[error("the app did not answer in time")]
    ResponseTimeout,
    /// The connection ended before there was a response head. 502.
    #[error("the app closed the connection before it answered")]
    Closed(#[source] io::Error),
    /// What came is not HTTP/1.1 as it should be. 502.
    #[error("the app's answer is not valid HTTP")]
    Protocol(#[source] Flaw),
    /// The stream or the connection of HTTP/2 failed before there was a response head. 502.
    #[error("the app's HTTP/2 failed")]
    Http2(#[source] h2::Error),
    /// More interim responses than anybody needs. 502.
    #[error("the app does not come to an answer")]
    Interim,
    /// `101 Switching Protocols` to a request that did not ask for it. 502.
    #[error("the app switched protocols without being asked")]
    UnaskedUpgrade,
    /// The app speaks HTTP/2 alone, and does not say that it takes WebSockets there (RFC 8441). 502.
    #[error(
        "the app speaks HTTP/2 without TLS and takes no WebSockets there (SETTINGS_ENABLE_CONNECT_PROTOCOL)"
    )]
    NoUpgrade,
    /// A body in a transfer coding other than `chunked`. 502.
    #[error("the app's answer has a transfer coding other than chunked")]
    UnknownCoding,
    /// The request cannot be said in HTTP/2: its target or its `Host` is malformed. 502.
    #[error("the request cannot be sent over HTTP/2")]
    Unspeakable(#[source] http::Error),
    /// The app has done nothing wrong: the visitor's body broke off on its way up. 413, 408 or 400.
    #[error("the request could not be sent whole")]
    VisitorBody(#[source] BodyFault),
}
