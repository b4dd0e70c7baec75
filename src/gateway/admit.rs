//! The first look at a request: what is malformed, ambiguous or too large is refused here, before
//! anything is looked up.
//!
//! hyper has parsed the head by now. What it reads leniently, or in one of two possible ways, is
//! refused: two readings of one message are how requests are smuggled (RFC 9112 section 11). For HTTP/1.1 the
//! [strict reading](crate::headers::strict) has done so before; its verdict comes as an extension of a request that
//! stands for the refused one.

use h2::ext::Protocol;
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{Method, Version};

use super::Arrival;
use super::path::NormalPath;
use crate::headers::forwarded::went_in_circles;
use crate::headers::strict::Fault;

/// The longest target, in bytes. No browser sends, and few apps read, one that is longer.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;

/// The limits on a request head, and on the body it announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdmitLimits {
    /// All fields and the target, in bytes.
    pub header_bytes: usize,
    /// The number of fields; the crumbs of an HTTP/2 Cookie count as one.
    pub header_count: usize,
    /// The body, in bytes.
    pub body_bytes: Option<u64>,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The host and port as they were asked for.
    pub authority: String,
    /// The host, lower case, without port or dot at the end.
    pub host: String,
    /// The path.
    pub path: NormalPath,
}

/// Why a request is refused at first sight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitFault {
    /// An HTTP/1.1 message that can be read in more than one way, or not at all. The request only stands for it.
    #[error(transparent)]
    Message(#[from] Fault),
    /// TRACE shows the visitor's secrets to scripts, CONNECT makes an open proxy.
    #[error("this method is not served")]
    Method,
    /// No Host, several, or one that disagrees with the target.
    #[error("the request must name one host")]
    Host,
    /// The Host is no host.
    #[error("the host is malformed")]
    HostMalformed,
    /// The TLS handshake named another host, or the target is not of the encrypted web (RFC 9110 7.4).
    #[error("this connection is for another host or scheme")]
    Misdirected,
    /// Content-Length and Transfer-Encoding do not say one thing.
    #[error("the length of the body is ambiguous")]
    Framing,
    /// A transfer coding other than chunked (RFC 9112 6.1).
    #[error("this transfer coding is not served")]
    TransferCoding,
    /// CONNECT for something other than a WebSocket (RFC 8441).
    #[error("only WebSockets are tunnelled")]
    Protocol,
    /// A target that is not for this method, or of another scheme (RFC 9112 3.2).
    #[error("the request target is malformed")]
    Target,
    /// A target longer than [`TARGET_BYTES_MAX`].
    #[error("the request target is too long")]
    TargetTooLong,
    /// It went through us more than once already (RFC 9110 7.6.3).
    #[error("the request goes round in a circle")]
    Loop,
    /// A count of hops that is none (RFC 9110 7.6.2).
    #[error("the number of hops is malformed")]
    MaxForwards,
    /// A field that HTTP/2 does not have (RFC 9113 8.2.2).
    #[error("the request has a connection-specific header")]
    ConnectionHeader,
    /// An expectation other than 100-continue.
    #[error("this expectation cannot be met")]
    Expectation,
    /// Too many fields, or too large.
    #[error("the request headers are too large")]
    HeadTooLarge,
    /// The announced body is larger than the limit.
    #[error("the request body is too large")]
    BodyTooLarge,
}

/// Looks at a request head.
///
/// # Errors
/// [`AdmitFault`]; the connection should end with the answer.
pub fn admit(
    head: &Parts,
    arrival: &Arrival,
    limits: &AdmitLimits,
) -> Result<Admitted, AdmitFault> {
    if let Some(fault) = head.extensions.get::<Fault>() {
        return Err((*fault).into());
    }
    check_size(head, limits)?;
    check_method(head)?;
    if went_in_circles(&head.headers) {
        return Err(AdmitFault::Loop);
    }
    if head.version == Version::HTTP_2 {
        check_http2(&head.headers)?;
    }
    check_framing(head, limits)?;
    check_expectation(&head.headers)?;
    let authority = authority(head)?;
    let host = host_of(&authority).ok_or(AdmitFault::HostMalformed)?;
    if arrival.sni.as_deref().is_some_and(|sni| sni != host) {
        return Err(AdmitFault::Misdirected);
    }
    let asterisk = head.uri.path() == "*";
    match head.uri.scheme_str().unwrap_or("https") {
        "https" => {}
        // A target of the unencrypted web is another one, whatever its host (RFC 9110 7.4).
        "http" => return Err(AdmitFault::Misdirected),
        _ => return Err(AdmitFault::Target),
    }
    if asterisk && head.method != Method::OPTIONS {
        return Err(AdmitFault::Target);
    }
    // `OPTIONS *` is about the server as a whole.
    let path = if asterisk { "/" } else { head.uri.path() };
    Ok(Admitted {
        authority,
        host,
        path: NormalPath::read(path),
    })
}

