//! A cluster.

use std::collections::BTreeSet;

use cloakroom::session::Closed;

use super::support::servers::RedisCluster;
use super::*;

#[tokio::test]
async fn sessions_live_on_all_masters_and_each_change_is_made_whole() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let driver = connect(&cluster.url()).await;
    let tickets = tickets_of_families(48);
    let mut roots = BTreeSet::new();
    for ticket in &tickets {
        let row = stored(&driver, ticket).await;
        let mut before = Session::clone(&row.session);
        let commit = Commit::new(ticket.clone(), log_in("alice"), after(1));
        let effects = before.commit(&commit, &terms());
        let fork = new_row(&effects.fork.unwrap());
        let rows = vec![changed_row(&before, Some(row.revision)), fork.clone()];
        assert_eq!(driver.write(&writing(rows)).await.unwrap(), Written::Done);
        let next = effects.committed.ticket.unwrap();
        assert_eq!(found(&driver, &next).await, Some(fork.session.clone()));
        assert_eq!(found(&driver, ticket).await.as_deref(), Some(&before));
        // The session before it ends with it.
        let mut rows = Vec::new();
        for (mut session, revision) in [
            (Session::clone(&fork.session), fork.revision),
            (before, find(&driver, ticket).await.row.unwrap().revision),
        ] {
            roots.insert(session.record.root.0);
            session.close(Closed::Ended, &terms(), NOW);
            rows.push(changed_row(&session, Some(revision)));
        }
        rows[1].expected = Some(revision());
        let torn = driver.write(&writing(rows)).await.unwrap();
        assert_eq!(torn, Written::Conflict);
        assert_eq!(found(&driver, &next).await, Some(fork.session));
    }
    for node in cluster.nodes() {
        let size: usize = node.cli(&["DBSIZE"]).parse().unwrap();
        assert!(size > 48, "{size}");
    }
    let alices = driver.of_user(&user("alice").key(), NOW).await.unwrap();
    assert_eq!(alices.len(), 48);
    assert_eq!(walk::roots(&driver, 10).await.0, roots);
}

#[tokio::test]
async fn a_replica_takes_over_and_nothing_is_lost() {
    let Some(cluster) = RedisCluster::with_replicas() else {
        return;
    };
    let cluster = Arc::new(cluster);
    let driver = connect(&cluster.url()).await;
    let tickets = tickets_of_families(20);
    for ticket in &tickets {
        stored(&driver, ticket).await;
    }
    let name = key_name(&cluster, &tickets[0]);
    let old = cluster.owner(&name).port();
    // All that was answered is with the replicas.
    for node in &cluster.nodes()[..3] {
        let connection = ["WAIT", "1", "5000"];
        node.cli(&connection);
    }
    let gone = Arc::clone(&cluster);
    let killed = tokio::task::spawn_blocking(move || gone.owner(&name).kill9());
    killed.await.unwrap();
    for ticket in &tickets {
        let there = support::eventually("a master for each family", async || {
            driver.find(&ticket.key(), NOW).await.ok()
        });
        assert!(there.await.row.is_some());
    }
    let name = key_name(&cluster, &tickets[0]);
    assert_ne!(cluster.owner(&name).port(), old);
    for ticket in &tickets {
        let row = new_row(&begun(&ticket.mint_beside(NOW)));
        assert_eq!(
            driver.write(&writing(vec![row])).await.unwrap(),
            Written::Done
        );
    }
}

#[tokio::test]
async fn a_family_that_moves_to_another_master_is_followed() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let driver = connect(&cluster.url()).await;
    let ticket = Ticket::mint(NOW);
    let row = stored(&driver, &ticket).await;
    let name = key_name(&cluster, &ticket);
    let slot = cluster.cli(&["CLUSTER", "KEYSLOT", &name]);
    let from = cluster.owner(&name);
    let to = cluster
        .nodes()
        .iter()
        .find(|node| node.port() != from.port());
    let to = to.unwrap();
    let id = |node: &support::servers::Redis| node.cli(&["CLUSTER", "MYID"]);
    let (from_id, to_id) = (id(from), id(to));
    to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]);
    from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]);
    // Half of it has moved: there is no answer, and no wrong one.
    let port = to.port().to_string();
    let migrate = |key: &str| {
        let words = [
            "MIGRATE",
            "127.0.0.1",
            &port,
            key,
            "0",
            "5000",
            "AUTH2",
            "rig",
            "rig",
        ];
        from.cli(&words);
    };
    migrate(&name);
    let key = ticket.key();
    let half = tokio::time::timeout(Duration::from_secs(1), driver.find(&key, NOW));
    assert!(!matches!(half.await, Ok(Ok(_))));
    for key in from
        .cli(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"])
        .lines()
    {
        migrate(key);
    }
    // All of it has moved, and the old master sends us on, one question at a time.
    assert_eq!(found(&driver, &ticket).await, Some(row.session.clone()));
    for node in [to, from] {
        node.cli(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]);
    }
    assert_eq!(found(&driver, &ticket).await, Some(row.session.clone()));
    assert_eq!(
        driver
            .write(&writing(vec![touched(&row, "2")]))
            .await
            .unwrap(),
        Written::Done
    );
}

#[tokio::test]
async fn changes_are_heard_from_every_master() {
    let Some(cluster) = RedisCluster::start() else {
        return;
    };
    let other = connect(&cluster.url()).await;
    let heard = watching::Heard::by(connect(&cluster.url()).await);
    heard.vouched().await;
    for ticket in tickets_of_families(30) {
        stored(&other, &ticket).await;
        heard.of(&ticket.key()).await;
    }
}

/// What the ticket's key is called.
fn key_name(cluster: &RedisCluster, ticket: &Ticket) -> String {
    let key = data_encoding::BASE64URL_NOPAD.encode(&key_of(ticket).0);
    let names = cluster.nodes().iter().filter_map(|node| {
        let found = node
            .try_cli(&["KEYS", &format!("cloakroom:t:*{key}")])
            .ok()?;
        found.lines().next().map(str::to_owned)
    });
    names.into_iter().next().unwrap()
}
