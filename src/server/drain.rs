//! The graceful end: what all cores and all connections know about stopping, and how many connections there are.
//!
//! A connection counts for as long as its socket lives, so a tunnel of an upgraded connection counts too.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Connections and requests are welcome.
    Serving,
    /// No new connections; what is under way is finished.
    Draining,
    /// What is still open is closed at once.
    Cut,
}

/// Shared by all cores and connections. Cloning is cheap and all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// A [`Stage`]; it only grows.
    stage: AtomicU8,
    moved: Arc<Notify>,
    open: AtomicUsize,
    emptied: Notify,
}

impl Drain {
    /// A server that serves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops to accept connections and lets those that are open finish what they do.
    pub fn begin(&self) {
        self.move_to(Stage::Draining);
    }

    /// Closes whatever is open, at once.
    pub fn cut(&self) {
        self.move_to(Stage::Cut);
    }

    /// How far the end has come.
    pub fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::Acquire) {
            0 => Stage::Serving,
            1 => Stage::Draining,
            _ => Stage::Cut,
        }
    }

    /// How many connections are open, on all cores.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Resolves when the drain has begun.
    pub fn begun(&self) -> impl Future<Output = ()> + use<> {
        self.clone().reached(Stage::Draining)
    }

    /// Resolves when [`Drain::cut`] was called.
    pub fn was_cut(&self) -> impl Future<Output = ()> + use<> {
        self.clone().reached(Stage::Cut)
    }

    /// Resolves when no connection is open.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.0.emptied.notified();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Counts one more connection, if that keeps the number within `max`.
    pub(super) fn enter(&self, max: usize) -> Option<Permit> {
        let room = |open: usize| (open < max).then_some(open.saturating_add(1));
        self.0
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .ok()?;
        Some(Permit(Arc::clone(&self.0)))
    }

    /// Resolves at the next move to another stage that happens after this call.
    pub(super) fn next_move(&self) -> OwnedNotified {
        Arc::clone(&self.0.moved).notified_owned()
    }

    async fn reached(self, stage: Stage) {
        loop {
            // Asked for before the look, so that a move in between is not missed.
            let moved = self.next_move();
            if self.stage() >= stage {
                return;
            }
            moved.await;
        }
    }

    fn move_to(&self, stage: Stage) {
        let stage = match stage {
            Stage::Serving => 0,
            Stage::Draining => 1,
            Stage::Cut => 2,
        };
        if self.0.stage.fetch_max(stage, Ordering::AcqRel) < stage {
            self.0.moved.notify_waiters();
        }
    }
}

/// One connection among those that are counted; it is no longer counted when this is dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_only_comes_nearer() {
        let drain = Drain::new();
        assert_eq!(drain.stage(), Stage::Serving);
        drain.cut();
        drain.begin();
        assert_eq!(drain.stage(), Stage::Cut);
    }

    #[test]
    fn no_more_connections_than_the_limit() {
        let drain = Drain::new();
        let first = drain.enter(1);
        assert!(first.is_some());
        assert!(drain.enter(1).is_none());
        drop(first);
        assert!(drain.enter(1).is_some());
        assert_eq!(drain.open(), 0);
    }

    #[tokio::test]
    async fn the_last_connection_to_leave_is_noticed() {
        let drain = Drain::new();
        let permit = drain.enter(1);
        let leaves = async {
            tokio::task::yield_now().await;
            drop(permit);
        };
        tokio::join!(drain.emptied(), leaves);
        assert_eq!(drain.open(), 0);
    }
}
