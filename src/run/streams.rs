//! Open streams, for as long as the gateway runs: their sessions are watched, and they are told when it ends.

use std::sync::Arc;
use std::time::Duration;

use super::build::Parts;
use crate::gateway::streams::Watch;
use crate::server::drain::Drain;

/// How long before the end of the drain streams are told to end. The rest is theirs to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Watches until it is dropped.
pub(super) async fn watch(parts: &Parts, drain: &Drain) {
    let streams = Arc::clone(&parts.live.streams);
    let watch = Watch {
        streams: Arc::clone(&streams),
        store: Arc::clone(&parts.live.store),
        clock: parts.clock.clone(),
        meter: Arc::clone(&parts.meter),
    };
    let leave = async {
        drain.begun().await;
        let drain_timeout = parts.setup.current().settings.drain_timeout;
        // A stream does not end by itself. So late, because a page that comes back at once finds no other gateway yet.
        let patience = drain_timeout.saturating_sub(GOODBYE).max(drain_timeout / 2);
        tokio::time::sleep(patience).await;
        streams.end_all();
    };
    tokio::join!(watch.run(), leave);
}
