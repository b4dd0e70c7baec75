//! A master that sentinels name.

use super::support::servers::RedisSentinel;
use super::*;

#[tokio::test]
async fn a_failover_on_purpose_costs_nobody_anything() {
    let Some(group) = RedisSentinel::with_three_sentinels() else {
        return;
    };
    let group = Arc::new(group);
    let driver = connect(&format!("{}?replicas=1", group.url())).await;
    let ticket = Ticket::mint(NOW);
    let mut row = stored(&driver, &ticket).await;
    let moving = Arc::clone(&group);
    let mut failover = tokio::task::spawn_blocking(move || moving.fail_over());
    // Somebody changes the session all the time.
    let mut number = 0;
    loop {
        let next = touched(&row, &number.to_string());
        // On a busy machine the new master may be without a replica for longer than anybody waits; the same change is
        // then asked for again, as a visitor would, and is recognised if it had arrived.
        support::eventually("the change is taken", async || {
            let written = driver.write(&writing(vec![next.clone()])).await;
            let is_outage = matches!(written, Err(StoreFault::Remote(_) | StoreFault::Timeout));
            assert!(
                is_outage || matches!(written, Ok(Written::Done)),
                "{written:?}"
            );
            (!is_outage).then_some(())
        })
        .await;
        row = next;
        number += 1;
        if failover.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (&mut failover).await.unwrap();
    assert_eq!(found(&driver, &ticket).await, Some(row.session));
}

#[tokio::test]
async fn when_the_master_is_gone_the_replica_takes_over() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    let group = Arc::new(group);
    let driver = connect(&group.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    support::servers::until("the replica has it", || {
        let there = group.replica().try_cli(&["KEYS", "cloakroom:s:*"]).ok()?;
        (!there.is_empty()).then_some(())
    });
    let gone = Arc::clone(&group);
    let killed = tokio::task::spawn_blocking(move || gone.master().kill9());
    killed.await.unwrap();
    let there = support::eventually("a new master", async || {
        driver.find(&ticket.key(), NOW).await.ok()
    });
    assert_eq!(there.await.row.unwrap().session, row.session);
    let written = driver
        .write(&writing(vec![touched(&row, "2")]))
        .await
        .unwrap();
    assert_eq!(written, Written::Done);
}

#[tokio::test]
async fn a_sentinel_that_is_gone_is_not_missed() {
    let Some(group) = RedisSentinel::with_three_sentinels() else {
        return;
    };
    group.sentinels()[0].kill9();
    group.sentinels()[1].pause();
    let driver = connect(&group.url()).await;
    stored(&driver, &Ticket::mint(NOW)).await;
}

#[tokio::test]
async fn an_unknown_master_is_a_clear_fault() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    let url = group.url().replace("mymaster", "other");
    let address = RedisAddress::parse(&url).unwrap();
    let opened = RedisDriver::connect(address, Duration::from_millis(500), NOW).await;
    let Err(fault) = opened else {
        panic!("there is no such master");
    };
    let told = cloakroom::base::causes::Causes(&fault).to_string();
    assert!(
        told.contains("session.store.url") && told.contains("\"other\""),
        "{told}"
    );
}

#[tokio::test]
async fn listening_goes_on_at_the_new_master() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    let group = Arc::new(group);
    let other = connect(&group.url()).await;
    let heard = watching::Heard::by(connect(&group.url()).await);
    heard.vouched().await;
    let losses = heard.losses();
    let moving = Arc::clone(&group);
    let failover = tokio::task::spawn_blocking(move || moving.fail_over());
    failover.await.unwrap();
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
async fn that_a_failover_may_lose_changes_is_said_unless_a_replica_is_waited_for() {
    let Some(group) = RedisSentinel::start() else {
        return;
    };
    let (_, remarks) = try_connect(&group.url()).await.unwrap();
    assert_eq!(remarks, [Remark::ForgetsInAFailOver]);
    let url = format!("{}?replicas=1", group.url());
    let (driver, remarks) = try_connect(&url).await.unwrap();
    assert_eq!(remarks, []);
    stored(&driver, &Ticket::mint(NOW)).await;

    // Without a replica nothing is promised.
    group.replica().kill9();
    let row = new_row(&begun(&Ticket::mint(NOW)));
    let written = driver.write(&writing(vec![row])).await;
    assert!(written.is_err(), "{written:?}");
}
