//! One direction of a tunnel: its bytes, and where in its frames it is. All of it survives a future that is dropped, so
//! that whoever ends the tunnel can go on at the byte where it stood.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::frames::Frames;

/// What a direction has to hold in memory while nothing comes.
const BUFFER_BYTES: usize = 2 << 10;

/// What it takes while much comes.
const BUFFER_BYTES_MAX: usize = 32 << 10;

/// One direction.
pub(super) struct Way<'a> {
    buffer: Vec<u8>,
    /// What of `buffer` was read and is not yet written.
    from: usize,
    to: usize,
    /// How much the latest read brought.
    latest: usize,
    /// Where the bytes that were written stand.
    frames: Frames,
    carried: &'a AtomicU64,
    /// Set whenever bytes come.
    moved: &'a AtomicBool,
}

impl<'a> Way<'a> {
    pub(super) fn new(carried: &'a AtomicU64, moved: &'a AtomicBool) -> Self {
        Self {
            buffer: vec![0; BUFFER_BYTES],
            from: 0,
            to: 0,
            latest: 0,
            frames: Frames::default(),
            carried,
            moved,
        }
    }

    /// Carries bytes until `source` ends, and then ends `sink`.
    pub(super) async fn flow<R, W>(&mut self, source: &mut R, sink: &mut W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            self.write(sink, self.to).await?;
            sink.flush().await?;
            if !self.read(source).await? {
                return sink.shutdown().await;
            }
        }
    }

    /// Carries bytes until a frame has ended, and then writes `last` in the place of what would follow. Does nothing
    /// where a close frame was carried already.
    pub(super) async fn finish<R, W>(
        &mut self,
        source: &mut R,
        sink: &mut W,
        last: &[u8],
    ) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            if let Some(rest) = self.frames.to_border(&self.buffer[self.from..self.to]) {
                self.write(sink, self.from + rest).await?;
                break;
            }
            self.write(sink, self.to).await?;
            if !self.read(source).await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        if !self.frames.has_closed() {
            sink.write_all(last).await?;
        }
        sink.flush().await
    }

    /// Whether the frame that was begun has been read to its end, so that [`Way::finish`] need not wait for its source.
    pub(super) fn can_finish(&self) -> bool {
        let waiting = &self.buffer[self.from..self.to];
        self.frames.to_border(waiting).is_some()
    }

    /// Writes what was read, up to `end`.
    async fn write<W: AsyncWrite + Unpin>(&mut self, sink: &mut W, end: usize) -> io::Result<()> {
        while self.from < end {
            let written = sink.write(&self.buffer[self.from..end]).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            let next = self.from + written;
            self.frames.follow(&self.buffer[self.from..next]);
            self.from = next;
        }
        Ok(())
    }

    /// Reads once; all that was read before is written. `false`: the source has ended.
    async fn read<R: AsyncRead + Unpin>(&mut self, source: &mut R) -> io::Result<bool> {
        if self.latest == self.buffer.len() && self.buffer.len() < BUFFER_BYTES_MAX {
            self.buffer = vec![0; self.buffer.len() * 4];
        }
        let read = poll_fn(|cx| {
            let mut into = ReadBuf::new(&mut self.buffer);
            let polled = Pin::new(&mut *source).poll_read(cx, &mut into);
            let read = into.filled().len();
            if polled.is_pending()
                && self.latest <= BUFFER_BYTES
                && self.buffer.len() > BUFFER_BYTES
            {
                // What has become quiet holds little: most tunnels are quiet most of the time.
                self.buffer = vec![0; BUFFER_BYTES];
            }
            match polled {
                Poll::Ready(Ok(())) => Poll::Ready(Ok(read)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        });
        let read: usize = read.await?;
        (self.from, self.to, self.latest) = (0, read, read);
        let bytes = u64::try_from(read).unwrap_or(u64::MAX);
        self.carried.fetch_add(bytes, Ordering::Relaxed);
        if read > 0 && !self.moved.load(Ordering::Relaxed) {
            self.moved.store(true, Ordering::Relaxed);
        }
        Ok(read > 0)
    }
}
