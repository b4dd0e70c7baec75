//! The rig: a real gateway process, a real app and a browser that keeps cookies, on ports that the system picks.
//!
//! Nothing here knows how the gateway works inside: it starts the binary, speaks HTTP to it and reads its logs.
#![allow(
    dead_code,
    unused_imports,
    reason = "every test binary uses another part of the rig"
)]

mod gate;

mod app;

mod browser;

mod cookies;

mod raw;

mod websocket;

mod admin;

pub mod body;

pub mod forms;

pub mod servers;

pub mod apps;

pub mod learner;

pub mod contract;

pub mod chromium;

use std::future::Future;
use std::task::Poll;
use std::time::Duration;

pub use app::{App, Reply, Seen};
pub use browser::{Answer, Browser, Call};
pub use gate::{Gate, Setup, cloakroom, configuration, write_certificate};
pub use raw::{Raw, exchange};
pub use websocket::WebSocket;

/// How long a test waits for something that must come.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer; `what` is what was waited for in vain.
///
/// # Panics
/// After [`DEADLINE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let patience = tokio::time::timeout(DEADLINE, async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let Ok(answer) = patience.await else {
        panic!("waited {DEADLINE:?} in vain for: {what}");
    };
    answer
}

/// Runs all at the same time and returns what they bring, in their order.
pub async fn together<F: Future>(all: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let Poll::Ready(brought) = future.as_mut().poll(cx) {
                *output = Some(brought);
            }
        }
        let done = running.iter().all(|(_, output)| output.is_some());
        if done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}
