//! Promises of several nodes on one store: those that cannot read each other's tickets ask for no visitors.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use support::{App, Gate, Setup, cloakroom, eventually};

const ADMIN: Setup<'_> = Setup {
    server: "admin = \"127.0.0.1:0\"",
    session: "save_every_request = true",
    keys: "",
    store: "",
    site: "",
};

fn key_file(gate: &Gate) -> PathBuf {
    gate.folder().join("data/session.keys")
}

/// Runs `cloakroom keys ARGS` beside a gateway; returns what it printed on standard output.
fn keys(gate: &Gate, args: &[&str]) -> String {
    let args = [&["keys"], args, &["--config", "cloakroom.toml"]].concat();
    let output = cloakroom(gate.folder(), &args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn listed(gate: &Gate) -> Value {
    serde_json::from_str(&keys(gate, &["list", "--json"])).unwrap()
}

/// Waits until `/readyz` answers with `status` and lines that hold `word`.
async fn told(gate: &Gate, status: &str, word: &str) -> String {
    eventually(&format!("{status} {word}"), async || {
        let answer = gate.admin("/readyz").await;
        let is_it = answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(word);
        is_it.then_some(answer)
    })
    .await
}

/// Two gateways in folders of their own on one database, with the same session_id_key and the same key.
async fn two_nodes(app: &App) -> (Gate, Gate) {
    let first = Gate::with(app, ADMIN).await;
    told(&first, "200", "ready").await;
    let mut second = Gate::with(app, ADMIN).await;
    told(&second, "200", "ready").await;
    assert!(second.stop().await.success());
    let config = second.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&config).unwrap();
    let shared = first.folder().join("data/sessions.db");
    let text = text.replace("data/sessions.db", shared.to_str().unwrap());
    let text = text.replace(
        "file = \"data/session.keys\"",
        "file = \"data/session.keys\"\nactivate_after = \"0s\"",
    );
    fs::write(&config, text).unwrap();
    fs::copy(key_file(&first), key_file(&second)).unwrap();
    second.restart().await;
    told(&second, "200", "ready").await;
    (first, second)
}

/// Promise: a node that lacks a key which another signs with is not ready until it has it, and says which.
#[tokio::test]
async fn a_node_that_lacks_a_key_is_not_ready_until_it_has_it() {
    let app = App::plain().await;
    let (first, second) = two_nodes(&app).await;
    let before = second.browser();
    before.get("/").send().await;

    // Its keys sign at once: the other node has had no time to learn of them.
    keys(&second, &["rotate"]);
    second.signal("HUP");
    let new = listed(&second)["keys"][1]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    eventually("the second node tells that it signs", async || {
        let lags = format!("does not have key {new} of this node");
        second.printed().contains(&lags).then_some(())
    })
    .await;
    first.signal("HUP");

    let answer = told(&first, "503", &new).await;
    assert!(answer.contains("keys mismatch"), "{answer}");
    assert!(first.admin("/livez").await.starts_with("HTTP/1.1 200 "));
    assert!(
        first
            .admin("/metrics")
            .await
            .contains("\ncloakroom_ready 0\n")
    );
    told(&second, "200", "ready").await;
    let warned = |gate: &Gate| gate.printed().matches("not ready, keys mismatch").count();
    first.signal("HUP");
    told(&first, "503", &new).await;
    assert_eq!(warned(&first), 1, "once per change");

    fs::copy(key_file(&second), key_file(&first)).unwrap();
    first.signal("HUP");

    told(&first, "200", "ready").await;
    let again = "the keys of all nodes match again";
    eventually(again, async || {
        first.printed().contains(again).then_some(())
    })
    .await;
}

/// Promise: nodes that would give one session two IDs are not ready, and one that leaves leaves nothing behind.
#[tokio::test]
async fn nodes_with_other_session_ids_are_not_ready() {
    let app = App::plain().await;
    let first = Gate::with(&app, ADMIN).await;
    told(&first, "200", "ready").await;
    let shared = first.folder().join("data/sessions.db");
    let store = format!("engine = \"sqlite\"\npath = {shared:?}");
    let mut stranger = Gate::with(
        &app,
        Setup {
            store: &store,
            ..ADMIN
        },
    )
    .await;

    told(&stranger, "503", "has another session_id_key").await;
    first.signal("HUP");
    told(&first, "503", "has another session_id_key").await;

    assert!(stranger.stop().await.success());
    first.signal("HUP");
    told(&first, "200", "ready").await;
}

/// Promise: a store that does not answer makes a node not ready, and not dead.
#[tokio::test]
async fn a_node_without_its_store_is_alive_and_not_ready() {
    let app = App::plain().await;
    let gate = Gate::with(
        &app,
        Setup {
            store: "timeout = \"300ms\"",
            ..ADMIN
        },
    )
    .await;
    told(&gate, "200", "ready").await;
    let database = gate.folder().join("data/sessions.db");
    let other = rusqlite::Connection::open(database).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    gate.signal("HUP");

    told(&gate, "503", "the store does not answer").await;
    assert!(gate.admin("/livez").await.starts_with("HTTP/1.1 200 "));
    other.execute_batch("COMMIT").unwrap();

    told(&gate, "200", "ready").await;
    gate.says("the store answers again").await;
}

/// Promise: the list of keys tells when any node last used each.
#[tokio::test]
async fn the_list_tells_when_a_key_was_last_used() {
    let app = App::plain().await;
    let gate = Gate::with(&app, ADMIN).await;
    told(&gate, "200", "ready").await;
    assert_eq!(listed(&gate)["nodes"], 1, "whoever asks is no node");
    assert_eq!(listed(&gate)["keys"][0]["last_use"], Value::Null);
    let browser = gate.browser();
    browser.get("/").send().await;
    browser.get("/").send().await;

    gate.signal("HUP");

    eventually("a last use", async || {
        let used = listed(&gate)["keys"][0]["last_use"].clone();
        used.is_string().then_some(())
    })
    .await;
    assert!(keys(&gate, &["list"]).contains("s ago"));
}
