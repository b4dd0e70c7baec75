//! Between TLS and hyper: only what the strict reading lets through reaches the parser, and heads only whole.
//!
//! Whatever is refused becomes a request of our own making that asks for nothing and ends the connection. Thus
//! responses that are under way come first, and the refusal is answered, counted and logged like every other. The
//! usual read, with whole heads in it, is looked at where hyper wants it and copied nowhere.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::headers::strict::{End, Fault, Limits, Scanned, Scanner, request_line};
use crate::server::activity::Activity;
use crate::server::h1::talk::{Decision, Talk};

/// As much as a TLS record holds.
const SCRATCH_BYTES: usize = 16 * 1024;

thread_local! {
    /// Where connections that sleep read to: one for all of a core.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH_BYTES]);
}

/// A stream whose reading side lets through what the scanner passes.
pub(super) struct Strict<I> {
    io: I,
    scanner: Scanner,
    /// Read, and not yet passed on.
    held: Vec<u8>,
    /// So much of it was passed on.
    passed: usize,
    /// So much of it may be.
    sound: usize,
    /// What comes behind that.
    end: End,
    held_max: usize,
    line_max: usize,
    /// Something that comes before an answer was written in part.
    is_saying: bool,
    talk: Arc<Talk>,
    activity: Arc<Activity>,
}

impl<I> Strict<I> {
    pub(super) fn new(io: I, limits: Limits, talk: Arc<Talk>, activity: Arc<Activity>) -> Self {
        Self {
            io,
            scanner: Scanner::new(limits),
            held: Vec::new(),
            passed: 0,
            sound: 0,
            end: End::More,
            held_max: limits.head_bytes,
            line_max: limits.target_bytes,
            is_saying: false,
            talk,
            activity,
        }
    }

    fn pass(&mut self, buffer: &mut ReadBuf<'_>) {
        let sound = self.held.get(self.passed..self.sound).unwrap_or_default();
        let count = sound.len().min(buffer.remaining());
        buffer.put_slice(&sound[..count]);
        self.passed += count;
        if self.passed < self.sound {
            return;
        }
        if self.sound == self.held.len() {
            // Given back: the next message will mostly need none.
            self.held = Vec::new();
        } else {
            self.held.drain(..self.sound);
        }
        (self.passed, self.sound) = (0, 0);
        self.tell();
    }

    /// Looks at what is held, nothing of which was passed on.
    fn judge_held(&mut self) {
        let scanned = self.scanner.scan(&self.held);
        self.sound = scanned.passed;
        self.settle(scanned);
    }

    /// Takes in how a scan ended. What it did not pass is held, behind `sound` bytes.
    fn settle(&mut self, scanned: Scanned) {
        self.end = scanned.end;
        self.tell();
        match scanned.end {
            End::BadHead(fault) => self.refuse(fault),
            End::Upgrade => self.talk.ask_upgrade(self.scanner.heads()),
            End::More | End::BadBody(_) => {}
        }
    }

    fn tell(&self) {
        let begins = self.scanner.is_between_messages();
        let is_held = self.held.len() > self.sound;
        self.activity.expect_head(begins, begins && is_held);
        let is_empty = self.held.is_empty();
        self.talk
            .heads_passed(self.scanner.heads(), begins && is_empty);
    }

    /// Never in the middle of a message: a request of ours would become a part of it.
    fn head_is_slow(&self) -> bool {
        self.talk.is_slow() && self.scanner.is_between_messages()
    }

    /// Puts a request of ours in the place of what is held behind the sound bytes.
    fn refuse(&mut self, fault: Fault) {
        let refused = self.held.get(self.sound..).unwrap_or_default();
        let ours = placeholder(refused, self.line_max);
        self.held.truncate(self.sound);
        self.held.extend_from_slice(&ours);
        self.sound = self.held.len();
        self.end = End::BadHead(fault);
        self.talk.refuse(self.scanner.heads() + 1, fault);
    }
}

/// A request that asks for nothing. It has method and target of the one in whose place it stands, where they are sound
/// and not too long, for the log; and because the answer to a HEAD has no body. A CONNECT it never is: hyper would wait
/// for what comes of it.
fn placeholder(refused: &[u8], line_max: usize) -> Vec<u8> {
    let (method, target) = request_line(refused)
        .filter(|(method, target)| method.len() + target.len() <= line_max && *method != b"CONNECT")
        .unwrap_or((b"-", b"/"));
    let rest = b" HTTP/1.1\r\nConnection: close\r\n\r\n";
    [method, b" ", target, rest].concat()
}

