//! Where we listen, whom we believe, where apps are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::uri::PathAndQuery;
use ipnet::IpNet;

use super::{LATER, Objection, object};
use crate::upstream::Address;

/// What to write for it.
pub(in crate::config::check) const SERVICE_URL: &str =
    "write for example url = \"http://127.0.0.1:9091/api/authz/forward-auth\"";

/// The longest name that systemd gives to a socket.
const SOCKET_NAME_BYTES_MAX: usize = 255;

/// The text of a listener, read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config::check) enum Listen<'a> {
    Tcp(SocketAddr),
    Unix { path: &'a str, mode: u32 },
    Systemd(&'a str),
}

/// `127.0.0.1:8443`, `[::1]:8443`, `unix:/run/https.sock|0660`, `systemd:https`.
pub(in crate::config::check) fn listen_address(text: &str) -> Result<Listen<'_>, Objection> {
    if let Some(rest) = text.strip_prefix("unix:") {
        return unix_listener(rest);
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        return systemd_listener(name);
    }
    tcp_listener(text).map(Listen::Tcp)
}

fn unix_listener(rest: &str) -> Result<Listen<'_>, Objection> {
    let (path, mode) = rest.split_once('|').unwrap_or((rest, "0600"));
    let way_out = "write for example \"unix:/run/cloakroom/https.sock|0660\"";
    if path.is_empty() {
        return object("names no socket", way_out);
    }
    match u32::from_str_radix(mode, 8) {
        Ok(mode) if mode <= 0o777 && mode & 0o200 != 0 => Ok(Listen::Unix { path, mode }),
        _ => object("not permissions of a socket that we may write to", way_out),
    }
}

fn systemd_listener(name: &str) -> Result<Listen<'_>, Objection> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if name.is_empty() || name.len() > SOCKET_NAME_BYTES_MAX || !name.bytes().all(plain) {
        return object(
            "not a name that systemd gives to a socket",
            "write the FileDescriptorName= of the .socket unit, for example \"systemd:https\"",
        );
    }
    Ok(Listen::Systemd(name))
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6())
}

fn tcp_listener(text: &str) -> Result<SocketAddr, Objection> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let way_out = match (host, port.parse::<u16>()) {
        ("" | "*", Ok(port)) => {
            format!("write \"127.0.0.1:{port}\" for this machine or \"0.0.0.0:{port}\" for all")
        }
        ("localhost", Ok(port)) => format!("write \"127.0.0.1:{port}\""),
        // `::1:443` is an address as well, yet hardly who writes it means all of it by that.
        (host, Ok(port)) if port > 0 && is_ipv6(host) => format!("write \"[{host}]:{port}\""),
        _ if is_ipv6(text) => {
            format!("write \"[{text}]:8443\"")
        }
        _ if text.parse::<IpAddr>().is_ok() => format!("write \"{text}:8443\""),
        _ => "write for example \"127.0.0.1:8443\" or \"[::1]:8443\"".to_owned(),
    };
    object(
        "neither an IP address with a port nor \"unix:PATH\" nor \"systemd:NAME\"",
        way_out,
    )
}

/// `127.0.0.1:9443`: an address that only this machine reaches.
pub(in crate::config::check) fn admin_address(text: &str) -> Result<SocketAddr, Objection> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().to_canonical().is_loopback() => Ok(address),
        Ok(address) => object(
            format!("listening for the administration on other than loopback is {LATER}"),
            format!("write \"127.0.0.1:{}\" or \"unix:PATH\"", address.port()),
        ),
        Err(_) => object(
            "neither an IP address with a port nor a Unix socket",
            "write for example \"127.0.0.1:9443\" or \"unix:/run/cloakroom/admin.sock\"",
        ),
    }
}

/// `10.0.0.0/8`, or one address.
pub(in crate::config::check) fn network(text: &str) -> Result<IpNet, Objection> {
    if text == "unix:" {
        // What comes through a Unix socket has this address here, and nobody else can have it.
        return Ok(IpAddr::V4(Ipv4Addr::UNSPECIFIED).into());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    text.parse::<IpNet>().or_else(|_| {
        object(
            "not a network",
            "write for example \"10.0.0.0/8\", \"192.0.2.1\" or, for Unix sockets, \"unix:\"",
        )
    })
}

/// `http://127.0.0.1:3000`, `unix:/run/app.sock`.
pub(in crate::config::check) fn upstream_address(text: &str) -> Result<Address, Objection> {
    Address::parse(text).or_else(|fault| object(fault.to_string(), ""))
}

/// `http://host:port/path?query`, the same with https, or `unix:/socket:/path`.
pub(in crate::config::check) fn service_url(
    text: &str,
) -> Result<(Address, PathAndQuery), Objection> {
    let (address, target) = match text.strip_prefix("unix:") {
        Some(rest) => {
            let (socket, target) = rest.split_once(":/").unwrap_or((rest, ""));
            (format!("unix:{socket}"), format!("/{target}"))
        }
        None => {
            let start = text.find("://").map_or(0, |at| at + 3);
            let end = text[start..].find(['/', '?', '#']);
            let (address, rest) = text.split_at(end.map_or(text.len(), |end| start + end));
            let slash = if rest.starts_with('/') { "" } else { "/" };
            (address.to_owned(), format!("{slash}{rest}"))
        }
    };
    let address = match Address::parse(&address) {
        Ok(Address::H2c { .. }) => {
            return object("is neither http:// nor https:// nor unix:", SERVICE_URL);
        }
        Ok(address) => address,
        Err(fault) => return object(fault.to_string(), SERVICE_URL),
    };
    let target = Some(target).filter(|target| !target.contains('#'));
    match target.and_then(|target| target.parse().ok()) {
        Some(target) => Ok((address, target)),
        None => object("has a path that nobody could be asked for", SERVICE_URL),
    }
}
