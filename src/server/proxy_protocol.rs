//! The PROXY protocol, versions 1 and 2: how a load balancer that does not look into TLS says who its visitor is.
//!
//! Whoever may write such a header may be anybody, so it is taken from the listed proxies and from Unix sockets alone.
//! Exactly the header is read and not a byte behind it: each read asks for no more than the shortest header that begins
//! like this still lacks. So nothing has to be given back, and TLS begins on the bare socket.
//! <https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>

use std::io;
use std::net::SocketAddr;

use ipnet::IpNet;
use proxy_header::{ParseConfig, Protocol, ProxiedAddress, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::server::socket::{Newcomer, Socket, canonical};

const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const SIGNATURE_1: &[u8] = b"PROXY ";
/// What the shortest header of either version has.
const BEGIN_BYTES: usize = 12;
/// The longest header of version 1, by its definition.
const BYTES_MAX_1: usize = 107;
/// Version 2 up to the length of the rest.
const FIXED_BYTES_2: usize = 16;
/// A proxy that speaks for itself; and a family that is no connection.
const LOCAL_2: u8 = 0x20;
const UNIX_DATAGRAM_2: u8 = 0x32;
/// The longest header of version 2 that is taken: addresses have 216 bytes at most, the rest are extensions.
const BYTES_MAX_2: usize = 4096;
/// In a header of version 1 that names addresses.
const SPACES_1: usize = 5;

/// Why a connection is not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// Not one of those whose word counts.
    #[error("not one of server.trusted_proxies")]
    Stranger,
    /// It does not begin with a header.
    #[error("the connection does not begin with a PROXY header")]
    Malformed(#[from] Malformed),
    /// It ended before the header did.
    #[error("the PROXY header does not come to its end")]
    Ended(#[source] io::Error),
    /// The header did not come.
    #[error("the PROXY header took longer than server.limits.handshake_timeout")]
    TimedOut,
    /// The drain was over.
    #[error("cut by the end of the drain")]
    Cut,
}

/// What was sent is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed")]
pub struct Malformed;

/// Takes the addresses of `newcomer` from the header that it has to begin with; those of its socket stay when the proxy
/// speaks for itself (`LOCAL`), or does not know (`UNKNOWN`).
pub(super) async fn introduce(newcomer: &mut Newcomer, trusted: &[IpNet]) -> Result<(), Fault> {
    let is_trusted = match &newcomer.socket {
        // The permissions of its file say who may connect.
        Socket::Unix(_) => true,
        Socket::Tcp(_) => trusted.iter().any(|net| net.contains(&newcomer.peer.ip())),
    };
    if !is_trusted {
        return Err(Fault::Stranger);
    }
    let header = read(&mut newcomer.socket).await?;
    match addresses(&header)? {
        Some((source, destination)) => {
            newcomer.peer = canonical(source);
            newcomer.local = canonical(destination);
        }
        None => newcomer.is_peers_own = true,
    }
    Ok(())
}

/// Reads one header.
async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, Fault> {
    let mut header = Vec::with_capacity(BYTES_MAX_1);
    loop {
        let begun = header.len();
        let missing = missing(&header)?;
        if missing == 0 {
            return Ok(header);
        }
        header.resize(begun.saturating_add(missing), 0);
        let rest = header.get_mut(begun..).unwrap_or_default();
        let came = socket.read(rest).await.map_err(Fault::Ended)?;
        if came == 0 {
            return Err(Fault::Ended(io::ErrorKind::UnexpectedEof.into()));
        }
        header.truncate(begun.saturating_add(came));
    }
}

/// How many bytes the shortest header that begins with `begun` still lacks; 0: it is whole.
///
/// # Errors
/// No header begins like this.
pub fn missing(begun: &[u8]) -> Result<usize, Malformed> {
    let begins_like = |signature: &[u8]| {
        let shorter = begun.len().min(signature.len());
        begun.get(..shorter) == signature.get(..shorter)
    };
    if begins_like(SIGNATURE_2) {
        missing_2(begun)
    } else if begins_like(SIGNATURE_1) {
        missing_1(begun)
    } else {
        Err(Malformed)
    }
}

fn missing_2(begun: &[u8]) -> Result<usize, Malformed> {
    let lacks = |bytes: usize| bytes.saturating_sub(begun.len());
    let Some([.., version, _family, high, low]) = begun.first_chunk::<FIXED_BYTES_2>() else {
        let fixed = if begun.len() < BEGIN_BYTES {
            BEGIN_BYTES
        } else {
            FIXED_BYTES_2
        };
        return Ok(lacks(fixed));
    };
    let whole = FIXED_BYTES_2.saturating_add(u16::from_be_bytes([*high, *low]).into());
    if version >> 4 != 2 || whole > BYTES_MAX_2 {
        return Err(Malformed);
    }
    Ok(lacks(whole))
}

fn missing_1(begun: &[u8]) -> Result<usize, Malformed> {
    if begun.len() < BEGIN_BYTES {
        return Ok(BEGIN_BYTES.saturating_sub(begun.len()));
    }
    let line = begun.strip_suffix(b"\n").unwrap_or(begun);
    let text = line.strip_suffix(b"\r").unwrap_or(line);
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte);
    if !text.iter().all(is_plain) || (line.len() < begun.len() && text.len() == line.len()) {
        return Err(Malformed);
    }
    if line.len() < begun.len() {
        return Ok(0);
    }
    let least = if text.len() < line.len() {
        1
    } else if text.starts_with(b"PROXY TCP") {
        let spaces = text.iter().filter(|byte| **byte == b' ').count();
        let fields_left = SPACES_1.checked_sub(spaces).ok_or(Malformed)?;
        // Each with the space before it, and the end of the line.
        let begins_one = usize::from(text.ends_with(b" "));
        fields_left
            .saturating_mul(2)
            .saturating_add(begins_one)
            .saturating_add(2)
    } else if text.starts_with(b"PROXY UNKNOW") {
        2
    } else {
        return Err(Malformed);
    };
    match BYTES_MAX_1.checked_sub(begun.len()) {
        None | Some(0) => Err(Malformed),
        Some(room) => Ok(least.min(room)),
    }
}

/// Who connects to whom, as a whole header says it; `None`: it does not.
///
/// # Errors
/// It is no header, or not one of a connection over TCP.
pub fn addresses(header: &[u8]) -> Result<Option<(SocketAddr, SocketAddr)>, Malformed> {
    let config = ParseConfig {
        include_tlvs: false,
        ..ParseConfig::default()
    };
    match header.get(BEGIN_BYTES..BEGIN_BYTES + 2) {
        // Who speaks for itself may write what it likes behind that.
        Some([LOCAL_2, _]) if header.starts_with(SIGNATURE_2) => return Ok(None),
        Some([_, UNIX_DATAGRAM_2]) if header.starts_with(SIGNATURE_2) => return Err(Malformed),
        _ if header.starts_with(SIGNATURE_1) && !is_plain_1(header) => return Err(Malformed),
        _ => {}
    }
    let (parsed, bytes) = ProxyHeader::parse(header, config).map_err(|_| Malformed)?;
    if bytes != header.len() {
        return Err(Malformed);
    }
    match parsed.proxied_address() {
        None => Ok(None),
        // Nobody connects from there; it stands for the other end of a Unix socket.
        Some(ProxiedAddress { source, .. }) if source.ip().is_unspecified() => Err(Malformed),
        Some(ProxiedAddress {
            protocol: Protocol::Stream,
            source,
            destination,
        }) => Ok(Some((*source, *destination))),
        Some(_) => Err(Malformed),
    }
}

/// Whether a header of version 1 stands in the one form that the protocol writes. The parser takes ports with a sign or
/// with zeros in front, which others read as octal, and any word that only begins with `UNKNOWN`.
fn is_plain_1(header: &[u8]) -> bool {
    let is_port = |word: &[u8]| match word {
        [b'0'] => true,
        [first, rest @ ..] => matches!(first, b'1'..=b'9') && rest.iter().all(u8::is_ascii_digit),
        [] => false,
    };
    let line = header.strip_suffix(b"\r\n").unwrap_or(header);
    let mut words = line.split(|byte| *byte == b' ').skip(1);
    match words.next() {
        Some(b"UNKNOWN") => true,
        Some(b"TCP4" | b"TCP6") => {
            let ports: Vec<_> = words.skip(2).collect();
            ports.len() == 2 && ports.into_iter().all(is_port)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TLS: &[u8] = b"\x16\x03\x01 and so on";

    fn version_2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let bytes = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE_2, &[command, family], &bytes, rest].concat()
    }

    /// What is read of `sent` when it comes in pieces of `piece` bytes, and what is left of it.
    async fn read_of(sent: &[u8], piece: usize) -> (Result<Vec<u8>, Fault>, Vec<u8>) {
        let mut stream = tokio_pieces(sent, piece);
        let header = read(&mut stream).await;
        let mut left = Vec::new();
        stream.read_to_end(&mut left).await.unwrap();
        (header, left)
    }

    /// A reader that gives `piece` bytes at most at a time.
    fn tokio_pieces(sent: &[u8], piece: usize) -> impl AsyncRead + Unpin {
        struct Pieces(Vec<u8>, usize);
        impl AsyncRead for Pieces {
            fn poll_read(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
                buffer: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<io::Result<()>> {
                let bytes = buffer.remaining().min(self.1).min(self.0.len());
                buffer.put_slice(&self.0.drain(..bytes).collect::<Vec<_>>());
                std::task::Poll::Ready(Ok(()))
            }
        }
        Pieces(sent.to_vec(), piece)
    }

    #[tokio::test]
    async fn exactly_the_header_is_read_however_it_comes() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xC0, 0x01, 0x01, 0xBB];
        let extended = [&four[..], &[0x04, 0, 2, 0xAA, 0xBB]].concat();
        let visitor = Some(("192.0.2.1:49153", "198.51.100.2:443"));
        let six = Some(("[2001:db8::1]:1", "[::]:2"));
        for (header, expected) in [
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.2 49153 443\r\n".to_vec(),
                visitor,
            ),
            (
                b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\r\n".to_vec(),
                Some(("1.1.1.1:1", "1.1.1.1:1")),
            ),
            (b"PROXY TCP6 2001:db8::1 :: 1 2\r\n".to_vec(), six),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (
                b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n".to_vec(),
                None,
            ),
            (version_2(0x21, 0x11, &four), visitor),
            (version_2(0x21, 0x11, &extended), visitor),
            (version_2(0x20, 0x00, &[]), None),
            (version_2(0x20, 0x11, &four), None),
            (version_2(0x20, 0x11, &[]), None),
            (version_2(0x20, 0xFF, b"anything"), None),
            (version_2(0x21, 0x00, b"anything"), None),
            (version_2(0x21, 0x31, &[1; 216]), None),
        ] {
            for piece in [1, 2, 3, 5, 16, 4096] {
                let sent = [&header, TLS].concat();
                let (read, left) = read_of(&sent, piece).await;
                let text = String::from_utf8_lossy(&header);
                assert_eq!(read.unwrap(), header, "{text}");
                assert_eq!(left, TLS, "{text}");
            }
            let found = addresses(&header).unwrap();
            let found = found.map(|(from, to)| (from.to_string(), to.to_string()));
            let expected = expected.map(|(from, to)| (from.to_owned(), to.to_owned()));
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(&header));
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_as_soon_as_it_shows() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(BYTES_MAX_1));
        for sent in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"[..],
            b"GET / HTTP/1.1\r\n",
            b"P ",
            b"PROXY  TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 010 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 00\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY UNKNOWNS 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 2001:db8::1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 0.0.0.0 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 \x80\r\n",
            b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"proxy tcp4 1.1.1.1 1.1.1.1 1 1\r\n",
            long.as_bytes(),
            &version_2(0x11, 0x11, &[1; 12]),
            &version_2(0x22, 0x11, &[1; 12]),
            &version_2(0x21, 0x11, &[1; 11]),
            &version_2(0x21, 0x12, &[1; 12]),
            &version_2(0x21, 0x41, &[1; 12]),
            &version_2(0x21, 0x31, &[1; 215]),
            &version_2(0x21, 0x32, &[1; 216]),
            &version_2(0x21, 0x11, &[1; BYTES_MAX_2]),
        ] {
            let (read, _) = read_of(sent, 4096).await;
            let verdict = read.and_then(|header| Ok(addresses(&header)?));
            let text = String::from_utf8_lossy(sent);
            assert!(
                matches!(verdict, Err(Fault::Malformed(_))),
                "{text}: {verdict:?}"
            );
        }
    }
}
