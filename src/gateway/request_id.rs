//! Names for requests: in the log, in error answers, and sent to the app.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::HEXLOWER;

use crate::base::secret::random_bytes;

/// Two numbers of 64 bits as hexadecimal digits.
const MAX_CHARS: usize = 32;

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
        let mut id = [0; MAX_CHARS];
        HEXLOWER.encode_mut(&self.process.to_be_bytes(), &mut id[..16]);
        HEXLOWER.encode_mut(&next.to_be_bytes(), &mut id[16..]);
        // Eight digits, and more when a process has named four thousand millions.
        let digits = 8.max(16 - next.leading_zeros() as usize / 4);
        id.copy_within(MAX_CHARS - digits.., 16);
        // Hexadecimal digits are text.
        String::from_utf8_lossy(&id[..16 + digits]).into()
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hexadecimal_and_count() {
        for next in [0, 1, 0xabc, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
            let ids = RequestIds {
                process: 0xa0b,
                next: AtomicU64::new(next),
            };
            assert_eq!(*ids.next(), *format!("0000000000000a0b{next:08x}"));
        }
    }
}
