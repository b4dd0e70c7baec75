//! HTTP/2 as frames over TLS, for what no library would send. Header blocks are literals without indexing.

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{DEADLINE, Gate};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub const CANCEL: u32 = 8;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame as it came.
#[derive(Clone, Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Answered(u16, String),
    /// RST_STREAM with this code.
    Reset(u32),
    /// GOAWAY with this code.
    GoneAway(u32),
    Closed,
}

impl End {
    /// The status of an answer; 0 if there is none.
    pub fn status(&self) -> u16 {
        match self {
            Self::Answered(status, _) => *status,
            _ => 0,
        }
    }

    /// Whether the stream or the connection was ended without an answer.
    pub fn is_error(&self) -> bool {
        !matches!(self, Self::Answered(..))
    }
}

/// One connection, written to and read from as frames.
pub struct Frames {
    write: WriteHalf<TlsStream<TcpStream>>,
    read: Reader,
}

/// The half that reads.
pub struct Reader {
    read: ReadHalf<TlsStream<TcpStream>>,
    kept: Vec<u8>,
}

impl Frames {
    /// A connection with default settings, both prefaces exchanged.
    pub async fn open(gate: &Gate) -> Self {
        // The answers are then literals, or from the static table.
        Self::open_with(gate, &[(1, 0)]).await
    }

    /// The same with settings of its own.
    pub async fn open_with(gate: &Gate, settings: &[(u16, u32)]) -> Self {
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        Self::begin_with(gate, &frame(SETTINGS, 0, 0, &settings)).await
    }

    /// A connection that begins with these bytes after the preface.
    pub async fn begin_with(gate: &Gate, first: &[u8]) -> Self {
        let stream = TcpStream::connect(gate.https()).await.expect("the gateway");
        let name = "localhost".try_into().expect("a server name");
        let stream = gate.tls(true).connect(name, stream).await;
        let (read, write) = tokio::io::split(stream.expect("a handshake"));
        let mut frames = Self {
            write,
            read: Reader {
                read,
                kept: Vec::new(),
            },
        };
        frames.bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        frames.bytes(first).await;
        frames
    }

    /// Whether everything could be written.
    pub async fn bytes(&mut self, bytes: &[u8]) -> bool {
        let written = async {
            self.write.write_all(bytes).await?;
            self.write.flush().await
        };
        let written = tokio::time::timeout(DEADLINE, written).await;
        matches!(written, Ok(Ok(())))
    }

    /// Sends a frame; false when the connection takes no more.
    pub async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        self.bytes(&frame(kind, flags, stream, payload)).await
    }

    /// Sends a request head.
    pub async fn request(&mut self, stream: u32, flags: u8, fields: &[(&str, &str)]) -> bool {
        let block = block(fields);
        self.send(HEADERS, flags | END_HEADERS, stream, &block)
            .await
    }

    /// Sends a request and reads how it ends.
    pub async fn ask(&mut self, stream: u32, fields: &[(&str, &str)]) -> End {
        self.request(stream, END_STREAM, fields).await;
        self.end(stream).await
    }

    pub async fn next(&mut self) -> Option<Frame> {
        self.read.next().await
    }

    /// Reads until `stream` has ended, or the connection.
    pub async fn end(&mut self, stream: u32) -> End {
        let mut status = 0;
        let mut body = Vec::new();
        while let Some(frame) = self.next().await {
            let ends = frame.flags & END_STREAM != 0;
            match frame.kind {
                GOAWAY => return End::GoneAway(number(&frame.payload[4..])),
                SETTINGS if frame.flags & ACK == 0 => {
                    self.send(SETTINGS, ACK, 0, &[]).await;
                }
                _ if frame.stream != stream => {}
                RST_STREAM => return End::Reset(number(&frame.payload)),
                HEADERS if status < 200 => status = read_status(&frame.payload),
                DATA => body.extend(&frame.payload),
                _ => {}
            }
            if frame.stream == stream && matches!(frame.kind, HEADERS | DATA) && ends {
                return End::Answered(status, String::from_utf8_lossy(&body).into_owned());
            }
        }
        End::Closed
    }

    /// Reads until the connection ends; tells the code of the last GOAWAY, if one came.
    pub async fn closing(&mut self) -> Option<u32> {
        self.read.closing().await
    }

    /// Two halves, for who writes without waiting for what comes back.
    pub fn halves(self) -> (WriteHalf<TlsStream<TcpStream>>, Reader) {
        (self.write, self.read)
    }
}

