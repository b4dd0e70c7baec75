//! Bytes over TLS, for what no HTTP library would send.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DEADLINE, Gate};

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// One connection, written to and read from as bytes.
pub struct Raw(Box<dyn Stream>);

impl Raw {
    /// A TLS connection to the gateway that names `sni` and speaks HTTP/1.1.
    pub async fn tls(gate: &Gate, sni: &str) -> Self {
        let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
        let name = sni.to_owned().try_into().expect("a server name");
        let stream = gate.tls(false).connect(name, stream).await;
        Self(Box::new(stream.expect("a handshake")))
    }

    /// A connection to the plain listener.
    pub async fn plain(gate: &Gate) -> Self {
        let addr = gate.http().expect("a plain listener");
        let stream = TcpStream::connect(addr).await.expect("the gateway");
        Self(Box::new(stream))
    }

    /// Sends bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The other side may have answered and closed already, which the reader will see.
        let _ = self.0.write_all(bytes.as_ref()).await;
        let _ = self.0.flush().await;
    }

    /// Reads to the end of a response head.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let byte = tokio::time::timeout(DEADLINE, self.0.read_u8()).await;
            let so_far = String::from_utf8_lossy(&head).into_owned();
            match byte {
                Ok(Ok(byte)) => head.push(byte),
                Ok(Err(fault)) => panic!("the connection ended in a head: {fault}; {so_far:?}"),
                Err(_) => panic!("no end of the head in time; so far: {so_far:?}"),
            }
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Reads exactly so many bytes.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let read = tokio::time::timeout(DEADLINE, self.0.read_exact(&mut bytes)).await;
        read.expect("bytes in time").expect("bytes");
        bytes
    }

    /// Reads until the other side closes.
    pub async fn rest(&mut self) -> String {
        String::from_utf8_lossy(&self.rest_of_bytes().await).into_owned()
    }

    /// The same as it came.
    pub async fn rest_of_bytes(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset after the answer is an end as well.
        let end = tokio::time::timeout(DEADLINE, self.0.read_to_end(&mut rest)).await;
        let shown = String::from_utf8_lossy(&rest);
        assert!(end.is_ok(), "the connection stays open; so far: {shown:?}");
        rest
    }
}

/// Sends one request that asks to close, or is so wrong that it must be; returns everything that comes back.
pub async fn exchange(gate: &Gate, bytes: impl AsRef<[u8]>) -> String {
    let mut raw = Raw::tls(gate, "localhost").await;
    raw.send(bytes).await;
    raw.rest().await
}
