//! Which `Host` the administration answers to. A page in a browser of this machine may give its own name the address of
//! this machine (DNS rebinding) and then read what is open here; but the browser says the page's name.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::HOST;
use http::uri::Authority;

/// Whom a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hosts {
    /// A Unix socket: no browser comes there.
    All,
    /// A port: the names and addresses of this machine's loopback, and where it listens.
    Own(Option<IpAddr>),
}

impl Hosts {
    /// Those of a listener at `address`, as `server.admin` says it.
    pub(super) fn of(address: &str) -> Self {
        if address.starts_with("unix:") {
            return Self::All;
        }
        let address = address.parse::<std::net::SocketAddr>();
        Self::Own(address.ok().map(|address| address.ip()))
    }

    /// Whether a request with these fields means us. One without `Host` comes from no browser.
    pub(super) fn take(self, headers: &HeaderMap) -> bool {
        let Self::Own(own) = self else {
            return true;
        };
        let mut fields = headers.get_all(HOST).iter();
        let field = match (fields.next(), fields.next()) {
            (None, _) => return true,
            (Some(field), None) => field,
            (Some(_), Some(_)) => return false,
        };
        let Ok(authority) = Authority::try_from(field.as_bytes()) else {
            return false;
        };
        // A Host has no user (RFC 9110 7.2).
        if authority.as_str().contains('@') {
            return false;
        }
        let host = authority.host();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match bare.unwrap_or(host).parse::<IpAddr>() {
            // Nobody can point an address elsewhere, so where we listen at all of them any will do.
            Ok(ip) => {
                let is_own = |own: IpAddr| own.is_unspecified() || own == ip;
                ip.to_canonical().is_loopback() || own.is_some_and(is_own)
            }
            Err(_) => host.eq_ignore_ascii_case("localhost"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_anybody_can_point_here_are_not_ours() {
        let hosts = Hosts::of("10.0.0.1:9443");
        let takes = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(HOST, field.parse().unwrap());
            }
            (
                hosts.take(&headers),
                Hosts::of("unix:/run/a.sock").take(&headers),
            )
        };
        for good in [
            "localhost",
            "LOCALHOST:9443",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:9443",
            "[::ffff:127.0.0.1]",
            "10.0.0.1:9443",
        ] {
            assert_eq!(takes(&[good]), (true, true), "{good}");
        }
        assert_eq!(takes(&[]), (true, true));
        for bad in [
            "rebinding.example:9443",
            "localhost.example",
            "127.0.0.1.example",
            "10.0.0.2",
            "0.0.0.0",
            "a@localhost:x",
            "",
        ] {
            assert_eq!(takes(&[bad]), (false, true), "{bad}");
        }
        assert_eq!(takes(&["localhost", "localhost"]), (false, true));
    }
}
