//! Names of hosts.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Objection, object};

/// A host of a site, in lower case: `shop.example.com`, `*.example.com`, `192.0.2.1`, `[::1]`.
pub(in crate::config::check) fn host_pattern(text: &str) -> Result<String, Objection> {
    let lower = text.to_ascii_lowercase();
    if let Some((_, after)) = lower.split_once("://") {
        let host = after.split(['/', ':']).next().unwrap_or_default();
        return object("a host, not a URL", format!("write \"{host}\""));
    }
    if lower.parse::<Ipv6Addr>().is_ok() {
        return object(
            "an IPv6 address stands in brackets",
            format!("write \"[{lower}]\""),
        );
    }
    if let Some(inner) = lower
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        return match inner.parse::<Ipv6Addr>() {
            Ok(address) => Ok(format!("[{address}]")),
            Err(_) => object("not an IPv6 address", "write for example \"[::1]\""),
        };
    }
    if let Some((host, port)) = lower.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return object(
            "a site has its hosts on every port",
            format!("write \"{host}\""),
        );
    }
    match lower.strip_prefix("*.") {
        Some(suffix) if is_host_name(suffix) && suffix.parse::<Ipv4Addr>().is_err() => Ok(lower),
        None if is_host_name(&lower) => Ok(lower),
        _ if lower == "*" => object(
            "cloakroom serves no hosts that it does not know",
            "name them, or all below one as in \"*.example.com\"",
        ),
        _ if lower.ends_with('.') => object(
            "the dot at the end is left out",
            format!("write {:?}", lower.trim_end_matches('.')),
        ),
        _ if !lower.is_ascii() => object(
            "a host is written in ASCII",
            "write its punycode form, which starts with xn--",
        ),
        _ if lower.contains('*') => object(
            "a * stands for the first labels only",
            "write for example \"*.example.com\"",
        ),
        _ => object("not a host name", "write for example \"shop.example.com\""),
    }
}

/// Labels of letters, digits, hyphens and underscores. A name whose last label is a number is an IPv4 address or
/// nothing (WHATWG URL, "ends in a number").
pub(in crate::config::check) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let ends_in_number = last.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 253
        && text.split('.').all(label)
        && (!ends_in_number || text.parse::<Ipv4Addr>().is_ok())
}

/// The Host that an app is sent: `app.internal`, `localhost:3000`.
pub(in crate::config::check) fn literal_host(text: &str) -> Result<(), Objection> {
    let host = match text.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => text,
    };
    match host_pattern(host) {
        Ok(host) if !host.starts_with('*') => Ok(()),
        _ => object(
            "not a Host",
            "write \"keep\", \"upstream\", or a Host such as \"app.internal\" or \"localhost:3000\"",
        ),
    }
}

/// Whether `host` is `domain` or below it.
pub(in crate::config::check) fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
