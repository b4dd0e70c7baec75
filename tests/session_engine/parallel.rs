//! Parallel responses, on one node and on two: none is lost, and the next request sees what the last response said.

use serde_json::Value;

use crate::engines::{Engine, app, shown};
use crate::support::{Browser, Gate, together};

/// Promise (contract 1, SECURITY lesson 3): parallel changes merge per key and per cookie.
#[tokio::test]
async fn a_hundred_parallel_responses_on_two_nodes_all_survive() {
    for engine in Engine::each() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        let browsers: Vec<Browser> = nodes.iter().map(Gate::browser).collect();
        browsers[0].get("/both?0").send().await;
        let ticket = browsers[0].ticket_line();

        let answers = together((1..=100).map(|number| {
            let browser = &browsers[number % browsers.len()];
            let target = format!("/both?{number}");
            let ticket = &ticket;
            async move { browser.get(&target).holding(ticket).send().await }
        }))
        .await;

        assert!(answers.iter().all(|answer| answer.status() == 200));
        engine.lag().await;
        for browser in &browsers {
            browser.get("/look").holding(&ticket).send().await;
            let seen = shown(&app, "/look");
            assert_eq!(seen.cookies().len(), 101, "{}", engine.name);
            let data = seen.header("x-session-data").expect("data");
            let data: Value = serde_json::from_str(&data).expect("JSON");
            assert_eq!(data.as_object().map(|data| data.len()), Some(101));
        }
    }
}

/// Promise: parallel first responses of one visitor meet in one session.
#[tokio::test]
async fn fifty_parallel_first_responses_on_two_nodes_make_one_session() {
    for engine in Engine::each() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        let browsers: Vec<Browser> = nodes.iter().map(Gate::browser).collect();
        browsers[0].get("/").send().await;
        let unstored = browsers[0].ticket_line();

        let answers = together((0..50).map(|number| {
            let browser = &browsers[number % browsers.len()];
            let target = format!("/keep?c{number}");
            let unstored = &unstored;
            async move { browser.get(&target).holding(unstored).send().await }
        }))
        .await;

        // All were given the same ticket, marked stored.
        let mut given: Vec<_> = answers.iter().flat_map(ticket_given).collect();
        assert_eq!(given.len(), 50, "{}", engine.name);
        given.sort();
        given.dedup();
        assert_eq!(given.len(), 1, "{}", engine.name);
        engine.lag().await;
        for browser in &browsers {
            browser.get("/look").holding(&given[0]).send().await;
            assert_eq!(shown(&app, "/look").cookies().len(), 50, "{}", engine.name);
        }
    }
}

fn ticket_given(answer: &crate::support::Answer) -> Option<String> {
    let lines = answer.set_cookies();
    let pair = lines.first()?.split(';').next()?;
    Some(pair.to_owned())
}

/// Promise (contract 11): a request that begins after a response was delivered sees what it changed, on every node.
/// Without near_cache at once; with it within 100 ms, which here is asked again and again.
#[tokio::test]
async fn the_next_request_sees_the_last_response_on_the_other_node() {
    for engine in Engine::each_durable() {
        let app = app().await;
        let nodes = engine.nodes(&app).await;
        let here = nodes[0].browser();
        here.get("/keep?first").send().await;
        let ticket = here.ticket_line();
        let there = nodes[1].browser();
        for number in 0..20 {
            let name = format!("c{number}");
            // The other node knows the session, as it was before.
            there.get("/warm").holding(&ticket).send().await;
            here.get(&format!("/keep?{name}"))
                .holding(&ticket)
                .send()
                .await;

            engine.lag().await;
            there.get("/look").holding(&ticket).send().await;
            let seen = shown(&app, "/look");
            assert_eq!(
                seen.cookie(&name).as_deref(),
                Some("kept"),
                "{}",
                engine.name
            );
        }
    }
}
