//! Promise: with `engine = "cookie"` the session is in the browser's hands, unreadable and untouchable there, and needs
//! no store to be opened; a logout holds wherever the revocations are known.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use rusqlite::Connection;
use support::servers::{Postgres, Redis};
use support::{Answer, App, Browser, Gate, Reply, Setup, cloakroom, eventually};
use tempfile::TempDir;

const ALONE: &str = "engine = \"cookie\"";

/// An app that sets a cookie, logs in and out, and remembers too much when it is asked to.
async fn app() -> App {
    App::answering(|seen| match seen.path() {
        "/visit" => Reply::ok("ok").header("set-cookie", "sid=crimson-cookie; Path=/"),
        "/login" => Reply::ok("welcome")
            .header("x-session-login", "\"alice-the-user\"")
            .header("set-cookie", "sid=after-login; Path=/"),
        "/logout" => Reply::ok("bye").header("x-session-logout", "?1"),
        "/hoard" => Reply::ok("all of it")
            .header("set-cookie", format!("hoard={}; Path=/", "x".repeat(3500))),
        "/static.css" => Reply::ok("css").header("cache-control", "public, max-age=60"),
        _ => Reply::ok("ok"),
    })
    .await
}

fn setup(store: &str) -> Setup<'_> {
    Setup {
        store,
        site: "trust_directives = true",
        ..Setup::default()
    }
}

/// The lines of `[session.store]` for revocations in `path`.
fn noted_in(path: &Path) -> String {
    let path = path.display();
    format!("{ALONE}\nrevocations = \"{path}\"\ntimeout = \"500ms\"")
}

/// A browser that has visited and logged in, and whose every ticket was one that browsers take.
async fn logged_in(gate: &Gate) -> Browser {
    let browser = gate.browser();
    for answer in [
        browser.get("/visit").send().await,
        browser.post("/login", "").send().await,
    ] {
        assert_eq!(answer.status(), 200);
        let lines = answer.set_cookies();
        assert_eq!(
            lines.len(),
            1,
            "one ticket and nothing of the app's: {lines:?}"
        );
        assert!(lines[0].len() <= 4096, "{} bytes", lines[0].len());
        assert!(answer.lists("cache-control", "no-store"), "{answer:?}");
    }
    browser
}

/// What the app sees of somebody who holds `line`: the user, and its own cookie.
async fn seen_with(app: &App, gate: &Gate, line: &str) -> (Option<String>, Option<String>) {
    let answer = gate.browser().get("/").holding(line).send().await;
    assert_eq!(answer.status(), 200);
    let seen = app.last();
    (seen.header("x-session-user"), seen.cookie("sid"))
}

fn alice() -> (Option<String>, Option<String>) {
    (Some("alice-the-user".into()), Some("after-login".into()))
}

#[tokio::test]
async fn the_app_has_its_user_and_cookies_back_and_the_browser_can_read_nothing_of_them() {
    let app = app().await;
    let gate = Gate::with(&app, setup(ALONE)).await;
    let browser = logged_in(&gate).await;

    browser.get("/").send().await;

    let seen = app.last();
    assert_eq!((seen.header("x-session-user"), seen.cookie("sid")), alice());
    assert_eq!(seen.cookies().len(), 1, "the ticket does not reach the app");
    let ticket = browser.ticket();
    let bytes = BASE64URL_NOPAD
        .decode(ticket.as_bytes())
        .expect("base64url");
    for word in ["alice", "after-login", "sid", "record", "jars"] {
        let found = bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes());
        assert!(
            !found && !browser.lines().concat().contains("after-login"),
            "{word}"
        );
    }
    let printed = gate.printed();
    assert!(
        !printed.contains(&ticket) && !printed.contains("after-login"),
        "{printed}"
    );
    let data: Vec<_> = std::fs::read_dir(gate.folder().join("data"))
        .expect("data")
        .collect();
    assert_eq!(data.len(), 1, "the keys, and no store: {data:?}");
}

#[tokio::test]
async fn a_gateway_that_lost_everything_but_its_keys_still_knows_everybody() {
    let app = app().await;
    let mut gate = Gate::with(&app, setup(ALONE)).await;
    let browser = logged_in(&gate).await;

    gate.kill9();
    gate.restart().await;

    assert_eq!(
        seen_with(&app, &gate, &browser.ticket_line()).await,
        alice()
    );
}