/// Whether an extended CONNECT asks for a WebSocket.
pub fn is_websocket_connect(head: &Parts) -> bool {
    let protocol = head.extensions.get::<Protocol>();
    head.method == Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"))
}

fn check_method(head: &Parts) -> Result<(), AdmitFault> {
    let has_protocol = head.extensions.get::<Protocol>().is_some();
    match head.method {
        Method::TRACE => Err(AdmitFault::Method),
        Method::CONNECT if is_websocket_connect(head) => Ok(()),
        Method::CONNECT if has_protocol => Err(AdmitFault::Protocol),
        Method::CONNECT => Err(AdmitFault::Method),
        _ => Ok(()),
    }
}

fn check_size(head: &Parts, limits: &AdmitLimits) -> Result<(), AdmitFault> {
    let crumbs = head.headers.get_all(COOKIE).iter().count();
    let count = head.headers.len() - crumbs.saturating_sub(1);
    let fields: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    let target = head
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > TARGET_BYTES_MAX {
        return Err(AdmitFault::TargetTooLong);
    }
    if count > limits.header_count || fields + target > limits.header_bytes {
        return Err(AdmitFault::HeadTooLarge);
    }
    Ok(())
}

fn check_http2(headers: &HeaderMap) -> Result<(), AdmitFault> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    let banned = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    // RFC 9113 8.2.1: a value neither begins nor ends with white space.
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let padded = |value: &HeaderValue| {
        is_blank(value.as_bytes().first()) || is_blank(value.as_bytes().last())
    };
    if headers.values().any(padded) {
        return Err(AdmitFault::Framing);
    }
    let bad_te = headers
        .get_all(TE)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"trailers"));
    if bad_te || banned.iter().any(|name| headers.contains_key(name)) {
        return Err(AdmitFault::ConnectionHeader);
    }
    Ok(())
}

fn check_framing(head: &Parts, limits: &AdmitLimits) -> Result<(), AdmitFault> {
    let mut codings = head.headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
    let (coding, length) = (codings.next(), lengths.next());
    if codings.next().is_some()
        || lengths.next().is_some()
        || (coding.is_some() && length.is_some())
    {
        return Err(AdmitFault::Framing);
    }
    if let Some(coding) = coding {
        // HTTP/1.0 has no transfer codings: whoever sends one is read differently down the line.
        if head.version != Version::HTTP_11 {
            return Err(AdmitFault::Framing);
        }
        if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(AdmitFault::TransferCoding);
        }
    }
    if let Some(length) = length {
        let digits = length
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        // Some read a zero in front as octal.
        let digits = digits.filter(|text| *text == "0" || !text.starts_with('0'));
        let length: u64 = digits
            .and_then(|text| text.parse().ok())
            .ok_or(AdmitFault::Framing)?;
        if limits.body_bytes.is_some_and(|most| length > most) {
            return Err(AdmitFault::BodyTooLarge);
        }
    }
    Ok(())
}

fn check_expectation(headers: &HeaderMap) -> Result<(), AdmitFault> {
    let mut expectations = headers.get_all(EXPECT).iter();
    let Some(first) = expectations.next() else {
        return Ok(());
    };
    if expectations.next().is_some() || !first.as_bytes().eq_ignore_ascii_case(b"100-continue") {
        return Err(AdmitFault::Expectation);
    }
    Ok(())
}

/// The one authority that the request names.
fn authority(head: &Parts) -> Result<String, AdmitFault> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let from_field = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => return Err(AdmitFault::Host),
        (Some(host), None) => Some(host.to_str().map_err(|_| AdmitFault::HostMalformed)?),
        (None, _) => None,
    };
    let from_target = head.uri.authority().map(|authority| authority.as_str());
    match (from_target, from_field) {
        // RFC 9112 3.2: an HTTP/1.1 request carries Host, also beside an absolute target.
        (Some(_), None) if head.version == Version::HTTP_11 => Err(AdmitFault::Host),
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => Err(AdmitFault::Host),
        (Some(authority), _) | (None, Some(authority)) => Ok(authority.to_owned()),
        (None, None) => Err(AdmitFault::Host),
    }
}

/// The host of an authority (RFC 3986 3.2, without user information), lower case. `None` when it is
/// malformed. An address in brackets keeps them.
pub fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, after) = rest.split_once(']')?;
            address.parse::<std::net::Ipv6Addr>().ok()?;
            (
                &authority[..address.len() + 2],
                after
                    .strip_prefix(':')
                    .or(after.is_empty().then_some("0"))?,
            )
        }
        None => authority.split_once(':').unwrap_or((authority, "0")),
    };
    let is_port = !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok();
    let name = if host.starts_with('[') {
        host
    } else {
        host.strip_suffix('.').unwrap_or(host)
    };
    let is_name = host.starts_with('[')
        || (!name.is_empty()
            && name.len() <= 253
            && name.split('.').all(|label| !label.is_empty())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')));
    (is_port && is_name).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