impl<I: AsyncRead + Unpin> Strict<I> {
    /// Reads, without a buffer of its own, until there is something to pass on. `false`: the peer has closed.
    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            if self.passed < self.sound {
                return Poll::Ready(Ok(true));
            }
            if self.head_is_slow() {
                self.refuse(Fault::Slow);
                continue;
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buffer = ReadBuf::new(scratch);
                ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
                self.held.extend_from_slice(buffer.filled());
                Poll::Ready(Ok(buffer.filled().len()))
            });
            match ready!(read) {
                Ok(0) => return Poll::Ready(Ok(false)),
                Ok(_) => self.judge_held(),
                Err(fault) => return Poll::Ready(Err(fault)),
            }
        }
    }

    /// Reads to `buffer` and lets stand there what may be passed on. `false`: the peer has closed.
    fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if fresh.is_empty() {
            return Poll::Ready(Ok(false));
        }
        if self.end == End::Upgrade {
            // Nobody knows yet what these are.
            self.held.extend_from_slice(fresh);
            buffer.set_filled(before);
        } else if self.held.is_empty() {
            let scanned = self.scanner.scan(fresh);
            let rest = fresh.get(scanned.passed..).unwrap_or_default();
            self.held.extend_from_slice(rest);
            buffer.set_filled(before + scanned.passed);
            self.settle(scanned);
        } else {
            self.held.extend_from_slice(fresh);
            buffer.set_filled(before);
            self.judge_held();
        }
        Poll::Ready(Ok(true))
    }

    /// Waits for what becomes of an upgrade, and sees meanwhile whether the peer goes.
    fn poll_undecided(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.talk.await_decision(cx.waker());
        while self.held.len() < self.held_max {
            if !ready!(self.poll_more(cx, buffer))? {
                return Poll::Ready(Ok(()));
            }
        }
        Poll::Pending
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Strict<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let strict = self.get_mut();
        let before = buffer.filled().len();
        loop {
            if strict.passed < strict.sound {
                strict.pass(buffer);
                return Poll::Ready(Ok(()));
            }
            match strict.end {
                End::More if strict.head_is_slow() => {
                    strict.refuse(Fault::Slow);
                    continue;
                }
                End::More => {}
                // The refusal was passed on. It ends the connection, so nobody asks for more.
                End::BadHead(_) => return Poll::Pending,
                End::BadBody(fault) => {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, fault)));
                }
                End::Upgrade => match strict.talk.decision() {
                    Decision::Open => return strict.poll_undecided(cx, buffer),
                    Decision::Declined => {
                        strict.scanner.decline_upgrade();
                        strict.judge_held();
                        continue;
                    }
                    Decision::Tunnel if strict.held.is_empty() => {
                        return Pin::new(&mut strict.io).poll_read(cx, buffer);
                    }
                    Decision::Tunnel => {
                        strict.sound = strict.held.len();
                        continue;
                    }
                },
            }
            let is_open = ready!(strict.poll_more(cx, buffer))?;
            if !is_open || buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> Strict<I> {
    /// Writes what is to be said before the next answer. hyper knows nothing of it, so its place is where hyper has nothing
    /// to write: the answers before have gone out, and this one is held back until all is said.
    fn poll_say(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.talk.has_interims() {
            return Poll::Ready(Ok(()));
        }
        self.is_saying = true;
        let Self { io, talk, .. } = self;
        ready!(talk.write_interims(|text| Pin::new(&mut *io).poll_write(cx, text)))?;
        self.is_saying = false;
        Poll::Ready(Ok(()))
    }

    /// What was begun comes to its end before hyper writes on.
    fn poll_end_saying(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_saying {
            return self.poll_say(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Strict<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let strict = self.get_mut();
        ready!(strict.poll_end_saying(cx))?;
        Pin::new(&mut strict.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let strict = self.get_mut();
        ready!(strict.poll_end_saying(cx))?;
        Pin::new(&mut strict.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// hyper asks for this when all that it had is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let strict = self.get_mut();
        ready!(strict.poll_say(cx))?;
        Pin::new(&mut strict.io).poll_flush(cx)
    }

    /// hyper closes what it ends; while it only goes to rest, the connection stays.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let strict = self.get_mut();
        if strict.talk.is_resting() {
            return Poll::Ready(Ok(()));
        }
        strict.talk.shuts();
        Pin::new(&mut strict.io).poll_shutdown(cx)
    }
}