#[tokio::test]
async fn a_logout_holds_on_every_gateway_that_knows_the_revocations() {
    let app = app().await;
    let shared = TempDir::new().expect("a folder");
    let keys = shared.path().join("session.keys");
    let store = noted_in(&shared.path().join("revocations.db"));
    let setup = Setup {
        keys: keys.to_str().expect("a path of text"),
        ..setup(&store)
    };
    let here = Gate::with(&app, setup).await;
    let mut there = Gate::with(&app, setup).await;
    let browser = here.browser();
    browser.get("/visit").send().await;
    let before_login = browser.ticket_line();
    browser.post("/login", "").send().await;
    let after_login = browser.ticket_line();
    browser.get("/visit").send().await;
    let held = [before_login, after_login, browser.ticket_line()];
    let seen = seen_with(&app, &there, &held[1]).await;
    assert_eq!(seen, alice(), "one key ring");

    let answer = browser.post("/logout", "").send().await;

    let lines = answer.set_cookies();
    assert!(
        lines.len() == 1 && lines[0].contains("Max-Age=0"),
        "{lines:?}"
    );
    assert_eq!(browser.names(), [""; 0]);
    for line in &held {
        assert_eq!(
            seen_with(&app, &here, line).await,
            (None, None),
            "at once here"
        );
    }
    eventually("the other gateway refuses it", async || {
        let seen = seen_with(&app, &there, &held[2]).await;
        (seen == (None, None)).then_some(())
    })
    .await;
    there.kill9();
    there.restart().await;
    for line in &held {
        assert_eq!(
            seen_with(&app, &there, line).await,
            (None, None),
            "after a restart"
        );
    }
    let log = there.access_log(3).await;
    assert!(log.iter().all(|line| line["reason"] == "ended"), "{log:?}");
}

/// As the documents and `cloakroom check` say.
#[tokio::test]
async fn without_revocations_a_logout_takes_the_cookie_from_the_browser_only() {
    let app = app().await;
    let gate = Gate::with(&app, setup(ALONE)).await;
    let browser = logged_in(&gate).await;
    let copied = browser.ticket_line();

    browser.post("/logout", "").send().await;

    assert_eq!(browser.names(), [""; 0]);
    assert_eq!(seen_with(&app, &gate, &copied).await, alice());
}

#[tokio::test]
async fn a_value_that_was_touched_or_is_for_another_host_is_a_new_session() {
    let app = app().await;
    let gate = Gate::with(&app, setup(ALONE)).await;
    let browser = logged_in(&gate).await;
    let ticket = browser.ticket();
    let swapped = |at: usize| {
        let other = if &ticket[at..=at] == "A" { "B" } else { "A" };
        format!(
            "__Host-session={}{other}{}",
            &ticket[..at],
            &ticket[at + 1..]
        )
    };
    // The nonce, the text, the tag, and a cut.
    let cut = format!("__Host-session={}", &ticket[..ticket.len() - 4]);
    let all = [swapped(12), swapped(200), swapped(ticket.len() - 9), cut];
    for line in all {
        let answer = gate.browser().get("/").holding(&line).send().await;
        let seen = app.last();
        assert_eq!(
            (seen.header("x-session-user"), seen.cookie("sid")),
            (None, None)
        );
        replaces(&answer);
    }
    // Host-only cookies of one name are strangers to each other, on one gateway and of one site too.
    let line = browser.ticket_line();
    let answer = gate
        .browser()
        .get("/")
        .host("other.test")
        .holding(&line)
        .send()
        .await;
    let seen = app.last();
    assert_eq!(
        (seen.header("x-session-user"), seen.cookie("sid")),
        (None, None)
    );
    replaces(&answer);
    let log = gate.access_log(2 + 5).await;
    let forged = log.iter().filter(|line| line["reason"] == "forged").count();
    assert_eq!(forged, 5, "{log:?}");
    assert_eq!(seen_with(&app, &gate, &line).await, alice());
}

