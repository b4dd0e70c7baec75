//! Who asks for a reload, and who does it: one after the other, and those who ask meanwhile get the next one together.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot};

use super::notify;
use super::reload::Reloader;
use crate::admin::{Coming, Outcome};

/// So many wait for one reload at most; whoever comes then is told that it did not come to it.
const WAITING_MAX: usize = 64;

/// Who waits for an outcome; a signal does not.
type Asking = Option<oneshot::Sender<Outcome>>;

/// Takes requests for a reload. Cloning it gives the same.
#[derive(Clone)]
pub(super) struct Requests(mpsc::Sender<Asking>);

/// What was asked.
pub(super) struct Asked(mpsc::Receiver<Asking>);

/// The two ends.
pub(super) fn requests() -> (Requests, Asked) {
    let (ask, asked) = mpsc::channel(WAITING_MAX);
    (Requests(ask), Asked(asked))
}

impl Requests {
    /// Asks for a reload and waits for none.
    pub(super) fn signal(&self) {
        // If so many wait, one is about to begin anyway.
        let _ = self.0.try_send(None);
    }

    /// Asks for a reload and tells how it went.
    pub(super) fn ask(&self) -> Coming {
        let (tell, told) = oneshot::channel();
        let taken = self.0.try_send(Some(tell));
        Box::pin(async move {
            taken.ok()?;
            told.await.ok()
        })
    }
}

impl Asked {
    /// Reloads whenever it is asked for, until it is dropped. `reloaded` is told each time.
    pub(super) async fn obey(mut self, reloader: Reloader, reloaded: &Notify) {
        let reloader = Arc::new(Mutex::new(reloader));
        while let Some(first) = self.0.recv().await {
            let mut waiting: Vec<_> = first.into_iter().collect();
            // Whoever asked before it begins is served by this one.
            while let Ok(next) = self.0.try_recv() {
                waiting.extend(next);
            }
            notify::reloading();
            let at_work = Arc::clone(&reloader);
            // It reads files, and this thread answers to signals and to the administration.
            let reload = tokio::task::spawn_blocking(move || {
                at_work
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .reload()
            });
            let reloaded_or_not = reload.await;
            notify::ready();
            // A panic was logged by the panic hook; those who wait are told that nothing came of it.
            if let Ok(outcome) = reloaded_or_not {
                for tell in waiting {
                    let _ = tell.send(outcome.clone());
                }
                reloaded.notify_one();
            }
        }
        std::future::pending().await
    }
}
