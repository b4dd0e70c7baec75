//! The schema in the database: made and brought up to date by `cloakroom store migrate`, and judged at each start.

use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, GenericClient, Row};

use super::address::PostgresAddress;
use super::fault::PostgresFault;
use super::pool::Connections;
use super::tls::Tls;
use crate::base::clock::Time;

/// What brings the schema from each version to the next; it begins with none. A step that was released is never edited.
const STEPS: &[&str] = &[include_str!("schema/1.sql"), include_str!("schema/2.sql")];

/// The version that is needed here.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The oldest PostgreSQL that can do what is asked: `pg_current_xact_id` is of 13.
const OLDEST_SERVER: i32 = 13;

/// How long a migration may take, waiting for another one included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the lock under which a migration runs: "cloakroo" in ASCII.
const LOCK: i64 = 0x636c_6f61_6b72_6f6f;

const ABOUT: &str = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
     to_regnamespace('cloakroom') IS NOT NULL, to_regclass('cloakroom.facts') IS NOT NULL";

const FACT: &str = "SELECT value FROM cloakroom.facts WHERE name = 'schema_version'";

/// What the version promises. The number alone does not tell that a function is as it is called here, nor what the user
/// of the address may do, and either would show with the first visitor only.
const FUNCTIONS: [&str; 7] = [
    "cloakroom.born(bigint)",
    "cloakroom.find(bytea, bigint, bigint)",
    "cloakroom.write(bigint, bigint, bigint, bytea[], bigint[], bigint[], bigint[], bytea[], text[], bytea[], bytea[], \
     bytea[], bytea[])",
    "cloakroom.changes_since(text, bigint[], bigint)",
    "cloakroom.note(bytea, bigint, bigint)",
    "cloakroom.pour(bytea, bigint, bigint, bigint, bigint, bigint)",
    "cloakroom.swap_note(bytea, bigint, bytea, bytea, bigint, bigint, bigint)",
];

/// Each table with the rights on it that are used.
const TABLES: [(&str, &str); 7] = [
    ("cloakroom.facts", "SELECT, INSERT"),
    ("cloakroom.sessions", "SELECT, INSERT, UPDATE, DELETE"),
    ("cloakroom.tickets", "SELECT, INSERT, DELETE"),
    ("cloakroom.changes", "SELECT, INSERT, UPDATE, DELETE"),
    ("cloakroom.epoch", "SELECT, INSERT"),
    ("cloakroom.nodes", "SELECT, INSERT, UPDATE, DELETE"),
    ("cloakroom.notes", "SELECT, INSERT, UPDATE, DELETE"),
];

/// The first thing that is missing (no right named), or that the user may not do. Of several rights in one text, the
/// functions of PostgreSQL ask for any, so that each is asked for by itself.
const LACK: &str = "SELECT what, CASE WHEN is_there THEN needed END FROM ( \
         SELECT f AS what, 'EXECUTE' AS needed, to_regprocedure(f) IS NOT NULL AS is_there, \
             has_function_privilege(to_regprocedure(f), 'EXECUTE') AS may \
         FROM unnest($1::text[]) f \
     UNION ALL \
         SELECT t, r, to_regclass(t) IS NOT NULL, has_table_privilege(to_regclass(t), r) \
         FROM unnest($2::text[], $3::text[]) AS each(t, rights), regexp_split_to_table(rights, ', ') r \
     ) asked WHERE NOT coalesce(may, false) LIMIT 1";

/// What a migration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Which version the schema had; 0: there was none.
    pub from: i64,
    /// Which it has now.
    pub to: i64,
}

/// Makes the schema in the database at `address`, or brings it up to date. Of two that run at once, the second finds
/// nothing left to do. All of it happens, or nothing.
///
/// # Errors
/// When the database cannot be used, or has a schema of a newer version.
pub async fn migrate(address: &PostgresAddress, now: Time) -> Result<Migration, PostgresFault> {
    let migration = tokio::time::timeout(PATIENCE, async {
        let connect = address.config_for(PATIENCE);
        let (mut client, connection) = connect
            .connect(Tls::of(address)?)
            .await
            .map_err(PostgresFault::Connect)?;
        let connection = tokio::spawn(connection);
        let migration = within_transaction(&mut client, now).await;
        drop(client);
        // What it has to say was said to the statement that failed.
        let _ = connection.await;
        migration
    });
    migration.await.unwrap_or(Err(PostgresFault::Timeout))
}

