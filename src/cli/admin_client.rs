//! How commands ask a running gateway of this machine: over `server.admin`, with the token where one is needed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::base::secret::Secret;
use crate::base::socket_file::dial;
use crate::config::settings::AdminAddress;
use crate::config::token_file::TokenFault;

/// For each step: connecting, and every read and write.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);

/// More of an answer is not read.
pub(super) const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// Why nothing was heard of the gateway.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unheard {
    /// It does not answer.
    #[error("{at} does not answer")]
    Silent {
        at: String,
        #[source]
        source: io::Error,
    },
    /// What answers does not speak HTTP.
    #[error("{0} does not answer in HTTP")]
    NotHttp(String),
    /// The configuration does not say where it listens.
    #[error("{0} has port 0: which one the system picked is not known here; write a port")]
    AnyPort(&'static str),
    /// Only the system knows where it listens.
    #[error("no listener of server.https can be reached from here; set server.admin")]
    NotHere,
    /// There is no token to ask with.
    #[error(transparent)]
    Token(#[from] TokenFault),
}

impl Unheard {
    pub(super) fn silent(at: &str, source: io::Error) -> Self {
        let at = at.to_owned();
        Self::Silent { at, source }
    }
}

/// A connection to `server.admin`.
pub(super) enum Line {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// `server.admin` as messages name it.
pub(super) fn place(address: &AdminAddress) -> String {
    match address {
        AdminAddress::Unix(path) => format!("server.admin (unix:{})", path.display()),
        AdminAddress::Tcp(address) => format!("server.admin ({address})"),
    }
}

/// Connects to `server.admin`.
pub(super) fn connect(address: &AdminAddress) -> Result<Line, Unheard> {
    let line = match address {
        AdminAddress::Unix(path) => connect_socket(path),
        AdminAddress::Tcp(address) => connect_port(*address, "server.admin")?.map(Line::Tcp),
    };
    line.map_err(|source| Unheard::silent(&place(address), source))
}

/// Connects to the port that the key `key` names.
pub(super) fn connect_port(
    address: SocketAddr,
    key: &'static str,
) -> Result<io::Result<TcpStream>, Unheard> {
    if address.port() == 0 {
        return Err(Unheard::AnyPort(key));
    }
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).and_then(|stream| {
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(stream)
    });
    Ok(stream)
}

/// Connects to the Unix socket at `path`.
pub(super) fn connect_socket(path: &Path) -> io::Result<Line> {
    let stream = dial(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(Line::Unix(stream))
}

/// The head of a request to `server.admin`. HTTP/1.0: the answer is then as it is, to the end of the connection.
pub(super) fn request(path: &str, token: Option<&Secret<String>>) -> Secret<String> {
    let token = token.map(|token| token.expose().as_str());
    // Made as large as it can get at once: a text that grows leaves copies behind that nobody wipes.
    let mut head = String::with_capacity(path.len() + token.map_or(0, str::len) + 128);
    head.extend(["GET ", path, " HTTP/1.0\r\nHost: localhost\r\n"]);
    if let Some(token) = token {
        head.extend(["Authorization: Bearer ", token, "\r\n"]);
    }
    head.push_str("\r\n");
    Secret::new(head)
}

/// Sends `request`, and reads what comes back until the other side closes.
pub(super) fn ask<S: Read + Write>(mut stream: S, request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer) {
        // Whoever has answered may close as it likes.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// The status and the body of an answer, if it is one.
pub(super) fn parts(answer: &[u8]) -> Option<(u16, String)> {
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status.get(..3)?.parse().ok()?, body.to_owned()))
}

impl Read for Line {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.flush(),
            Self::Unix(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        let parts = |text: &str| parts(text.as_bytes());
        let ready = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n";
        assert_eq!(parts(ready), Some((200, "ready\n".to_owned())));
        assert_eq!(parts("HTTP/1.0 503 \r\n\r\n"), Some((503, String::new())));
        for text in ["", "HTTP/1.1", "HTTP/1.1 ", "HTTP/1.1 2", "SSH-2.0-x"] {
            assert_eq!(parts(text), None, "{text:?}");
        }
    }
}
