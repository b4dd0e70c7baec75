//! Promises of key rotation: keys come and go while visitors are served, and nobody is logged out by it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{App, Browser, Gate, Reply, Setup, cloakroom, eventually};

/// An app that keeps a cookie from `/start` on.
async fn app() -> App {
    App::answering(|seen| match seen.path() {
        "/start" => Reply::ok("started").header("set-cookie", "SID=kept; Path=/"),
        "/fill" => Reply::ok("filled").header("set-cookie", "cart=apples; Path=/"),
        _ => Reply::ok("ok"),
    })
    .await
}

/// A gateway whose new keys sign at once, and which writes the idle clock with each request.
async fn gate(app: &App) -> Gate {
    gate_with(app, "activate_after = \"0s\"").await
}

async fn gate_with(app: &App, keys: &str) -> Gate {
    // What follows the lines of [session] in the rig's configuration is [session.keys] with its file.
    let gate = Gate::with(
        app,
        Setup {
            server: "admin = \"127.0.0.1:0\"",
            session: "save_every_request = true",
            site: "[site.cookies]\nrules = [{ name = \"cart\", mode = \"seal\", bind = \"site\" }]",
            ..Setup::default()
        },
    );
    let mut gate = gate.await;
    let file = gate.folder().join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();
    let place = "file = \"data/session.keys\"";
    assert!(text.contains(place));
    fs::write(&file, text.replacen(place, &format!("{place}\n{keys}"), 1)).unwrap();
    assert!(gate.stop().await.success());
    gate.restart().await;
    gate
}

fn key_file(gate: &Gate) -> PathBuf {
    gate.folder().join("data/session.keys")
}

/// Runs `cloakroom keys ARGS`; tells its exit code and what it printed.
fn keys(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let args = [&["keys"], args, &["--config", "cloakroom.toml"]].concat();
    let output = cloakroom(folder, &args).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(printed).unwrap())
}

