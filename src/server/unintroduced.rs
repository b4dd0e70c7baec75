//! Says in the log that connections are closed as they bring no PROXY header that counts: seldom, as anybody can make
//! them.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::base::causes::Causes;
use crate::base::clock::Stopwatch;
use crate::server::proxy_protocol::Fault;

/// They are logged no oftener; what comes between is counted.
const LOGGED_EVERY: Duration = Duration::from_secs(1);

/// Of the whole process. Held for no longer than it takes to read and set it.
static CLOSED: Mutex<Closed> = Mutex::new(Closed {
    logged: None,
    unlogged: 0,
});

struct Closed {
    logged: Option<Stopwatch>,
    unlogged: u64,
}

/// Logs that the connection of `peer` is closed, unless one was logged a moment ago.
pub(super) fn note(peer: SocketAddr, fault: &Fault) {
    if matches!(fault, Fault::Cut) {
        return;
    }
    let mut closed = CLOSED.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(unlogged) = closed.turn() else {
        return;
    };
    drop(closed);
    let error = Causes(fault);
    tracing::warn!(%peer, %error, unlogged, "connections without a PROXY header are closed");
}

impl Closed {
    /// How many were not logged since the last that was; none: this one is not logged either.
    fn turn(&mut self) -> Option<u64> {
        let is_due = self
            .logged
            .as_ref()
            .is_none_or(|logged| logged.elapsed() >= LOGGED_EVERY);
        if !is_due {
            self.unlogged += 1;
            return None;
        }
        self.logged = Some(Stopwatch::start());
        Some(std::mem::take(&mut self.unlogged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_logged_and_the_next_are_counted() {
        let mut closed = Closed {
            logged: None,
            unlogged: 0,
        };
        assert_eq!(closed.turn(), Some(0));
        assert_eq!((closed.turn(), closed.turn()), (None, None));
        closed.logged = None;
        assert_eq!(closed.turn(), Some(2));
    }
}
