//! The access log: one line for each request, written when its response has gone out.
//!
//! Lines carry no secret by construction: a [`Line`] has no field for a ticket, a cookie or a query
//! string. Cores append to one shared buffer and a thread of its own writes it out in batches, so
//! that a slow disk or pipe never holds up a request; past a limit lines are dropped and counted.

mod line;

use std::cell::{Cell, RefCell};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

pub use self::line::{Format, Line};

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to, and opened again after [`AccessLog::reopen`].
    File(PathBuf),
    /// Nowhere.
    Off,
}

/// The log. Cloning is cheap.
#[derive(Clone)]
pub struct AccessLog(Option<Arc<Shared>>);

struct Shared {
    format: Format,
    /// Lines not yet written. A `std` mutex, because it is held for one copy of a few hundred bytes
    /// and never across a wait.
    waiting: Mutex<Vec<u8>>,
    arrived: Condvar,
    dropped: AtomicU64,
    reopen: AtomicBool,
    stop: AtomicBool,
}

/// How much may wait to be written, in bytes.
const WAITING_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How long the writer collects after the first line of a batch.
const BATCH: Duration = Duration::from_millis(20);

thread_local! {
    /// Where a core writes a line before it takes the lock.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    /// The drain is over: this core cuts off what is still under way.
    static CUTS: Cell<bool> = const { Cell::new(false) };
}

/// From now on, whatever ends on this core was cut off by the end of the drain. There is no way back from there.
pub fn note_cut() {
    CUTS.set(true);
}

/// The thread that writes. Dropping it writes what still waits.
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl AccessLog {
    /// A log that keeps nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread cannot be started.
    pub fn open(format: Format, destination: &Destination) -> io::Result<(Self, Option<Writer>)> {
        let sink = match destination {
            Destination::Off => return Ok((Self::off(), None)),
            Destination::Stdout => Sink::Stdout,
            Destination::Stderr => Sink::Stderr,
            Destination::File(path) => Sink::File(path.clone(), append_to(path)?),
        };
        let shared = Arc::new(Shared {
            format,
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            dropped: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            stop: AtomicBool::new(false),
        });
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || for_thread.write_until_stopped(sink))?;
        let writer = Writer {
            shared: Arc::clone(&shared),
            thread: Some(thread),
        };
        Ok((Self(Some(shared)), Some(writer)))
    }

    /// Has a file opened again before the next batch, after it was moved away.
    pub fn reopen(&self) {
        if let Some(shared) = &self.0 {
            shared.reopen.store(true, Ordering::Relaxed);
        }
    }

    fn write(&self, line: &Line, bytes: u64) {
        let Some(shared) = &self.0 else { return };
        SCRATCH.with_borrow_mut(|text| {
            text.clear();
            line.append(text, shared.format, bytes);
            let mut waiting = shared.lock();
            if waiting.len() > WAITING_MAX_BYTES {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            let was_empty = waiting.is_empty();
            waiting.extend_from_slice(text);
            drop(waiting);
            if was_empty {
                shared.arrived.notify_one();
            }
        });
    }
}

impl Writer {
    /// Whether somebody may still write: the configuration of now, or a request that began with an earlier one.
    pub fn is_in_use(&self) -> bool {
        // This and the thread have one each.
        Arc::strong_count(&self.shared) > 2
    }
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() {
            "AccessLog(on)"
        } else {
            "AccessLog(off)"
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Taking the lock before the call keeps it from falling between the thread's look and its wait.
        drop(self.shared.lock());
        self.shared.arrived.notify_one();
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has nothing left to write.
            let _ = thread.join();
        }
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        // A half-written line is the worst that a panic could leave here.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_stopped(&self, mut sink: Sink) {
        let mut batch = Vec::new();
        let mut failing = false;
        loop {
            let mut waiting = self.lock();
            while waiting.is_empty() && !self.stop.load(Ordering::Relaxed) {
                waiting = self
                    .arrived
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            let stopping = self.stop.load(Ordering::Relaxed);
            if !stopping {
                drop(waiting);
                std::thread::sleep(BATCH);
                waiting = self.lock();
            }
            std::mem::swap(&mut *waiting, &mut batch);
            drop(waiting);
            if self.reopen.swap(false, Ordering::Relaxed) {
                sink.reopen();
            }
            let failed = sink.write(&batch).err();
            // Told once when it begins, not for every batch of a full disk.
            if let Some(error) = failed.as_ref().filter(|_| !failing) {
                tracing::error!(%error, "access log lines are lost");
            }
            failing = failed.is_some();
            batch.clear();
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "access log is slower than the requests; lines were dropped"
                );
            }
            if stopping {
                return;
            }
        }
    }
}

enum Sink {
    Stdout,
    Stderr,
    File(PathBuf, File),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush())
            }
            Self::Stderr => io::stderr().lock().write_all(bytes),
            Self::File(_, file) => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) {
        if let Self::File(path, file) = self {
            match append_to(path) {
                Ok(opened) => *file = opened,
                Err(error) => {
                    tracing::error!(path = %path.display(), %error, "access log could not be reopened");
                }
            }
        }
    }
}

/// Opens a file to append to; missing folders of it are made, for this user alone.
fn append_to(path: &PathBuf) -> io::Result<File> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| fs::metadata(folder).is_err()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

/// A line that is written when it is dropped, so that no request goes without one: not even one whose visitor hangs up
/// before there is a response.
pub struct Entry {
    line: Box<Line>,
    log: AccessLog,
    bytes: u64,
}

impl Entry {
    /// Will write `line` to `log`.
    pub fn new(line: Line, log: AccessLog) -> Self {
        let line = Box::new(line);
        Self {
            line,
            log,
            bytes: 0,
        }
    }
}

impl Deref for Entry {
    type Target = Line;

    fn deref(&self) -> &Line {
        &self.line
    }
}

impl DerefMut for Entry {
    fn deref_mut(&mut self) -> &mut Line {
        &mut self.line
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if CUTS.get() {
            self.line.refusal = Some("drain");
        }
        self.log.write(&self.line, self.bytes);
    }
}

/// A response body that keeps its request's entry until it ends, or is given up.
pub struct Logged<B> {
    body: B,
    entry: Entry,
}

impl<B> Logged<B> {
    /// Watches `body` for `entry`.
    pub const fn new(body: B, entry: Entry) -> Self {
        Self { body, entry }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Logged<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.entry.bytes += data.len() as u64;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_logged_before_the_end_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let (log, writer) =
            AccessLog::open(Format::Json, &Destination::File(path.clone())).unwrap();
        for _ in 0..1000 {
            log.write(&line::tests::line("/", None), 1);
        }
        drop(writer);
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 1000);
    }
}
