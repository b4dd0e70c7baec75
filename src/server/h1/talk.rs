//! What the reading side, the service and the timer of one HTTP/1.1 connection tell each other, past hyper.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use crate::headers::strict::Fault;

/// Requests are known by their number on the connection, the first is 1: hyper calls the service once for each head, in
/// their order. Everything here is touched by one thread, unless the connection was upgraded and its socket went
/// elsewhere; hence atomics, and relaxed ones. The mutexes are for what happens once at most, and never held across a
/// wait.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Heads that hyper was given.
    heads: AtomicU64,
    /// Requests that the service got.
    requests: AtomicU64,
    /// The request that is refused; 0: none.
    refused: AtomicU64,
    fault: Mutex<Option<Fault>>,
    /// The rest of a head takes too long.
    slow: AtomicBool,
    /// The latest request that asks for an upgrade; 0: none.
    upgrade: AtomicU64,
    decision: AtomicU8,
    /// Who waits for that decision.
    reader: Mutex<Option<Waker>>,
    /// Nothing is held back, and what comes next can only be a head.
    quiet: AtomicBool,
    /// hyper is asked to end, and not to close.
    resting: AtomicBool,
    /// Our side is being closed.
    shut: AtomicBool,
    /// Something is to be said before the answer.
    has_interims: AtomicBool,
    interims: Mutex<Interims>,
}

/// What is to be written before an answer.
#[derive(Debug, Default)]
struct Interims {
    text: Vec<u8>,
    /// The service, which holds the answer back meanwhile.
    waiter: Option<Waker>,
}

/// What becomes of a connection that a request asked to upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    Open,
    Declined,
    Tunnel,
}

impl Talk {
    // === for the reading side ===

    pub(super) fn heads_passed(&self, heads: u64, quiet: bool) {
        self.heads.store(heads, Ordering::Relaxed);
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// The request of that number is no request, but says that what came was refused.
    pub(super) fn refuse(&self, number: u64, fault: Fault) {
        *lock(&self.fault) = Some(fault);
        self.refused.store(number, Ordering::Relaxed);
        self.heads_passed(number, false);
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    pub(super) fn ask_upgrade(&self, number: u64) {
        self.decision.store(OPEN, Ordering::Relaxed);
        self.upgrade.store(number, Ordering::Relaxed);
    }

    pub(super) fn decision(&self) -> Decision {
        match self.decision.load(Ordering::Relaxed) {
            OPEN => Decision::Open,
            DECLINED => Decision::Declined,
            _ => Decision::Tunnel,
        }
    }

    /// Has `waker` woken when it is decided.
    pub(super) fn await_decision(&self, waker: &Waker) {
        *lock(&self.reader) = Some(waker.clone());
    }

    pub(super) fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    pub(super) fn shuts(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    // === for the writing side ===

    pub(super) fn has_interims(&self) -> bool {
        self.has_interims.load(Ordering::Relaxed)
    }

    /// Has `write` write what is to be said before the answer, until it has written all.
    pub(super) fn write_interims(
        &self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<()>> {
        let mut interims = lock(&self.interims);
        while !interims.text.is_empty() {
            let count = ready!(write(&interims.text))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            interims.text.drain(..count);
        }
        interims.text = Vec::new();
        self.has_interims.store(false, Ordering::Relaxed);
        if let Some(waiter) = interims.waiter.take() {
            waiter.wake();
        }
        Poll::Ready(Ok(()))
    }

    // === for the service ===

    /// Has `text` written before anything of the answer that is being made.
    pub(super) fn say(&self, text: &[u8]) {
        lock(&self.interims).text.extend_from_slice(text);
        self.has_interims.store(true, Ordering::Relaxed);
    }

    /// Ready when all of that was written: only then hyper may have the answer.
    pub(super) fn poll_said(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.has_interims() {
            return Poll::Ready(());
        }
        lock(&self.interims).waiter = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The number of the request that has come, and why it is to be refused, if it is.
    pub(super) fn request(&self) -> (u64, Option<Fault>) {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let is_refused = self.refused.load(Ordering::Relaxed) == number;
        let fault = is_refused.then(|| lock(&self.fault).take()).flatten();
        (number, fault)
    }

    /// That request has its response, which switches protocols or does not.
    pub(super) fn answered(&self, number: u64, switches: bool) {
        if self.upgrade.load(Ordering::Relaxed) != number {
            return;
        }
        let decision = if switches { TUNNEL } else { DECLINED };
        self.decision.store(decision, Ordering::Relaxed);
        if let Some(reader) = lock(&self.reader).take() {
            reader.wake();
        }
    }

    // === for the timer ===

    pub(super) fn tell_slow(&self) {
        self.slow.store(true, Ordering::Relaxed);
    }

    /// Whether hyper has nothing that would be lost without it. An upgrade that was declined leaves it with a promise
    /// of its own, so then it stays.
    pub(super) fn may_rest(&self) -> bool {
        self.quiet.load(Ordering::Relaxed)
            && !self.shut.load(Ordering::Relaxed)
            && self.upgrade.load(Ordering::Relaxed) == 0
            && self.heads.load(Ordering::Relaxed) == self.requests.load(Ordering::Relaxed)
    }

    pub(super) fn rest(&self, resting: bool) {
        self.resting.store(resting, Ordering::Relaxed);
    }
}

const OPEN: u8 = 0;
const DECLINED: u8 = 1;
const TUNNEL: u8 = 2;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is replaced whole, so a panic leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
