//! Frames that bring nothing: how many of them a peer may send, and how long its header blocks may take.
//!
//! SETTINGS, PING, PRIORITY, RST_STREAM and empty DATA cost their sender a few bytes, and each makes us do something
//! (CVE-2019-9512, -9513, -9515, -9518). h2 bounds what they make us hold, not how often they come. So the stream of
//! frames is looked at as it comes: nine bytes of each.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::clock::Stopwatch;

/// The client's connection preface, before its first frame.
const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;

const DATA: u8 = 0;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const HEADERS: u8 = 1;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Frames without use in a row, and for how long each counts.
const USELESS_IN_A_ROW: u32 = 1000;
const USELESS_FORGOTTEN_EACH: Duration = Duration::from_millis(10);
/// Window updates that may come beyond those that our own bytes may have caused. The smallest frame of ours that moves a
/// window has ten bytes, and may be answered by two.
const UPDATES_UNCAUSED: u64 = 1000;
const BYTES_PER_UPDATE: u64 = 5;

/// What was heard on one connection.
#[derive(Debug)]
pub(super) struct Noise {
    useless: Cell<u32>,
    /// Since some of `useless` was last forgotten.
    since: Cell<Stopwatch>,
    updates: Cell<u64>,
    bytes_written: Cell<u64>,
    head_is_open: Cell<bool>,
    heard: Cell<bool>,
    /// Whether the first frame was what it has to be; `None` before it.
    begins_well: Cell<Option<bool>>,
}

impl Noise {
    pub(super) fn new() -> Self {
        Self {
            useless: Cell::new(0),
            since: Cell::new(Stopwatch::start()),
            updates: Cell::new(0),
            bytes_written: Cell::new(0),
            head_is_open: Cell::new(false),
            heard: Cell::new(false),
            begins_well: Cell::new(None),
        }
    }

    /// Whether the peer makes nothing but noise.
    pub(super) fn is_too_much(&self) -> bool {
        let caused = self.bytes_written.get() / BYTES_PER_UPDATE;
        self.useless.get() > USELESS_IN_A_ROW
            || self.updates.get() > caused.saturating_add(UPDATES_UNCAUSED)
    }

    /// Whether the peer began with anything but its settings (RFC 9113 3.4).
    pub(super) fn begins_badly(&self) -> bool {
        self.begins_well.get() == Some(false)
    }

    /// Whether a header block has begun and not ended.
    pub(super) fn head_is_open(&self) -> bool {
        self.head_is_open.get()
    }

    /// Whether anything has come since this was asked last.
    pub(super) fn has_heard(&self) -> bool {
        self.heard.replace(false)
    }

    fn count_useless(&self) {
        let mut useless = self.useless.get().saturating_add(1);
        if useless > USELESS_IN_A_ROW {
            let passed = self.since.get().elapsed().as_millis();
            let forgotten = passed / USELESS_FORGOTTEN_EACH.as_millis();
            useless = useless.saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
            self.since.set(Stopwatch::start());
        }
        self.useless.set(useless);
    }
}

/// A connection whose frames are looked at as they come.
#[derive(Debug)]
pub(super) struct Heard<I> {
    io: I,
    noise: Rc<Noise>,
    /// Bytes to the next frame head.
    skip: usize,
    /// The frame whose bytes these are is part of a header block; whether it leaves the block open.
    leaves_open: Option<bool>,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
}

