//! What others write is told, none of it is missed, and nothing is vouched for that may have been.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cloakroom::base::clock::Stopwatch;
use cloakroom::session::{Ticket, TicketKey};
use cloakroom::store::postgres::{PostgresDriver, PostgresSettings};
use cloakroom::store::remote::Driver;
use cloakroom::store::remote::driver::{Listener, RowChange};

use crate::rig::*;
use crate::support::eventually;
use crate::support::servers::{Database, Postgres, Wire};

/// Notes what it is told.
struct Ear {
    watch: Stopwatch,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    keys: Vec<TicketKey>,
    lost: usize,
    vouched: u64,
}

impl Listener for Ear {
    fn changed(&self, keys: &[TicketKey]) {
        self.heard.lock().unwrap().keys.extend(keys);
    }

    fn lost(&self) {
        self.heard.lock().unwrap().lost += 1;
    }

    fn moment_millis(&self) -> u64 {
        u64::try_from(self.watch.elapsed().as_millis()).unwrap()
    }

    fn vouch(&self, moment_millis: u64) {
        self.heard.lock().unwrap().vouched = moment_millis;
    }
}

impl Ear {
    /// An ear at `driver`, which is listening by now.
    async fn at(driver: &Arc<PostgresDriver>) -> Arc<Self> {
        let ear = Arc::new(Self {
            watch: Stopwatch::start(),
            heard: Mutex::default(),
        });
        let (driver, listener) = (Arc::clone(driver), Arc::clone(&ear));
        tokio::spawn(async move {
            let listener: Arc<dyn Listener> = listener;
            driver.watch(listener).await
        });
        eventually("a first word", async || (ear.lost() > 0).then_some(())).await;
        ear
    }

    fn lost(&self) -> usize {
        self.heard.lock().unwrap().lost
    }

    fn vouched(&self) -> u64 {
        self.heard.lock().unwrap().vouched
    }

    fn times(&self, key: &TicketKey) -> usize {
        let heard = self.heard.lock().unwrap();
        heard.keys.iter().filter(|heard| *heard == key).count()
    }

    async fn hears(&self, key: &TicketKey) {
        eventually("a change", async || (self.times(key) > 0).then_some(())).await;
    }

    /// Something is vouched for that was asked after now.
    async fn is_vouched_for(&self) {
        let now = self.moment_millis();
        eventually("a vouch", async || (self.vouched() > now).then_some(())).await;
    }
}

/// A driver that reads changes, directly or by LISTEN, beside one that writes them.
async fn pair(database: &Database, listens: bool) -> (Arc<PostgresDriver>, PostgresDriver) {
    migrated(&database.url()).await;
    let address = address(&database.url());
    let listen = listens.then(|| address.clone());
    let settings = PostgresSettings::new(address, listen, TIMEOUT);
    let reader = PostgresDriver::connect(&settings).await.unwrap();
    (
        Arc::new(reader),
        PostgresDriver::connect(&settings).await.unwrap(),
    )
}

#[tokio::test]
async fn every_ticket_of_a_touched_row_is_told_once() {
    for listens in [false, true] {
        let Some(database) = Postgres::database() else {
            return;
        };
        let (reader, writer) = pair(&database, listens).await;
        let ear = Ear::at(&reader).await;
        let [first, second, third]: [Ticket; 3] = std::array::from_fn(|_| Ticket::mint(NOW));
        let session = session(&first);
        let revision = make(&writer, &session).await;
        ear.hears(&first.key()).await;

        let change = RowChange {
            file: vec![second.key(), third.key()],
            unfile: vec![first.key()],
            ..changing(&session, revision)
        };
        let next = change.revision;
        writer.write(&writing(vec![change])).await.unwrap();
        for key in [second.key(), third.key()] {
            ear.hears(&key).await;
        }
        assert_eq!(ear.times(&first.key()), 2);

        writer
            .write(&writing(vec![changing(&session, next)]))
            .await
            .unwrap();
        eventually("again", async || {
            (ear.times(&second.key()) == 2).then_some(())
        })
        .await;
        assert_eq!((ear.times(&third.key()), ear.times(&first.key())), (2, 2));
        assert_eq!(ear.lost(), 1);
        ear.is_vouched_for().await;
        // Looked at again and again, and not told again.
        assert_eq!(ear.times(&third.key()), 2);
    }
}

/// The row that a transaction wrote early is committed after a later transaction's was read.
#[tokio::test]
async fn a_late_commit_is_not_missed() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let (reader, writer) = pair(&database, false).await;
    let ear = Ear::at(&reader).await;
    let early = Ticket::mint(NOW).key();
    let hex = data_encoding::HEXLOWER.encode(&early.0);
    let url = database.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let begin = format!(
        "BEGIN; INSERT INTO cloakroom.changes (writing, keys) VALUES (1, ARRAY['\\x{hex}'::bytea])"
    );
    client.batch_execute(&begin).await.unwrap();

    for _ in 0..3 {
        let later = Ticket::mint(NOW);
        make(&writer, &session(&later)).await;
        ear.hears(&later.key()).await;
        ear.is_vouched_for().await;
        // Though an old transaction is open, what was told once is not told again.
        assert_eq!(ear.times(&later.key()), 1);
    }
    assert_eq!(ear.times(&early), 0);
    client.batch_execute("COMMIT").await.unwrap();
    ear.hears(&early).await;
    assert_eq!((ear.times(&early), ear.lost()), (1, 1));
}

