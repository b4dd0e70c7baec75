//! The one strict reading of HTTP/1.1 requests: where each message begins and ends, and whether it can be read in one
//! way only (RFC 9112).
//!
//! Two readings of one message are how requests are smuggled, so nothing is mended here: whatever another reader could
//! take differently is a [`Fault`]. The scanner looks at the bytes before any parser does and keeps none of them. It
//! says how far they may be passed on; heads only whole, bodies as they come. What a request means, whether its host
//! is ours and how large its body may be is for those who get it.

mod chunked;
mod head;
mod text;

use self::chunked::Chunked;
use self::head::{Framing, Head};

/// What a message is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A head from its first byte to its last, and the trailers of a body.
    pub head_bytes: usize,
    /// Fields of a head, and of the trailers.
    pub fields: usize,
    /// The request target.
    pub target_bytes: usize,
}

/// Why a message is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not `method SP target SP version`; or an empty line in front of it, as lenient readers skip it.
    #[error("the request line is malformed")]
    RequestLine,
    /// CONNECT and TRACE, which are not served and change what follows their head.
    #[error("this method is not served")]
    Method,
    /// A target that is no origin form, absolute form or asterisk.
    #[error("the request target is malformed")]
    Target,
    /// A target past the limit.
    #[error("the request target is too long")]
    TargetTooLong,
    /// A version that is neither 1.0 nor 1.1.
    #[error("this version of HTTP is not served")]
    Version,
    /// LF without CR in front of it.
    #[error("a line of the request does not end in CR LF")]
    LineEnd,
    /// A field whose name is no token, a control byte, a folded line.
    #[error("a header field is malformed")]
    Field,
    /// No Host, or several.
    #[error("the request must name one host")]
    Host,
    /// Content-Length and Transfer-Encoding do not say one thing.
    #[error("the length of the body is ambiguous")]
    Length,
    /// A transfer coding other than chunked.
    #[error("this transfer coding is not served")]
    Coding,
    /// An expectation other than one `100-continue`.
    #[error("this expectation cannot be met")]
    Expectation,
    /// Too many fields, or too large.
    #[error("the request headers are too large")]
    TooLarge,
    /// A chunk whose size or end can be read in two ways.
    #[error("a chunk of the request body is malformed")]
    Chunk,
    /// Trailers that can be read in two ways, or too many.
    #[error("the trailers of the request are malformed")]
    Trailers,
    /// A head whose rest did not come. Found by whoever keeps the time, not by the scanner.
    #[error("the rest of the request head did not come in time")]
    Slow,
}

/// How far the bytes may be passed on, and what comes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// So many bytes from the front may be passed on. The rest is to be shown again, with more behind it.
    pub passed: usize,
    /// Why it ends there.
    pub end: End,
}

/// Why a scan ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More bytes are needed.
    More,
    /// A request that asks for an upgrade ends here. What follows is HTTP only if the upgrade is declined.
    Upgrade,
    /// The head that begins here is not to be passed on, nor is anything behind it.
    BadHead(Fault),
    /// The body breaks off here, and nothing is to be passed on behind it.
    BadBody(Fault),
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Scanner {
    limits: Limits,
    state: State,
    /// Whether the message asks for an upgrade.
    upgrades: bool,
    heads: u64,
}

#[derive(Debug)]
enum State {
    Head(Head),
    /// A body of which so many bytes are to come.
    Length(u64),
    Chunked(Chunked),
    Ended(End),
}

impl Scanner {
    /// At the beginning of a connection.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Head(Head::default()),
            upgrades: false,
            heads: 0,
        }
    }

    /// Reads on. `bytes` begin with what the last scan did not pass.
    pub fn scan(&mut self, bytes: &[u8]) -> Scanned {
        let mut passed = 0;
        loop {
            let rest = bytes.get(passed..).unwrap_or_default();
            let end = match &mut self.state {
                State::Head(head) => match head.read(rest, &self.limits) {
                    Ok(Some(whole)) => {
                        passed += whole.bytes;
                        self.heads += 1;
                        self.upgrades = whole.upgrades;
                        match whole.framing {
                            Framing::Length(0) => self.end_message(),
                            Framing::Length(length) => self.state = State::Length(length),
                            Framing::Chunked => self.state = State::Chunked(Chunked::default()),
                        }
                        continue;
                    }
                    Ok(None) => End::More,
                    Err(fault) => End::BadHead(fault),
                },
                State::Length(left) => {
                    let here =
                        usize::try_from(*left).map_or(rest.len(), |left| left.min(rest.len()));
                    passed += here;
                    *left -= here as u64;
                    if *left == 0 {
                        self.end_message();
                        continue;
                    }
                    End::More
                }
                State::Chunked(chunks) => {
                    let (here, read) = chunks.read(rest, &self.limits);
                    passed += here;
                    match read {
                        Ok(true) => {
                            self.end_message();
                            continue;
                        }
                        Ok(false) => End::More,
                        Err(fault) => End::BadBody(fault),
                    }
                }
                State::Ended(end) => *end,
            };
            if matches!(end, End::BadHead(_) | End::BadBody(_)) {
                self.state = State::Ended(end);
            }
            return Scanned { passed, end };
        }
    }

    /// The upgrade was declined: what follows is the next request.
    pub fn decline_upgrade(&mut self) {
        if matches!(self.state, State::Ended(End::Upgrade)) {
            self.state = State::Head(Head::default());
        }
    }

    /// How many heads were passed.
    pub const fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether what comes next can only be a head, or the rest of one.
    pub const fn is_between_messages(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    fn end_message(&mut self) {
        self.state = if std::mem::take(&mut self.upgrades) {
            State::Ended(End::Upgrade)
        } else {
            State::Head(Head::default())
        };
    }
}

/// What can be told of a head that is refused: its request line, if that is sound.
pub fn request_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    head::request_line(bytes)
}

#[cfg(test)]
mod tests;
