//! The administration of a running gateway.

use std::sync::Arc;

use super::build::Parts;
use super::standing::Standing;
use crate::admin::{self, Admin};
use crate::server::drain::Drain;

/// Serves `server.admin` until it is dropped, where there is one. A gateway that cannot be asked how it is goes on.
pub(super) async fn serve(parts: &Parts, standing: Arc<Standing>, drain: Drain) {
    let Some((listener, door)) = parts.take_admin() else {
        return std::future::pending().await;
    };
    let admin = Admin {
        gateway: parts.gateway.clone(),
        meter: Arc::clone(&parts.meter),
        clock: parts.clock.clone(),
        obstacles: Box::new(move || standing.obstacles()),
        draining: Box::new(move || Box::pin(drain.begun())),
        door,
    };
    if let Err(error) = admin::serve(listener, Arc::new(admin)).await {
        tracing::error!(%error, "server.admin cannot be served");
    }
    std::future::pending().await
}
