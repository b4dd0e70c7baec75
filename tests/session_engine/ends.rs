//! What has ended opens nothing: after a logout, after a login, after the store was lost, and for who planted a ticket.

use http_body_util::BodyExt;

use crate::engines::{Engine, Server, answer, app, shown};
use crate::support::body::fed;
use crate::support::{App, Gate, Seen, eventually, together};

/// Promise (contract 5 and 10): after a logout on one node, every spelling of the ticket opens nothing on the other.
#[tokio::test]
async fn after_a_logout_no_ticket_opens_anything_on_any_node() {
    for engine in Engine::each() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        let browser = nodes[0].browser();
        browser.get("/").send().await;
        let unstored = browser.ticket_line();
        browser.get("/keep?anonymous").send().await;
        let stored = browser.ticket_line();
        browser.get("/login?alice").send().await;
        let logged_in = browser.ticket_line();
        let other = nodes[nodes.len() - 1].browser();
        other.get("/warm").holding(&logged_in).send().await;
        assert_eq!(
            shown(&app, "/warm").header("x-session-user").as_deref(),
            Some("alice")
        );

        let answer = browser.get("/logout").send().await;

        assert!(answer.set_cookies()[0].contains("Max-Age=0"), "{answer:?}");
        // Within a second on every node; each look is one more request, so nothing is slept for.
        eventually("the other node knows", async || {
            other.get("/late").holding(&logged_in).send().await;
            shown(&app, "/late")
                .header("x-session-user")
                .is_none()
                .then_some(())
        })
        .await;
        for (name, ticket) in [
            ("unstored", &unstored),
            ("stored", &stored),
            ("login", &logged_in),
        ] {
            for node in &nodes {
                node.browser().get("/look").holding(ticket).send().await;
                let seen = shown(&app, "/look");
                assert_eq!(seen.cookies(), [], "{}: {name}", engine.name);
                assert_eq!(
                    seen.header("x-session-user"),
                    None,
                    "{}: {name}",
                    engine.name
                );
            }
        }
    }
}

/// Promise (contract 3 and 6, SECURITY lesson 13): who planted a ticket gets nothing of the login that happened with it.
#[tokio::test]
async fn a_planted_ticket_sees_neither_the_user_nor_a_cookie_of_the_login() {
    for engine in Engine::each() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        for with_a_jar in [false, true] {
            let attacker = nodes[0].browser();
            attacker.get("/").send().await;
            if with_a_jar {
                attacker.get("/keep?planted").send().await;
            }
            let planted = attacker.ticket_line();

            let victim = nodes[nodes.len() - 1].browser();
            let login = victim.get("/login?alice").holding(&planted).send().await;
            let given = login.set_cookies();
            assert!(
                given.iter().all(|line| !line.starts_with(&planted)),
                "{given:?}"
            );

            for node in &nodes {
                node.browser().get("/look").holding(&planted).send().await;
                let seen = shown(&app, "/look");
                assert_eq!(seen.header("x-session-user"), None, "{}", engine.name);
                assert_eq!(seen.cookie("sid"), None, "{}", engine.name);
            }
        }
    }
}

/// Promise (contract 2, SECURITY lesson 4): a session that was ended while a request ran is not brought back by it, and
/// the request is answered all the same.
#[tokio::test]
async fn a_logout_during_a_slow_upload_lets_the_upload_finish_and_stays() {
    for engine in Engine::each() {
        let app = App::serving(|request| async move {
            let (head, body) = request.into_parts();
            let _ = body.collect().await;
            answer(&Seen::of(&head)).into_response()
        })
        .await;
        let nodes = engine.nodes(&app).await;
        let browser = nodes[0].browser();
        browser.get("/login?alice").send().await;
        let ticket = browser.ticket_line();
        let uploading = nodes[nodes.len() - 1].browser();
        let (feed, body) = fed();
        let upload = uploading
            .call(http::Method::POST, "/both?upload")
            .holding(&ticket)
            .body(body)
            .send();
        let meanwhile = async {
            feed.data("first half").await;
            eventually("the app reads the upload", async || {
                let seen = app.seen();
                seen.iter().any(|seen| seen.path() == "/both").then_some(())
            })
            .await;
            browser.get("/logout").send().await;
            feed.data("second half").await;
            drop(feed);
        };

        let (answer, ()) = tokio::join!(upload, meanwhile);

        assert_eq!(answer.status(), 200, "{}", engine.name);
        assert_eq!(answer.text(), "ok");
        assert_eq!(answer.set_cookies(), [""; 0], "{}", engine.name);
        for node in &nodes {
            node.browser().get("/look").holding(&ticket).send().await;
            let seen = shown(&app, "/look");
            assert_eq!(seen.cookies(), [], "{}", engine.name);
            assert_eq!(seen.header("x-session-user"), None, "{}", engine.name);
        }
    }
}

