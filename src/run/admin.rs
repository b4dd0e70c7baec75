//! The administration of a running gateway.

use std::sync::{Arc, Mutex, PoisonError};

use super::build::Parts;
use super::requests::Requests;
use super::standing::Standing;
use crate::admin::{self, Admin, Report};
use crate::server::drain::Drain;

/// Serves `server.admin` until it is dropped, where there is one. A gateway that cannot be asked how it is goes on.
pub(super) async fn serve(
    parts: &Parts,
    standing: Arc<Standing>,
    report: Arc<Mutex<Report>>,
    reloads: Requests,
    drain: Drain,
) {
    let (Some(listener), Some(door)) = (parts.take_admin(), &parts.door) else {
        return std::future::pending().await;
    };
    let report = move || {
        report
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    let admin = Admin {
        gateway: parts.gateway.clone(),
        meter: Arc::clone(&parts.meter),
        clock: parts.clock.clone(),
        obstacles: Box::new(move || standing.obstacles()),
        draining: Box::new(move || Box::pin(drain.begun())),
        config: Box::new(report),
        reload: Box::new(move || reloads.ask()),
        door: door.clone(),
    };
    if let Err(error) = admin::serve(listener, Arc::new(admin)).await {
        tracing::error!(%error, "server.admin cannot be served");
    }
    std::future::pending().await
}