impl Reader {
    /// The next frame; none when the connection has ended.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if self.kept.len() >= 9 {
                let length = number(&[0, self.kept[0], self.kept[1], self.kept[2]]) as usize;
                if self.kept.len() >= 9 + length {
                    let rest = self.kept.split_off(9 + length);
                    let whole = std::mem::replace(&mut self.kept, rest);
                    return Some(Frame {
                        kind: whole[3],
                        flags: whole[4],
                        stream: number(&whole[5..9]),
                        payload: whole[9..].to_vec(),
                    });
                }
            }
            let mut bytes = [0; 16 * 1024];
            let read = tokio::time::timeout(DEADLINE, self.read.read(&mut bytes)).await;
            match read.expect("a frame in time") {
                Ok(count @ 1..) => self.kept.extend(&bytes[..count]),
                Ok(0) | Err(_) => return None,
            }
        }
    }

    pub async fn closing(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next().await {
            if frame.kind == GOAWAY {
                code = Some(number(&frame.payload[4..]));
            }
        }
        code
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a short frame")
        .to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The fields as literals without indexing (RFC 7541 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name.as_bytes());
        string(&mut block, value.as_bytes());
    }
    block
}

/// A whole GET.
pub fn get(gate: &Gate, path: &str) -> Vec<(String, String)> {
    let authority = format!("localhost:{}", gate.https().port());
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", &authority),
        (":path", path),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn string(block: &mut Vec<u8>, text: &[u8]) {
    integer(block, 7, text.len());
    block.extend(text);
}

/// RFC 7541 5.1, the bits before the prefix being zero.
pub fn integer(block: &mut Vec<u8>, prefix: u32, number: usize) {
    let most = (1 << prefix) - 1;
    if number < most {
        block.push(u8::try_from(number).expect("a prefix"));
        return;
    }
    block.push(u8::try_from(most).expect("a prefix"));
    let mut rest = number - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).expect("seven bits"));
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("seven bits"));
}

fn number(bytes: &[u8]) -> u32 {
    bytes[..4]
        .iter()
        .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

/// `:status`, the first field of a response.
fn read_status(block: &[u8]) -> u16 {
    let known = [200, 204, 206, 304, 400, 404, 500];
    let mut at = 0;
    // Changes of the table's size come first.
    while block[at] & 0xe0 == 0x20 {
        at += 1;
    }
    match block[at] {
        indexed @ 0x88..=0x8e => known[usize::from(indexed - 0x88)],
        0x48 | 0x08 | 0x18 => {
            let length = usize::from(block[at + 1] & 0x7f);
            let text = &block[at + 2..at + 2 + length];
            if block[at + 1] & 0x80 == 0 {
                return std::str::from_utf8(text)
                    .expect("digits")
                    .parse()
                    .expect("a status");
            }
            huffman_digits(text)
        }
        other => panic!("a status of an unknown kind: {other:#x}"),
    }
}

/// Three digits of RFC 7541 Appendix B.
fn huffman_digits(text: &[u8]) -> u16 {
    let bits: String = text.iter().map(|byte| format!("{byte:08b}")).collect();
    let (mut at, mut status) = (0, 0);
    for _ in 0..3 {
        let five = u16::from_str_radix(&bits[at..at + 5], 2).expect("bits");
        let digit = if five < 3 {
            at += 5;
            five
        } else {
            let six = u16::from_str_radix(&bits[at..at + 6], 2).expect("bits");
            at += 6;
            six - 0b01_1001 + 3
        };
        status = status * 10 + digit;
    }
    status
}