/// The ids of the keys in the gateway's file, the oldest first.
fn listed(gate: &Gate) -> Vec<(String, String)> {
    let args = ["keys", "list", "--json", "--config", "cloakroom.toml"];
    let output = cloakroom(gate.folder(), &args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |key: &Value, name: &str| key[name].as_str().unwrap().to_owned();
    let keys = told["keys"].as_array().unwrap().iter();
    keys.map(|key| (text(key, "id"), text(key, "state")))
        .collect()
}

/// Sends SIGHUP and waits until the log says `word` once more than before.
async fn reload(gate: &Gate, word: &str) {
    let count = |gate: &Gate| gate.printed().matches(word).count();
    let before = count(gate);
    gate.signal("HUP");
    eventually(word, async || (count(gate) > before).then_some(())).await;
}

const RELOADED: &str = "the key ring was reloaded";
const NOT_RELOADED: &str = "the key ring was not reloaded";

/// What `/metrics` says of the uses of each key.
async fn uses(gate: &Gate, id: &str) -> u64 {
    let metrics = gate.admin("/metrics").await;
    let mark = format!("cloakroom_key_uses_total{{key=\"{id}\",");
    let line = metrics.lines().find(|line| line.starts_with(&mark));
    let line = line.unwrap_or_else(|| panic!("no {mark} in {metrics}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// The id of the key that signed a ticket, as it stands in it.
fn signer(ticket: &str) -> String {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(ticket.as_bytes());
    data_encoding::HEXLOWER.encode(&bytes.unwrap()[1..5])
}

async fn reason_of_last(gate: &Gate, count: usize) -> String {
    let lines = gate.access_log(count).await;
    lines[count - 1]["reason"].as_str().unwrap().to_owned()
}

async fn session_of_last(app: &App, browser: &Browser) -> (Option<String>, Option<String>) {
    assert_eq!(browser.get("/").send().await.status(), 200);
    (app.last().header("x-session-id"), app.last().cookie("SID"))
}

/// Promise: after a rotation a session goes on under the new key, with the same data and the same ID.
#[tokio::test]
async fn a_session_moves_to_the_new_key_as_it_is_used() {
    let app = app().await;
    let gate = gate(&app).await;
    let (browser, stranger) = (gate.browser(), gate.browser());
    browser.get("/start").send().await;
    stranger.get("/").send().await;
    let before = session_of_last(&app, &browser).await;
    let old_ticket = browser.ticket();
    let old = listed(&gate)[0].0.clone();
    assert_eq!(signer(&old_ticket), old);

    let (code, printed) = keys(gate.folder(), &["rotate"]);
    assert_eq!(code, Some(0), "{printed}");
    reload(&gate, RELOADED).await;

    let new = listed(&gate)[1].0.clone();
    assert!(printed.contains(&new), "{printed}");
    assert_eq!(session_of_last(&app, &browser).await, before);
    assert_eq!(before.1.as_deref(), Some("kept"));
    let ticket = browser.ticket();
    assert_eq!(signer(&ticket), new, "given again under the new key");
    let random = |ticket: &str| ticket[20..60].to_owned();
    assert_eq!(random(&ticket), random(&old_ticket), "the same ticket");
    stranger.get("/").send().await;
    assert_eq!(signer(&stranger.ticket()), new, "an unstored one too");

    let after_the_move = uses(&gate, &old).await;
    for _ in 0..3 {
        assert_eq!(session_of_last(&app, &browser).await, before);
        let settled = browser.get("/").send().await;
        assert!(settled.set_cookies().is_empty(), "once is enough");
    }
    assert_eq!(
        uses(&gate, &old).await,
        after_the_move,
        "nobody uses the old key"
    );
    assert!(uses(&gate, &new).await >= 6);
}

/// Promise: a ticket of a key that was dropped is a new session, and the log says why.
#[tokio::test]
async fn a_dropped_key_opens_nothing() {
    let app = app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let old = listed(&gate)[0].0.clone();

    for args in [&["drop", &old][..], &["drop", &old, "--yes"]] {
        let (code, printed) = keys(gate.folder(), args);
        assert_eq!(code, Some(1), "the only one: {printed}");
    }
    assert_eq!(keys(gate.folder(), &["rotate"]).0, Some(0));
    let (code, printed) = keys(gate.folder(), &["drop", &old]);
    assert_eq!(code, Some(1), "visitors hold tickets of it: {printed}");
    assert!(
        printed.contains("unknown-key") && printed.contains("--yes"),
        "{printed}"
    );
    let signs = listed(&gate)[1].0.clone();
    let (code, printed) = keys(gate.folder(), &["drop", &signs, "--yes"]);
    assert_eq!(code, Some(1), "it signs: {printed}");
    let (code, printed) = keys(gate.folder(), &["drop", "nonsense"]);
    assert_eq!(code, Some(2), "{printed}");
    let (code, printed) = keys(gate.folder(), &["drop", &old, "--yes"]);
    assert_eq!(code, Some(0), "{printed}");
    reload(&gate, RELOADED).await;

    let before = browser.ticket();
    let answer = browser.get("/").send().await;

    assert_eq!(answer.status(), 200);
    assert_eq!(app.last().cookie("SID"), None);
    assert_ne!(browser.ticket(), before);
    assert_eq!(signer(&browser.ticket()), signs);
    assert_eq!(reason_of_last(&gate, 2).await, "unknown-key");
}

/// Promise: what was sealed opens as long as its key is there, and the key that signs tickets seals.
#[tokio::test]
async fn sealed_values_live_as_long_as_their_key() {
    let app = app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    let fill = async || {
        assert_eq!(browser.get("/fill").send().await.status(), 200);
        let value = browser.cookie("cart").unwrap();
        (signer(&value), value)
    };
    let old = listed(&gate)[0].0.clone();
    let (sealer, by_old) = fill().await;
    assert_eq!(sealer, old);

    assert_eq!(keys(gate.folder(), &["rotate"]).0, Some(0));
    reload(&gate, RELOADED).await;
    session_of_last(&app, &browser).await;
    assert_eq!(app.last().cookie("cart").as_deref(), Some("apples"));
    let (sealer, by_new) = fill().await;
    assert_eq!(sealer, listed(&gate)[1].0);

    assert_eq!(keys(gate.folder(), &["drop", &old, "--yes"]).0, Some(0));
    reload(&gate, RELOADED).await;
    for (value, seen) in [(by_new, Some("apples")), (by_old, None)] {
        let call = gate.browser();
        let call = call.get("/").holding(&format!("cart={value}"));
        assert_eq!(call.send().await.status(), 200);
        assert_eq!(app.last().cookie("cart").as_deref(), seen);
    }
}

/// Promise: a key verifies before it signs, so that every node has time to learn of it.
#[tokio::test]
async fn a_new_key_waits_before_it_signs() {
    let app = app().await;
    let gate = gate_with(&app, "").await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let ticket = browser.ticket();

    let (code, printed) = keys(gate.folder(), &["rotate"]);
    assert_eq!(code, Some(0), "{printed}");
    reload(&gate, RELOADED).await;

    let states: Vec<_> = listed(&gate).into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["signs", "waits"]);
    browser.get("/").send().await;
    assert_eq!(browser.ticket(), ticket);

    // Ten minutes later: nothing else has to happen.
    let file = key_file(&gate);
    let text = fs::read_to_string(&file).unwrap();
    let aged = text
        .lines()
        .map(|line| match line.strip_prefix("created = ") {
            Some(secs) => format!("created = {}\n", secs.parse::<u64>().unwrap() - 601),
            None => format!("{line}\n"),
        });
    let aged: String = aged.collect();
    fs::write(&file, aged.replacen("created = ", "created = 1 #", 1)).unwrap();
    gate.signal("HUP");
    eventually("the new key signs", async || {
        browser.get("/").send().await;
        (browser.ticket() != ticket).then_some(())
    })
    .await;
    assert_eq!(app.last().cookie("SID").as_deref(), Some("kept"));
}

/// Promise: a key ring that cannot be used changes nothing, and the log names it.
#[tokio::test]
async fn a_bad_key_ring_keeps_the_old_keys() {
    let app = app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let before = session_of_last(&app, &browser).await;
    let file = key_file(&gate);
    let good = fs::read_to_string(&file).unwrap();
    let line = |name: &str| good.lines().find(|line| line.starts_with(name)).unwrap();
    let other_id_key = good.replace(
        line("session_id_key"),
        &line("secret").replace("secret", "session_id_key"),
    );

    for (bad, expected) in [
        ("hunter2", "is not a key ring"),
        ("", "is not a key ring"),
        (&other_id_key, "its session_id_key has changed"),
    ] {
        fs::write(&file, bad).unwrap();
        reload(&gate, NOT_RELOADED).await;
        let printed = gate.printed();
        let told = printed.lines().rfind(|line| line.contains(NOT_RELOADED));
        let told = told.unwrap();
        assert!(
            told.contains(expected) && told.contains("session.keys"),
            "{told}"
        );
        assert_eq!(session_of_last(&app, &browser).await, before, "{expected}");
    }
    fs::remove_file(&file).unwrap();
    reload(&gate, NOT_RELOADED).await;
    assert_eq!(session_of_last(&app, &browser).await, before, "no file");
    for command in ["list", "rotate"] {
        let (code, told) = keys(gate.folder(), &[command]);
        assert_eq!(code, Some(78), "{command}: {told}");
    }
    assert!(!file.exists(), "and none is made in its place");

    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(keys(gate.folder(), &["rotate"]).0, Some(0));
    reload(&gate, RELOADED).await;
    assert_eq!(session_of_last(&app, &browser).await, before);

    let printed = gate.printed();
    let secrets = good.split('"').filter(|part| part.len() == 43);
    assert_eq!(secrets.clone().count(), 2);
    for secret in secrets.chain(["hunter2"]) {
        assert!(!printed.contains(secret), "a secret was logged");
    }
}

/// Promise: a rotation on the same machine needs no signal.
#[tokio::test]
async fn a_changed_file_is_noticed_without_a_signal() {
    let app = app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let ticket = browser.ticket();

    assert_eq!(keys(gate.folder(), &["rotate"]).0, Some(0));

    eventually("a ticket under the new key", async || {
        browser.get("/").send().await;
        (browser.ticket() != ticket).then_some(())
    })
    .await;
    assert_eq!(app.last().cookie("SID").as_deref(), Some("kept"));
}

/// Promise: while keys rotate, every request is answered within its session.
#[tokio::test]
async fn nobody_notices_a_rotation() {
    let app = app().await;
    let gate = gate(&app).await;
    let browser = gate.browser();
    browser.get("/start").send().await;
    let before = session_of_last(&app, &browser).await;

    let serving = async {
        for _ in 0..60 {
            assert_eq!(session_of_last(&app, &browser).await, before);
        }
    };
    let rotating = async {
        for _ in 0..5 {
            assert_eq!(keys(gate.folder(), &["rotate"]).0, Some(0));
            reload(&gate, RELOADED).await;
        }
    };
    tokio::join!(serving, rotating);

    assert_eq!(session_of_last(&app, &browser).await, before);
    assert_eq!(listed(&gate).len(), 6);
}

/// Promise: no command prints a secret, and a key ring that others can read is warned of.
#[tokio::test]
async fn the_commands_keep_secrets() {
    let app = app().await;
    let gate = gate(&app).await;
    let file = key_file(&gate);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let mut printed = String::new();
    for args in [&["rotate"][..], &["list"], &["list", "--json"]] {
        let (code, more) = keys(gate.folder(), args);
        assert_eq!(code, Some(0), "{more}");
        assert!(more.contains("chmod 600"), "{more}");
        printed.push_str(&more);
    }
    let text = fs::read_to_string(&file).unwrap();
    let secrets: Vec<_> = text.split('"').filter(|part| part.len() == 43).collect();
    assert_eq!(secrets.len(), 3, "one for session IDs, two keys");
    for secret in secrets {
        assert!(!printed.contains(secret), "{printed}");
    }
}
