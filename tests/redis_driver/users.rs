//! The sessions of a user.

use cloakroom::session::{Closed, UserKey};

use super::support::servers::Redis;
use super::*;

/// Writes a login and returns the row of the fork.
pub async fn logged_in(driver: &RedisDriver, id: &str) -> RowChange {
    let ticket = Ticket::mint(NOW);
    let row = stored(driver, &ticket).await;
    let mut before = Session::clone(&row.session);
    let commit = Commit::new(ticket, log_in(id), NOW);
    let fork = before.commit(&commit, &terms()).fork.unwrap();
    let fork = new_row(&fork);
    let rows = vec![changed_row(&before, Some(row.revision)), fork.clone()];
    assert_eq!(driver.write(&writing(rows)).await.unwrap(), Written::Done);
    fork
}

async fn count_of(driver: &RedisDriver, id: &str, now: Time) -> usize {
    let key = UserKey::of(None, id);
    driver.of_user(&key, now).await.unwrap().len()
}

#[tokio::test]
async fn a_user_has_the_sessions_that_hold_them_and_no_others() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let mut alices = Vec::new();
    for _ in 0..5 {
        alices.push(logged_in(&driver, "alice").await);
    }
    logged_in(&driver, "bob").await;
    assert_eq!(count_of(&driver, "alice", NOW).await, 5);
    assert_eq!(count_of(&driver, "bob", NOW).await, 1);
    assert_eq!(count_of(&driver, "carol", NOW).await, 0);

    let mut ended = Session::clone(&alices[0].session);
    ended.close(Closed::Ended, &terms(), NOW);
    let row = changed_row(&ended, Some(alices[0].revision));
    driver.write(&writing(vec![row])).await.unwrap();
    assert_eq!(count_of(&driver, "alice", NOW).await, 4);
}

#[tokio::test]
async fn the_index_keeps_nothing_that_is_over() {
    let Some(redis) = Redis::start() else { return };
    let driver = connect(&redis.url()).await;
    let members = || {
        let keys = redis.cli(&["KEYS", "cloakroom:u:*"]);
        let counts = keys.lines().map(|key| redis.cli(&["ZCARD", key]));
        counts
            .map(|count| count.parse::<usize>().unwrap())
            .sum::<usize>()
    };
    let ended = logged_in(&driver, "alice").await;
    let lost = logged_in(&driver, "alice").await;
    logged_in(&driver, "alice").await;
    assert_eq!(members(), 3);

    // Ended: gone with the write that ends it.
    let mut session = Session::clone(&ended.session);
    session.close(Closed::Ended, &terms(), NOW);
    let row = changed_row(&session, Some(ended.revision));
    driver.write(&writing(vec![row])).await.unwrap();
    assert_eq!(members(), 2);

    // Thrown away by the server: gone when somebody looks.
    let root = data_encoding::BASE64URL_NOPAD.encode(&lost.session.record.root.0);
    let key = redis.cli(&["KEYS", &format!("cloakroom:s:*{root}")]);
    redis.cli(&["DEL", &key]);
    assert_eq!(count_of(&driver, "alice", NOW).await, 1);
    assert_eq!(members(), 1);

    // Over by time: gone when somebody looks, or with the index itself.
    let late = NOW.plus(terms().absolute + terms().absolute);
    assert_eq!(count_of(&driver, "alice", late).await, 0);
    assert_eq!(members(), 0);
}
