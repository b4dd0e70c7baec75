//! The store does not answer (contract 8, SECURITY lessons 5 and 6): nobody is logged out, and nothing hangs.

use std::sync::Arc;

use crate::engines::{Engine, Server, app, shown};
use crate::support::servers::{Postgres, Redis};
use crate::support::{App, Gate, Setup, eventually};

/// A server that a test of its own may break.
enum Broken {
    Redis(Arc<Redis>),
    Postgres(Postgres),
}

impl Broken {
    fn pause(&self) {
        match self {
            Self::Redis(redis) => redis.pause(),
            Self::Postgres(postgres) => postgres.pause(),
        }
    }

    fn resume(&self) {
        match self {
            Self::Redis(redis) => redis.resume(),
            Self::Postgres(postgres) => postgres.resume(),
        }
    }

    fn kill9(&self) {
        match self {
            Self::Redis(redis) => redis.kill9(),
            Self::Postgres(postgres) => postgres.kill9(),
        }
    }

    fn restart(&self) {
        match self {
            Self::Redis(redis) => redis.restart(),
            Self::Postgres(postgres) => postgres.restart(),
        }
    }
}

/// Engines whose server is nobody else's.
fn each() -> Vec<(Engine, Broken)> {
    let mut engines = Vec::new();
    for more in [
        "timeout = \"2s\"",
        "timeout = \"2s\"\nnear_cache = \"8MiB\"",
    ] {
        if let Some(engine) = Engine::redis(more)
            && let Server::Redis(redis) = &engine.server
        {
            let broken = Broken::Redis(Arc::clone(redis));
            engines.push((engine, broken));
        }
        if let Some(postgres) = Postgres::own() {
            let engine = Engine::postgres_at(postgres.new_database(), more);
            engines.push((engine, Broken::Postgres(postgres)));
        }
    }
    engines
}

/// Promise: while the store is silent, a request is refused with 503 and no cookie is touched; when it is back, the same
/// ticket works, and what was refused was not done.
#[tokio::test]
async fn a_silent_store_is_a_503_and_no_logout() {
    for (engine, server) in each() {
        println!("engine: {}", engine.name);
        let app = app().await;
        let gate = Gate::with(&app, engine.setup()).await;
        let browser = gate.browser();
        browser.get("/login?alice").send().await;
        let ticket = browser.ticket_line();

        server.pause();
        // A near cache answers from memory while its channel was alive a moment ago; a change needs the store at once.
        let answer = browser.get("/keep?refused").holding(&ticket).send().await;
        assert_refused(&engine, &answer);
        eventually("reads are refused too", async || {
            let answer = browser.get("/look").holding(&ticket).send().await;
            (answer.status() == 503).then(|| assert_refused(&engine, &answer))
        })
        .await;
        server.resume();

        comes_back(&engine, &app, &gate, &ticket).await;
    }
}

/// Promise: a store that died and was started again finds everybody logged in, and hands out no dead connection.
#[tokio::test]
async fn a_store_that_was_restarted_finds_everybody_logged_in() {
    for (engine, server) in each() {
        println!("engine: {}", engine.name);
        let app = app().await;
        let gate = Gate::with(&app, engine.setup()).await;
        let browser = gate.browser();
        browser.get("/login?alice").send().await;
        let ticket = browser.ticket_line();

        server.kill9();
        let answer = browser.get("/keep?refused").holding(&ticket).send().await;
        assert_refused(&engine, &answer);
        server.restart();
        comes_back(&engine, &app, &gate, &ticket).await;

        // Once it is back it stays: every pooled connection is a living one.
        for _ in 0..50 {
            let answer = browser.get("/keep?later").holding(&ticket).send().await;
            assert_eq!(answer.status(), 200, "{}", engine.name);
        }
    }
}

fn assert_refused(engine: &Engine, answer: &crate::support::Answer) {
    assert_eq!(answer.status(), 503, "{}: {answer:?}", engine.name);
    assert!(answer.header("retry-after").is_some(), "{}", engine.name);
    assert_eq!(answer.set_cookies(), [""; 0], "{}", engine.name);
}

async fn comes_back(engine: &Engine, app: &App, gate: &Gate, ticket: &str) {
    let browser = gate.browser();
    eventually("the store is back", async || {
        let answer = browser.get("/look").holding(ticket).send().await;
        assert!(
            matches!(answer.status(), 200 | 503),
            "{}: {answer:?}",
            engine.name
        );
        assert_eq!(answer.set_cookies(), [""; 0], "{}", engine.name);
        (answer.status() == 200).then_some(())
    })
    .await;
    let seen = shown(app, "/look");
    assert_eq!(
        seen.header("x-session-user").as_deref(),
        Some("alice"),
        "{}",
        engine.name
    );
}

/// Promise (SECURITY lesson 20): a logout that the store did not take is refused as well, so that nobody believes it.
#[tokio::test]
async fn a_logout_during_an_outage_says_that_it_did_not_happen() {
    for (engine, server) in each() {
        println!("engine: {}", engine.name);
        let app = app().await;
        let gate = Gate::with(&app, engine.setup()).await;
        let browser = gate.browser();
        browser.get("/login?alice").send().await;
        let ticket = browser.ticket_line();

        server.pause();
        let answer = browser.get("/logout").holding(&ticket).send().await;
        assert_refused(&engine, &answer);
        server.resume();
        eventually("the logout is taken", async || {
            let answer = browser.get("/logout").holding(&ticket).send().await;
            (answer.status() == 200).then_some(())
        })
        .await;
        eventually("the session is gone", async || {
            browser.get("/look").holding(&ticket).send().await;
            shown(&app, "/look")
                .header("x-session-user")
                .is_none()
                .then_some(())
        })
        .await;
    }
}

/// Promise: with near_cache, what was revoked on one node is refused on another within a second, also when the channel
/// that tells it is down: the other node then asks the store.
#[tokio::test]
async fn a_revocation_reaches_a_node_whose_invalidation_channel_is_down() {
    use crate::support::servers::Wire;
    let Some(redis) = Redis::start() else { return };
    let wire = Wire::to(redis.addr());
    let url = redis.url_at(wire.addr());
    let store = format!("engine = \"redis\"\nurl = \"{url}\"\nnear_cache = \"8MiB\"");
    let engine = Engine::redis("").expect("there is a server already");
    let app = app().await;
    let behind_the_wire = Gate::with(
        &app,
        Setup {
            store: &store,
            ..engine.setup()
        },
    )
    .await;
    let browser = behind_the_wire.browser();
    browser.get("/login?alice").send().await;
    let ticket = browser.ticket_line();
    browser.get("/look").holding(&ticket).send().await;

    // Somebody else ends the session while this node hears nothing.
    wire.refuse();
    redis.cli(&["EVAL", END_ALL, "0"]);
    eventually("the node does not trust what it knows", async || {
        let answer = browser.get("/late").holding(&ticket).send().await;
        (answer.status() == 503).then_some(())
    })
    .await;
    wire.heal();
    eventually("the store is asked", async || {
        let answer = browser.get("/late").holding(&ticket).send().await;
        (answer.status() == 200).then_some(())
    })
    .await;
    assert_eq!(shown(&app, "/late").header("x-session-user"), None);
}

/// Takes every session away, as a flush by an operator would.
const END_ALL: &str = "return redis.call('FLUSHALL')";
