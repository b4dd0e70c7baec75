//! A request on its way up: its head, and its body as fast as the app takes it. What is at hand of the body goes out in one
//! write with the head.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, TRAILER};
use http::{HeaderMap, HeaderValue, Request};
use http_body::{Body as _, Frame};
use tokio::io::AsyncWrite;

use crate::upstream::body::{Body, BodyFault};
use crate::upstream::duplex::Duplex;
use crate::upstream::stream::Stream;

/// Room for a usual head.
const HEAD_BYTES_USUAL: usize = 1024;

/// What a chunk ends with.
const CHUNK_END: &[u8] = b"\r\n";
/// The same when it is the last one, and there are no trailers.
const LAST_CHUNK_END: &[u8] = b"\r\n0\r\n\r\n";

/// A request that is being sent.
pub(super) struct Sending {
    /// Written first: a head, the size of a chunk, trailers.
    text: Vec<u8>,
    /// How much of `text` has gone.
    gone: usize,
    /// Written next: a part of the body.
    data: Bytes,
    /// Written last.
    chunk_end: &'static [u8],
    body: Body,
    framing: Framing,
    /// What the `Trailer` fields announce.
    announced: Vec<HeaderValue>,
    has_begun: bool,
    /// Something was taken of the body.
    was_opened: bool,
    /// The request asks for the end of the connection.
    closes: bool,
}

/// How the app knows where the body ends.
enum Framing {
    /// So many bytes are to come.
    Sized(u64),
    Chunked,
    /// All of it is here or gone.
    Ended,
}

/// Why a request did not go up.
pub(super) enum SendingFault {
    /// Its body broke off.
    Visitor(BodyFault),
    /// The app takes no more of it.
    App(io::Error),
}

impl Sending {
    /// `head` is framed for `body`, which has `length` bytes.
    pub(super) fn new(head: &Request<Body>, body: Body, length: Option<u64>) -> Self {
        let mut text = Vec::with_capacity(HEAD_BYTES_USUAL);
        text.extend_from_slice(head.method().as_str().as_bytes());
        text.push(b' ');
        let target = head.uri().path_and_query();
        text.extend_from_slice(target.map_or("/", |target| target.as_str()).as_bytes());
        text.extend_from_slice(b" HTTP/1.1\r\n");
        write_fields(&mut text, head.headers());
        let framing = match length {
            None => Framing::Chunked,
            Some(0) => Framing::Ended,
            Some(length) => Framing::Sized(length),
        };
        let announced = match framing {
            Framing::Chunked => head.headers().get_all(TRAILER).iter().cloned().collect(),
            Framing::Sized(_) | Framing::Ended => Vec::new(),
        };
        Self {
            text,
            gone: 0,
            data: Bytes::new(),
            chunk_end: &[],
            body,
            framing,
            announced,
            has_begun: false,
            was_opened: false,
            closes: asks_to_close(head.headers()),
        }
    }

