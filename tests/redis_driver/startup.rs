//! What a start says of the servers.

use super::support::servers::Redis;
use super::*;

#[tokio::test]
async fn a_server_that_is_set_up_well_gives_no_cause_for_remarks() {
    let Some(redis) = Redis::start() else { return };
    let (_, remarks) = try_connect(&redis.url()).await.unwrap();
    assert_eq!(remarks, []);
}

#[tokio::test]
async fn a_server_that_throws_sessions_away_is_warned_of() {
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let line = format!("maxmemory-policy {policy}");
        let Some(redis) = Redis::with(&[&line]) else {
            return;
        };
        let (_, remarks) = try_connect(&redis.url()).await.unwrap();
        assert!(
            matches!(&remarks[..], [Remark::Evicts { .. }]),
            "{remarks:?}"
        );
        let told = remarks[0].to_string();
        assert!(
            told.contains(policy) && told.contains("noeviction"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_server_that_forgets_in_a_crash_is_warned_of() {
    let Some(redis) = Redis::with(&["appendfsync everysec"]) else {
        return;
    };
    let (_, remarks) = try_connect(&redis.url()).await.unwrap();
    assert!(
        matches!(&remarks[..], [Remark::ForgetsTheLast { .. }]),
        "{remarks:?}"
    );
    let Some(redis) = Redis::with(&["appendonly no"]) else {
        return;
    };
    let (_, remarks) = try_connect(&redis.url()).await.unwrap();
    assert!(
        matches!(&remarks[..], [Remark::ForgetsInACrash { .. }]),
        "{remarks:?}"
    );
    assert!(remarks[0].is_warning());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_clear_fault() {
    let Some(redis) = Redis::start() else { return };
    redis.kill9();
    let Err(fault) = try_connect(&redis.url()).await else {
        panic!("it was killed");
    };
    let told = cloakroom::base::causes::Causes(&fault).to_string();
    assert!(
        told.contains("session.store.url") && told.contains(&redis.addr().to_string()),
        "{told}"
    );
    assert!(told.contains("refused"), "{told}");
}