impl<I> Heard<I> {
    pub(super) const fn new(io: I, noise: Rc<Noise>) -> Self {
        Self {
            io,
            noise,
            skip: PREFACE_BYTES,
            leaves_open: None,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
        }
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if self.skip == 0
                && let Some(open) = self.leaves_open.take()
            {
                self.noise.head_is_open.set(open);
            }
            if bytes.is_empty() {
                return;
            }
            let more = bytes.len().min(HEAD_BYTES - self.head_bytes);
            self.head[self.head_bytes..][..more].copy_from_slice(&bytes[..more]);
            self.head_bytes += more;
            bytes = &bytes[more..];
            if self.head_bytes < HEAD_BYTES {
                return;
            }
            self.head_bytes = 0;
            let [a, b, c, kind, flags, ..] = self.head;
            self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
            self.judge(kind, flags);
        }
    }

    fn judge(&mut self, kind: u8, flags: u8) {
        let noise = &self.noise;
        if noise.begins_well.get().is_none() {
            let begins_well = kind == SETTINGS && flags & ACK == 0;
            noise.begins_well.set(Some(begins_well));
        }
        match kind {
            HEADERS | CONTINUATION => {
                noise.head_is_open.set(true);
                self.leaves_open = Some(flags & END_HEADERS == 0);
            }
            DATA if self.skip > 0 || flags & END_STREAM != 0 => {}
            WINDOW_UPDATE => noise.updates.set(noise.updates.get().saturating_add(1)),
            _ => noise.count_useless(),
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Heard<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let heard = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut heard.io).poll_read(cx, buffer);
        let fresh = &buffer.filled()[before..];
        if !fresh.is_empty() {
            heard.noise.heard.set(true);
            heard.hear(fresh);
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> Heard<I> {
    fn wrote(&self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &write {
            let written = &self.noise.bytes_written;
            let count = u64::try_from(*count).unwrap_or(u64::MAX);
            written.set(written.get().saturating_add(count));
        }
        write
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Heard<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let heard = self.get_mut();
        let write = Pin::new(&mut heard.io).poll_write(cx, bytes);
        heard.wrote(write)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let heard = self.get_mut();
        let write = Pin::new(&mut heard.io).poll_write_vectored(cx, slices);
        heard.wrote(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u8::try_from(payload).unwrap();
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![0xff; payload]);
        frame
    }

    /// What is heard of these bytes, which come `piece` at a time.
    fn heard(bytes: &[u8], piece: usize) -> Rc<Noise> {
        let noise = Rc::new(Noise::new());
        let mut heard = Heard::new((), Rc::clone(&noise));
        let preface = [&[0; PREFACE_BYTES], bytes].concat();
        preface.chunks(piece).for_each(|piece| heard.hear(piece));
        noise
    }

    #[test]
    fn what_brings_nothing_is_counted_however_it_is_cut() {
        let frames = [
            frame(DATA, 0, 3),
            frame(DATA, END_STREAM, 0),
            frame(HEADERS, END_HEADERS, 200),
            frame(DATA, 0, 0),
            frame(2, 0, 5),
            frame(3, 0, 4),
            frame(4, 0, 0),
            frame(6, 0, 8),
            frame(WINDOW_UPDATE, 0, 4),
            frame(200, 0, 1),
        ]
        .concat();
        for piece in [1, 7, 9, 10, 1000] {
            let noise = heard(&frames, piece);
            assert_eq!(noise.useless.get(), 6, "{piece}");
            assert_eq!(noise.updates.get(), 1, "{piece}");
        }
    }

    #[test]
    fn a_header_block_is_open_until_its_last_frame() {
        let begun = [frame(HEADERS, 0, 9), frame(CONTINUATION, 0, 0)].concat();
        assert!(heard(&begun, 5).head_is_open());
        let ended = [begun, frame(CONTINUATION, END_HEADERS, 1)].concat();
        assert!(!heard(&ended, 5).head_is_open());
        assert!(heard(&ended[..ended.len() - 1], 5).head_is_open());
    }

    #[test]
    fn a_connection_begins_with_settings() {
        assert!(!heard(&[], 1).begins_badly());
        let settings = [frame(SETTINGS, 0, 0), frame(HEADERS, END_HEADERS, 3)].concat();
        for piece in [1, 7, 1000] {
            assert!(!heard(&settings, piece).begins_badly(), "{piece}");
            assert!(!heard(&settings[..8], piece).begins_badly(), "{piece}");
            for bad in [frame(SETTINGS, ACK, 0), frame(HEADERS, END_HEADERS, 3)] {
                assert!(heard(&bad, piece).begins_badly(), "{piece}");
            }
        }
    }

    #[test]
    fn noise_is_too_much_at_some_point() {
        for kind in [2, 3, 4, 6, 77] {
            assert!(!heard(&frame(kind, 0, 0).repeat(1000), 4096).is_too_much());
            assert!(heard(&frame(kind, 0, 0).repeat(3000), 4096).is_too_much());
        }
        let updates = |count| heard(&frame(WINDOW_UPDATE, 0, 4).repeat(count), 4096);
        assert!(!updates(1000).is_too_much());
        let noise = updates(1001);
        assert!(noise.is_too_much());
        noise.bytes_written.set(5);
        assert!(!noise.is_too_much(), "we wrote something");
    }
}
