//! The thread on which a remote store talks to its server.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

use super::driver::{Driver, Listener};
use super::shared::Shared;
use super::{RemoteSettings, RemoteStartFault};
use crate::session::Terms;

/// The pause before a watch that panicked is started again.
const WATCH_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// A running thread.
pub(super) struct Thread {
    stop: oneshot::Sender<()>,
    end: JoinHandle<()>,
}

impl Thread {
    /// Stops it and waits for its end.
    pub(super) fn stop(self) {
        // A failed send or join means that the thread is gone already.
        let _ = self.stop.send(());
        let _ = self.end.join();
    }
}

/// What is there once a thread runs.
type Running<D> = (Thread, Handle, Arc<Shared<D>>);

/// What a thread tells when it has begun.
type Begun<D, E> = Result<(Handle, Arc<Shared<D>>), RemoteStartFault<E>>;

/// Starts a thread with a runtime, and makes the driver there.
pub(super) fn start<D: Driver, E, F>(
    settings: RemoteSettings,
    terms: Terms,
    connect: impl FnOnce() -> F + Send + 'static,
) -> Result<Running<D>, RemoteStartFault<E>>
where
    E: Error + Send + 'static,
    F: Future<Output = Result<D, E>>,
{
    let (stop, stopped) = oneshot::channel();
    let (tell, told) = mpsc::channel::<Begun<D, E>>();
    let run = move || {
        let begun = begin(&settings, terms, connect);
        let (runtime, begun) = match begun {
            Ok((runtime, shared)) => {
                let handle = runtime.handle().clone();
                (Some((runtime, Arc::clone(&shared))), Ok((handle, shared)))
            }
            Err(fault) => (None, Err(fault)),
        };
        // Who started the thread waits for this and nothing else.
        let _ = tell.send(begun);
        if let Some((runtime, shared)) = runtime {
            runtime.block_on(serve(&shared, settings.near_cache_bytes > 0, stopped));
            // A look-up of a name cannot be called off, and is not waited for.
            runtime.shutdown_background();
        }
    };
    let end = std::thread::Builder::new()
        .name("sessions-remote".to_owned())
        .spawn(run)
        .map_err(RemoteStartFault::Thread)?;
    let gone = |_| {
        let reason = "the thread of the session store ended while it began";
        Err(RemoteStartFault::Thread(std::io::Error::other(reason)))
    };
    let (handle, shared) = told.recv().unwrap_or_else(gone)?;
    Ok((Thread { stop, end }, handle, shared))
}

fn begin<D: Driver, E, F>(
    settings: &RemoteSettings,
    terms: Terms,
    connect: impl FnOnce() -> F,
) -> Result<(Runtime, Arc<Shared<D>>), RemoteStartFault<E>>
where
    E: Error + 'static,
    F: Future<Output = Result<D, E>>,
{
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(RemoteStartFault::Thread)?;
    let driver = runtime
        .block_on(async { connect().await })
        .map_err(RemoteStartFault::Driver)?;
    Ok((runtime, Arc::new(Shared::new(driver, terms, settings))))
}

/// Lets the tasks of the runtime run until the store is stopped and those who wait have their answers.
async fn serve<D: Driver>(shared: &Arc<Shared<D>>, watches: bool, stopped: oneshot::Receiver<()>) {
    if watches {
        tokio::spawn(watch(Arc::clone(shared)));
    }
    // A store that is gone without a word has been dropped: it stops too.
    let _ = stopped.await;
    let _ = tokio::time::timeout(shared.timeout, shared.nobody_waits()).await;
}

/// Runs the driver's watch. One that panicked has said nothing since, so it begins anew.
async fn watch<D: Driver>(shared: Arc<Shared<D>>) {
    loop {
        let watching = Arc::clone(&shared);
        let listener: Arc<dyn Listener> = shared.nearby.clone();
        let watch = async move { watching.driver.watch(listener).await };
        let Err(error) = tokio::spawn(watch).await;
        tracing::error!(%error, "the watch for session changes of other nodes failed");
        shared.nearby.lost();
        tokio::time::sleep(WATCH_AGAIN_AFTER).await;
    }
}
