//! Names for requests: in the log, in error answers, and sent to the app.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::secret::random_bytes;

/// Names requests: unlike any other of this process, and unlikely like one of another.
pub struct RequestIds {
    process: u64,
    next: AtomicU64,
}

impl RequestIds {
    /// Names that begin with a part of this process's own.
    pub fn new() -> Self {
        Self {
            process: u64::from_be_bytes(random_bytes()),
            next: AtomicU64::new(0),
        }
    }

    /// A name that no other request of this process has.
    pub fn next(&self) -> Arc<str> {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}{next:08x}", self.process).into()
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}
