//! A new ticket on schedule or on request: nobody loses the session, and the old ticket dies.

use crate::engines::{Engine, app, shown};
use crate::support::{Gate, eventually, together};

/// Promise (contract 4, SECURITY lesson 2): of parallel requests with the old ticket none gets a deletion or an empty
/// session, and after the grace the old ticket is dead.
#[tokio::test]
async fn a_rotation_with_fifty_requests_in_flight_costs_nobody_the_session() {
    for engine in Engine::each() {
        let app = app().await;
        let setup = engine.setup_with("rotation_grace = \"2s\"");
        let nodes = engine.nodes_with(&app, setup).await;
        let browser = nodes[0].browser();
        browser.get("/login?alice").send().await;
        let old = browser.ticket_line();
        let browsers: Vec<_> = nodes.iter().map(Gate::browser).collect();

        let answers = together((0..50).map(|number| {
            let browser = &browsers[number % browsers.len()];
            let target = if number == 25 { "/rotate" } else { "/look" };
            let old = &old;
            async move { browser.get(target).holding(old).send().await }
        }))
        .await;

        let lines = answers.iter().flat_map(|answer| answer.set_cookies());
        let lines: Vec<_> = lines.collect();
        assert_eq!(
            lines.len(),
            1,
            "{}: one new ticket, no deletion: {lines:?}",
            engine.name
        );
        let looks = app.seen().into_iter().filter(|seen| seen.path() == "/look");
        for seen in looks {
            assert_eq!(
                seen.header("x-session-user").as_deref(),
                Some("alice"),
                "{}",
                engine.name
            );
        }
        let new = lines[0].split(';').next().expect("a pair").to_owned();
        let last = browsers.last().expect("a browser");
        last.get("/look").holding(&new).send().await;
        assert_eq!(
            shown(&app, "/look").header("x-session-user").as_deref(),
            Some("alice")
        );
        // The grace is short, and it is real time that passes: the old ticket is asked until it is dead.
        eventually("the old ticket is dead", async || {
            last.get("/old").holding(&old).send().await;
            shown(&app, "/old")
                .header("x-session-user")
                .is_none()
                .then_some(())
        })
        .await;
        last.get("/look").holding(&new).send().await;
        assert_eq!(
            shown(&app, "/look").header("x-session-user").as_deref(),
            Some("alice")
        );
    }
}

/// Promise (DESIGN section 4): an ID stays the same through rotation, and so does the jar, on every node.
#[tokio::test]
async fn the_session_id_stays_over_a_rotation() {
    for engine in Engine::each() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        let browser = nodes[0].browser();
        browser.get("/keep?c").send().await;
        let before = shown(&app, "/keep?c").header("x-session-id");
        browser.get("/rotate").send().await;
        let other = browser.at(&nodes[nodes.len() - 1]);
        other.get("/look").send().await;
        let seen = shown(&app, "/look");
        assert_eq!(seen.header("x-session-id"), before, "{}", engine.name);
        assert_eq!(seen.cookie("c").as_deref(), Some("kept"), "{}", engine.name);
    }
}
