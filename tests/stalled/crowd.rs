//! A crowd before the gateway, and somebody among it who does everything right.

use std::fs;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;

use crate::support::{Gate, eventually};

/// Of each kind.
pub const DOZEN: usize = 12;
/// Between two drops of somebody who drips. A second is what everybody has.
const PAUSE: Duration = Duration::from_millis(100);
/// Connections that come and go with those who are served.
const SLACK: usize = 8;

pub async fn tls(gate: &Gate, http2: bool) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(gate.https()).await.unwrap();
    let name = "localhost".try_into().unwrap();
    gate.tls(http2).connect(name, stream).await.unwrap()
}

/// Those who stall. They go when this is dropped.
#[derive(Default)]
pub struct Crowd(JoinSet<()>);

impl Crowd {
    /// Sends `start`, then `drop` again and again, and never reads.
    pub async fn writes(
        &mut self,
        mut stream: impl AsyncWrite + Unpin + Send + 'static,
        start: &[u8],
        drop: &'static [u8],
    ) {
        // Whoever is refused at once has ended too.
        let _ = stream.write_all(start).await;
        let _ = stream.flush().await;
        self.0.spawn(async move {
            loop {
                tokio::time::sleep(PAUSE).await;
                let _ = stream.write_all(drop).await;
                let _ = stream.flush().await;
            }
        });
    }

    /// The same for somebody who takes what comes.
    pub async fn reads(
        &mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        start: &[u8],
        drop: &'static [u8],
    ) {
        let (mut read, write) = tokio::io::split(stream);
        self.0.spawn(async move {
            let mut bytes = [0; 4096];
            while let Ok(1..) = read.read(&mut bytes).await {}
            // Its half is kept.
            std::future::pending::<()>().await;
        });
        self.writes(write, start, drop).await;
    }
}

/// Everything the gateway has open.
pub fn open(gate: &Gate) -> usize {
    fs::read_dir(format!("/proc/{}/fd", gate.pid()))
        .unwrap()
        .count()
}

/// Asks as one who does everything right, until nothing is open but what was open `before`: each time within five
/// seconds, though the machine is busy with the crowd.
pub async fn served_until_all_have_ended(gate: &Gate, before: usize) {
    let browser = gate.browser();
    let serve = async {
        loop {
            let answer =
                tokio::time::timeout(Duration::from_secs(5), browser.get("/").send()).await;
            assert_eq!(answer.expect("an answer in time").status(), 200);
            tokio::time::sleep(PAUSE).await;
        }
    };
    let ending = eventually("all who stall are cut off", async || {
        (open(gate) <= before + SLACK).then_some(())
    });
    tokio::select! {
        () = ending => (),
        () = serve => unreachable!("it goes on for ever"),
    }
}
