//! `cloakroom sessions`, beside a gateway that serves.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cloakroom::base::clock::Stopwatch;
use serde_json::Value;

use crate::support::{App, Browser, Gate, Reply, Setup, cloakroom, eventually};
use crate::{Told, run};

/// An app that logs in whoever asks at `/login/NAME`, and keeps a cookie and data.
async fn app() -> App {
    App::answering(|seen| match seen.path().strip_prefix("/login/") {
        Some(name) => Reply::ok("welcome")
            .header("x-session-login", format!("\"{name}\"; name=\"Her Name\""))
            .header("x-session-set", "theme=\"a secret value\"")
            .header("set-cookie", "sid=a-secret-cookie; Path=/"),
        None if seen.path() == "/visit" => {
            Reply::ok("ok").header("set-cookie", "sid=a-secret-cookie; Path=/")
        }
        None => Reply::ok("ok"),
    })
    .await
}

async fn gate(app: &App) -> Gate {
    let setup = Setup {
        site: "trust_directives = true",
        ..Setup::default()
    };
    Gate::with(app, setup).await
}

/// Whom the app sees, and under which session ID.
async fn seen(browser: &Browser, app: &App) -> (Option<String>, String) {
    browser.get("/").send().await;
    let seen = app.last();
    let id = seen.header("x-session-id").unwrap();
    (seen.header("x-session-user"), id)
}

async fn log_in(gate: &Gate, app: &App, name: &str) -> (Browser, String) {
    let browser = gate.browser();
    browser.post(&format!("/login/{name}"), "").send().await;
    let (user, id) = seen(&browser, app).await;
    assert_eq!(user.as_deref(), Some(name));
    (browser, id)
}

fn objects(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The visitor is a stranger within a second, whatever is cached.
async fn is_out_within_a_second(browser: &Browser, app: &App, asked: Stopwatch) {
    eventually("the visitor is out", async || {
        let (user, _) = seen(browser, app).await;
        user.is_none().then_some(())
    })
    .await;
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(1), "out after {took:?}");
}

#[tokio::test]
async fn the_operator_lists_what_is_live_by_the_ids_of_the_access_log() {
    let app = app().await;
    let gate = gate(&app).await;
    let (_alice, alices_id) = log_in(&gate, &app, "alice").await;
    let (_bob, bobs_id) = log_in(&gate, &app, "bob").await;
    let stranger = gate.browser();
    stranger.get("/visit").send().await;
    let (_, strangers_id) = seen(&stranger, &app).await;
    let logged = gate.access_log(1).await;
    assert!(
        logged
            .iter()
            .any(|line| line["session"] == alices_id.as_str())
    );

    let listed = run(gate.folder(), &["sessions", "list"]).fine();
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    for (id, user) in [
        (&alices_id, "alice"),
        (&bobs_id, "bob"),
        (&strangers_id, "-"),
    ] {
        let line = lines.iter().find(|line| line.starts_with(&**id));
        let words: Vec<_> = line.expect(id).split_whitespace().collect();
        assert_eq!(words[1], user);
    }

    let objects_of = |filter: &[&str]| {
        let args = [&["sessions", "list", "--json"], filter].concat();
        objects(&run(gate.folder(), &args).fine())
    };
    assert_eq!(objects_of(&[]).len(), 3);
    assert_eq!(objects_of(&["--site", "app"]).len(), 3);
    let alices = objects_of(&["--user", "alice"]);
    assert_eq!(alices.len(), 1);
    assert_eq!(alices[0]["ids"]["app"], alices_id.as_str());
    assert_eq!(alices[0]["user"]["id"], "alice");
    assert!(objects_of(&["--user", "mallory"]).is_empty());
    run(gate.folder(), &["sessions", "list", "--site", "shop"])
        .refused(2, "the configuration has app");
}

#[tokio::test]
async fn what_is_shown_of_a_session_is_names_and_never_values() {
    let app = app().await;
    let gate = gate(&app).await;
    let (alice, id) = log_in(&gate, &app, "alice").await;

    let text = run(gate.folder(), &["sessions", "show", &id]).fine();
    let whole = run(gate.folder(), &["sessions", "show", &id, "--json"]).fine();
    let list = run(gate.folder(), &["sessions", "list", "--json"]).fine();

    for (number, shown) in [&text, &whole, &list].into_iter().enumerate() {
        assert!(shown.contains(&id) && shown.contains("alice"), "{shown}");
        assert!(!shown.contains("secret"), "{shown}");
        assert!(!shown.contains(&alice.ticket()[20..]), "{shown}");
        if number < 2 {
            assert!(shown.contains("theme") && shown.contains("sid"), "{shown}");
        }
    }
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(whole["jars"]["app"][0]["name"], "sid");
    assert_eq!(whole["data"], serde_json::json!(["theme"]));
    assert_eq!(whole["user"]["name"], "Her Name");
    assert_eq!(whole["login"]["address"], "127.0.0.1");
    let unknown = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
    run(gate.folder(), &["sessions", "show", unknown]).refused(1, "no live session");
}

