//! A WebSocket (RFC 6455) as a page of the site opens one, as far as tests need it: whole text messages.

use super::{Browser, Gate, Raw};

/// The example of RFC 6455 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// An open WebSocket.
pub struct WebSocket(Raw);

impl WebSocket {
    /// Opens one with what the browser holds, or returns the head of the answer that refused it.
    pub async fn open(gate: &Gate, browser: &Browser, target: &str) -> Result<Self, String> {
        Self::open_holding(gate, &browser.everything(), target).await
    }

    /// The same as somebody who holds just these cookies.
    pub async fn open_holding(gate: &Gate, cookies: &str, target: &str) -> Result<Self, String> {
        let mut raw = Raw::tls(gate, "localhost").await;
        let origin = gate.origin();
        let host = origin.trim_start_matches("https://");
        raw.send(format!(
            "GET {target} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\norigin: {origin}\r\ncookie: {cookies}\r\n\
             sec-fetch-site: same-origin\r\nsec-fetch-mode: websocket\r\nsec-fetch-dest: empty\r\n\r\n"
        ))
        .await;
        let head = raw.head().await;
        if head.starts_with("HTTP/1.1 101") {
            assert!(head.contains(ACCEPT), "{head}");
            return Ok(Self(raw));
        }
        Err(head)
    }

    /// Sends a message.
    pub async fn send(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    /// The next message, or `None` when the other side says that it closes.
    pub async fn receive(&mut self) -> Option<String> {
        let mut message = Vec::new();
        loop {
            let [first, length] = self.0.bytes(2).await[..] else {
                unreachable!("two bytes were asked for");
            };
            let length = self.length(length).await;
            let payload = self.0.bytes(length).await;
            match first & 0x0f {
                CLOSE => return None,
                PING => self.frame(PONG, &payload).await,
                PONG => {}
                _ => {
                    message.extend(payload);
                    if first & 0x80 != 0 {
                        return Some(String::from_utf8(message).expect("UTF-8"));
                    }
                }
            }
        }
    }

    /// So many bytes, frames and all.
    pub async fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.0.bytes(count).await
    }

    /// Everything that comes until the connection ends, frames and all.
    pub async fn rest(&mut self) -> Vec<u8> {
        self.0.rest_of_bytes().await
    }

    async fn length(&mut self, told: u8) -> usize {
        assert_eq!(told & 0x80, 0, "a server masks nothing");
        let bytes = match told {
            126 => 2,
            127 => 8,
            length => return usize::from(length),
        };
        let bytes = self.0.bytes(bytes).await;
        bytes
            .iter()
            .fold(0, |length, byte| length << 8 | usize::from(*byte))
    }

    async fn frame(&mut self, kind: u8, payload: &[u8]) {
        let length = u16::try_from(payload.len()).expect("a short message");
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![0x80 | kind, 0x80 | 126];
        frame.extend(length.to_be_bytes());
        frame.extend(mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.0.send(frame).await;
    }
}
