//! Who may come in, and how.

use super::support::servers::Redis;
use super::*;

/// What the documentation says that a user needs.
const RIGHTS: &str =
    "~cloakroom:* resetchannels -@all +@read +@write +@scripting +@connection -@dangerous";

#[tokio::test]
async fn a_user_with_rights_to_our_keys_alone_can_do_everything() {
    let rights = format!("user app on >s%c@ret {RIGHTS}");
    let Some(redis) = Redis::with(&["requirepass other", &rights]) else {
        return;
    };
    let url = format!("redis://app:s%25c%40ret@{}", redis.addr());
    let (driver, remarks) = try_connect(&url).await.unwrap();
    // It may not ask how the server is set up.
    assert_eq!(remarks.len(), 1, "{remarks:?}");
    assert!(!remarks[0].is_warning(), "{remarks:?}");
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    driver
        .write(&writing(vec![touched(&row, "2")]))
        .await
        .unwrap();
    assert!(found(&driver, &ticket).await.is_some());
    assert!(
        driver
            .of_user(&user("alice").key(), NOW)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(walk::roots(&driver, 10).await.0.len(), 1);
    let listener = watching::Heard::by(driver);
    listener.vouched().await;
    // Nothing else was refused.
    let refused = redis.cli(&["ACL", "LOG"]);
    assert_eq!(refused.matches("reason\n").count(), 2, "{refused}");
}

#[tokio::test]
async fn the_password_alone_is_enough_where_there_are_no_users() {
    let Some(redis) = Redis::with(&["requirepass s/cret"]) else {
        return;
    };
    let driver = connect(&format!("redis://:s%2Fcret@{}", redis.addr())).await;
    stored(&driver, &Ticket::mint(NOW)).await;
}

#[tokio::test]
async fn a_wrong_password_is_a_clear_fault_that_does_not_tell_it() {
    let Some(redis) = Redis::with(&["requirepass right"]) else {
        return;
    };
    for login in ["", ":hunter2@", "app:hunter2@"] {
        let Err(fault) = try_connect(&format!("redis://{login}{}", redis.addr())).await else {
            panic!("it was let in with {login:?}");
        };
        let told = format!("{fault:?} {}", cloakroom::base::causes::Causes(&fault));
        assert!(told.contains("session.store.url"), "{told}");
        assert!(told.contains(&redis.addr().to_string()), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn tls_is_verified_by_the_ca_that_the_address_names() {
    let Some(redis) = Redis::with_tls() else {
        return;
    };
    let ca = redis.ca_file().unwrap().display();
    let driver = connect(&format!("{}?ca_file={ca}", redis.url())).await;
    let ticket = Ticket::mint(NOW);
    stored(&driver, &ticket).await;
    assert!(found(&driver, &ticket).await.is_some());
    let listener = watching::Heard::by(driver);
    listener.vouched().await;

    // By name too, and by no other name and no other CA.
    let by_name = format!("rediss://localhost:{}?ca_file={ca}", redis.port());
    connect(&by_name).await;
    let Some(other) = Redis::with_tls() else {
        return;
    };
    let other = other.ca_file().unwrap().display().to_string();
    let refused = [
        redis.url(),
        format!("{}?ca_file={other}", redis.url()),
        format!("rediss://127.0.0.2:{}?ca_file={ca}", redis.port()),
        format!("{}?ca_file=/no/such/file", redis.url()),
        format!("redis://{}", redis.addr()),
    ];
    for url in refused {
        assert!(try_connect(&url).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn a_socket_will_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let line = format!("unixsocket {}", path.display());
    let Some(_redis) = Redis::with(&[&line]) else {
        return;
    };
    let driver = connect(&format!("redis+unix://{}", path.display())).await;
    let ticket = Ticket::mint(NOW);
    stored(&driver, &ticket).await;
    assert!(found(&driver, &ticket).await.is_some());
}
