//! Servers and connections that fall silent without breaking, seen from the store: whoever waits gives up before they do.

use cloakroom::session::Opening;
use cloakroom::store::Store;
use cloakroom::store::remote::{RemoteSettings, RemoteStore};

use super::support::servers::{Redis, RedisSentinel, Wire};
use super::*;

/// How long a request waits for the store.
const PATIENCE: Duration = Duration::from_millis(400);

/// A store as a gateway has it.
fn store_at(url: &str) -> RemoteStore<RedisDriver> {
    let address = RedisAddress::parse(url).unwrap();
    let settings = RemoteSettings::new(PATIENCE, 0);
    let within = settings.driver_timeout();
    let connect = move || RedisDriver::connect(address, within, NOW);
    RemoteStore::start(&settings, terms(), connect).unwrap()
}

async fn opens(store: &RemoteStore<RedisDriver>, ticket: &Ticket) {
    let opening = support::eventually("the store answers again", async || {
        store.open(ticket, after(1)).await.ok()
    });
    assert!(matches!(opening.await, Opening::Open { .. }));
}

async fn store_session(store: &RemoteStore<RedisDriver>) -> Ticket {
    let commit = Commit::new(Ticket::mint(NOW), set("a", "1"), NOW);
    store.commit(commit).await.unwrap().ticket.unwrap()
}

#[tokio::test]
async fn a_connection_that_was_lost_without_a_word_is_replaced() {
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let store = store_at(&redis.url_at(wire.addr()));
    let ticket = store_session(&store).await;
    wire.lose();
    let fault = store.open(&ticket, after(1)).await.unwrap_err();
    assert!(matches!(fault, StoreFault::Timeout), "{fault:?}");
    opens(&store, &ticket).await;
    wire.lose();
    let change = Commit::new(ticket.clone(), set("a", "2"), after(1));
    assert!(store.commit(change).await.is_err());
    opens(&store, &ticket).await;
}

#[tokio::test]
async fn a_master_that_hangs_is_left_for_the_one_that_takes_its_place() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    let group = Arc::new(group);
    let store = store_at(&group.url());
    let ticket = store_session(&store).await;
    group.await_replica();
    let old = group.master().port();
    let hung = || {
        let mut servers = group.servers().iter();
        servers.find(|server| server.port() == old).unwrap()
    };
    hung().pause();
    let sentinels = Arc::clone(&group);
    let promoted = tokio::task::spawn_blocking(move || {
        let ask = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"];
        support::servers::until("another master", || {
            let named = sentinels.sentinels()[0].try_cli(&ask).ok()?;
            (!named.contains(&old.to_string())).then_some(())
        });
    });
    // There is always somebody who asks, as in life.
    while !promoted.is_finished() {
        let _ = store.open(&ticket, after(1)).await;
    }
    promoted.await.unwrap();
    opens(&store, &ticket).await;
    hung().resume();
}
