//! Asks members whether they are well. Once for the whole process, not for each core.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Uri};
use tokio::task::LocalSet;

use super::super::body::Body;
use super::super::pool::Pool;
use super::harm::ProbeFault;
use super::{HealthSettings, Member, Upstreams};
use crate::base::clock::Clock;

/// How often it is looked whether there are other sets.
const LOOK_EVERY: Duration = Duration::from_secs(1);

const AGENT: HeaderValue = HeaderValue::from_static("cloakroom-health");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Probes the sets that `sets` tells, those of the configuration of now, until it is dropped.
pub async fn run(clock: Clock, sets: impl Fn() -> Vec<Arc<Upstreams>>) {
    let look = async {
        let mut known: Vec<Weak<Upstreams>> = Vec::new();
        loop {
            let now: Vec<_> = sets();
            for set in &now {
                let is_known = known
                    .iter()
                    .any(|old| std::ptr::eq(old.as_ptr(), Arc::as_ptr(set)));
                if !is_known {
                    begin(set, &clock);
                }
            }
            // These keep their places in memory from being taken by others.
            known = now.iter().map(Arc::downgrade).collect();
            drop(now);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    LocalSet::new().run_until(look).await
}

/// Probes the members of `set` for as long as somebody holds it.
fn begin(set: &Arc<Upstreams>, clock: &Clock) {
    if set.settings.health.is_none() {
        return;
    }
    for at in 0..set.members.len() {
        let (set, clock) = (Arc::downgrade(set), clock.clone());
        tokio::task::spawn_local(async move {
            while let Some(interval) = round(&set, at, &clock).await {
                tokio::time::sleep(interval).await;
            }
        });
    }
}

/// One probe; tells how long to rest until the next, if there is to be one.
async fn round(set: &Weak<Upstreams>, at: usize, clock: &Clock) -> Option<Duration> {
    let set = set.upgrade()?;
    let (health, member) = (set.settings.health.as_ref()?, set.members.get(at)?);
    let outcome = tokio::time::timeout(health.timeout, ask(member, health)).await;
    let outcome = outcome.unwrap_or(Err(ProbeFault::TimedOut));
    member.state.probed(outcome, health, clock.now());
    set.tell_service();
    Some(health.interval)
}

async fn ask(member: &Member, health: &HealthSettings) -> Result<(), ProbeFault> {
    let mut settings = (*member.settings).clone();
    settings.connect_timeout = health.timeout;
    settings.response_timeout = health.timeout;
    settings.connections = 1;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from(health.target.clone());
    let headers = request.headers_mut();
    headers.insert(HOST, health.host.clone());
    headers.insert(USER_AGENT, AGENT);
    headers.insert(CONNECTION, CLOSE);
    // A pool of its own, so that each probe makes a connection as well.
    let status = Pool::new()
        .send(&Arc::new(settings), request)
        .await?
        .status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(ProbeFault::Status(status))
    }
}