#[tokio::test]
async fn changes_are_told_in_time() {
    for (listens, most_ms) in [(false, 100), (true, 50)] {
        let Some(database) = Postgres::database() else {
            return;
        };
        let (reader, writer) = pair(&database, listens).await;
        let ear = Ear::at(&reader).await;
        let mut waits = Vec::new();
        for _ in 0..11 {
            let ticket = Ticket::mint(NOW);
            make(&writer, &session(&ticket)).await;
            let watch = Stopwatch::start();
            while ear.times(&ticket.key()) == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            waits.push(watch.elapsed());
        }
        // The median: the machine that runs the tests may be busy.
        waits.sort();
        assert!(
            waits[5] < Duration::from_millis(most_ms),
            "{listens}: {waits:?}"
        );
    }
}

#[tokio::test]
async fn behind_a_pooler_changes_are_read_through_it_or_beside_it() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let Some(bouncer) = database.bouncer() else {
        return;
    };
    migrated(&bouncer.url()).await;
    for listen in [None, Some(address(&database.url()))] {
        let settings = PostgresSettings::new(address(&bouncer.url()), listen, TIMEOUT);
        let driver = Arc::new(PostgresDriver::connect(&settings).await.unwrap());
        let ear = Ear::at(&driver).await;
        let ticket = Ticket::mint(NOW);
        let writer = PostgresDriver::connect(&settings).await.unwrap();
        make(&writer, &session(&ticket)).await;
        ear.hears(&ticket.key()).await;
        ear.is_vouched_for().await;
    }
}

#[tokio::test]
async fn what_the_driver_wrote_itself_is_not_told_and_what_it_may_have_written_is() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let (driver, other) = pair(&database, false).await;
    let ear = Ear::at(&driver).await;
    let (own, others) = (Ticket::mint(NOW), Ticket::mint(NOW));
    let mut revision = make(&driver, &session(&own)).await;
    // However often: each is read before or after it is known to be done, and is told at most in the first case.
    let mut told = 0;
    for _ in 0..10 {
        let change = changing(&session(&own), revision);
        revision = change.revision;
        let before = ear.times(&own.key());
        driver.write(&writing(vec![change])).await.unwrap();
        ear.is_vouched_for().await;
        told += ear.times(&own.key()) - before;
    }
    assert!(told < 5, "{told}");
    make(&other, &session(&others)).await;
    ear.hears(&others.key()).await;

    // Given up by us, and done all the same.
    let url = database.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    let hold = "BEGIN; SELECT FROM cloakroom.sessions FOR UPDATE";
    client.batch_execute(hold).await.unwrap();
    let change = writing(vec![changing(&session(&own), revision)]);
    let before = ear.times(&own.key());
    let short = Duration::from_millis(200);
    let given_up = tokio::time::timeout(short, driver.write(&change)).await;
    assert!(given_up.is_err());
    client.batch_execute("COMMIT").await.unwrap();
    eventually("it is told", async || {
        (ear.times(&own.key()) > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broken_channel_is_lost_and_mended() {
    let Some(database) = Postgres::database() else {
        return;
    };
    migrated(&database.url()).await;
    let wire = Wire::to(database.addr());
    let way = address(&database.url_at(wire.addr()));
    for listen in [None, Some(way.clone())] {
        let settings = PostgresSettings::new(way.clone(), listen, TIMEOUT);
        let driver = Arc::new(PostgresDriver::connect(&settings).await.unwrap());
        let ear = Ear::at(&driver).await;
        let lost = ear.lost();
        wire.refuse();
        eventually("it is lost", async || (ear.lost() > lost).then_some(())).await;
        let vouched = ear.vouched();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(ear.vouched(), vouched, "nobody answered");
        wire.heal();
        ear.is_vouched_for().await;

        wire.stall();
        let lost = ear.lost();
        eventually("it is lost", async || (ear.lost() > lost).then_some(())).await;
        wire.heal();
        ear.is_vouched_for().await;
    }
}

#[tokio::test]
async fn a_crash_that_empties_the_table_of_changes_is_noticed() {
    let Some(server) = Postgres::own() else {
        return;
    };
    let database = server.new_database();
    let (reader, writer) = pair(&database, false).await;
    let ear = Ear::at(&reader).await;
    let ticket = Ticket::mint(NOW);
    make(&writer, &session(&ticket)).await;
    ear.hears(&ticket.key()).await;
    let lost = ear.lost();
    // What a crash leaves of unlogged tables, under a pooler that hides that there was one.
    database.psql("TRUNCATE cloakroom.changes, cloakroom.epoch");
    eventually("it is lost", async || (ear.lost() > lost).then_some(())).await;

    let lost = ear.lost();
    database.psql("TRUNCATE cloakroom.sessions CASCADE");
    eventually("it is lost", async || (ear.lost() > lost).then_some(())).await;
    ear.is_vouched_for().await;
}