/// The visitor is given another ticket.
fn replaces(answer: &Answer) {
    let lines = answer.set_cookies();
    assert!(
        lines.len() == 1 && !lines[0].contains("Max-Age=0"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn what_does_not_fit_is_refused_whole_and_said_and_the_response_delivered() {
    let app = app().await;
    let gate = Gate::with(&app, setup(ALONE)).await;
    let browser = logged_in(&gate).await;
    let before = browser.ticket();

    let answer = browser.get("/hoard").send().await;

    assert_eq!(
        (answer.status(), answer.text()),
        (200, "all of it".to_owned())
    );
    // The idle clock was written all the same, as with every engine.
    replaces(&answer);
    assert_eq!(browser.ticket().len(), before.len());
    browser.get("/").send().await;
    let seen = app.last();
    assert_eq!((seen.header("x-session-user"), seen.cookie("sid")), alice());
    assert_eq!(seen.cookie("hoard"), None, "neither cut nor split");
    let said = eventually("the log says so", async || {
        let printed = gate.printed();
        let line = printed
            .lines()
            .find(|line| line.contains("does not fit its cookie"));
        line.map(str::to_owned)
    })
    .await;
    assert!(
        said.contains("\"bytes_max\":4096") && said.contains("\"bytes\":5"),
        "{said}"
    );
}

#[tokio::test]
async fn a_mere_touch_leaves_a_public_response_to_the_caches() {
    let app = app().await;
    let setup = Setup {
        session: "save_every_request = true",
        ..setup(ALONE)
    };
    let gate = Gate::with(&app, setup).await;
    let browser = logged_in(&gate).await;
    let before = browser.ticket();

    let public = browser.get("/static.css").send().await;
    assert_eq!(public.set_cookies(), [""; 0]);
    assert!(public.lists("cache-control", "public"), "{public:?}");
    assert_eq!(browser.ticket(), before);

    let private = browser.get("/").send().await;
    replaces(&private);
    assert_ne!(browser.ticket(), before, "the idle clock is in it");
    assert_eq!(
        seen_with(&app, &gate, &browser.ticket_line()).await,
        alice()
    );
}

#[tokio::test]
async fn what_the_revocations_cannot_note_is_a_503_that_touches_no_cookie() {
    let app = app().await;
    let shared = TempDir::new().expect("a folder");
    let path = shared.path().join("revocations.db");
    let store = noted_in(&path);
    let gate = Gate::with(&app, setup(&store)).await;
    let browser = logged_in(&gate).await;
    let ticket = browser.ticket_line();
    let lock = Connection::open(&path).expect("the database");
    lock.busy_timeout(support::DEADLINE).expect("patience");
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock");

    for path in ["/logout", "/login"] {
        let answer = browser.post(path, "").send().await;
        assert_eq!(
            (answer.status(), answer.set_cookies().len()),
            (503, 0),
            "{path}"
        );
    }
    drop(lock);

    assert_eq!(browser.ticket_line(), ticket);
    eventually("a logout works again", async || {
        let answer = browser.post("/logout", "").send().await;
        (answer.status() == 200).then_some(())
    })
    .await;
    assert_eq!(seen_with(&app, &gate, &ticket).await, (None, None));
}

/// Two gateways with one key ring and the revocations at `url`: what one of them ends, the other refuses at once.
async fn a_logout_holds_through(url: &str) {
    let app = app().await;
    let shared = TempDir::new().expect("a folder");
    let keys = shared.path().join("session.keys");
    let store = format!("{ALONE}\nrevocations = \"{url}\"\ntimeout = \"500ms\"");
    let setup = Setup {
        keys: keys.to_str().expect("a path of text"),
        ..setup(&store)
    };
    let here = Gate::with(&app, setup).await;
    let there = Gate::with(&app, setup).await;
    let browser = logged_in(&here).await;
    let held = browser.ticket_line();
    assert_eq!(seen_with(&app, &there, &held).await, alice());

    browser.post("/logout", "").send().await;

    for gate in [&there, &here] {
        assert_eq!(seen_with(&app, gate, &held).await, (None, None));
    }
}

#[tokio::test]
async fn the_revocations_may_be_in_redis() {
    let Some(redis) = Redis::start() else { return };
    a_logout_holds_through(&redis.url()).await;
}

#[tokio::test]
async fn the_revocations_may_be_in_postgres() {
    let Some(database) = Postgres::database() else {
        return;
    };
    let store = format!("{ALONE}\nrevocations = \"{}\"", database.url());
    let folder = configured(&store, "");
    let (code, said) = run(folder.path(), &["store", "migrate"]);
    assert_eq!(code, Some(0), "{said}");
    a_logout_holds_through(&database.url()).await;
}

/// Runs the command with the configuration in `folder`; tells its exit code and what it said.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let args = [args, &["--config", "cloakroom.toml"]].concat();
    let output = cloakroom(folder, &args).output().expect("the binary");
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[tokio::test]
async fn commands_that_need_a_list_say_that_there_is_none_and_those_of_the_keys_work() {
    let app = app().await;
    let gate = Gate::with(&app, setup(ALONE)).await;
    for args in [
        ["sessions", "list"],
        ["sessions", "sweep"],
        ["store", "check"],
    ] {
        let (code, said) = run(gate.folder(), &args);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("in the visitors' browsers alone"), "{said}");
    }
    for args in [["keys", "list"], ["keys", "rotate"]] {
        let (code, said) = run(gate.folder(), &args);
        assert_eq!(code, Some(0), "{said}");
    }
}

#[tokio::test]
async fn keys_rotate_without_logging_anybody_out() {
    let app = app().await;
    let shared = TempDir::new().expect("a folder");
    // The file, and behind it another key of the same table.
    let keys = shared.path().join("session.keys\"\nactivate_after = \"0s");
    let setup = Setup {
        keys: keys.to_str().expect("a path of text"),
        session: "save_every_request = true",
        ..setup(ALONE)
    };
    let gate = Gate::with(&app, setup).await;
    let browser = logged_in(&gate).await;
    let sealed_by_the_old = browser.ticket();

    let (code, said) = run(gate.folder(), &["keys", "rotate"]);
    assert_eq!(code, Some(0), "{said}");
    gate.signal("HUP");
    eventually("the new key is there", async || {
        gate.printed()
            .contains("the key ring was reloaded")
            .then_some(())
    })
    .await;

    let id =
        |ticket: &str| BASE64URL_NOPAD.decode(ticket.as_bytes()).expect("a ticket")[1..5].to_vec();
    assert_eq!(
        seen_with(&app, &gate, &browser.ticket_line()).await,
        alice()
    );
    browser.get("/").send().await;
    assert_ne!(id(&browser.ticket()), id(&sealed_by_the_old), "sealed anew");
    assert_eq!(
        seen_with(&app, &gate, &browser.ticket_line()).await,
        alice()
    );
}

#[tokio::test]
async fn while_the_revocations_do_not_answer_nobody_is_let_in_and_nobody_logged_out() {
    let Some(redis) = Redis::start() else { return };
    let app = app().await;
    let store = format!(
        "{ALONE}\nrevocations = \"{}\"\ntimeout = \"300ms\"",
        redis.url()
    );
    let gate = Gate::with(&app, setup(&store)).await;
    let browser = logged_in(&gate).await;
    let asked = app.seen().len();
    redis.pause();

    for line in [browser.ticket_line(), String::new()] {
        let answer = gate.browser().get("/").holding(&line).send().await;
        // Somebody who brings no ticket has none that could be revoked.
        let expected = if line.is_empty() { 200 } else { 503 };
        assert_eq!(answer.status(), expected);
        assert!(
            line.is_empty() || answer.set_cookies().is_empty(),
            "{answer:?}"
        );
    }
    assert_eq!(
        app.seen().len(),
        asked + 1,
        "the app was asked for the stranger alone"
    );
    redis.resume();

    eventually("the same ticket works", async || {
        let line = browser.ticket_line();
        let answer = gate.browser().get("/").holding(&line).send().await;
        (answer.status() == 200).then_some(())
    })
    .await;
    assert_eq!(app.last().header("x-session-user"), alice().0);
}

#[tokio::test]
async fn a_store_of_revocations_that_cannot_be_opened_is_named_at_the_start() {
    let store = "engine = \"cookie\"\nrevocations = \"file/revocations.db\"";
    let folder = configured(store, "");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    support::write_certificate(folder.path());
    let (code, said) = run(folder.path(), &["run"]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("session.store.revocations"), "{said}");
}

// === what check says ===

fn configured(store: &str, session: &str) -> TempDir {
    let nowhere = "127.0.0.1:9".parse().expect("an address");
    let setup = Setup {
        store,
        session,
        ..Setup::default()
    };
    let folder = TempDir::new().expect("a folder");
    let text = support::configuration(nowhere, setup);
    std::fs::write(folder.path().join("cloakroom.toml"), text).expect("the configuration");
    folder
}

fn check(store: &str, session: &str) -> (Option<i32>, String) {
    run(configured(store, session).path(), &["check"])
}

#[test]
fn check_warns_of_earlier_states_and_of_a_logout_that_a_copy_survives() {
    let (code, said) = check(ALONE, "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("bring back an earlier state"), "{said}");
    assert!(
        said.contains("session.store.revocations: is empty"),
        "{said}"
    );
    let (code, said) = check(&format!("{ALONE}\nrevocations = \"r.db\""), "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("bring back an earlier state"), "{said}");
    assert!(!said.contains("revocations: is empty"), "{said}");
    let unused = format!("{ALONE}\npath = \"s.db\"");
    let (code, said) = check(&unused, "max_bytes = \"64KiB\"");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not used by the cookie engine"), "{said}");
    assert!(said.contains("at most 4096 bytes in all"), "{said}");
}

#[test]
fn check_refuses_what_the_engine_cannot_do() {
    let rows = [
        (
            "",
            "max_per_user = 3",
            "session.max_per_user = 3: the cookie engine keeps no list",
        ),
        (
            "near_cache = \"64MiB\"",
            "",
            "session.store.near_cache = \"64MiB\": there is nothing far",
        ),
        (
            "revocations = \"mysql://u:hunter2@db\"",
            "",
            "session.store.revocations",
        ),
    ];
    for (store, session, expected) in rows {
        let (code, said) = check(&format!("{ALONE}\n{store}"), session);
        assert_eq!(code, Some(78), "{said}");
        assert!(
            said.contains(expected) && !said.contains("hunter2"),
            "{said}"
        );
    }
}
