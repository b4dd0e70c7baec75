//! The strict reading of what an app sends over HTTP/1.1: pure, fed with bytes as they come from the socket.
//!
//! Everything is refused that can be read in more than one way: where two programs read bytes differently, one's answer is
//! the other's next message. And here it is known where a message ends: what comes after it was not asked for.
//!
//! Refused are: lines that do not end in CRLF, control characters, names that are no tokens, folded lines, a status line
//! of another form or version, lengths that differ or are no number, a length beside a transfer coding, codings other than
//! `chunked`, sizes of chunks that are more than hexadecimal digits, heads and trailers larger than the limit or with too
//! many fields, and too many interim responses.

mod chunk;
mod head;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

use chunk::Chunks;
use head::{Ending, HeadLines};

pub use head::Head;

/// How many interim responses one request may get. An app sends one or two.
const INTERIM_MAX: u8 = 32;

/// Data up to this size is copied, so that the buffer is ours alone again; more is cut off it.
const COPIED_BYTES_MAX: usize = 4 * 1024;

/// What of a request decides how the answer to it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The method is `HEAD`: the response has no body, whatever it says.
    pub head: bool,
    /// The request has an `Upgrade`.
    pub upgrade: bool,
}

/// How far the reading has come.
#[derive(Debug)]
pub struct Scan {
    state: State,
    asked: Asked,
    interim: u8,
    head_bytes_max: usize,
}

#[derive(Debug)]
enum State {
    /// Nothing is expected.
    Idle,
    Head(HeadLines),
    /// So many bytes of a body.
    Sized(u64),
    Chunked(Chunks),
    /// A body that ends with the connection.
    ToEnd,
    /// Another protocol.
    Switched,
}

/// What of a body has come.
#[derive(Debug, Default)]
pub struct Piece {
    pub data: Bytes,
    /// None that are empty.
    pub trailers: Option<HeaderMap>,
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// After so many bytes.
    Bytes(u64),
    /// It says so itself.
    Chunks,
    /// With the connection.
    Connection,
    /// There is none: another protocol begins.
    Switched,
}

impl Scan {
    /// Expects nothing yet.
    pub const fn new(head_bytes_max: usize) -> Self {
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

    /// What is left of the message; nothing if the last has ended and the next was not asked for.
    pub const fn left(&self) -> Left {
        match self.state {
            State::Idle | State::Head(_) => Left::Bytes(0),
            State::Sized(left) => Left::Bytes(left),
            State::Chunked(_) => Left::Chunks,
            State::ToEnd => Left::Connection,
            State::Switched => Left::Switched,
        }
    }

    /// A request was sent: its answer may come.
    pub fn expect(&mut self, asked: Asked) {
        self.asked = asked;
        self.interim = 0;
        self.state = State::Head(HeadLines::default());
    }

    /// Takes the head of the answer from the front of `buffer`, if all of it is there, and interim responses before it.
    /// Early hints (103) are given as a head of their own, and the answer is still expected then.
    ///
    /// # Errors
    /// A [`Flaw`]: nothing that came may be used, and nothing that comes later.
    pub fn head(&mut self, buffer: &mut BytesMut) -> Result<Option<Head>, Flaw> {
        while let State::Head(lines) = &mut self.state {
            let Some((head, ending)) = lines.read(buffer, self.head_bytes_max)? else {
                return Ok(None);
            };
            self.state = self.after(&ending)?;
            let is_answer = !matches!(self.state, State::Head(_));
            if is_answer || head.status == StatusCode::EARLY_HINTS {
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Takes what there is of the body from the front of `buffer`. Bytes that are left there when the message has ended,
    /// nobody has asked for.
    ///
    /// # Errors
    /// A [`Flaw`]: nothing that was in `buffer` may be used, and nothing that comes later.
    pub fn body(&mut self, buffer: &mut BytesMut) -> Result<Piece, Flaw> {
        let mut data = Data::default();
        let mut trailers = None;
        match &mut self.state {
            State::Idle | State::Head(_) | State::Switched => {}
            State::ToEnd => {
                data.take(buffer, u64::MAX);
            }
            State::Sized(left) => {
                *left -= data.take(buffer, *left);
                if *left == 0 {
                    self.state = State::Idle;
                }
            }
            State::Chunked(chunks) => {
                trailers = chunks.read(buffer, self.head_bytes_max, &mut data)?;
                if trailers.is_some() {
                    self.state = State::Idle;
                }
            }
        }
        Ok(Piece {
            data: data.into_bytes(),
            trailers: trailers.filter(|trailers| !trailers.is_empty()),
        })
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
                State::Head(HeadLines::default())
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

/// Gathers the data of a body: one stretch as it is, several in one piece.
#[derive(Default)]
struct Data {
    first: Bytes,
    all: BytesMut,
}

impl Data {
    /// Takes what there is of `left` bytes from the front of `buffer`, and tells how many these are.
    fn take(&mut self, buffer: &mut BytesMut, left: u64) -> u64 {
        let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if !self.first.is_empty() {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&buffer[..length]);
            buffer.advance(length);
        } else if length > COPIED_BYTES_MAX {
            self.first = buffer.split_to(length).freeze();
        } else {
            self.first = Bytes::copy_from_slice(&buffer[..length]);
            buffer.advance(length);
        }
        u64::try_from(length).unwrap_or(left)
    }

    fn into_bytes(self) -> Bytes {
        if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        }
    }
}

/// Why bytes are not taken for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
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
    /// `Content-Length` and `Transfer-Encoding`: it can be read in two ways.
    #[error("it has both a length and a transfer coding")]
    TwoFramings,
    /// A transfer coding that we do not undo, or one where there can be none.
    #[error("a transfer coding other than chunked")]
    Coding,
    /// The size of a chunk, what follows it, or the end of a chunk.
    #[error("the chunks are malformed")]
    Chunk,
    /// Head or trailers are larger than `header_bytes`.
    #[error("the head is larger than header_bytes")]
    TooLarge,
    /// A head or trailers of more fields than anybody sends.
    #[error("there are more header fields than anybody sends")]
    Fields,
    /// An endless row of interim responses.
    #[error("more than {INTERIM_MAX} interim responses")]
    Interim,
    /// `101 Switching Protocols` to a request without `Upgrade`.
    #[error("the app switched protocols without being asked")]
    UnaskedUpgrade,
    /// `101 Switching Protocols` before the request was there.
    #[error("the app switched protocols before it had the whole request")]
    EarlyUpgrade,
    /// The end of the connection in the middle of an answer.
    #[error("the connection ended in the middle of an answer")]
    Cut,
}

#[cfg(test)]
mod tests;
