//! The administration of a gateway, asked as a machine would.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{DEADLINE, Gate, eventually};

impl Gate {
    /// Where `server.admin` listens, if that is a port.
    pub async fn admin_address(&self) -> SocketAddr {
        eventually("the administration listens", async || {
            let printed = self.printed();
            let mut lines = printed.lines().filter_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                let listening = line.get("message")?.as_str()? == "listening";
                line.get("admin")?
                    .as_str()?
                    .parse()
                    .ok()
                    .filter(|_| listening)
            });
            lines.next()
        })
        .await
    }

    /// What the administration answers to a GET of `path`, head and all.
    pub async fn admin(&self, path: &str) -> String {
        self.admin_says(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await
    }

    /// The same for whoever has the token.
    pub async fn admin_knowing(&self, path: &str) -> String {
        let token = self.admin_token();
        self.admin_says(&format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ))
        .await
    }

    /// The token of the administration.
    pub fn admin_token(&self) -> String {
        let file = self.folder().join("data/admin.token");
        let text = std::fs::read_to_string(file).expect("the token");
        text.trim_end().to_owned()
    }

    /// What it answers to these bytes, until it closes.
    pub async fn admin_says(&self, bytes: &str) -> String {
        let stream = TcpStream::connect(self.admin_address().await).await;
        let mut stream = stream.expect("the administration");
        stream
            .write_all(bytes.as_bytes())
            .await
            .expect("bytes sent");
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        let end = tokio::time::timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
        assert!(end.is_ok(), "the administration does not close");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Sends it a signal, by its name without SIG.
    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        // The shell's own kill: a bare machine has no other.
        let killed = std::process::Command::new("sh")
            .args(["-c", "kill -$1 $0", &pid, name])
            .status();
        assert!(killed.is_ok_and(|status| status.success()), "kill -{name}");
    }
}
