//! What the service manager is told (sd_notify(3)); nothing, where there is none.

use sd_notify::NotifyState;

/// The gateway listens, or has done what it was reloading.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The gateway reads its configuration again; [`ready`] has to follow, whatever comes of it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager cannot be told of the reload"),
    }
}

/// The gateway drains.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// The process `pid` is the service from now on.
pub(super) fn taken_over_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// Tells again and again that the gateway lives, where the service has a `WatchdogSec=`.
pub(super) async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(limit / 2).await;
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the gateway is");
    }
}
