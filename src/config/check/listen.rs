//! `[server]` and `[tls]`: where we listen, what we put up with.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::super::file;
use super::super::settings::{AdminAddress, Certificate, Limits, Server, Tls};
use super::super::units::Span;
use super::Check;
use super::value::{self, Listen};
use crate::base::socket_file::{MODE_PRIVATE, PATH_BYTES_MAX};
use crate::server::listener::Address;

/// Below it, the HTTP/1 parser of hyper has no buffer to work with.
const HEADER_BYTES_MIN: usize = 8 << 10;

/// The most threads anybody has cores for.
const THREADS_MAX: u32 = 1024;

pub(super) fn server(check: &mut Check<'_>, mirror: file::Server) -> Server {
    if mirror.https.is_empty() {
        let way_out = "write for example https = [\"127.0.0.1:8443\"]";
        check.fault("server.https", "nothing listens for TLS", way_out);
    }
    let mut taken = Vec::new();
    let https = listeners(check, "server.https", &mirror.https, &mut taken);
    let http = listeners(check, "server.http", &mirror.http, &mut taken);
    let admin = admin(check, &mirror.admin, &taken);
    proxy_protocol(check, &mirror, &https);
    if mirror.threads > THREADS_MAX {
        let way_out = format!("write at most {THREADS_MAX}, or 0 for one per core");
        check.fault("server.threads", "more threads than cores", way_out);
    }
    Server {
        https,
        http,
        admin,
        trusted_proxies: proxies(check, &mirror.trusted_proxies),
        proxy_protocol: mirror.proxy_protocol,
        threads: usize::try_from(mirror.threads)
            .ok()
            .filter(|threads| *threads > 0),
        drain_timeout: mirror.drain_timeout.0,
        limits: limits(check, &mirror.limits),
    }
}

/// The listeners that `key` names. `taken`: all so far, as messages name them, with their keys.
fn listeners(
    check: &mut Check<'_>,
    key: &str,
    texts: &[String],
    taken: &mut Vec<(String, String)>,
) -> Vec<Address> {
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let path = format!("{key}[{at}]");
        let Some(listen) = check.accept(&path, value::listen_address(text)) else {
            continue;
        };
        let address = match listen {
            Listen::Tcp(address) => Address::Tcp(address),
            Listen::Systemd(name) => Address::Systemd(name.to_owned()),
            Listen::Unix { path: file, mode } => Address::Unix {
                path: socket(check, &path, file),
                mode,
            },
        };
        if let Some(other) = holder(&address, taken) {
            let why = format!("is in {other} already");
            check.fault(&path, why, "take one of them out");
            continue;
        }
        taken.push((address.to_string(), key.to_owned()));
        found.push(address);
    }
    found
}

/// The key that names `address` too. Port 0 is a free port each time.
fn holder<'a>(address: &Address, taken: &'a [(String, String)]) -> Option<&'a str> {
    if matches!(address, Address::Tcp(address) if address.port() == 0) {
        return None;
    }
    let text = address.to_string();
    let other = taken.iter().find(|(other, _)| *other == text);
    other.map(|(_, key)| key.as_str())
}

/// The path of a Unix socket, relative to the configuration.
fn socket(check: &mut Check<'_>, key: &str, text: &str) -> PathBuf {
    let path = check.file(key, text);
    if path.as_os_str().len() > PATH_BYTES_MAX {
        let why = format!("{} is too long for a Unix socket", path.display());
        let way_out = format!("take a path of at most {PATH_BYTES_MAX} bytes");
        check.fault(key, why, way_out);
    }
    path
}

/// Where the administration listens. What it tells is for this machine: there is no TLS.
fn admin(check: &mut Check<'_>, text: &str, taken: &[(String, String)]) -> Option<AdminAddress> {
    const KEY: &str = "server.admin";
    if text.is_empty() {
        return None;
    }
    let (admin, address) = match text.strip_prefix("unix:") {
        Some(path) => {
            let path = socket(check, KEY, path);
            let mode = MODE_PRIVATE;
            (
                AdminAddress::Unix(path.clone()),
                Address::Unix { path, mode },
            )
        }
        None => {
            let address = check.accept(KEY, value::admin_address(text))?;
            (AdminAddress::Tcp(address), Address::Tcp(address))
        }
    };
    if let Some(other) = holder(&address, taken) {
        let way_out = "take another port or path";
        check.fault(KEY, format!("is in {other} already"), way_out);
    }
    Some(admin)
}