#[tokio::test]
async fn a_session_that_the_operator_ends_is_over_within_a_second() {
    let app = app().await;
    let gate = gate(&app).await;
    let (alice, alices_id) = log_in(&gate, &app, "alice").await;
    let (bob, bobs_id) = log_in(&gate, &app, "bob").await;

    let unknown = "aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let told = run(gate.folder(), &["sessions", "end", &alices_id, unknown]);
    let asked = Stopwatch::start();
    is_out_within_a_second(&alice, &app, asked).await;

    assert_eq!(told.out, "ended 1 session\n");
    told.refused(1, unknown);
    assert_eq!(seen(&bob, &app).await.1, bobs_id);
    let listed = run(gate.folder(), &["sessions", "list"]).fine();
    assert!(!listed.contains(&alices_id) && listed.contains(&bobs_id));
    run(gate.folder(), &["sessions", "end", &alices_id]).refused(1, "no live session");
}

#[tokio::test]
async fn all_sessions_of_a_user_or_of_everybody_end_only_when_that_is_meant() {
    let app = app().await;
    let gate = gate(&app).await;
    let (first, _) = log_in(&gate, &app, "alice").await;
    let (second, _) = log_in(&gate, &app, "alice").await;
    let (bob, bobs_id) = log_in(&gate, &app, "bob").await;
    let folder = gate.folder();

    run(folder, &["sessions", "end", "--user", "alice"]).refused(2, "--yes");
    run(folder, &["sessions", "end", "--all"]).refused(2, "--yes");
    run(folder, &["sessions", "end"]).refused(2, "required");
    run(folder, &["sessions", "end", "--all", &bobs_id]).refused(2, "cannot be used with");
    assert_eq!(seen(&first, &app).await.0.as_deref(), Some("alice"));

    let told = run(folder, &["sessions", "end", "--user", "alice", "--yes"]).fine();
    let asked = Stopwatch::start();
    assert_eq!(told, "ended 2 sessions\n");
    is_out_within_a_second(&first, &app, asked).await;
    is_out_within_a_second(&second, &app, asked).await;
    assert_eq!(seen(&bob, &app).await.0.as_deref(), Some("bob"));

    run(folder, &["sessions", "end", "--all", "--yes"]).fine();
    is_out_within_a_second(&bob, &app, Stopwatch::start()).await;
    assert_eq!(run(folder, &["sessions", "list"]).fine().lines().count(), 1);
}

#[tokio::test]
async fn an_export_is_whole_and_for_its_owner_alone() {
    let app = app().await;
    let gate = gate(&app).await;
    log_in(&gate, &app, "alice").await;
    let folder = gate.folder();

    let told = run(folder, &["sessions", "export", "--output", "backup.jsonl"]).fine();
    assert!(told.contains("backup.jsonl"), "{told}");
    let file = folder.join("backup.jsonl");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = fs::read_to_string(&file).unwrap();
    // Alice's session, and what is left of the one from before her login.
    let sessions = objects(&written);
    let hers = sessions
        .iter()
        .find(|one| one["record"]["user"]["id"] == "alice");
    let jar = &hers.unwrap()["record"]["jars"]["app"];
    assert_eq!(jar[0]["value"], "a-secret-cookie");

    run(folder, &["sessions", "export", "--output", "backup.jsonl"]).refused(1, "backup.jsonl");
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
    let printed = run(folder, &["sessions", "export"]).fine();
    assert_eq!(printed, written);
}

#[tokio::test]
async fn a_sweep_takes_what_is_over() {
    let app = app().await;
    let setup = Setup {
        session: "idle_timeout = \"1s\"",
        ..Setup::default()
    };
    let gate = Gate::with(&app, setup).await;
    gate.browser().get("/visit").send().await;
    let sweep = || run(gate.folder(), &["sessions", "sweep"]).fine();
    assert_eq!(sweep(), "removed 0 sessions that were over\n");
    // It is kept a minute longer than anybody can open it, so the time is moved by hand.
    let database = rusqlite::Connection::open(gate.folder().join("data/sessions.db")).unwrap();
    database
        .execute("UPDATE sessions SET keep_until = 1", [])
        .unwrap();
    assert_eq!(sweep(), "removed 1 session that was over\n");
    assert_eq!(sweep(), "removed 0 sessions that were over\n");
}

#[tokio::test]
async fn a_list_that_could_not_be_written_is_a_failure() {
    let app = app().await;
    let gate = gate(&app).await;
    let full = fs::File::create("/dev/full").unwrap();
    let args = ["sessions", "list", "--config", "cloakroom.toml"];

    let told = cloakroom(gate.folder(), &args).stdout(full).output();

    Told::from(told.unwrap()).refused(1, "cannot be written");
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused_with_the_reason() {
    let app = app().await;
    let mut gate = gate(&app).await;
    assert!(gate.stop().await.success());
    let folder = gate.folder();
    let file = folder.join("cloakroom.toml");
    let text = fs::read_to_string(&file).unwrap();

    fs::write(
        &file,
        text.replace("engine = \"sqlite\"", "engine = \"memory\""),
    )
    .unwrap();
    run(folder, &["sessions", "list"]).refused(1, "in the server process alone");
    fs::write(&file, text.replace("data/sessions.db", "data/no.db")).unwrap();
    run(folder, &["sessions", "list"]).refused(1, "there is no session database");
    assert!(!folder.join("data/no.db").exists(), "asking makes none");
    fs::write(&file, text.replace("data/session.keys", "data/no.keys")).unwrap();
    run(folder, &["sessions", "list"]).refused(78, "session.keys.file");
    assert!(!folder.join("data/no.keys").exists(), "asking makes none");
    fs::write(
        &file,
        text.replace("engine = \"sqlite\"", "engine = \"stone\""),
    )
    .unwrap();
    run(folder, &["sessions", "end", "--all", "--yes"]).refused(78, "session.store.engine");
}