async fn within_transaction(client: &mut Client, now: Time) -> Result<Migration, PostgresFault> {
    let transaction = client.transaction().await?;
    transaction
        .query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)])
        .await?;
    let about = transaction.query_typed_one(ABOUT, &[]).await?;
    let there = Present::judge(&about)?;
    let from = if there.has_facts {
        version(&transaction.query_typed(FACT, &[]).await?)?
    } else {
        0
    };
    if from > VERSION {
        return Err(newer(from));
    }
    if !there.has_schema {
        // Whoever may not make one can have it made by an administrator; then it is there.
        transaction.batch_execute("CREATE SCHEMA cloakroom").await?;
    }
    let done = usize::try_from(from).unwrap_or_default();
    for step in STEPS.iter().skip(done) {
        transaction.batch_execute(step).await?;
    }
    note(&transaction, "schema_version", VERSION, true).await?;
    note(&transaction, "born", super::millis(now), false).await?;
    transaction.commit().await?;
    Ok(Migration { from, to: VERSION })
}

/// Notes a fact; one that is known already changes only if it `may_change`.
async fn note(
    client: &impl GenericClient,
    name: &str,
    value: i64,
    may_change: bool,
) -> Result<(), PostgresFault> {
    let sql = "INSERT INTO cloakroom.facts AS f VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE $3";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&name, Type::TEXT),
        (&value, Type::INT8),
        (&may_change, Type::BOOL),
    ];
    client.query_typed(sql, &parameters).await?;
    Ok(())
}

/// Whether the database can serve as a store now.
pub(super) async fn judge(connections: &Connections) -> Result<(), PostgresFault> {
    let about = connections.row(ABOUT, &[]).await?;
    if !Present::judge(&about)?.has_facts {
        return Err(PostgresFault::SchemaMissing);
    }
    match version(&connections.rows(FACT, &[]).await?)? {
        VERSION => nothing_lacks(connections).await,
        0 => Err(PostgresFault::SchemaMissing),
        newer_one if newer_one > VERSION => Err(newer(newer_one)),
        older => Err(PostgresFault::SchemaOlder {
            found: older,
            needed: VERSION,
        }),
    }
}

async fn nothing_lacks(connections: &Connections) -> Result<(), PostgresFault> {
    let (tables, rights): (Vec<&str>, Vec<&str>) = TABLES.into_iter().unzip();
    let functions = FUNCTIONS.as_slice();
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [
        (&functions, Type::TEXT_ARRAY),
        (&tables, Type::TEXT_ARRAY),
        (&rights, Type::TEXT_ARRAY),
    ];
    let lacks = connections.rows(LACK, &parameters).await?;
    let Some(lack) = lacks.first() else {
        return Ok(());
    };
    let what = lack.try_get(0)?;
    Err(match lack.try_get(1)? {
        Some(right) => PostgresFault::Right { right, what },
        None => PostgresFault::SchemaLacks(what),
    })
}

/// What is in the database already.
struct Present {
    has_schema: bool,
    has_facts: bool,
}

impl Present {
    /// Judges the server by the way.
    fn judge(about: &Row) -> Result<Self, PostgresFault> {
        let major = about.try_get::<_, i32>(0)? / 10_000;
        if major < OLDEST_SERVER {
            return Err(PostgresFault::TooOld(major));
        }
        let encoding: String = about.try_get(1)?;
        if encoding != "UTF8" {
            return Err(PostgresFault::Encoding(encoding));
        }
        Ok(Self {
            has_schema: about.try_get(2)?,
            has_facts: about.try_get(3)?,
        })
    }
}

fn version(fact: &[Row]) -> Result<i64, PostgresFault> {
    Ok(fact.first().map_or(Ok(0), |row| row.try_get(0))?)
}

const fn newer(found: i64) -> PostgresFault {
    PostgresFault::SchemaNewer {
        found,
        known: VERSION,
    }
}
