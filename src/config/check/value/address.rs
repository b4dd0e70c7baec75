//! Where we listen, whom we believe, where apps are.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use super::{LATER, Objection, object};
use crate::upstream::Address;

/// `127.0.0.1:8443`, `[::1]:8443`.
pub(in crate::config::check) fn listen_address(text: &str) -> Result<SocketAddr, Objection> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.starts_with("unix:") || text.starts_with("fd:") || text.starts_with("systemd") {
        return object(
            format!("listening on other than TCP is {LATER}"),
            "write an address and a port, for example \"127.0.0.1:8443\"",
        );
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let way_out = match (host, port.parse::<u16>()) {
        ("" | "*", Ok(port)) => {
            format!("write \"127.0.0.1:{port}\" for this machine or \"0.0.0.0:{port}\" for all")
        }
        ("localhost", Ok(port)) => format!("write \"127.0.0.1:{port}\""),
        _ if text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) => {
            format!("write \"[{text}]:8443\"")
        }
        _ if text.parse::<IpAddr>().is_ok() => format!("write \"{text}:8443\""),
        _ => "write for example \"127.0.0.1:8443\" or \"[::1]:8443\"".to_owned(),
    };
    object("not an IP address with a port", way_out)
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
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(address.into());
    }
    text.parse::<IpNet>().or_else(|_| {
        object(
            "not a network",
            "write for example \"10.0.0.0/8\" or \"192.0.2.1\"",
        )
    })
}

/// `http://127.0.0.1:3000`, `unix:/run/app.sock`.
pub(in crate::config::check) fn upstream_address(text: &str) -> Result<Address, Objection> {
    Address::parse(text).or_else(|fault| object(fault.to_string(), ""))
}