/// Promise (DESIGN section 4): after the store was lost, what was issued before opens nothing.
#[tokio::test]
async fn after_a_lost_store_no_earlier_ticket_opens_anything() {
    for engine in Engine::each() {
        let app = app().await;
        let mut gate = Gate::with(&app, engine.setup()).await;
        let browser = gate.browser();
        browser.get("/").send().await;
        let unstored = browser.ticket_line();
        let id_before = shown(&app, "/").header("x-session-id");
        browser.get("/login?alice").send().await;
        let logged_in = browser.ticket_line();

        lose(&engine, &mut gate).await;

        for ticket in [&unstored, &logged_in] {
            let stranger = gate.browser();
            let answer = stranger.get("/look").header("cookie", ticket).send().await;
            assert_eq!(answer.status(), 200, "{}", engine.name);
            let seen = shown(&app, "/look");
            assert_eq!(seen.header("x-session-user"), None, "{}", engine.name);
            assert_eq!(seen.cookies(), [], "{}", engine.name);
            let id = seen.header("x-session-id");
            assert!(
                id.is_some() && id != id_before,
                "{}: a session of its own",
                engine.name
            );
            assert_ne!(
                &stranger.ticket_line(),
                ticket,
                "{}: never adopted",
                engine.name
            );
        }
    }
}

async fn lose(engine: &Engine, gate: &mut Gate) {
    match &engine.server {
        Server::None => {
            gate.kill9();
            for file in ["sessions.db", "sessions.db-wal", "sessions.db-shm"] {
                let _ = std::fs::remove_file(gate.folder().join("data").join(file));
            }
            gate.restart().await;
        }
        Server::Redis(redis) => redis.restart_empty(),
        Server::Cluster(cluster) => {
            for node in cluster.nodes() {
                node.cli(&["FLUSHALL"]);
            }
        }
        Server::Postgres(database) => {
            database.psql("DROP SCHEMA cloakroom CASCADE");
            engine.migrate();
        }
    }
    // It may take a moment until the server is reached again; an outage is no answer.
    eventually("the store answers", async || {
        let answer = gate.browser().get("/both?back").send().await;
        (answer.status() == 200).then_some(())
    })
    .await;
}

/// Promise: a logout races with everything else of the session, and wins.
#[tokio::test]
async fn whatever_races_with_a_logout_the_session_stays_ended() {
    for engine in Engine::each() {
        let app = App::answering(answer).await;
        let nodes = engine.nodes(&app).await;
        let browser = nodes[0].browser();
        browser.get("/login?alice").send().await;
        let ticket = browser.ticket_line();
        let browsers: Vec<_> = nodes.iter().map(Gate::browser).collect();

        together((0..30).map(|number| {
            let browser = &browsers[number % browsers.len()];
            let target = match number {
                7 => "/logout".to_owned(),
                11 => "/rotate".to_owned(),
                _ => format!("/both?{number}"),
            };
            let ticket = &ticket;
            async move { browser.get(&target).holding(ticket).send().await }
        }))
        .await;

        for browser in &browsers {
            eventually("the node knows", async || {
                browser.get("/look").holding(&ticket).send().await;
                let seen = shown(&app, "/look");
                (seen.header("x-session-user").is_none() && seen.cookies().is_empty()).then_some(())
            })
            .await;
        }
    }
}
