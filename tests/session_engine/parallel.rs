//! Parallel responses, on one node and on two: none is lost, and the next request sees what the last response said.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::engines::{Engine, app, shown};
use crate::support::{App, Browser, Gate, Setup, eventually, together};

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

/// How many cookies a jar holds.
const JAR_COOKIES: usize = 180;

/// The names that nodes said, in the field `cookies` of the warnings that say so, in order.
fn told(nodes: &[Gate], message: &str) -> Vec<String> {
    let printed = nodes
        .iter()
        .map(Gate::printed)
        .collect::<Vec<_>>()
        .join("\n");
    let lines = printed.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let says_so = line.get("message")?.as_str()?.starts_with(message);
        let cookies = line.get("cookies").filter(|_| says_so)?.as_str()?;
        Some(cookies.split(' ').map(str::to_owned).collect::<Vec<_>>())
    });
    lines.flatten().collect()
}

/// How often the nodes have counted something, together.
async fn counted(nodes: &[Gate], what: &str) -> usize {
    let name = format!("cloakroom_{what}_total ");
    let mut sum = 0;
    for node in nodes {
        let metrics = node.admin("/metrics").await;
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        sum += count
            .and_then(|count| count.parse::<usize>().ok())
            .expect("a count");
    }
    sum
}

/// What the app is sent next, by name, from each node; all nodes agree.
async fn jar(engine: &Engine, app: &App, browsers: &[Browser], ticket: &str) -> BTreeSet<String> {
    engine.lag().await;
    let mut jars = Vec::new();
    for browser in browsers {
        browser.get("/look").holding(ticket).send().await;
        let cookies = shown(app, "/look").cookies();
        let names: BTreeSet<String> = cookies.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(
            names.len(),
            cookies.len(),
            "{}: one name twice",
            engine.name
        );
        jars.push(names);
    }
    assert!(
        jars.windows(2).all(|two| two[0] == two[1]),
        "{}",
        engine.name
    );
    jars.pop().expect("a node")
}

/// Sets `names` in parallel, one a response, and holds that the browser is told nothing of it.
async fn set_together(browsers: &[Browser], ticket: &str, targets: &[String]) {
    let answers = together(targets.iter().enumerate().map(|(at, target)| {
        let browser = &browsers[at % browsers.len()];
        async move { browser.get(target).holding(ticket).send().await }
    }))
    .await;
    for answer in &answers {
        assert_eq!(answer.status(), 200);
        assert!(answer.set_cookies().is_empty(), "{answer:?}");
    }
}

/// Promise (contract 1, and the limit of a jar): of 300 parallel responses that each set another cookie, each cookie is
/// in the jar or was let go by a full jar, which count and log tell by name.
#[tokio::test]
async fn three_hundred_parallel_cookies_are_kept_or_told_gone() {
    for engine in Engine::each() {
        let app = app().await;
        let setup = engine.setup();
        let nodes = engine.nodes_with(&app, setup_with_admin(setup)).await;
        let browsers: Vec<Browser> = nodes.iter().map(Gate::browser).collect();
        browsers[0].get("/keep?first").send().await;
        let ticket = browsers[0].ticket_line();

        let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
        let targets: Vec<_> = names.iter().map(|name| format!("/keep?{name}")).collect();
        set_together(&browsers, &ticket, &targets).await;

        let kept = jar(&engine, &app, &browsers, &ticket).await;
        assert_eq!(kept.len(), JAR_COOKIES, "{}", engine.name);
        let all: BTreeSet<String> = names.into_iter().chain(["first".to_owned()]).collect();
        let gone: BTreeSet<String> = all.difference(&kept).cloned().collect();
        // The log is written beside the answer.
        let told = eventually("each eviction is told", async || {
            let told = told(&nodes, "a jar is full");
            (told.len() >= gone.len()).then_some(told)
        })
        .await;
        assert_eq!(told.len(), gone.len(), "{}: told twice", engine.name);
        assert_eq!(
            told.into_iter().collect::<BTreeSet<_>>(),
            gone,
            "{}",
            engine.name
        );
        assert_eq!(counted(&nodes, "cookies_evicted").await, gone.len());
        assert_eq!(counted(&nodes, "sessions_too_large").await, 0);
    }
}

/// Promise (contract 12): the same where the bytes of the session run out first. Then the new cookie is the one that is
/// refused, and what is there stays.
#[tokio::test]
async fn three_hundred_parallel_cookies_fit_or_are_told_refused() {
    for engine in Engine::each() {
        let app = app().await;
        let setup = engine.setup_with("max_bytes = \"8KiB\"");
        let nodes = engine.nodes_with(&app, setup_with_admin(setup)).await;
        let browsers: Vec<Browser> = nodes.iter().map(Gate::browser).collect();
        browsers[0].get("/keep?first").send().await;
        let ticket = browsers[0].ticket_line();

        let names: Vec<String> = (0..300).map(|number| format!("c{number}")).collect();
        let targets: Vec<_> = names.iter().map(|name| format!("/keep?{name}")).collect();
        set_together(&browsers, &ticket, &targets).await;

        let kept = jar(&engine, &app, &browsers, &ticket).await;
        assert!(
            (60..JAR_COOKIES).contains(&kept.len()),
            "{}: {}",
            engine.name,
            kept.len()
        );
        assert!(kept.contains("first"), "{}: the oldest stays", engine.name);
        let all: BTreeSet<String> = names.into_iter().chain(["first".to_owned()]).collect();
        let refused: BTreeSet<String> = all.difference(&kept).cloned().collect();
        let told = eventually("each refusal is told", async || {
            let told = told(&nodes, "a change was refused");
            (told.len() >= refused.len()).then_some(told)
        })
        .await;
        assert_eq!(told.len(), refused.len(), "{}: told twice", engine.name);
        assert_eq!(
            told.into_iter().collect::<BTreeSet<_>>(),
            refused,
            "{}",
            engine.name
        );
        assert_eq!(counted(&nodes, "sessions_too_large").await, refused.len());
        assert_eq!(counted(&nodes, "cookies_evicted").await, 0);
    }
}

/// The same configuration with an administration that shows the counts.
fn setup_with_admin(setup: Setup<'_>) -> Setup<'_> {
    Setup {
        server: "admin = \"127.0.0.1:0\"",
        ..setup
    }
}