    /// Whether any byte has gone.
    pub(super) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether all of it has gone.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.framing, Framing::Ended) && !self.has_more()
    }

    /// Whether the connection ends with this request.
    pub(super) const fn closes(&self) -> bool {
        self.closes
    }

    /// The body, if nothing was taken of it.
    pub(super) fn into_untouched(self) -> Option<Body> {
        (!self.was_opened).then_some(self.body)
    }

    /// The app answers already, and its answer has not ended.
    pub(super) fn answered(&mut self, stream_timeout: Duration) -> Option<Rc<Duplex>> {
        self.body.answered(stream_timeout)
    }

    fn has_more(&self) -> bool {
        self.gone < self.text.len() || !self.data.is_empty() || !self.chunk_end.is_empty()
    }

    /// Ready when all has gone, or cannot go. It may be polled again then: nothing more happens.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut Stream,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendingFault>> {
        loop {
            let has_room = self.data.is_empty() && self.chunk_end.is_empty();
            if has_room && !matches!(self.framing, Framing::Ended) {
                match Pin::new(&mut self.body).poll_frame(cx) {
                    Poll::Ready(part) => self.take(part)?,
                    Poll::Pending if self.has_more() => {}
                    Poll::Pending => {
                        let flushed = ready!(Pin::new(stream).poll_flush(cx));
                        flushed.map_err(|fault| self.give_up(fault))?;
                        return Poll::Pending;
                    }
                }
            }
            if self.has_more() {
                ready!(self.poll_write(stream, cx)).map_err(|fault| self.give_up(fault))?;
            } else if matches!(self.framing, Framing::Ended) {
                let flushed = Pin::new(stream).poll_flush(cx);
                return flushed.map_err(|fault| self.give_up(fault));
            }
        }
    }

    fn poll_write(&mut self, stream: &mut Stream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let text = self.text.get(self.gone..).unwrap_or_default();
        let mut stream = Pin::new(stream);
        let written = if self.data.is_empty() && self.chunk_end.is_empty() {
            stream.as_mut().poll_write(cx, text)
        } else {
            let parts = [text, &self.data, self.chunk_end].map(IoSlice::new);
            stream.as_mut().poll_write_vectored(cx, &parts)
        };
        let mut written = ready!(written)?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.has_begun = true;
        let of_text = written.min(text.len());
        self.gone += of_text;
        written -= of_text;
        if self.gone == self.text.len() {
            self.text.clear();
            self.gone = 0;
        }
        let of_data = written.min(self.data.len());
        self.data.advance(of_data);
        self.chunk_end = self.chunk_end.get(written - of_data..).unwrap_or_default();
        Poll::Ready(Ok(()))
    }

    /// Frames a part of the body, so that it goes next.
    fn take(&mut self, part: Option<Result<Frame<Bytes>, BodyFault>>) -> Result<(), SendingFault> {
        self.was_opened = true;
        let frame = match part {
            Some(Ok(frame)) => Some(frame),
            Some(Err(fault)) => {
                self.stop();
                return Err(SendingFault::Visitor(fault));
            }
            None => None,
        };
        let frame = match frame.map(Frame::into_data) {
            Some(Ok(data)) => return self.take_data(data),
            Some(Err(frame)) => Some(frame),
            None => None,
        };
        match self.framing {
            // It is shorter than it was told to be: the app must not take it for whole.
            Framing::Sized(_) => return Err(self.misfit()),
            Framing::Chunked => {
                self.text.extend_from_slice(b"0\r\n");
                let trailers = frame.and_then(|frame| frame.into_trailers().ok());
                let mut trailers = trailers.unwrap_or_default();
                self.keep_announced(&mut trailers);
                write_fields(&mut self.text, &trailers);
                self.framing = Framing::Ended;
            }
            Framing::Ended => {}
        }
        Ok(())
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), SendingFault> {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        match &mut self.framing {
            Framing::Sized(left) if length > *left => {
                return Err(self.misfit());
            }
            Framing::Sized(left) => {
                *left -= length;
                if *left == 0 {
                    self.framing = Framing::Ended;
                }
            }
            // An empty chunk would be the last.
            Framing::Chunked if data.is_empty() => {}
            Framing::Chunked => {
                // A Vec takes all that is written to it.
                let _ = write!(self.text, "{length:X}\r\n");
                self.chunk_end = CHUNK_END;
                if self.body.is_end_stream() {
                    self.chunk_end = LAST_CHUNK_END;
                    self.framing = Framing::Ended;
                }
            }
            Framing::Ended => {}
        }
        self.data = data;
        Ok(())
    }

    /// Only what was announced goes up as a trailer, as the app may have to know before.
    fn keep_announced(&self, trailers: &mut HeaderMap) {
        let mut kept = HeaderMap::new();
        for (name, value) in &*trailers {
            let mut announced = self
                .announced
                .iter()
                .flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
            if announced.any(|item| {
                item.trim_ascii()
                    .eq_ignore_ascii_case(name.as_str().as_bytes())
            }) {
                kept.append(name, value.clone());
            }
        }
        *trailers = kept;
    }

    fn misfit(&mut self) -> SendingFault {
        self.give_up(io::Error::new(
            io::ErrorKind::InvalidData,
            "the body is not as long as it was told to be",
        ))
    }

    /// Nothing more goes up, and nothing else on this connection.
    fn give_up(&mut self, fault: io::Error) -> SendingFault {
        self.stop();
        SendingFault::App(fault)
    }

    fn stop(&mut self) {
        self.framing = Framing::Ended;
        self.text.clear();
        self.gone = 0;
        self.data = Bytes::new();
        self.chunk_end = &[];
        self.closes = true;
    }
}

/// Fields, and the empty line after them.
fn write_fields(text: &mut Vec<u8>, fields: &HeaderMap) {
    for (name, value) in fields {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
}

fn asks_to_close(headers: &HeaderMap) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|list| list.as_bytes().split(|&byte| byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}
