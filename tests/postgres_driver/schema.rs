//! The schema: made once however often and by however many, and judged before it is used.

use cloakroom::store::postgres::{Migration, PostgresFault, migrate};

use crate::rig::*;
use crate::support::servers::Postgres;
use crate::support::together;

#[tokio::test]
async fn a_migration_done_again_does_nothing() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let address = address(&database.url());
    let first = migrate(&address, BORN).await.unwrap();
    assert_eq!(first, Migration { from: 0, to: 2 });
    let born = "SELECT value FROM cloakroom.facts WHERE name = 'born'";
    assert_eq!(database.psql(born), BORN.as_millis().to_string());
    let again = migrate(&address, NOW).await.unwrap();
    assert_eq!(again, Migration { from: 2, to: 2 });
    assert_eq!(database.psql(born), BORN.as_millis().to_string());
}

#[tokio::test]
async fn of_migrations_at_the_same_time_one_makes_the_schema() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let address = address(&database.url());
    let migrations = (0..6).map(|_| {
        let address = address.clone();
        tokio::spawn(async move { migrate(&address, BORN).await.unwrap() })
    });
    let from: Vec<_> = together(migrations)
        .await
        .into_iter()
        .map(|done| done.unwrap().from)
        .collect();
    assert_eq!(
        from.iter().filter(|from| **from == 0).count(),
        1,
        "{from:?}"
    );
    connect(&database.url()).await.unwrap();
}

#[tokio::test]
async fn a_schema_made_by_an_administrator_is_filled() {
    let Some(database) = Postgres::database() else {
        return;
    };
    database.psql(
        "ALTER DATABASE sessions_x OWNER TO postgres"
            .replace("sessions_x", database.name())
            .as_str(),
    );
    let fault = migrate(&address(&database.url()), BORN).await.unwrap_err();
    assert!(matches!(fault, PostgresFault::Statement(_)), "{fault:?}");
    database.psql("CREATE SCHEMA cloakroom AUTHORIZATION cloakroom");
    migrated(&database.url()).await;
    connect(&database.url()).await.unwrap();
}

#[tokio::test]
async fn a_schema_that_is_not_whole_or_not_to_be_used_is_noticed_at_the_start() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let refusal = async || match connect(&database.url()).await {
        Ok(_) => panic!("it serves"),
        Err(fault) => fault.to_string(),
    };

    database.psql("ALTER TABLE cloakroom.tickets OWNER TO postgres");
    database.psql("GRANT SELECT, INSERT ON cloakroom.tickets TO cloakroom");
    let denied = refusal().await;
    assert!(
        denied.contains("may not DELETE cloakroom.tickets") && denied.contains("GRANT"),
        "{denied}"
    );
    database.psql("GRANT DELETE ON cloakroom.tickets TO cloakroom");
    connect(&database.url()).await.unwrap();

    database.psql("DROP FUNCTION cloakroom.find");
    let broken = refusal().await;
    assert!(
        broken.contains("no cloakroom.find(bytea, bigint, bigint)"),
        "{broken}"
    );
}

#[tokio::test]
async fn a_database_that_cannot_serve_says_what_to_do() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let refusal = async || match connect(&database.url()).await {
        Ok(_) => panic!("it serves"),
        Err(fault) => fault.to_string(),
    };
    let way_out = "cloakroom store migrate --config";
    let missing = refusal().await;
    assert!(
        missing.contains("no schema") && missing.contains(way_out),
        "{missing}"
    );

    migrated(&database.url()).await;
    let set = |version| {
        format!("UPDATE cloakroom.facts SET value = {version} WHERE name = 'schema_version'")
    };
    database.psql(&set(99));
    let newer = refusal().await;
    assert!(
        newer.contains("version 99") && newer.contains("newer cloakroom"),
        "{newer}"
    );
    let fault = migrate(&address(&database.url()), NOW).await.unwrap_err();
    assert!(
        matches!(fault, PostgresFault::SchemaNewer { found: 99, .. }),
        "{fault:?}"
    );

    database.psql(&set(-1));
    let older = refusal().await;
    assert!(
        older.contains("version -1") && older.contains(way_out),
        "{older}"
    );
}
