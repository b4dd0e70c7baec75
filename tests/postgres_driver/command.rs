//! The gateway on PostgreSQL, as an operator meets it.

use std::fs;
use std::path::Path;
use std::process::Output;

use cloakroom::base::clock::Stopwatch;

use crate::rig::*;
use crate::support::servers::{Database, Postgres};
use crate::support::{
    App, Gate, Reply, Setup, cloakroom, configuration, eventually, write_certificate,
};

const BAD_CONFIGURATION: i32 = 78;

/// A configuration whose sessions are where `store` says.
fn on_postgres(app: &App, store: &str) -> String {
    let site = "trust_directives = true";
    let setup = Setup {
        site,
        ..Setup::default()
    };
    let sqlite = "engine = \"sqlite\"\npath = \"data/sessions.db\"";
    let text = configuration(app.addr(), setup);
    assert!(text.contains(sqlite));
    text.replace(sqlite, &format!("engine = \"postgres\"\n{store}"))
}

fn done(folder: &Path, words: &[&str]) -> (Option<i32>, String) {
    let words = [words, &["--config", "cloakroom.toml"]].concat();
    let Output {
        status,
        stdout,
        stderr,
    } = cloakroom(folder, &words).output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_database_without_schema_is_refused_until_it_is_migrated() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let app = App::answering(|_| Reply::ok("ok")).await;
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let url = format!("url = \"{}\"", database.url());
    let text = on_postgres(&app, &url);
    fs::write(folder.path().join("cloakroom.toml"), &text).unwrap();

    let (code, said) = done(folder.path(), &["run"]);
    assert_eq!(code, Some(BAD_CONFIGURATION), "{said}");
    assert!(
        said.contains("cloakroom.toml:") && said.contains("cloakroom store migrate --config FILE"),
        "{said}"
    );
    assert!(!said.contains("role-password"), "{said}");

    let (code, said) = done(folder.path(), &["store", "migrate"]);
    assert_eq!(
        (code, said.trim()),
        (Some(0), "the schema is made: version 2")
    );
    let (code, said) = done(folder.path(), &["store", "migrate"]);
    assert_eq!(
        (code, said.trim()),
        (Some(0), "the schema is up to date: version 2")
    );

    let nobody = text.replace(&database.addr().to_string(), "127.0.0.1:1");
    fs::write(folder.path().join("cloakroom.toml"), nobody).unwrap();
    for words in [&["run"][..], &["store", "migrate"]] {
        // The configuration is not to blame.
        let (code, said) = done(folder.path(), words);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("cannot be reached") && !said.contains("role-password"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn the_check_judges_addresses_and_says_how_changes_are_told() {
    let app = App::answering(|_| Reply::ok("ok")).await;
    let folder = tempfile::tempdir().unwrap();
    write_certificate(folder.path());
    let url = "url = \"postgres://u:hunter2@db.example/s\"";
    let cases = [
        (url.to_owned(), Some(0), "sessions in PostgreSQL,"),
        (
            format!("{url}\nnear_cache = \"1MiB\""),
            Some(0),
            "told of changes by polling",
        ),
        (
            format!("{url}\nnear_cache = \"1MiB\"\nlisten_url = \"postgres://u:hunter2@db/s\""),
            Some(0),
            "told of changes by LISTEN",
        ),
        (
            url.replace("/s\"", "/s?sslmode=disable\""),
            Some(0),
            "in the clear",
        ),
        (url.replace("/s\"", "\""), Some(78), "names no database"),
        (
            format!("{url}\nlisten_url = \"redis://:hunter2@h\""),
            Some(78),
            "session.store.listen_url: another kind of address",
        ),
        (
            "url = [\"postgres://u:hunter2@db/s\"]".to_owned(),
            Some(78),
            "wants a text",
        ),
        (
            url.replace("\"postgres", "5 # \"postgres"),
            Some(78),
            "wants a text",
        ),
        (url.replace("hunter2@", "hunter2/@"), Some(78), "%2F"),
    ];
    for (store, expected, word) in cases {
        fs::write(
            folder.path().join("cloakroom.toml"),
            on_postgres(&app, &store),
        )
        .unwrap();
        let (code, said) = done(folder.path(), &["check"]);
        assert_eq!(code, expected, "{store}: {said}");
        assert!(said.contains(word), "{store}: {said}");
        assert!(!said.contains("hunter2"), "{store}: {said}");
    }
}

async fn gate_on(app: &App, store: &str) -> Gate {
    let mut gate = Gate::in_front_of(app).await;
    gate.stop().await;
    fs::write(
        gate.folder().join("cloakroom.toml"),
        on_postgres(app, store),
    )
    .unwrap();
    gate.restart().await;
    gate
}

async fn two_gates(database: &Database, more: &str) -> (App, Gate, Gate) {
    migrated(&database.url()).await;
    let app = App::answering(|seen| match seen.path() {
        "/login" => Reply::ok("ok").header("x-session-login", "\"alice\""),
        "/logout" => Reply::ok("ok").header("x-session-logout", "?1"),
        _ => Reply::ok("ok"),
    })
    .await;
    let store = format!("url = \"{}\"\n{more}", database.url());
    let one = gate_on(&app, &store).await;
    let mut other = gate_on(&app, &store).await;
    other.stop().await;
    fs::copy(
        one.folder().join("data/session.keys"),
        other.folder().join("data/session.keys"),
    )
    .unwrap();
    other.restart().await;
    (app, one, other)
}

/// With a near cache and without: what one gateway did, the other sees.
#[tokio::test]
async fn two_gateways_share_their_sessions() {
    for near in [
        "",
        "near_cache = \"1MiB\"",
        "near_cache = \"1MiB\"\nlisten_url = URL",
    ] {
        let Some(database) = Postgres::database() else {
            return;
        };
        let near = near.replace("URL", &format!("\"{}\"", database.url()));
        let (app, one, other) = two_gates(&database, &near).await;
        let browser = one.browser();
        browser.post("/login", "").send().await;
        let ticket = browser.ticket_line();

        let elsewhere = other.browser();
        elsewhere.get("/").holding(&ticket).send().await;
        assert_eq!(
            app.last().header("x-session-user").as_deref(),
            Some("alice")
        );

        browser.post("/logout", "").send().await;
        // Within a second, whatever is kept near (contract 10).
        let watch = Stopwatch::start();
        eventually("the end of the session", async || {
            elsewhere.get("/").holding(&ticket).send().await;
            app.last().header("x-session-user").is_none().then_some(())
        })
        .await;
        assert!(
            watch.elapsed().as_secs() < 1,
            "{near}: {:?}",
            watch.elapsed()
        );
    }
}
