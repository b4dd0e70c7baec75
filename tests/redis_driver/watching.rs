//! What is heard of changes.

use cloakroom::base::clock::Stopwatch;
use std::sync::Mutex;

use cloakroom::store::remote::driver::Listener;

use super::support::servers::{Redis, Wire, until};
use super::*;

/// A listener that notes what it hears.
pub struct Heard {
    noted: Arc<Noted>,
    watch: tokio::task::JoinHandle<()>,
}

struct Noted {
    started: Stopwatch,
    changed: Mutex<Vec<TicketKey>>,
    losses: AtomicU64,
    /// The last moment that was vouched for.
    vouched: AtomicU64,
}

impl Listener for Noted {
    fn changed(&self, keys: &[TicketKey]) {
        self.changed.lock().unwrap().extend_from_slice(keys);
    }

    fn lost(&self) {
        self.losses.fetch_add(1, Ordering::SeqCst);
    }

    fn moment_millis(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn vouch(&self, moment_millis: u64) {
        self.vouched.fetch_max(moment_millis, Ordering::SeqCst);
    }
}

impl Heard {
    /// What `driver` hears from now on.
    pub fn by(driver: RedisDriver) -> Self {
        let noted = Arc::new(Noted {
            started: Stopwatch::start(),
            changed: Mutex::default(),
            losses: AtomicU64::new(0),
            vouched: AtomicU64::new(0),
        });
        let listener: Arc<dyn Listener> = Arc::clone(&noted) as _;
        let watch = tokio::spawn(async move {
            driver.watch(listener).await;
        });
        Self { noted, watch }
    }

    /// Waits until a moment is vouched for that lies after this call.
    pub async fn vouched(&self) {
        let now = self.noted.moment_millis();
        support::eventually("it is vouched for", async || {
            (self.noted.vouched.load(Ordering::SeqCst) > now).then_some(())
        })
        .await;
    }

    /// Waits until a change of this is heard.
    pub async fn of(&self, key: &TicketKey) {
        support::eventually("the change is heard", async || {
            self.has_heard(key).then_some(())
        })
        .await;
    }

    pub fn has_heard(&self, key: &TicketKey) -> bool {
        self.noted.changed.lock().unwrap().contains(key)
    }

    fn forget(&self) {
        self.noted.changed.lock().unwrap().clear();
    }

    pub fn losses(&self) -> u64 {
        self.noted.losses.load(Ordering::SeqCst)
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

#[tokio::test]
async fn every_change_by_somebody_else_is_heard_for_every_ticket() {
    let Some(redis) = Redis::start() else { return };
    let other = connect(&redis.url()).await;
    let heard = Heard::by(connect(&redis.url()).await);
    heard.vouched().await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&other, &ticket).await;
    heard.of(&ticket.key()).await;

    // A ticket that opened nothing before, and the one from before, on whose session nothing else was written.
    let mut session = Session::clone(&row.session);
    let rotation = Commit::new(ticket.clone(), turn(Turn::Rotate), after(1));
    let next = session
        .commit(&rotation, &terms())
        .committed
        .ticket
        .unwrap();
    heard.forget();
    let rotated = RowChange {
        file: vec![next.key()],
        ..changed_row(&session, Some(row.revision))
    };
    other.write(&writing(vec![rotated.clone()])).await.unwrap();
    heard.of(&next.key()).await;
    heard.of(&ticket.key()).await;

    heard.forget();
    let unfiled = RowChange {
        unfile: vec![ticket.key()],
        ..changed_row(&session, Some(rotated.revision))
    };
    other.write(&writing(vec![unfiled])).await.unwrap();
    heard.of(&ticket.key()).await;
    assert!(heard.has_heard(&next.key()));
}

#[tokio::test]
async fn a_change_is_heard_before_a_later_moment_is_vouched_for() {
    let Some(redis) = Redis::start() else { return };
    let other = connect(&redis.url()).await;
    let heard = Heard::by(connect(&redis.url()).await);
    heard.vouched().await;
    for _ in 0..10 {
        let ticket = Ticket::mint(NOW);
        stored(&other, &ticket).await;
        let now = heard.noted.moment_millis();
        while heard.noted.vouched.load(Ordering::SeqCst) <= now {
            tokio::task::yield_now().await;
        }
        assert!(heard.has_heard(&ticket.key()));
    }
}

#[tokio::test]
async fn a_channel_that_is_killed_is_a_loss_and_comes_back() {
    let Some(redis) = Redis::start() else { return };
    let other = connect(&redis.url()).await;
    let heard = Heard::by(connect(&redis.url()).await);
    heard.vouched().await;
    let losses = heard.losses();
    let clients = redis.cli(&["CLIENT", "LIST"]);
    // Flag `B`: it tracks by prefixes.
    let tracking = clients.lines().find(|line| line.contains("flags=tB"));
    let id = tracking.and_then(|line| line.split_whitespace().next());
    let id = id.and_then(|id| id.strip_prefix("id=")).expect(&clients);
    assert_eq!(redis.cli(&["CLIENT", "KILL", "ID", id]), "1");
    support::eventually("it notices", async || {
        (heard.losses() > losses).then_some(())
    })
    .await;
    heard.vouched().await;
    let ticket = Ticket::mint(NOW);
    stored(&other, &ticket).await;
    heard.of(&ticket.key()).await;
}

#[tokio::test]
async fn a_server_that_is_emptied_is_a_loss() {
    let Some(redis) = Redis::start() else { return };
    let heard = Heard::by(connect(&redis.url()).await);
    heard.vouched().await;
    let losses = heard.losses();
    redis.cli(&["FLUSHALL"]);
    support::eventually("it notices", async || {
        (heard.losses() > losses).then_some(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_vouched_for_while_nothing_comes_through() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let heard = Heard::by(connect(&redis.url_at(wire.addr())).await);
    heard.vouched().await;
    let losses = heard.losses();
    wire.stall();
    support::eventually("it notices", async || {
        (heard.losses() > losses).then_some(())
    })
    .await;
    let last = heard.noted.vouched.load(Ordering::SeqCst);
    // A question that was sent before the wire stalled is the last that is answered.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.noted.vouched.load(Ordering::SeqCst), last);
    wire.heal();
    heard.vouched().await;
}

#[tokio::test]
async fn a_master_that_becomes_a_replica_vouches_for_nothing() {
    let Some(master) = Redis::start() else { return };
    let Some(redis) = Redis::start() else { return };
    let heard = Heard::by(connect(&redis.url()).await);
    heard.vouched().await;
    redis.cli(&["REPLICAOF", "127.0.0.1", &master.port().to_string()]);
    until("it follows", || {
        (redis.info("master_link_status")? == "up").then_some(())
    });
    let now = heard.noted.moment_millis();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(heard.noted.vouched.load(Ordering::SeqCst) <= now);
    redis.cli(&["REPLICAOF", "NO", "ONE"]);
    heard.vouched().await;
}

#[tokio::test]
async fn where_listening_is_not_allowed_nothing_is_vouched_for() {
    let line = "user app on >secret ~cloakroom:* +@all -client|tracking";
    let Some(redis) = Redis::with(&[line]) else {
        return;
    };
    let driver = connect(&format!("redis://app:secret@{}", redis.addr())).await;
    let heard = Heard::by(driver);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(heard.noted.vouched.load(Ordering::SeqCst), 0);
    // It is not asked for again and again either.
    let refused = redis.info("total_error_replies").unwrap();
    assert_eq!(refused, "1");
}
