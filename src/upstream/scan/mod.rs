//! The strict reading of what an app sends over HTTP/1.1: pure, fed with bytes as they come from the socket.
//!
//! hyper parses the same bytes after us and makes the message of them. Its parser takes a bare LF for the end of a line,
//! and blanks and what not around the size of a chunk; where two programs read such bytes differently, one's answer is
//! the other's next message. So here everything is refused that can be read in more than one way, and what is left both
//! of us read alike. And here it is known where a message ends: what comes after it was not asked for.
//!
//! Refused are: lines that do not end in CRLF, control characters, names that are no tokens, folded lines, a status line
//! of another form or version, lengths that differ or are no number, transfer codings other than `chunked`, sizes of
//! chunks that are more than hexadecimal digits, heads and trailers larger than the limit, and too many interim
//! responses. Their number of fields is left to hyper.

mod chunk;
mod head;

use chunk::Chunks;
use head::{Ending, Head};

/// How many interim responses one request may get. An app sends one or two.
const INTERIM_MAX: u8 = 32;

/// What of a request decides how the answer to it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// The method is `HEAD`: the response has no body, whatever it says.
    pub(super) head: bool,
    /// The request has an `Upgrade`.
    pub(super) upgrade: bool,
}

/// How far the reading has come.
#[derive(Debug)]
pub(super) struct Scan {
    state: State,
    asked: Asked,
    interim: u8,
    head_bytes_max: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing is expected.
    Idle,
    Head(Head),
    /// So many bytes of a body.
    Sized(u64),
    Chunked(Chunks),
    /// A body that ends with the connection.
    ToEnd,
    /// Another protocol.
    Switched,
}

impl Scan {
    /// Expects nothing yet.
    pub(super) const fn new(head_bytes_max: usize) -> Self {
        Self {
            state: State::Idle,
            asked: Asked {
                head: false,
                upgrade: false,
            },
            interim: 0,
            head_bytes_max,
        }
    }

    /// Whether the last message has ended and the next was not asked for.
    pub(super) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// A request was sent: its answer may come.
    pub(super) fn expect(&mut self, asked: Asked) {
        self.asked = asked;
        self.interim = 0;
        self.state = State::Head(Head::default());
    }

    /// Reads on. Answers how many of `bytes` are of the message; those after it nobody asked for.
    ///
    /// # Errors
    /// A [`Flaw`]: none of `bytes` may be used, and nothing that comes later.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<usize, Flaw> {
        let mut at = 0;
        loop {
            let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) else {
                return Ok(at);
            };
            match &mut self.state {
                State::Idle => return Ok(at),
                State::ToEnd | State::Switched => return Ok(bytes.len()),
                State::Sized(left) => {
                    let length = u64::try_from(rest.len()).unwrap_or(u64::MAX);
                    if length < *left {
                        *left -= length;
                        return Ok(bytes.len());
                    }
                    at += usize::try_from(*left).unwrap_or(rest.len());
                    self.state = State::Idle;
                }
                State::Chunked(chunks) => {
                    let (read, ended) = chunks.read(rest, self.head_bytes_max)?;
                    at += read;
                    if ended {
                        self.state = State::Idle;
                    }
                }
                State::Head(head) => {
                    let (read, ending) = head.read(rest, self.head_bytes_max)?;
                    at += read;
                    if let Some(ending) = ending {
                        self.state = self.after(&ending)?;
                    }
                }
            }
        }
    }

    /// What follows a head (RFC 9112, 6.3).
    fn after(&mut self, ending: &Ending) -> Result<State, Flaw> {
        Ok(match ending.status {
            101 if self.asked.upgrade => State::Switched,
            101 => return Err(Flaw::UnaskedUpgrade),
            100..=199 => {
                self.interim += 1;
                if self.interim > INTERIM_MAX {
                    return Err(Flaw::Interim);
                }
                State::Head(Head::default())
            }
            204 | 304 => State::Idle,
            _ if self.asked.head => State::Idle,
            _ if ending.chunked => State::Chunked(Chunks::default()),
            _ => match ending.length {
                Some(0) => State::Idle,
                Some(length) => State::Sized(length),
                None => State::ToEnd,
            },
        })
    }
}

/// Why bytes are not taken for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// Bytes that belong to no answer.
    #[error("the app sent bytes that nobody asked for")]
    Unasked,
    /// A line that does not end in CRLF, or a CR by itself.
    #[error("a line does not end in CR LF")]
    LineEnd,
    /// Not `HTTP/1.1 200 OK`.
    #[error("the status line is not one of HTTP/1.1")]
    StatusLine,
    /// A field without a colon, with blanks before it, or with a name that is no token.
    #[error("a line is no header field")]
    Field,
    /// A line that begins with a blank.
    #[error("a header field is folded")]
    Fold,
    /// NUL or another control character.
    #[error("a header field holds a control character")]
    Control,
    /// `Content-Length` is no number, or there are two that differ.
    #[error("the length is no number, or there are two that differ")]
    Length,
    /// A transfer coding that we do not undo, or one where there can be none.
    #[error("a transfer coding other than chunked")]
    Coding,
    /// The size of a chunk, what follows it, or the end of a chunk.
    #[error("the chunks are malformed")]
    Chunk,
    /// Head or trailers are larger than `header_bytes`.
    #[error("the head is larger than header_bytes")]
    TooLarge,
    /// An endless row of interim responses.
    #[error("more than {INTERIM_MAX} interim responses")]
    Interim,
    /// `101 Switching Protocols` to a request without `Upgrade`.
    #[error("the app switched protocols without being asked")]
    UnaskedUpgrade,
}

#[cfg(test)]
mod tests;
