//! Hosts and domains. Hosts are lower-case ASCII without a port.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Whether `host` is `domain` or lies beneath it (RFC 6265bis 5.1.3). An IP address lies beneath nothing.
pub fn matches(host: &str, domain: &str) -> bool {
    if host == domain {
        return true;
    }
    let beneath = host
        .strip_suffix(domain)
        .is_some_and(|front| front.len() > 1 && front.ends_with('.'));
    beneath && !domain.is_empty() && !is_ip(host)
}

/// Whether `host` is an IP address, with or without the brackets of a URL.
pub fn is_ip(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok()
}

/// Whether anybody can register names beneath `domain`: `com`, `co.uk`, `github.io`, and every single label.
pub fn is_public_suffix(domain: &str) -> bool {
    !domain.contains('.')
        || psl::suffix(domain.as_bytes())
            .is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_matches_itself_and_what_it_lies_beneath() {
        let table = [
            ("example.com", "example.com", true),
            ("a.example.com", "example.com", true),
            ("a.b.example.com", "example.com", true),
            ("example.com", "a.example.com", false),
            ("badexample.com", "example.com", false),
            (".example.com", "example.com", false),
            ("example.com", "", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "0.0.1", false),
            ("[::1]", "[::1]", true),
            ("localhost", "localhost", true),
        ];
        for (host, domain, expected) in table {
            assert_eq!(matches(host, domain), expected, "{host} {domain}");
        }
    }

    #[test]
    fn public_suffixes_are_known() {
        for domain in [
            "com",
            "co.uk",
            "github.io",
            "localhost",
            "corp",
            "s3.amazonaws.com",
        ] {
            assert!(is_public_suffix(domain), "{domain}");
        }
        for domain in ["example.com", "a.co.uk", "shop.corp", "me.github.io"] {
            assert!(!is_public_suffix(domain), "{domain}");
        }
    }

    #[test]
    fn addresses_are_known() {
        for host in ["127.0.0.1", "[::1]", "::1", "[2001:db8::1]"] {
            assert!(is_ip(host), "{host}");
        }
        for host in ["localhost", "1.2.3", "a.1.2.3.4", ""] {
            assert!(!is_ip(host), "{host}");
        }
    }
}
