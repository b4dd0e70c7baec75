//! What the laws of messages share: a connection in memory for hyper, and plain readers of what stands on the wire.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};

/// A connection on which everything has come that will ever come.
pub struct Memory {
    unread: Bytes,
    /// What comes is an answer: nothing is there before something was written.
    answers: bool,
    /// The other side has closed.
    ends: bool,
    written: Rc<RefCell<Vec<u8>>>,
    reader: Option<Waker>,
}

impl Memory {
    /// A visitor who has sent `bytes` and waits.
    pub fn asking(bytes: &[u8]) -> Self {
        Self {
            unread: Bytes::copy_from_slice(bytes),
            answers: false,
            ends: false,
            written: Rc::default(),
            reader: None,
        }
    }

    /// An app that answers `bytes` to whatever it gets, and then waits, or closes if `ends`.
    pub fn answering(bytes: &[u8], ends: bool) -> Self {
        Self {
            answers: true,
            ends,
            ..Self::asking(bytes)
        }
    }

    /// Where everything stands that was written to it.
    pub fn written(&self) -> Rc<RefCell<Vec<u8>>> {
        Rc::clone(&self.written)
    }
}

impl Read for Memory {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let is_early = self.answers && self.written.borrow().is_empty();
        if is_early || self.unread.is_empty() && !self.ends {
            self.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let here = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(here));
        Poll::Ready(Ok(()))
    }
}

impl Write for Memory {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.borrow_mut().extend_from_slice(bytes);
        if let Some(reader) = self.reader.take().filter(|_| self.answers) {
            reader.wake();
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Runs `future` until nothing more can happen. `None`: it waits for what will never come.
pub fn all_done<T>(mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    while flag.0.swap(false, Ordering::Relaxed) {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(done);
        }
    }
    None
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The fields of a head as the plainest reader finds them, sorted by name, behind its first line: names in lower case,
/// values without the spaces and tabs around them. Panics where there are two ways to read a line.
pub fn fields_of(head: &[u8]) -> (String, Vec<(String, String)>) {
    let text: String = head.iter().map(|byte| *byte as char).collect();
    let text = text.strip_suffix("\r\n\r\n").expect("an empty line");
    let mut lines = text.split("\r\n");
    let first = lines.next().expect("a line").to_owned();
    let is_token = |byte: char| byte.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(byte);
    let is_bad = |byte: char| byte.is_ascii_control() && byte != '\t';
    assert!(!first.contains(is_bad), "{first:?}");
    let mut fields: Vec<_> = lines
        .map(|line| {
            let (name, value) = line.split_once(':').expect("a colon");
            assert!(!name.is_empty() && name.chars().all(is_token), "{line:?}");
            assert!(!value.contains(is_bad), "{line:?}");
            let value = value.trim_matches([' ', '\t']);
            (name.to_ascii_lowercase(), value.to_owned())
        })
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    (first, fields)
}

/// The same of a map.
pub fn fields_in(map: &http::HeaderMap) -> Vec<(String, String)> {
    let latin = |value: &[u8]| value.iter().map(|byte| *byte as char).collect();
    let mut fields: Vec<(String, String)> = map
        .iter()
        .map(|(name, value)| (name.to_string(), latin(value.as_bytes())))
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// The bytes that chunks carry, read by somebody who trusts them.
pub fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut carried = Vec::new();
    while let Some(end) = rest.windows(2).position(|pair| pair == b"\r\n") {
        let line = String::from_utf8_lossy(&rest[..end]).into_owned();
        let size = line.split(';').next().unwrap_or_default();
        let size = u64::from_str_radix(size, 16).expect("a size") as usize;
        if size == 0 {
            break;
        }
        rest = &rest[end + 2..];
        let here = size.min(rest.len());
        carried.extend_from_slice(&rest[..here]);
        rest = rest.get(size.saturating_add(2)..).unwrap_or_default();
    }
    carried
}
