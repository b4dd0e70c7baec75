//! What the reading of PROXY headers promises of every input there is.
//!
//! 1. Reading ends, and takes no more than the limit; of a header that is taken not a byte behind it.
//! 2. How the bytes come decides nothing.
//! 3. Who connects is what the plainest reader of the protocol finds, which takes no form but the one that the protocol
//!    writes; what that one does not take is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use cloakroom::server::proxy_protocol::{Malformed, addresses, missing};

const SIGNATURE_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// By its definition.
const BYTES_MAX_1: usize = 107;
const BYTES_MAX_2: usize = 4096;

type Ends = Option<(SocketAddr, SocketAddr)>;

/// Holds for every input: what a connection begins with.
pub fn hold(input: &[u8]) {
    let (Some(at_once), Some(by_bytes)) = (header_of(input, usize::MAX), header_of(input, 1))
    else {
        return;
    };
    assert_eq!(at_once.and_then(told_by), by_bytes.and_then(told_by));
    let Some(header) = by_bytes else {
        return;
    };
    let is_2 = header.starts_with(SIGNATURE_2);
    let bytes_max = if is_2 { BYTES_MAX_2 } else { BYTES_MAX_1 };
    assert!(header.len() <= bytes_max);
    let plainly = if is_2 {
        version_2(header)
    } else {
        version_1(header)
    };
    assert_eq!(told_by(header), plainly, "{}", header.escape_ascii());
    if plainly.is_some() {
        assert_eq!(at_once, by_bytes, "read past its end");
    }
}

/// What is read of `input` by reads of `step` bytes at most. Nothing: it never comes to an end. Nothing of that: it is
/// malformed.
fn header_of(input: &[u8], step: usize) -> Option<Option<&[u8]>> {
    let mut read = 0;
    loop {
        assert!(read <= BYTES_MAX_2);
        match missing(input.get(..read)?) {
            Err(Malformed) => return Some(None),
            Ok(0) => return Some(input.get(..read)),
            Ok(more) => read += more.min(step),
        }
    }
}

fn told_by(header: &[u8]) -> Option<Ends> {
    addresses(header).ok()
}

/// As the protocol has it written: single spaces, numbers without zeros or signs in front. `None`: malformed.
fn version_1(header: &[u8]) -> Option<Ends> {
    let line = std::str::from_utf8(header).ok()?.strip_suffix("\r\n")?;
    let line = line.strip_prefix("PROXY ")?;
    if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let words: Vec<&str> = line.split(' ').collect();
    let [family, from, to, from_port, to_port] = words[..] else {
        return None;
    };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => Some(text.parse::<Ipv4Addr>().ok()?.into()),
            "TCP6" => Some(text.parse::<Ipv6Addr>().ok()?.into()),
            _ => None,
        }
    };
    let port = |text: &str| -> Option<u16> {
        let port: u16 = text.parse().ok()?;
        (port.to_string() == text).then_some(port)
    };
    let from = SocketAddr::new(address(from)?, port(from_port)?);
    let to = SocketAddr::new(address(to)?, port(to_port)?);
    (!from.ip().is_unspecified()).then_some(Some((from, to)))
}

/// LOCAL and unknown families say nothing; everything else is a stream between two addresses, or malformed.
fn version_2(header: &[u8]) -> Option<Ends> {
    let (fixed, rest) = header.split_at_checked(16)?;
    let (command, family) = (fixed[12], fixed[13]);
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return None,
    };
    let bytes = match family {
        0x00 => 0,
        0x11 => 4,
        0x21 => 16,
        0x31 => 108,
        _ if is_local => 0,
        _ => return None,
    };
    if is_local || bytes == 0 {
        return Some(None);
    }
    let (from, rest) = rest.split_at_checked(bytes)?;
    let (to, rest) = rest.split_at_checked(bytes)?;
    if bytes == 108 {
        return Some(None);
    }
    let (ports, _extensions) = rest.split_at_checked(4)?;
    let end = |address: &[u8], port: &[u8]| {
        let ip = match <[u8; 4]>::try_from(address) {
            Ok(four) => IpAddr::from(four),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(address).expect("sixteen")),
        };
        SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]]))
    };
    let (from, to) = (end(from, &ports[..2]), end(to, &ports[2..]));
    (!from.ip().is_unspecified()).then_some(Some((from, to)))
}