/// Somebody has to be believed, or nobody is served.
fn proxy_protocol(check: &mut Check<'_>, mirror: &file::Server, https: &[Address]) {
    let is_unix = |address: &Address| matches!(address, Address::Unix { .. });
    if mirror.proxy_protocol && mirror.trusted_proxies.is_empty() && !https.iter().any(is_unix) {
        check.fault(
            "server.proxy_protocol",
            "nobody is trusted to send a PROXY header, so every connection would be closed",
            "name the proxies in front of cloakroom in server.trusted_proxies, or let them connect to a Unix socket",
        );
    }
}

fn proxies(check: &mut Check<'_>, texts: &[String]) -> Vec<IpNet> {
    let mut nets = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let path = format!("server.trusted_proxies[{at}]");
        let Some(net) = check.accept(&path, value::network(text)) else {
            continue;
        };
        if net.prefix_len() == 0 {
            let why = "believes the forwarding headers of everybody";
            check.warn(&path, why, "name the proxies in front of cloakroom only");
        }
        nets.push(net);
    }
    nets
}

fn limits(check: &mut Check<'_>, mirror: &file::Limits) -> Limits {
    let key = |name: &str| format!("server.limits.{name}");
    let count = |check: &mut Check<'_>, name: &str, number: u32| {
        let number = check.at_least(&key(name), number, 1, "1");
        usize::try_from(number).unwrap_or(usize::MAX)
    };
    let wait = |check: &mut Check<'_>, name: &str, span: Span| positive(check, &key(name), span);
    let limits = Limits {
        connections: count(check, "connections", mirror.connections),
        header_bytes: check.at_least(
            &key("header_bytes"),
            mirror.header_bytes.in_memory(),
            HEADER_BYTES_MIN,
            "\"8KiB\"",
        ),
        header_count: count(check, "header_count", mirror.header_count),
        cookie_bytes: check.at_least(
            &key("cookie_bytes"),
            mirror.cookie_bytes.in_memory(),
            1 << 10,
            "\"1KiB\", or no ticket fits",
        ),
        body_bytes: Some(mirror.body_bytes.0).filter(|bytes| *bytes > 0),
        header_timeout: wait(check, "header_timeout", mirror.header_timeout),
        body_timeout: wait(check, "body_timeout", mirror.body_timeout),
        body_min_rate: Some(mirror.body_min_rate.0).filter(|rate| *rate > 0),
        write_timeout: wait(check, "write_timeout", mirror.write_timeout),
        keepalive_timeout: wait(check, "keepalive_timeout", mirror.keepalive_timeout),
        handshake_timeout: wait(check, "handshake_timeout", mirror.handshake_timeout),
        h2_streams: check.at_least(&key("h2_streams"), mirror.h2_streams, 1, "1"),
    };
    if limits.header_bytes > 16 << 20 {
        let why = "every connection may take so much memory";
        check.fault(&key("header_bytes"), why, "write at most \"16MiB\"");
    }
    if limits.cookie_bytes > limits.header_bytes {
        let why = "more than all headers together (server.limits.header_bytes)";
        check.fault(&key("cookie_bytes"), why, "lower it, or raise header_bytes");
    }
    limits
}

/// Everything that waits has an end, and none ends before it began.
pub(super) fn positive(check: &mut Check<'_>, path: &str, span: Span) -> Duration {
    if span.0.is_zero() {
        let why = "a wait of no time at all, and there is no switching it off";
        check.fault(path, why, "write for example \"30s\"");
    }
    span.0
}

pub(super) fn tls(check: &mut Check<'_>, mirror: file::Tls) -> Tls {
    if mirror.certificate.is_empty() {
        let way_out = "write [[tls.certificate]] with cert_file and key_file; \
                       `cloakroom cert self-signed` makes a pair to begin with";
        check.fault("tls.certificate", "no certificate", way_out);
    }
    let certificates = mirror.certificate.into_iter().enumerate();
    let certificates = certificates.map(|(at, mirror)| {
        let mut file = |name: &str, text: Option<String>| {
            let path = format!("tls.certificate[{at}].{name}");
            match text {
                Some(text) => check.file(&path, &text),
                None => {
                    check.fault(&path, "missing", format!("write {name} = \"FILE.pem\""));
                    Default::default()
                }
            }
        };
        Certificate {
            cert_file: file("cert_file", mirror.cert_file),
            key_file: file("key_file", mirror.key_file),
        }
    });
    let certificates = certificates.collect();
    let client_ca_file = match mirror.client_ca_file.as_str() {
        "" => None,
        file => Some(check.file("tls.client_ca_file", file)),
    };
    Tls {
        certificates,
        client_ca_file,
        min_version: mirror.min_version,
        hsts: Some(mirror.hsts.0).filter(|hsts| !hsts.is_zero()),
    }
}
