//! Hears of every session that changes, for a cache in front of the servers.
//!
//! Each server that keeps anything is asked, on a connection for this alone, to tell which tickets' keys are written
//! (`CLIENT TRACKING … BCAST`; that needs RESP3). It tells in order: what was written before it read a question is told
//! before its answer. The question is whether it is still the master of what it is thought to keep, so an answer vouches
//! for all of that. Where the servers cannot do this, nothing is vouched for and a cache serves nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ::redis::aio::ConnectionLike;
use ::redis::{Pipeline, PushInfo, PushKind, Value, cmd, pipe};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::address::Endpoint;
use super::dial::Link;
use super::fault::RedisFault;
use super::keys::{Family, Names};
use super::servers::Servers;
use crate::base::causes::Causes;
use crate::store::remote::driver::Listener;

/// How often a sign of life is asked for.
const PERIOD: Duration = Duration::from_millis(200);

/// How long to wait for it. What is known counts for half a second; no answer within that is as good as none.
const PATIENCE: Duration = Duration::from_millis(400);

/// How long to wait before the servers are asked again what they do not allow: somebody may have allowed it.
const NOT_ALLOWED_PAUSE: Duration = Duration::from_secs(30);

/// One server, and what it is asked for a sign of life.
#[derive(Clone)]
struct Channel {
    endpoint: Endpoint,
    link: Arc<Link>,
    question: Arc<Pipeline>,
}

pub(super) async fn watch(servers: &Arc<Servers>, listener: &Arc<dyn Listener>) -> Infallible {
    let mut told = false;
    loop {
        let fault = hear(servers, listener).await;
        listener.lost();
        if fault.is_not_allowed() {
            if !told {
                tracing::warn!(
                    error = %Causes(&fault),
                    "session.store.near_cache: the server does not tell what changes, so each request asks it; allow \
                     CLIENT TRACKING over RESP3, or leave near_cache out"
                );
            }
            told = true;
            sleep(NOT_ALLOWED_PAUSE).await;
        } else {
            told = false;
            tracing::debug!(error = %Causes(&fault), "listening to the session store anew");
            sleep(PERIOD).await;
        }
    }
}

/// Listens until something is wrong.
async fn hear(servers: &Arc<Servers>, listener: &Arc<dyn Listener>) -> RedisFault {
    let broken = Arc::new(Notify::new());
    let channels = match open(servers, listener, &broken).await {
        Ok(channels) => channels,
        Err(fault) => return fault,
    };
    // Whatever was read before all of them listened may have changed unheard.
    listener.lost();
    loop {
        let moment = listener.moment_millis();
        if let Err(fault) = ask(&channels).await {
            return fault;
        }
        listener.vouch(moment);
        // A break is noticed at once; that it was one, the next question tells.
        let _ = timeout(PERIOD, broken.notified()).await;
    }
}

async fn open(
    servers: &Arc<Servers>,
    listener: &Arc<dyn Listener>,
    broken: &Arc<Notify>,
) -> Result<Vec<Channel>, RedisFault> {
    let map = servers.fresh_map().await?;
    let mut channels = Vec::new();
    for (line, families) in map.owned() {
        let endpoint = line.endpoint().clone();
        let opening = Channel::open(servers, &endpoint, &families, listener, broken);
        let opened = timeout(servers.timeout(), opening).await;
        let silent = |_| RedisFault::Silent {
            server: endpoint.to_string(),
        };
        channels.push(opened.map_err(silent)??);
    }
    Ok(channels)
}

/// All at once.
async fn ask(channels: &[Channel]) -> Result<(), RedisFault> {
    let mut asked = JoinSet::new();
    for channel in channels {
        let channel = channel.clone();
        asked.spawn(async move { channel.ask().await });
    }
    while let Some(answer) = asked.join_next().await {
        // A task that does not end well was ended with the runtime.
        answer.unwrap_or(Err(RedisFault::Strange))?;
    }
    Ok(())
}

impl Channel {
    async fn open(
        servers: &Servers,
        endpoint: &Endpoint,
        families: &[Family],
        listener: &Arc<dyn Listener>,
        broken: &Arc<Notify>,
    ) -> Result<Self, RedisFault> {
        let (heard, names) = (Arc::clone(listener), servers.names().clone());
        let broken = Arc::clone(broken);
        let told = move |push: PushInfo| {
            hear_one(push, &names, heard.as_ref(), &broken);
            Ok::<_, Infallible>(())
        };
        let link = servers.dialer().dial_listening(endpoint, told).await?;
        let mut track = cmd("CLIENT");
        track.arg("TRACKING").arg("ON").arg("BCAST");
        track.arg("PREFIX").arg(servers.names().tickets());
        let tracked = track.exec_async(&mut link.connection()).await;
        tracked.map_err(|fault| RedisFault::of(endpoint, fault))?;
        // A single master, or one under Sentinel, keeps all families or none.
        let asked = match servers.is_cluster() {
            true => families,
            false => &families[..families.len().min(1)],
        };
        let mut question = pipe();
        for family in asked {
            question.cmd("PERSIST").arg(servers.names().born(*family));
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            link: Arc::new(link),
            question: Arc::new(question),
        })
    }

    async fn ask(&self) -> Result<(), RedisFault> {
        let mut connection = self.link.connection();
        let asked = connection.req_packed_commands(&self.question, 0, self.question.len());
        let answers = match timeout(PATIENCE, asked).await {
            Ok(answers) => answers,
            Err(_) => {
                return Err(RedisFault::Silent {
                    server: self.endpoint.to_string(),
                });
            }
        };
        let answers = answers.and_then(|answers| Value::Array(answers).extract_error());
        answers.map_err(|fault| RedisFault::of(&self.endpoint, fault))?;
        Ok(())
    }
}

/// Runs where the connection is read, so that it is through before the next answer is.
fn hear_one(push: PushInfo, names: &Names, listener: &dyn Listener, broken: &Notify) {
    match push.kind {
        PushKind::Invalidate => match push.data.into_iter().next() {
            Some(Value::Array(changed)) => {
                let name = |value: &Value| match value {
                    Value::BulkString(name) => names.read_ticket(name),
                    _ => None,
                };
                let keys: Option<Vec<_>> = changed.iter().map(name).collect();
                match keys {
                    Some(keys) => listener.changed(&keys),
                    None => listener.lost(),
                }
            }
            // The whole server was emptied.
            _ => listener.lost(),
        },
        PushKind::Disconnection => broken.notify_one(),
        _ => {}
    }
}
