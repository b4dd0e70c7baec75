//! `[server]` and `[tls]`: where we listen, what we put up with.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::super::file;
use super::super::settings::{AdminAddress, Certificate, Limits, Server, Tls};
use super::super::units::Span;
use super::{Check, value};

/// Below it, the HTTP/1 parser of hyper has no buffer to work with.
const HEADER_BYTES_MIN: usize = 8 << 10;

/// The longest path that Linux takes for a Unix socket, less what a name beside it needs until the socket is ready.
const SOCKET_PATH_BYTES_MAX: usize = 107 - ".new".len();

/// The most threads anybody has cores for.
const THREADS_MAX: u32 = 1024;

pub(super) fn server(check: &mut Check<'_>, mirror: file::Server) -> Server {
    if mirror.https.is_empty() {
        let way_out = "write for example https = [\"127.0.0.1:8443\"]";
        check.fault("server.https", "nothing listens for TLS", way_out);
    }
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    let https = listeners(check, "server.https", &mirror.https, &mut taken);
    let http = listeners(check, "server.http", &mirror.http, &mut taken);
    let admin = admin(check, &mirror.admin, &taken);
    if mirror.threads > THREADS_MAX {
        let way_out = format!("write at most {THREADS_MAX}, or 0 for one per core");
        check.fault("server.threads", "more threads than cores", way_out);
    }
    Server {
        https,
        http,
        admin,
        trusted_proxies: proxies(check, &mirror.trusted_proxies),
        threads: usize::try_from(mirror.threads)
            .ok()
            .filter(|threads| *threads > 0),
        drain_timeout: mirror.drain_timeout.0,
        limits: limits(check, &mirror.limits),
    }
}

fn listeners(
    check: &mut Check<'_>,
    key: &str,
    texts: &[String],
    taken: &mut Vec<(SocketAddr, String)>,
) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for (at, text) in texts.iter().enumerate() {
        let path = format!("{key}[{at}]");
        let Some(address) = check.accept(&path, value::listen_address(text)) else {
            continue;
        };
        // Port 0 is a free port each time.
        let other = taken
            .iter()
            .find(|(other, _)| *other == address && address.port() != 0);
        if let Some((_, other)) = other {
            let why = format!("is in {other} already");
            check.fault(&path, why, "take one of them out");
            continue;
        }
        taken.push((address, key.to_owned()));
        found.push(address);
    }
    found
}

/// Where the administration listens. What it tells is for this machine: there is no TLS.
fn admin(
    check: &mut Check<'_>,
    text: &str,
    taken: &[(SocketAddr, String)],
) -> Option<AdminAddress> {
    const KEY: &str = "server.admin";
    if text.is_empty() {
        return None;
    }
    if let Some(path) = text.strip_prefix("unix:") {
        let path = check.file(KEY, path);
        if path.as_os_str().len() > SOCKET_PATH_BYTES_MAX {
            let why = format!("{} is too long for a Unix socket", path.display());
            let way_out = format!("take a path of at most {SOCKET_PATH_BYTES_MAX} bytes");
            check.fault(KEY, why, way_out);
        }
        return Some(AdminAddress::Unix(path));
    }
    let address = check.accept(KEY, value::admin_address(text))?;
    let other = taken
        .iter()
        .find(|(other, _)| *other == address && address.port() != 0);
    if let Some((_, other)) = other {
        check.fault(KEY, format!("is in {other} already"), "take another port");
    }
    Some(AdminAddress::Tcp(address))
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
    Tls {
        certificates: certificates.collect(),
        min_version: mirror.min_version,
        hsts: Some(mirror.hsts.0).filter(|hsts| !hsts.is_zero()),
    }
}
