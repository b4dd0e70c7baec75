//! Where an app listens, and what it speaks there.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

/// The longest path that fits into a socket address on every system we run on (`sun_path`, less its final zero).
const SOCKET_PATH_BYTES_MAX: usize = 103;

/// Where an app listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// HTTP/1.1 over TCP.
    Tcp {
        /// A DNS name or an IP address; an IPv6 address without its brackets.
        host: String,
        /// The port; 80 when the configuration names none.
        port: u16,
    },
    /// TLS over TCP, and in it HTTP/2 or HTTP/1.1, as the app chooses.
    Tls {
        /// As above; it is also the name that the certificate must hold.
        host: String,
        /// The port; 443 when the configuration names none.
        port: u16,
    },
    /// HTTP/2 over TCP without TLS, known beforehand.
    H2c {
        /// As above.
        host: String,
        /// The port; 80 when the configuration names none.
        port: u16,
    },
    /// HTTP/1.1 over a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`.
    ///
    /// # Errors
    /// An [`AddressFault`] that says what is wrong with `text`.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::unix(path);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(AddressFault::NoScheme);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" => authority(rest, 80).map(|(host, port)| Self::Tcp { host, port }),
            "https" => authority(rest, 443).map(|(host, port)| Self::Tls { host, port }),
            "h2c" => authority(rest, 80).map(|(host, port)| Self::H2c { host, port }),
            _ => Err(AddressFault::UnknownScheme(scheme.to_owned())),
        }
    }

    /// What `Host` says when the site's `host` is `upstream`: the host, and the port unless it is the usual one. A Unix socket has
    /// neither and is called `localhost`.
    pub fn authority(&self) -> String {
        match self {
            Self::Tcp { host, port: 80 }
            | Self::H2c { host, port: 80 }
            | Self::Tls { host, port: 443 } => bracketed(host),
            Self::Tcp { host, port } | Self::H2c { host, port } | Self::Tls { host, port } => {
                format!("{}:{port}", bracketed(host))
            }
            Self::Unix(_) => "localhost".to_owned(),
        }
    }

    fn unix(path: &str) -> Result<Self, AddressFault> {
        // "unix:///run/app.sock" is how others write it.
        let path = match path.strip_prefix("//") {
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        };
        if path.is_empty() {
            return Err(AddressFault::NoPath);
        }
        if path.len() > SOCKET_PATH_BYTES_MAX || path.contains('\0') {
            return Err(AddressFault::SocketPath);
        }
        Ok(Self::Unix(PathBuf::from(path)))
    }
}

impl FromStr for Address {
    type Err = AddressFault;

    fn from_str(text: &str) -> Result<Self, AddressFault> {
        Self::parse(text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "http://{}:{port}", bracketed(host)),
            Self::Tls { host, port } => write!(f, "https://{}:{port}", bracketed(host)),
            Self::H2c { host, port } => write!(f, "h2c://{}:{port}", bracketed(host)),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The host and the port that follow a scheme.
fn authority(rest: &str, usual_port: u16) -> Result<(String, u16), AddressFault> {
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err(AddressFault::Path);
    }
    if authority.contains('@') {
        return Err(AddressFault::UserInfo);
    }
    let uri = Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query("/")
        .build()
        .map_err(|_| AddressFault::Host)?;
    let host = uri.host().unwrap_or_default();
    let host = host
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        return Err(AddressFault::Host);
    }
    let port = match authority.strip_prefix(uri.host().unwrap_or_default()) {
        Some("") => usual_port,
        // `Uri` lets "host:" and numbers past 65535 through to a port that is not there.
        Some(_) => uri.port_u16().unwrap_or(0),
        None => 0,
    };
    if port == 0 {
        return Err(AddressFault::Port);
    }
    Ok((host.to_owned(), port))
}
fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

/// Why a text is not the address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// There is no `scheme:` in it.
    #[error("write http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:/PATH")]
    NoScheme,
    /// A scheme that nobody knows.
    #[error(
        "unknown scheme {0:?}; write http://HOST:PORT, https://HOST:PORT, h2c://HOST:PORT or unix:/PATH"
    )]
    UnknownScheme(String),
    /// The host is missing or malformed.
    #[error("the host is missing or malformed; write http://HOST:PORT")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port must be a number from 1 to 65535")]
    Port,
    /// There is a path, a query or a fragment: the visitor's path is forwarded as it came.
    #[error(
        "an upstream has no path, query or fragment: the visitor's path is forwarded as it came"
    )]
    Path,
    /// There is a user name.
    #[error("an upstream has no user name or password")]
    UserInfo,
    /// `unix:` without a path.
    #[error("the path of the socket is missing; write unix:/PATH")]
    NoPath,
    /// The path does not fit into a socket address.
    #[error("the path of a socket has at most {SOCKET_PATH_BYTES_MAX} bytes")]
    SocketPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Result<Address, AddressFault> {
        Ok(Address::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    #[test]
    fn an_address_is_read_or_refused_with_its_reason() {
        let long = format!("unix:/{}", "x".repeat(200));
        let table = [
            ("http://127.0.0.1:3000", tcp("127.0.0.1", 3000)),
            ("HTTP://app.internal/", tcp("app.internal", 80)),
            ("http://[::1]:8080", tcp("::1", 8080)),
            ("http://[::1]", tcp("::1", 80)),
            (
                "unix:/run/app.sock",
                Ok(Address::Unix("/run/app.sock".into())),
            ),
            (
                "unix:///run/app.sock",
                Ok(Address::Unix("/run/app.sock".into())),
            ),
            ("unix:app.sock", Ok(Address::Unix("app.sock".into()))),
            ("127.0.0.1:3000", Err(AddressFault::NoScheme)),
            (
                "https://app",
                Ok(Address::Tls {
                    host: "app".to_owned(),
                    port: 443,
                }),
            ),
            (
                "h2c://[::1]:9000",
                Ok(Address::H2c {
                    host: "::1".to_owned(),
                    port: 9000,
                }),
            ),
            ("https://app/x", Err(AddressFault::Path)),
            ("ftp://app", Err(AddressFault::UnknownScheme("ftp".into()))),
            ("http://", Err(AddressFault::Host)),
            ("http://:80", Err(AddressFault::Host)),
            ("http://a b", Err(AddressFault::Host)),
            ("http://app:", Err(AddressFault::Port)),
            ("http://app:0", Err(AddressFault::Port)),
            ("http://app:70000", Err(AddressFault::Port)),
            ("http://app:3000/base", Err(AddressFault::Path)),
            ("http://app?x", Err(AddressFault::Path)),
            ("http://u:p@app", Err(AddressFault::UserInfo)),
            ("unix:", Err(AddressFault::NoPath)),
            (long.as_str(), Err(AddressFault::SocketPath)),
        ];
        for (text, expected) in table {
            assert_eq!(Address::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_authority_is_what_a_host_field_would_say() {
        let table = [
            ("http://app:80", "app"),
            ("http://app:3000", "app:3000"),
            ("http://[::1]:3000", "[::1]:3000"),
            ("https://app", "app"),
            ("https://app:80", "app:80"),
            ("h2c://app:80", "app"),
            ("unix:/run/app.sock", "localhost"),
        ];
        for (text, expected) in table {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.authority(), expected, "{text}");
        }
    }
}
